/** Where the pulled end is at each step: `steady` and `jerks` of `lp.spring_block`, and at once. */

export interface Pull {
  readonly kind: "once" | "slow" | "jerks";
  /** Steps until the end is at its target; "once" needs none. */
  readonly over: number;
  /** Number of equal jerks. */
  readonly count: number;
}

/** The end's position in a step, counted from 0, as a share of its target. */
export function pulled(pull: Pull, step: number): number {
  if (pull.kind === "once") return 1;
  if (pull.kind === "slow") return Math.min((step + 1) / pull.over, 1);
  const every = Math.max(1, Math.round(pull.over / pull.count));
  return Math.min(Math.floor(step / every) + 1, pull.count) / pull.count;
}

/** Whether the end moves no more from this step on. */
export function isPulledOut(pull: Pull, step: number): boolean {
  return pulled(pull, step) >= 1;
}
