/**
 * The chain's phase diagram, cell by cell, so that it can be computed between frames: the concavity
 * of the mean load curve over friction to the right and noise. Friction to the left is the same in
 * all cells.
 */

import { concavity, type Chain } from "./exact";
import { MeanFlow } from "./mean_flow";
import { Ensemble, type Motion } from "./motion";
import { twoSidedQuantile } from "./normal";

/** Steps of [SB]'s run, of 7 blocks on springs of stiffness 1. */
const RUN = 10_000;
/** Steps of a simulated cell between two looks at the clock. */
const PART = 500;

export interface Grid {
  readonly friction: readonly number[];
  readonly noise: readonly number[];
}

/** What all cells share; friction to the right and noise differ from cell to cell. */
export interface DiagramOptions {
  readonly chain: Chain;
  readonly motion: Motion;
  /** Steps after which loads are looked at; `runOf` has [SB]'s. */
  readonly run: number;
}

/**
 * As many steps of a chain as [SB]'s 10,000 are of theirs, in the time that it takes to relax, which
 * grows as the square of its length. Cells that must be simulated have 10,000.
 */
export function runOf(chain: Chain, motion: Motion): number {
  if (!isFlow(motion)) return RUN;
  return Math.round((RUN * ((chain.n_blocks + 1) / 8) ** 2) / chain.stiffness);
}

/** Whether cells come from the flow of the means, and not from replicas. */
export function isFlow(motion: Motion): boolean {
  return motion.dynamics === "overdamped" && !motion.common_noise && !motion.noise_decay;
}

/** The concavity of a cell, which stands for `size` x `size` until those are known. */
export interface Cell {
  readonly column: number;
  readonly row: number;
  readonly size: number;
  readonly value: number;
}

/**
 * Computes a diagram bit by bit: each `next()` does a few milliseconds of work, and says which cell
 * was finished, if one was. Rough cells first.
 */
export function* cells(grid: Grid, options: DiagramOptions): Generator<Cell | void, void> {
  const { chain, motion, run } = options;
  const left = chain.friction_left;
  const flow = isFlow(motion)
    ? new MeanFlow(chain.n_blocks, chain.stiffness * motion.dt, chain.stiffness * motion.dt * run)
    : undefined;
  const unit = chain.stiffness * chain.target;
  for (const [column, row, size] of roughFirst(grid.friction.length, grid.noise.length)) {
    const right = grid.friction[column];
    const noise = grid.noise[row];
    let loads: Float64Array;
    if (flow) {
      const sigma = noise / (Math.sqrt(motion.dt) * unit);
      loads = yield* flow.integrate(right / unit, left / unit, sigma);
    } else {
      const one = { ...chain, friction_right: right };
      const replicas = noise ? Math.max(1, Math.round(56 / chain.n_blocks)) : 1;
      const ensemble = new Ensemble(chain.n_blocks, replicas, column * 1000 + row);
      for (let done = 0; done < run; done += PART) {
        ensemble.step(one, { ...motion, noise }, { kind: "once", over: 1, count: 1 }, PART);
        yield;
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
  time: number,
  dt: number,
): number {
  const lowest = 4 * Math.sin(Math.PI / (2 * (chain.n_blocks + 1))) ** 2;
  const rate = chain.stiffness * lowest * time;
  if (rate <= 1) return Infinity;
  const h = (friction_right + chain.friction_left) / 2;
  return (h / twoSidedQuantile(1 / rate)) * Math.sqrt(dt);
}

/** The noise at which each column turns from concave to convex, NaN where it does not. */
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
