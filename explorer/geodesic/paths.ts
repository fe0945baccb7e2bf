/** The geodesics that `data/export.py` thinned, the shallowest first. */

import text from "../data/geodesics.json?raw";
import { unpack, type Packed } from "../shared/packed";

interface Content {
  /** L~. */
  readonly effective_depth: number;
  /** Positions of the nodes, from 0 to 1. */
  readonly p: readonly number[];
  /** Singular values of the centred representations, the largest first: node by node. */
  readonly spectrum: readonly (readonly number[])[];
  readonly gamma0: readonly number[];
  /** Over gamma0 and steps; step l starts at node l. */
  readonly kinetic: readonly (readonly number[])[];
  readonly cost_of_identity: readonly (readonly number[])[];
  /** -(2 / L~) H with the Hamiltonian that takes no inverse, over steps. */
  readonly dimension: readonly number[];
  /** The same of the mean over a step's two ends. */
  readonly symmetric: readonly number[];
  readonly residual: readonly number[];
  readonly tolerance: number;
  readonly verdict: string;
  /** The certificate's sentences. */
  readonly words: readonly string[];
  readonly status: string;
  readonly bottleneck_rank: number;
  readonly objective: number;
  readonly data_term: number;
  readonly projection: Packed;
  readonly explained: number;
  readonly target: readonly number[];
}

/** The two parts of the Hamiltonian and their sum at a step, each times 2 / L~. */
export interface Parts {
  readonly kinetic: number;
  readonly cost: number;
  readonly sum: number;
}

export class Geodesic {
  readonly content: Content;
  private readonly points: Float64Array;

  constructor(content: Content) {
    this.content = content;
    this.points = unpack(content.projection);
  }

  get leak(): number {
    return this.content.effective_depth;
  }

  /** How many layers it has: steps, one less than nodes. */
  get layers(): number {
    return this.content.p.length - 1;
  }

  /** The node nearest to a position. */
  node(p: number): number {
    return this.content.p.reduce(
      (best, at, l) =>
        Math.abs(at - p) < Math.abs((this.content.p[best] ?? Infinity) - p) ? l : best,
      0,
    );
  }

  /** The step that starts at a node; the last node belongs to the last step. */
  step(node: number): number {
    return Math.min(node, this.layers - 1);
  }

  parts(step: number, gamma0: number): Parts {
    const g = this.content.gamma0.indexOf(gamma0);
    const kinetic = (2 / this.leak) * (this.content.kinetic[g]?.[step] ?? NaN);
    const cost = this.content.cost_of_identity[g]?.[step] ?? NaN;
    return { kinetic, cost, sum: kinetic - cost };
  }

  /** The least cost of identity along the path. */
  leastCost(gamma0: number): number {
    return Math.min(...(this.content.cost_of_identity[this.content.gamma0.indexOf(gamma0)] ?? []));
  }

  /** The median over the steps of the dimension -(2 / L~) H. */
  medianDimension(): number {
    const sorted = [...this.content.dimension].sort((a, b) => a - b);
    const middle = sorted.length / 2;
    const upper = sorted[Math.floor(middle)] ?? NaN;
    return Number.isInteger(middle) ? (upper + (sorted[middle - 1] ?? NaN)) / 2 : upper;
  }

  get samples(): number {
    return this.content.projection.shape[1] ?? 0;
  }

  /** Where a sample lies in the plane, at a node. */
  place(node: number, sample: number): { x: number; y: number } {
    const at = 2 * (node * this.samples + sample);
    return { x: this.points[at] ?? 0, y: this.points[at + 1] ?? 0 };
  }

  /** The middle of the samples at a node, and how far the farthest is from it on either axis. */
  window(node: number): { middle: { x: number; y: number }; reach: number } {
    const all = Array.from({ length: this.samples }, (_, i) => this.place(node, i));
    const middle = (values: number[]) => (Math.min(...values) + Math.max(...values)) / 2;
    const [x, y] = [middle(all.map((one) => one.x)), middle(all.map((one) => one.y))];
    const away = all.map((one) => Math.max(Math.abs(one.x - x), Math.abs(one.y - y)));
    return { middle: { x, y }, reach: Math.max(...away) };
  }

  worst(): number {
    return Math.max(...this.content.residual);
  }

  get certified(): boolean {
    return this.worst() <= this.content.tolerance;
  }
}

export const GEODESICS: readonly Geodesic[] = (
  JSON.parse(text) as { geodesics: readonly Content[] }
).geodesics.map((content) => new Geodesic(content));

/** The geodesic of the nearest L~. */
export function geodesicAt(leak: number): Geodesic {
  return GEODESICS.reduce((best, one) =>
    Math.abs(Math.log(one.leak / leak)) < Math.abs(Math.log(best.leak / leak)) ? one : best,
  );
}
