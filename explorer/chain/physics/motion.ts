/**
 * Chains in motion: replicas that differ in their noise alone, by the steps of
 * `lp.spring_block.simulate`. The operations and their order are those of
 * src/loadpath/spring_block/chain/engine.py, so that without noise the numbers are the same to the
 * last digit.
 */

import type { Chain } from "./exact";
import { pulled, type Pull } from "./pull";
import { Random } from "./random";

export interface Motion {
  readonly dynamics: "overdamped" | "langevin";
  /** Force times the square root of time. */
  readonly noise: number;
  /** Time of a step. */
  readonly dt: number;
  /** Mass and damping (force per velocity) are used with "langevin" only. */
  readonly mass: number;
  readonly damping: number;
  /** Rate at which noise dies out, per time. */
  readonly noise_decay: number;
  /** Whether all blocks of a replica get the same noise: the sum of a Wiener process for each. */
  readonly common_noise: boolean;
}

/** The step at which the frictionless scheme becomes unstable: `Chain.stable_dt`. */
export function stableDt(chain: Chain, motion: Motion): number {
  const { n_blocks: n, stiffness } = chain;
  const stiffest = stiffness * 4 * Math.sin(((n / (n + 1)) * Math.PI) / 2) ** 2;
  if (motion.dynamics === "overdamped") return 2 / stiffest;
  const { mass, damping } = motion;
  return (damping + Math.sqrt(damping ** 2 + 4 * stiffest * mass)) / stiffest;
}

export class Ensemble {
  readonly replicas: number;
  readonly n: number;
  /** Positions (replica, n + 2), with both ends. */
  readonly x: Float64Array;
  /** Velocities (replica, n); exactly 0 where friction holds a block. */
  readonly v: Float64Array;
  /** Steps that were taken. */
  steps = 0;
  /** Time that has passed. */
  time = 0;
  private readonly random: Random;
  /** Whether all replicas are where the first one is: without noise only that one is stepped. */
  private alike = true;

  /** All blocks rest at 0. */
  constructor(n_blocks: number, replicas: number, seed: number) {
    this.n = n_blocks;
    this.replicas = replicas;
    this.x = new Float64Array(replicas * (n_blocks + 2));
    this.v = new Float64Array(replicas * n_blocks);
    this.random = new Random(seed);
  }

  /** Take some steps; chain, motion and pull may differ from call to call. */
  step(chain: Chain, motion: Motion, pull: Pull, count = 1): void {
    if (chain.n_blocks !== this.n) throw new Error(`n_blocks must be ${this.n}.`);
    if (motion.noise > 0 && this.alike) this.part();
    const { x, v, n, random } = this;
    const replicas = this.alike ? 1 : this.replicas;
    const { dt, noise_decay, common_noise } = motion;
    const k = chain.stiffness;
    const most = chain.friction_right;
    const least = -chain.friction_left;
    const langevin = motion.dynamics === "langevin";
    const inertia = langevin ? motion.mass / dt : 0;
    const mobility = 1 / (langevin ? inertia + motion.damping : 1);
    const size = motion.noise * Math.sqrt((common_noise ? n : 1) / dt);
    for (let s = 0; s < count; s++) {
      const wall = chain.target * pulled(pull, this.steps);
      const kick = noise_decay ? size * Math.exp(-noise_decay * this.time) : size;
      for (let r = 0; r < replicas; r++) {
        const first = r * (n + 2) + 1;
        x[first + n] = wall;
        let z = common_noise && kick ? random.normal() * kick : 0;
        let left = 0; // the neighbour's position before this step
        for (let i = 0; i < n; i++) {
          const here = x[first + i];
          let force = left + x[first + i + 1];
          force -= here;
          force -= here;
          force *= k;
          if (!common_noise && kick) z = random.normal() * kick;
          force += z;
          if (langevin) force += v[r * n + i] * inertia;
          const hold = force < most ? force : most;
          force -= hold > least ? hold : least;
          const velocity = force * mobility;
          v[r * n + i] = velocity;
          x[first + i] = here + velocity * dt;
          left = here;
        }
      }
      this.steps += 1;
      this.time += dt;
    }
  }

  /** Loads (n + 1) of one replica, into `out`. */
  loads(replica: number, out: Float64Array): Float64Array {
    const first = this.alike ? 0 : replica * (this.n + 2);
    for (let l = 0; l <= this.n; l++) out[l] = this.x[first + l + 1] - this.x[first + l];
    return out;
  }

  /** Standard errors (n + 1) of the mean loads, into `out`. */
  errors(mean: ArrayLike<number>, out: Float64Array): Float64Array {
    const { x, n, replicas } = this;
    out.fill(0);
    if (this.alike) return out;
    for (let r = 0; r < replicas; r++) {
      const first = r * (n + 2);
      for (let l = 0; l <= n; l++) out[l] += (x[first + l + 1] - x[first + l] - mean[l]) ** 2;
    }
    for (let l = 0; l <= n; l++) out[l] = Math.sqrt(out[l] / (replicas - 1) / replicas);
    return out;
  }

  /** Mean loads (n + 1) over the replicas, into `out`. */
  meanLoads(out: Float64Array): Float64Array {
    const { x, n } = this;
    const replicas = this.alike ? 1 : this.replicas;
    out.fill(0);
    for (let r = 0; r < replicas; r++) {
      const first = r * (n + 2);
      for (let l = 0; l <= n; l++) out[l] += x[first + l + 1] - x[first + l];
    }
    for (let l = 0; l <= n; l++) out[l] /= replicas;
    return out;
  }

  /** Put all replicas where the first one is: from here on they differ. */
  private part(): void {
    const { x, v, n, replicas } = this;
    for (let r = 1; r < replicas; r++) {
      x.copyWithin(r * (n + 2), 0, n + 2);
      v.copyWithin(r * n, 0, n);
    }
    this.alike = false;
  }

  /** Whether no block of the first replica moves. */
  isStill(): boolean {
    for (let i = 0; i < this.n; i++) if (this.v[i] !== 0) return false;
    return true;
  }

  /** Largest speed of a block of the first replica. */
  speed(): number {
    let most = 0;
    for (let i = 0; i < this.n; i++) most = Math.max(most, Math.abs(this.v[i]));
    return most;
  }
}
