/** Draws the load curve, and the forces on the blocks beside what friction can hold. */

import { digits } from "../shared/dom";
import { Axes, linear } from "../shared/plot";
import type { Box } from "../shared/surface";
import type { Colors } from "../shared/theme";
import { chainOf, type Settings } from "./fields";
import type { Live } from "./live";
import { concavity, curve, meanState, restState } from "./physics";

type Pen = CanvasRenderingContext2D;

/** Ticks of whole numbers, the last one with its number. */
function counted(last: number): ReturnType<typeof linear> {
  const scale = linear([0, last], last > 12 ? 4 : Math.min(last, 8));
  const whole = scale.ticks.filter((tick) => Number.isInteger(tick));
  return { ...scale, ticks: whole };
}

export function drawCurve(pen: Pen, box: Box, colors: Colors, live: Live, values: Settings): void {
  const chain = chainOf(values);
  const last = chain.n_blocks + 1;
  const layers = Array.from({ length: last + 1 }, (_, l) => l);
  const chord = layers.map((l) => 1 - l / last);
  const axes = new Axes(pen, box, colors, {
    x: counted(last),
    y: linear([0, 1], 4),
    xLabel: "layer",
    yLabel: "work left, 1 \u2212 x",
    margin: { left: 36 },
  });
  axes.frame();
  const total = live.mean.reduce((sum, load) => sum + load, 0);
  axes.inside(() => {
    if (total > 1e-9) {
      const mean = absolute(live.mean);
      const one = absolute(live.loads);
      const scaled = chord.map((share) => 1 - total + share * total);
      const tone = concavity(live.mean) >= 0 ? colors.orange : colors.blue;
      axes.area(layers, scaled, mean, tone, 0.18);
      if (values.noise > 0) axes.line(layers, one, { color: colors.stuck, width: 1 });
      axes.line(layers, mean, { color: tone, width: 2.5 });
      if (last <= 40) for (const l of layers) axes.dot(l, mean[l], { color: tone, radius: 3 });
    }
    axes.line(layers, chord, { color: colors.quiet, width: 1.5, dash: [5, 4] });
    const rest = curve(restState(chain));
    axes.line(layers, rest, { color: colors.text, width: 1.5, dash: [1.5, 3] });
    if (values.noise > 0) {
      axes.line(layers, curve(meanState(chain)), { color: colors.purple, width: 2, dash: [7, 4] });
    }
  });
}

/** What is left after each layer of a chain that need not be pulled out yet. */
function absolute(loads: Float64Array): number[] {
  const left = [1];
  for (const load of loads) left.push(left[left.length - 1] - load);
  return left;
}

export function drawForces(pen: Pen, box: Box, colors: Colors, live: Live, values: Settings): void {
  const { n_blocks: n, stiffness: k, friction_right: most, friction_left: least } = values;
  const langevin = values.dynamics === "langevin";
  // Loads of a Langevin chain scatter by noise / sqrt(2 damping k), and a force is k times two.
  const scatter = langevin ? values.noise * Math.sqrt((3 * k) / values.damping) : 0;
  const reach = 1.7 * Math.max(most, least, k / (n * (n + 1)), scatter);
  const axes = new Axes(pen, box, colors, {
    x: { ...counted(n + 1), domain: [0, n + 1] },
    y: linear([-reach, reach], 4),
    xLabel: "block",
    yLabel: "force of its springs",
    margin: { left: 46 },
    format: (value) => digits(value, 2),
  });
  axes.frame();
  axes.inside(() => {
    const ends = [0, n + 1];
    axes.area(ends, [-least, -least], [most, most], colors.stuck, 0.25);
    axes.line(ends, [most, most], { color: colors.text, width: 1.5, dash: [1.5, 3] });
    axes.line(ends, [-least, -least], { color: colors.stuck, width: 1.5 });
    if (values.noise > 0) {
      const middle = (most - least) / 2;
      axes.line(ends, [middle, middle], { color: colors.purple, width: 2, dash: [7, 4] });
    }
    const radius = n > 40 ? 2 : 4;
    for (let l = 1; l <= n; l++) {
      const force = k * (live.loads[l] - live.loads[l - 1]);
      const held = Math.min(reach * 0.985, Math.max(-reach * 0.985, force));
      const beyond = force > most * 1.0001 + 1e-6 || force < -least * 1.0001 - 1e-6;
      const tone = !beyond ? colors.stuck : force > 0 ? colors.green : colors.purple;
      if (values.noise > 0) {
        axes.dot(l, held, { color: tone, radius: radius * 0.7 });
        const mean = k * (live.mean[l] - live.mean[l - 1]);
        axes.dot(l, mean, { color: colors.text, radius });
      } else {
        axes.dot(l, held, { color: beyond ? tone : colors.text, radius });
      }
    }
  });
}
