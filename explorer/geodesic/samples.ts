/** The chart of samples on their way: a plane in which they move, with a bar for its scale. */

import type uPlot from "uplot";
import { Chart, type Points } from "../shared/chart";
import { digits } from "../shared/dom";
import { dots, line } from "../shared/series";
import { fade, mix, type Colors } from "../shared/theme";
import { tall, type Shown } from "./charts";
import { GEODESICS } from "./paths";

/** How many nodes back the way of a sample is drawn. */
const TRAIL = 4;

/**
 * Samples in the plane of most variance, with the last of the way that they have come. The window
 * follows them, for they are far smaller in the bottleneck than at the ends: a bar has its scale.
 */
export function samplesChart(shown: () => Shown): Chart {
  const samples = Array.from({ length: GEODESICS[0]?.samples ?? 0 }, (_, i) => i);
  const color = (i: number, c: Colors) => targetColor(shown().path.content.target[i] ?? 0, c);
  /** What of the plane is seen: as many units a pixel across as up. */
  const ends = ({ width, height }: uPlot) => {
    const { path, p } = shown();
    const { middle, reach } = path.window(path.node(p));
    const unit = reach / (0.44 * Math.min(width, height));
    const around = (value: number, pixels: number): [number, number] => [
      value - (pixels / 2) * unit,
      value + (pixels / 2) * unit,
    ];
    return { x: around(middle.x, width), y: around(middle.y, height), unit };
  };
  const bar = (plot: uPlot) => {
    const { x, y, unit } = ends(plot);
    const most = 0.25 * plot.width * unit;
    const decade = 10 ** Math.floor(Math.log10(most));
    const length = decade * ([5, 2, 1].find((each) => each * decade <= most) ?? 1);
    return { left: x[0] + 10 * unit, bottom: y[0] + 12 * unit, unit, length };
  };
  return new Chart({
    label: "Samples in a plane",
    height: tall,
    x: { range: (plot) => ends(plot).x, show: false },
    y: { range: (plot) => ends(plot).y, show: false },
    margin: { left: 0, right: 0, top: 0, bottom: 0 },
    series: {
      ...Object.fromEntries(
        samples.map((i) => [`way${i}`, line((c) => fade(color(i, c), 0.35), { width: 1.2 })]),
      ),
      ...Object.fromEntries(
        samples.map((i) => [
          `sample${i}`,
          dots((c) => color(i, c), { size: 12, ring: (c) => c.panel, ringWidth: 1 }),
        ]),
      ),
      bar: line((c) => c.text),
    },
    data(plot) {
      const { path, p } = shown();
      const node = path.node(p);
      const first = Math.max(0, node - TRAIL);
      const { left, bottom, unit, length } = bar(plot);
      const found: Record<string, Points> = {
        bar: [
          [left, left, left + length, left + length],
          [bottom + 5 * unit, bottom, bottom, bottom + 5 * unit],
        ],
      };
      for (const i of samples) {
        const way = Array.from({ length: node - first + 1 }, (_, l) => path.place(first + l, i));
        const [xs, ys] = [way.map(({ x }) => x), way.map(({ y }) => y)];
        found[`way${i}`] = [xs, ys];
        found[`sample${i}`] = [xs.slice(-1), ys.slice(-1)];
      }
      return found;
    },
    notes(plot) {
      const { left, bottom, length } = bar(plot);
      return [{ text: `${digits(length)} in the plane`, x: left, y: bottom, dy: -14 }];
    },
  });
}

/** From blue over grey to orange, by what is to be predicted. */
function targetColor(target: number, colors: Colors): string {
  return mix(colors.stuck, target < 0 ? colors.blue : colors.orange, Math.abs(target) / 1.3);
}
