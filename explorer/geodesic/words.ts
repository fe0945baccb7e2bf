/** What the page says of a geodesic, in sentences that follow from its numbers. */

import { digits, signed } from "../shared/dom";
import type { Geodesic } from "./paths";
import { RANK } from "./charts";

const COUNTS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight"];
const ORDERS = [
  "",
  "first",
  "second",
  "third",
  "fourth",
  "fifth",
  "sixth",
  "seventh",
  "eighth",
  "ninth",
];
/** Ratio of one singular value to the next from which the first ones are said to stand out. */
const GAP = 3;

/** How many singular values stand out at a node, and by what factor. */
export function standOut(path: Geodesic, node: number): { count: number; factor: number } {
  const row = path.content.spectrum[node] ?? [];
  let [count, factor] = [0, 1];
  for (let k = 0; k < 8; k++) {
    const ratio = (row[k] ?? 0) / (row[k + 1] ?? 1);
    if (ratio > factor) [count, factor] = [k + 1, ratio];
  }
  return { count: factor < GAP ? 0 : count, factor };
}

export function spectrumInWords(path: Geodesic, node: number): string {
  const at = `At p = ${(path.content.p[node] ?? 0).toFixed(2)}`;
  const { count, factor } = standOut(path, node);
  if (!count)
    return `${at} no singular value stands out from the next: there is no bottleneck here.`;
  const which =
    count === 1 ? "one singular value stands" : `${COUNTS[count]} singular values stand`;
  const times = factor > 1000 ? "more than 1,000" : digits(factor, 2);
  return `${at} ${which} out: the ${ORDERS[count]} is ${times} times the ${ORDERS[count + 1]}. The teacher has ${COUNTS[RANK]} inner dimensions.`;
}

export function energiesInWords(path: Geodesic, node: number, gamma0: number): string {
  const { kinetic, cost, sum } = path.parts(path.step(node), gamma0);
  return `Here: kinetic ${digits(kinetic)} \u2212 identity ${digits(cost)} = ${digits(sum)}.`;
}

/** What the certificate comes to, in a word or two. */
export function verdictInWords(path: Geodesic): string {
  return path.certified ? `Certified: ${path.content.verdict}` : "Not certified: not converged";
}

export function depthInWords(path: Geodesic, gamma0: number): string {
  const n = (value: number) => digits(value, 3);
  const [dimension, cost] = [path.medianDimension(), path.leastCost(gamma0)];
  const gap = Math.abs(cost - dimension);
  const hidden =
    cost < RANK - 0.1 ? ` Below ${RANK}: at this \u03b3\u2080 weak dimensions are hidden.` : "";
  return `At L\u0303 = ${digits(path.leak)}: ${n(dimension)} and ${n(cost)}, ${n(gap)} apart.${hidden}`;
}

/** All of it for those who do not see it. */
export function summaryInWords(path: Geodesic, node: number, gamma0: number): string {
  const { kinetic, cost, sum } = path.parts(path.step(node), gamma0);
  const { count } = standOut(path, node);
  return (
    `Effective depth ${digits(path.leak)}, p = ${(path.content.p[node] ?? 0).toFixed(2)} ` +
    `(layer ${node} of ${path.layers}): ${COUNTS[count]} singular ` +
    `${count < 2 ? "value stands" : "values stand"} out; ` +
    `kinetic energy ${digits(kinetic)}, cost of identity ${digits(cost)}, ` +
    `their difference ${signed(sum, 2)}.`
  );
}
