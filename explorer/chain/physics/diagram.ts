/**
 * The chain's phase diagram, cell by cell, so that it can be computed between frames: the concavity
 * of the mean load curve over friction and noise, the ratio of the two frictions held.
 */

import { concavity, type Chain } from "./exact";
import { MeanFlow } from "./mean_flow";
import { Ensemble, type Motion } from "./motion";
import { twoSidedQuantile } from "./normal";

/** Steps after which loads are looked at: as many as [SB]'s run has. */
export const RUN = 10_000;
/** Steps of a simulated cell between two looks at the clock. */
const PART = 500;

export interface Grid {
  readonly friction: readonly number[];
  readonly noise: readonly number[];
}

/** What a cell is, besides its place: chain without frictions, motion without noise. */
export interface DiagramOptions {
  readonly chain: Chain;
  readonly motion: Motion;
  /** Friction to the left over friction to the right; the slider's friction_left where infinite. */
  readonly ratio: number;
}

/** Whether cells come from the flow of the means, and not from replicas. */
export function isFlow(motion: Motion): boolean {
  return motion.dynamics === "overdamped" && !motion.common_noise && !motion.noise_decay;
}

/**
 * Computes a diagram bit by bit: each `next()` does a few milliseconds of work, and says which cell
 * was finished, if one was. Rough cells first.
 */
export function* cells(
  grid: Grid,
  options: DiagramOptions,
): Generator<{ column: number; row: number; size: number; value: number } | undefined> {
  const { chain, motion, ratio } = options;
  const flow = isFlow(motion)
    ? new MeanFlow(chain.n_blocks, chain.stiffness * motion.dt, chain.stiffness * motion.dt * RUN)
    : undefined;
  const unit = chain.stiffness * chain.target;
  for (const [column, row, size] of roughFirst(grid.friction.length, grid.noise.length)) {
    const right = grid.friction[column];
    const noise = grid.noise[row];
    let loads: Float64Array;
    if (flow) {
      const sigma = noise / (Math.sqrt(motion.dt) * unit);
      loads = flow.loads(right / unit, (ratio * right) / unit, sigma);
    } else {
      const one = { ...chain, friction_right: right, friction_left: ratio * right };
      const replicas = noise ? Math.max(1, Math.round(56 / chain.n_blocks)) : 1;
      const ensemble = new Ensemble(chain.n_blocks, replicas, column * 1000 + row);
      for (let done = 0; done < RUN; done += PART) {
        ensemble.step(one, { ...motion, noise }, { kind: "once", over: 1, count: 1 }, PART);
        yield undefined;
      }
      loads = ensemble.meanLoads(new Float64Array(chain.n_blocks + 1));
    }
    yield { column, row, size, value: concavity(loads) };
  }
}

/** Every cell once, and how many cells it stands for until those are known: 4 x 4, 2 x 2, 1. */
export function roughFirst(columns: number, rows: number): [number, number, number][] {
  const all: [number, number, number][] = [];
  for (const size of [4, 2, 1]) {
    for (let row = 0; row < rows; row += size) {
      for (let column = 0; column < columns; column += size) {
        const known = size < 4 && row % (2 * size) === 0 && column % (2 * size) === 0;
        if (!known) all.push([column, row, size]);
      }
    }
  }
  return all;
}

/** The noise at which an overdamped chain has had one relaxation time to forget rest. */
export function unpinningNoise(
  chain: Chain,
  friction_right: number,
  ratio: number,
  time: number,
  dt: number,
): number {
  const lowest = 4 * Math.sin(Math.PI / (2 * (chain.n_blocks + 1))) ** 2;
  const rate = chain.stiffness * lowest * time;
  if (rate <= 1) return Infinity;
  const h = ((1 + ratio) / 2) * friction_right;
  return (h / twoSidedQuantile(1 / rate)) * Math.sqrt(dt);
}

/**
 * The noise at which each column turns from concave to convex, NaN where it does not. Concavity
 * within `flat` counts as straight.
 */
export function turning(grid: Grid, value: (column: number, row: number) => number): number[] {
  return grid.friction.map((_, column) => {
    for (let row = 1; row < grid.noise.length; row++) {
      const [a, b] = [value(column, row - 1), value(column, row)];
      if (a > 0 && b < 0) {
        const share = a / (a - b);
        return grid.noise[row - 1] + share * (grid.noise[row] - grid.noise[row - 1]);
      }
    }
    return NaN;
  });
}
