/** What can be set on the chain's page, under the names that `lp.spring_block` has for it. */

import { choice, flag, number, type Values } from "../shared/state";
import type { Chain, Motion, Pull } from "./physics";

export const FIELDS = {
  friction_right: number(0.1, { min: 0, max: 0.3, power: 2 }),
  friction_left: number(0.1, { min: 0, max: 0.3, power: 2 }),
  noise: number(0, { min: 0, max: 0.1, power: 2 }),
  n_blocks: number(7, { min: 1, max: 100, step: 1 }),
  stiffness: number(1, { min: 0.1, max: 4, power: 2 }),
  pull: choice("once", ["once", "slow", "jerks"]),
  pull_time: number(40, { min: 1, max: 400, power: 2 }),
  jerks: number(5, { min: 2, max: 20, step: 1 }),
  dynamics: choice("overdamped", ["overdamped", "langevin"]),
  mass: number(1, { min: 0.1, max: 10, power: 2 }),
  damping: number(1, { min: 0.05, max: 3, power: 2 }),
  common_noise: flag(false),
  noise_decay: number(0, { min: 0, max: 0.02, power: 2 }),
  speed: number(10, { min: 1, max: 1000, power: 3 }),
} as const;

export type Settings = Values<typeof FIELDS>;

/** Time of a step: [SB]'s, for each of the dynamics. */
export const DT = { overdamped: 0.01, langevin: 0.05 } as const;

export function chainOf(values: Settings): Chain {
  const { n_blocks, stiffness, friction_right, friction_left } = values;
  return { n_blocks, stiffness, friction_right, friction_left, target: 1 };
}

export function motionOf(values: Settings): Motion {
  const { dynamics, noise, mass, damping, common_noise } = values;
  const langevin = dynamics === "langevin";
  return {
    dynamics,
    noise,
    dt: DT[dynamics],
    mass,
    damping,
    // What only the controls of Langevin dynamics show belongs to them only.
    common_noise: langevin && common_noise,
    noise_decay: langevin ? values.noise_decay : 0,
  };
}

export function pullOf(values: Settings): Pull {
  const over = Math.max(1, Math.round(values.pull_time / DT[values.dynamics]));
  return { kind: values.pull, over, count: values.jerks };
}

/** Views worth seeing first: what differs from the defaults. */
export const PRESETS: readonly { name: string; values: Partial<Settings> }[] = [
  { name: "Friction: concave", values: {} },
  { name: "A little noise: stuck", values: { noise: 0.003 } },
  { name: "Noise: straight", values: { noise: 0.02 } },
  { name: "Friction to the left: convex", values: { noise: 0.02, friction_left: 0.16 } },
  { name: "In jerks", values: { pull: "jerks", pull_time: 60, friction_right: 0.05 } },
  {
    name: "Inertia",
    values: { dynamics: "langevin", mass: 3, damping: 0.3, friction_right: 0.05 },
  },
  {
    name: "The paper\u2019s run",
    values: {
      dynamics: "langevin",
      stiffness: 0.1,
      friction_right: 0.003,
      friction_left: 0.004,
      noise: 0.003,
      noise_decay: 0.001,
      common_noise: true,
      speed: 50,
    },
  },
  {
    name: "100 blocks",
    values: { n_blocks: 100, friction_right: 0.001, friction_left: 0.001, speed: 1000 },
  },
];
