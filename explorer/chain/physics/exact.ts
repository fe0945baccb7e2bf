/**
 * States of the chain that are known exactly, by the formulas of `lp.spring_block.rest_state` and
 * `mean_state`; docs/spring-block.md derives them.
 */

/** Blocks on springs between a fixed end and one that is pulled to `target`. */
export interface Chain {
  readonly n_blocks: number;
  readonly stiffness: number;
  /** The force that resists motion to the right, towards the pull. */
  readonly friction_right: number;
  readonly friction_left: number;
  readonly target: number;
}

/** Loads (n + 1) of a chain that was pulled from zero without noise or inertia, at rest. */
export function restState(chain: Chain): number[] {
  const n = chain.n_blocks;
  const slope = chain.friction_right / chain.stiffness;
  // With the last j springs loaded, their mean is D minus the mean of what they lack. The most
  // springs for which the first of them still has a load are those that are loaded.
  let last = chain.target;
  for (let j = n + 1; j >= 1; j--) {
    last = chain.target / j + (slope * (j - 1)) / 2;
    if (last >= slope * (j - 1)) break;
  }
  return Array.from({ length: n + 1 }, (_, l) => Math.max(0, last - slope * (n - l)));
}

/** Mean loads (n + 1) of a chain that noise has shaken until its start is forgotten. */
export function meanState(chain: Chain): number[] {
  const n = chain.n_blocks;
  const slope = (chain.friction_right - chain.friction_left) / (2 * chain.stiffness);
  return Array.from({ length: n + 1 }, (_, l) => chain.target / (n + 1) + slope * (l - n / 2));
}

/** The load curve: what is left of the whole after each layer, from 1 to 0, (n + 2). */
export function curve(loads: ArrayLike<number>): number[] {
  let total = 0;
  for (let l = 0; l < loads.length; l++) total += loads[l];
  const left = [1];
  let sum = 0;
  for (let l = 0; l < loads.length; l++) {
    sum += loads[l];
    left.push(1 - sum / total);
  }
  return left;
}

/**
 * Mean over layers of the curve minus its chord, as shares of its fall: positive where it is
 * concave and deep layers do the work.
 */
export function concavity(loads: ArrayLike<number>): number {
  const left = curve(loads);
  const end = left.length - 1;
  return left.reduce((sum, D, l) => sum + D - (1 - l / end), 0) / left.length;
}
