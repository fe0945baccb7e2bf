/** The charts of a chain: its load curve, and the forces on the blocks beside what friction can hold. */

import { Chart, WHOLE, type Points } from "../shared/chart";
import { digits } from "../shared/dom";
import { dots, line, type Paint } from "../shared/series";
import { fade } from "../shared/theme";
import { chainOf, type Settings } from "./fields";
import type { Live } from "./live";
import { concavity, curve, meanState, restState } from "./physics";

/** How lines are drawn that say what is exact: style.css has the same for their keys. */
const REST = line((c) => c.text, { width: 1.5, dash: [1.5, 3] });
const SHAKEN = line((c) => c.purple, { width: 2, dash: [7, 4] });

/** Blocks above which a load curve has no dots, and dots of forces are small. */
const MANY = 40;

export const square = (width: number) => Math.max(230, Math.min(330, width * 0.86));

export function curveChart(live: Live, settings: () => Settings): Chart {
  const tone: Paint = (c) => (concavity(live.mean) >= 0 ? c.orange : c.blue);
  const shade: Paint = (c) => fade(tone(c), 0.18);
  return new Chart({
    label: "Load curve",
    height: square,
    x: { range: () => [0, settings().n_blocks + 1], label: "layer", ...WHOLE },
    y: { range: () => [0, 1], label: "work left, 1 \u2212 x" },
    margin: { left: 36 },
    series: {
      // What bounds the areas, which lie below all lines.
      area: line(tone, { width: 0 }),
      base: line(tone, { width: 0 }),
      one: line((c) => c.stuck, { width: 1 }),
      mean: line(tone, { width: 2.5 }),
      layers: dots(tone, { size: 6 }),
      chord: line((c) => c.quiet, { width: 1.5, dash: [5, 4] }),
      rest: REST,
      shaken: SHAKEN,
    },
    bands: [
      { between: ["area", "base"], fill: shade },
      { between: ["base", "area"], fill: shade },
    ],
    data() {
      const values = settings();
      const chain = chainOf(values);
      const noisy = values.noise > 0;
      const last = chain.n_blocks + 1;
      const layers = Array.from({ length: last + 1 }, (_, l) => l);
      const at = (ys: ArrayLike<number>): Points => [layers, ys];
      const total = live.mean.reduce((sum, load) => sum + load, 0);
      const pulled = total > 1e-9;
      const mean = at(absolute(live.mean));
      return {
        ...(pulled
          ? { area: mean, base: at(layers.map((l) => 1 - (total * l) / last)), mean }
          : {}),
        ...(pulled && noisy ? { one: at(absolute(live.loads)) } : {}),
        ...(pulled && last <= MANY ? { layers: mean } : {}),
        chord: at(layers.map((l) => 1 - l / last)),
        rest: at(curve(restState(chain))),
        ...(noisy ? { shaken: at(curve(meanState(chain))) } : {}),
      };
    },
  });
}

/** What is left after each layer of a chain that need not be pulled out yet. */
function absolute(loads: Float64Array): number[] {
  const left = [1];
  for (const load of loads) left.push(left[left.length - 1] - load);
  return left;
}

export function forcesChart(live: Live, settings: () => Settings): Chart {
  const size = () => (settings().n_blocks > MANY ? 4 : 8);
  const small = () => (settings().noise > 0 ? 0.7 * size() : size());
  return new Chart({
    label: "Forces on the blocks",
    height: square,
    x: { range: () => [0, settings().n_blocks + 1], label: "block", ...WHOLE },
    y: {
      range: () => [-reachOf(settings()), reachOf(settings())],
      label: "force of its springs",
      format: (value) => digits(value, 2),
    },
    series: {
      least: line((c) => c.stuck, { width: 1.5 }),
      most: REST,
      middle: SHAKEN,
      held: dots((c) => (settings().noise > 0 ? c.stuck : c.text), { size: small }),
      slips: dots((c) => c.green, { size: small }),
      back: dots((c) => c.purple, { size: small }),
      mean: dots((c) => c.text, { size }),
    },
    bands: [{ between: ["most", "least"], fill: (c) => fade(c.stuck, 0.25) }],
    data() {
      const values = settings();
      const { n_blocks: n, stiffness: k, friction_right: most, friction_left: least } = values;
      const edge = 0.985 * reachOf(values);
      const level = (force: number): Points => [
        [0, n + 1],
        [force, force],
      ];
      const blocks = Array.from({ length: n }, (_, i) => i + 1);
      const force = (loads: Float64Array) => blocks.map((l) => k * (loads[l] - loads[l - 1]));
      const one = force(live.loads);
      const slips = (each: number) => each > most * 1.0001 + 1e-6;
      const back = (each: number) => each < -least * 1.0001 - 1e-6;
      const those = (chosen: (each: number) => boolean): Points => [
        blocks,
        one.map((each) => (chosen(each) ? Math.min(edge, Math.max(-edge, each)) : null)),
      ];
      return {
        least: level(-least),
        most: level(most),
        held: those((each) => !slips(each) && !back(each)),
        slips: those(slips),
        back: those(back),
        ...(values.noise > 0
          ? { middle: level((most - least) / 2), mean: [blocks, force(live.mean)] }
          : {}),
      };
    },
  });
}

/** How far the axis of forces goes up and down. */
function reachOf(values: Settings): number {
  const { n_blocks: n, stiffness: k, friction_right: most, friction_left: least } = values;
  // Loads of a Langevin chain scatter by noise / sqrt(2 damping k), and a force is k times two.
  const langevin = values.dynamics === "langevin";
  const scatter = langevin ? values.noise * Math.sqrt((3 * k) / values.damping) : 0;
  return 1.7 * Math.max(most, least, k / (n * (n + 1)), scatter);
}
