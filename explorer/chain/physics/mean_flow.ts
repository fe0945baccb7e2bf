/**
 * Mean loads of the overdamped chain as a deterministic flow: `lp.spring_block.mean_field`, which
 * src/loadpath/spring_block/chain/mean_flow.py derives. Forces are in units of stiffness times
 * target, lengths in units of the target, time in units of 1 / stiffness.
 */

import { density, distribution } from "./normal";

const ONSET = 1;
const STEPS = 14;
const SHARPEST = 1e-12;

/** Integrates the flow of many chains that differ in friction and noise, one after another. */
export class MeanFlow {
  private readonly n: number;
  private readonly closure: number;
  private readonly fastest: number;
  private readonly lengths: number[];
  private readonly arrays: Float64Array[];
  private width = 1;
  private right = 0;
  private left = 0;

  /**
   * @param n number of blocks
   * @param step stiffness times the time of a step
   * @param time stiffness times the time that the chain is shaken
   */
  constructor(n: number, step: number, time: number) {
    this.n = n;
    this.closure = step / 2;
    this.fastest = 4 * (1 + 2 * step);
    const growth = Math.log1p(time / ONSET);
    const count = Math.ceil(STEPS * Math.max(1, growth));
    const instant = (i: number) => ONSET * Math.expm1((growth * i) / count);
    this.lengths = Array.from({ length: count }, (_, i) => instant(i + 1) - instant(i));
    this.arrays = Array.from({ length: 6 }, () => new Float64Array(n));
  }

  /** Mean loads (n + 1) of a chain pulled from rest at 0. */
  loads(right: number, left: number, sigma: number): Float64Array {
    const work = this.integrate(right, left, sigma);
    for (;;) {
      const { value, done } = work.next();
      if (done) return value;
    }
  }

  /** The same bit by bit: it stops after every step, for who has other things to do as well. */
  *integrate(right: number, left: number, sigma: number): Generator<void, Float64Array> {
    this.width = Math.max(sigma, SHARPEST);
    this.right = -right / this.width;
    this.left = -left / this.width;
    let [x, before, now, next] = this.arrays.map((each) => each.fill(0));
    for (const h of this.lengths) {
      [x, before, now, next] = this.advance(h, x, before, now, next);
      yield;
    }
    const out = new Float64Array(this.n + 1);
    for (let l = 0; l <= this.n; l++) {
      out[l] = (l < this.n ? x[l] : 1) - (l > 0 ? x[l - 1] : 0);
    }
    return out;
  }

  /** One step of RKL2 (Meyer, Balsara and Aslam, J. Comput. Phys. 257, 2014), as in Python. */
  private advance(
    h: number,
    y: Float64Array,
    before: Float64Array,
    now: Float64Array,
    next: Float64Array,
  ): [Float64Array, Float64Array, Float64Array, Float64Array] {
    const n = this.n;
    const first = this.arrays[5];
    let s = Math.max(3, Math.ceil((Math.sqrt(9 + 8 * this.fastest * h) - 1) / 2));
    s += 1 - (s % 2); // the method damps best with an odd number
    const w = 4 / (s * s + s - 2);
    const b = (i: number) => (i < 2 ? 1 / 3 : (i * i + i - 2) / (2 * i * (i + 1)));
    this.velocity(y, first);
    for (let j = 0; j < n; j++) {
      first[j] *= h;
      before[j] = y[j];
      now[j] = y[j] + (w / 3) * first[j];
    }
    for (let i = 2; i <= s; i++) {
      const mu = (((2 * i - 1) / i) * b(i)) / b(i - 1);
      const nu = ((-(i - 1) / i) * b(i)) / b(i - 2);
      const stay = 1 - mu - nu;
      this.velocity(now, next);
      for (let j = 0; j < n; j++) {
        const change = next[j] * h + (b(i - 1) - 1) * first[j];
        next[j] = change * mu * w + mu * now[j] + nu * before[j] + stay * y[j];
      }
      [before, now, next] = [now, next, before];
    }
    return [now, before, next, y];
  }

  /** Mean velocity of each block, with what finite steps and the springs' own scatter change. */
  private velocity(x: Float64Array, out: Float64Array): void {
    const { n, width, right, left, closure } = this;
    const flow = out;
    const slack = this.arrays[4];
    for (let i = 0; i < n; i++) {
      const F = ((i > 0 ? x[i - 1] : 0) + (i < n - 1 ? x[i + 1] : 1) - 2 * x[i]) / width;
      const z0 = F + right;
      const z1 = -F + left;
      const N0 = distribution(z0);
      const N1 = distribution(z1);
      // Where a side is never reached all of its terms are 0, as the quotient q needs it.
      const d0 = N0 ? density(z0) : 0;
      const d1 = N1 ? density(z1) : 0;
      const g0 = z0 * N0 + d0;
      const g1 = z1 * N1 + d1;
      const mean = g0 - g1;
      const square = z0 * g0 + N0 + z1 * g1 + N1;
      const q = (square - mean * mean) / (N0 + N1 + 1e-300);
      flow[i] = mean + closure * q * (d0 - d1);
      slack[i] = N0 + N1;
    }
    let before = 0;
    for (let i = 0; i < n; i++) {
      const here = flow[i];
      const bend = before + (i < n - 1 ? flow[i + 1] : 0) - 2 * here;
      out[i] = (here - closure * slack[i] * bend) * width;
      before = here;
    }
  }
}
