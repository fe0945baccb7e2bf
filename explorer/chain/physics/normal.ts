/** The normal distribution function and density. */

import { millsRatio } from "./random";

const DENSITY = 1 / Math.sqrt(2 * Math.PI);
/** Beyond it the function is 0 or 1, to 1e-19. */
const REACH = 9;
/** Places of the table in one unit. */
const FINE = 64;
const MIDDLE = REACH * FINE;
const VALUES = tabulate();

export function density(z: number): number {
  return DENSITY * Math.exp(-0.5 * z * z);
}

/** The normal distribution function, to 1e-14; below 0 to 1e-9 of itself. */
export function distribution(z: number): number {
  if (z <= -REACH) return 0;
  if (z >= REACH) return 1;
  const at = Math.round(z * FINE);
  const from = at / FINE;
  return VALUES[at + MIDDLE] + between(from, z - from);
}

/** The noise quantile: z with a two-sided tail of `share`, in standard deviations; for 0 to 1. */
export function twoSidedQuantile(share: number): number {
  let [low, high] = [0, REACH];
  for (let i = 0; i < 60; i++) {
    const z = (low + high) / 2;
    if (2 * distribution(-z) > share) low = z;
    else high = z;
  }
  return (low + high) / 2;
}

/** What the function gains from `z` on over a short d: its Taylor series, of Hermite polynomials. */
function between(z: number, d: number): number {
  const h2 = z * z - 1;
  const h3 = z * (z * z - 3);
  const h4 = z * z * (z * z - 6) + 3;
  const series = 1 - (d / 2) * (z - (d / 3) * (h2 - (d / 4) * (h3 - (d / 5) * h4)));
  return density(z) * d * series;
}

function tabulate(): Float64Array {
  const values = new Float64Array(2 * MIDDLE + 1);
  values[0] = density(REACH) * millsRatio(REACH);
  for (let i = 1; i <= MIDDLE; i++) {
    const z = (i - MIDDLE) / FINE;
    // Half from each side, where the series converges fast.
    const half = 0.5 / FINE;
    values[i] = values[i - 1] + between(z - 1 / FINE, half) - between(z, -half);
  }
  for (let i = 1; i <= MIDDLE; i++) values[MIDDLE + i] = 1 - values[MIDDLE - i];
  return values;
}
