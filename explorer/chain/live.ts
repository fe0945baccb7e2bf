/** The chain that is shown: replicas in motion, and what is known of them after each frame. */

import { chainOf, motionOf, pullOf, type Settings } from "./fields";
import { concavity, Ensemble, isPulledOut, meanState, restState } from "./physics";

/** Blocks of all replicas together, about: what one core steps a hundred times within a frame. */
const BLOCKS = 600;
/** Speed below which a chain without noise counts as at rest, in lengths per time. */
const REST = 1e-6;
/** How much of a block's stirring a frame keeps: it shows as a colour. */
const KEPT = 0.85;

export class Live {
  private settings: Settings;
  private ensemble: Ensemble;
  private seed = 0;
  /** Mean over replicas of the loads (n + 1), and the standard error of that mean. */
  mean = new Float64Array(0);
  error = new Float64Array(0);
  /** Loads (n + 1) of the chain that is drawn, the first replica. */
  loads = new Float64Array(0);
  /** How much each block has moved lately: 0 stuck, 1 in every frame, with its sign. */
  stirring = new Float64Array(0);

  constructor(settings: Settings) {
    this.settings = settings;
    this.ensemble = this.fresh();
  }

  get replicas(): number {
    return this.ensemble.replicas;
  }

  get steps(): number {
    return this.ensemble.steps;
  }

  get time(): number {
    return this.ensemble.time;
  }

  /** Positions (n + 2) of the chain that is drawn, with both ends. */
  get positions(): Float64Array {
    return this.ensemble.x.subarray(0, this.ensemble.n + 2);
  }

  /** Number of blocks of the drawn chain that friction holds. */
  get stuck(): number {
    return this.ensemble.v.subarray(0, this.ensemble.n).filter((v) => Math.abs(v) < REST).length;
  }

  /** Whether nothing will move any more. */
  get resting(): boolean {
    const { ensemble, settings } = this;
    if (settings.noise > 0 || !ensemble.steps) return false;
    return isPulledOut(pullOf(settings), ensemble.steps) && ensemble.speed() < REST;
  }

  /** Take over new settings; the chain starts anew if it has other blocks. */
  use(settings: Settings): void {
    const other = settings.n_blocks !== this.settings.n_blocks;
    const jump = settings.dynamics !== this.settings.dynamics;
    this.settings = settings;
    if (other) this.ensemble = this.fresh();
    else if (jump) this.ensemble.v.fill(0);
    this.measure();
  }

  /** Put all blocks back to 0, with other noise. */
  restart(): void {
    this.seed += 1;
    this.ensemble = this.fresh();
  }

  /** Take up to so many steps, as many as fit into some milliseconds; returns how many. */
  advance(count: number, milliseconds = Infinity): number {
    const { ensemble, settings } = this;
    const [chain, motion, pull] = [chainOf(settings), motionOf(settings), pullOf(settings)];
    const until = performance.now() + milliseconds;
    let taken = 0;
    while (taken < count && !this.resting) {
      const some = Math.min(10, count - taken);
      ensemble.step(chain, motion, pull, some);
      taken += some;
      if (performance.now() > until) break;
    }
    this.measure();
    return taken;
  }

  /** Concavity of the mean curve, of the exact rest and of the exact mean state. */
  get bends(): { now: number; rest: number; shaken: number } {
    const chain = chainOf(this.settings);
    return {
      now: concavity(this.mean),
      rest: concavity(restState(chain)),
      shaken: concavity(meanState(chain)),
    };
  }

  private fresh(): Ensemble {
    const n = this.settings.n_blocks;
    const replicas = Math.min(64, Math.max(6, Math.round(BLOCKS / n)));
    this.ensemble = new Ensemble(n, replicas, this.seed);
    this.mean = new Float64Array(n + 1);
    this.error = new Float64Array(n + 1);
    this.loads = new Float64Array(n + 1);
    this.stirring = new Float64Array(n);
    // Before the first step the end is where the first step will have it.
    this.measure();
    return this.ensemble;
  }

  private measure(): void {
    const { ensemble, mean, error, loads, stirring } = this;
    const { n, v } = ensemble;
    ensemble.loads(0, loads);
    ensemble.errors(ensemble.meanLoads(mean), error);
    for (let i = 0; i < n; i++) {
      const now = Math.abs(v[i]) < REST ? 0 : Math.sign(v[i]);
      stirring[i] = KEPT * stirring[i] + (1 - KEPT) * now;
    }
    if (this.resting) stirring.fill(0);
  }
}
