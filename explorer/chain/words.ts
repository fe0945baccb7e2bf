/** What is seen, in sentences. */

import { digits, signed } from "../shared/dom";
import type { Settings } from "./fields";
import type { Live } from "./live";

/** Concavity within which a curve is called straight. */
const STRAIGHT = 0.01;

/** "concave", "convex" or "straight". */
export function shape(bend: number): string {
  return bend > STRAIGHT ? "concave" : bend < -STRAIGHT ? "convex" : "straight";
}

const MEANING: Readonly<Record<string, string>> = {
  concave: "deep layers do most of the work",
  convex: "shallow layers do most of the work",
  straight: "all layers do about the same work",
};

/** What is seen now; `topic` changes when it is worth reading out. */
export function words(live: Live, values: Settings): { text: string; topic: string } {
  const { now, rest, shaken } = live.bends;
  if (!live.steps) {
    return { text: "The chain is slack. Press Play, and its end is pulled.", topic: "slack" };
  }
  const bend = shape(now);
  const parts: string[] = [];
  const n = values.n_blocks;
  const blocks = n === 1 ? "the block" : `${n} blocks`;
  let topic: string;
  if (values.noise > 0) {
    parts.push(`Noise shakes ${blocks}.`);
    topic = "shaken";
  } else if (live.resting) {
    parts.push(`The chain has come to rest: friction holds ${blocks}.`);
    topic = "rest";
  } else {
    const { stuck } = live;
    parts.push(
      `The chain is moving: ${stuck} of ${n} ${n === 1 ? "block sticks" : "blocks stick"}.`,
    );
    topic = "moving";
  }
  parts.push(
    `${values.noise > 0 ? "The mean load curve" : "The load curve"} is ${bend} ` +
      `(concavity ${signed(now)}): ${MEANING[bend]}.`,
  );
  if (values.noise > 0) {
    parts.push(
      `Where noise leads in the end, it is exactly ${signed(shaken)}; ` +
        `without noise${values.dynamics === "langevin" ? " or inertia" : ""} ${signed(rest)}.`,
    );
  } else if (values.dynamics === "overdamped") {
    parts.push(`At rest it is exactly ${signed(rest)}.`);
  } else {
    parts.push(`Without inertia it would rest at ${signed(rest)}; blocks overshoot.`);
  }
  return { text: parts.join(" "), topic: `${topic} ${bend}` };
}

/** The clock under the chain. */
export function clock(live: Live): string {
  const steps = live.steps.toLocaleString("en");
  return `time ${digits(live.time, 4)} \u00b7 ${steps} steps`;
}
