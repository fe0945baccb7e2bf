/** The load curves of one cell, with their chord, and below it how the layers share the fall. */

import { Chart, WHOLE, type Points } from "../shared/chart";
import { digits } from "../shared/dom";
import { bars, line } from "../shared/series";
import { fade } from "../shared/theme";
import { MOST_NETS, type Panel } from "./panels";
import { KIND_AXES } from "./words";

/** The range that the curves of a panel's cells share, so that cells can be compared. */
export function curveRange(panel: Panel): [number, number] {
  const values: number[] = [];
  for (let cell = 0; cell < panel.cells; cell++) values.push(...(panel.meanCurve(cell) ?? []));
  values.sort((a, b) => a - b);
  const at = (share: number) => values[Math.round(share * (values.length - 1))] ?? 0;
  // Some nets that diverged would flatten all others.
  return [at(0.01), at(0.985)];
}

/** How lines are drawn that stand for an equal share of each layer. */
const EQUAL = line((c) => c.text, { width: 1.5, dash: [6, 4] });

export function curvesChart(panel: () => Panel, cell: () => number): Chart {
  const last = () => panel().content.layers - 1;
  const ends = (): [number, number] => {
    const [low, high] = curveRange(panel());
    const mean = panel().meanCurve(cell()) ?? [];
    return [Math.min(low, ...mean), Math.max(high, ...mean)];
  };
  return new Chart({
    label: "Load curves of the chosen cell",
    height: (width) => Math.max(230, Math.min(320, width * 0.62)),
    x: { range: () => [0, last()], label: "layer", ...WHOLE },
    y: {
      range: () => {
        const [low, high] = ends();
        const room = 0.04 * (high - low);
        return [low - room, high + room];
      },
      label: () => KIND_AXES[panel().kind],
    },
    series: {
      // What bounds the areas, which lie below all lines.
      curve: line((c) => c.text, { width: 0 }),
      base: line((c) => c.text, { width: 0 }),
      ...Object.fromEntries(
        Array.from({ length: MOST_NETS }, (_, i) => [
          `net${i}`,
          line((c) => fade(c.quiet, 0.35), { width: 1 }),
        ]),
      ),
      chord: EQUAL,
      mean: line((c) => c.text, { width: 3 }),
    },
    bands: [
      { between: ["curve", "base"], fill: (c) => fade(c.orange, 0.28) },
      { between: ["base", "curve"], fill: (c) => fade(c.blue, 0.28) },
    ],
    data() {
      const mean = panel().meanCurve(cell());
      if (!mean) return {};
      const layers = mean.map((_, l) => l);
      const [first = 0, end = 0] = [mean[0], mean[last()]];
      const nets = panel().netCurves(cell());
      const curve: Points = [layers, mean];
      const chord: Points = [layers, layers.map((l) => first + ((end - first) * l) / last())];
      return {
        ...(panel().falls(cell()) ? { curve, base: chord } : {}),
        ...Object.fromEntries(nets.map((net, i) => [`net${i}`, [layers, net] as const])),
        chord,
        mean: curve,
      };
    },
    notes() {
      if (panel().meanCurve(cell())) return [];
      const [low, high] = ends();
      const text = "no net of this cell has a finite curve";
      return [{ text, x: last() / 2, y: (low + high) / 2, align: "center" }];
    },
  });
}

/** Bars: the share of the whole fall that each layer takes. */
export function loadsChart(panel: () => Panel, cell: () => number): Chart {
  const last = () => panel().content.layers - 1;
  const shares = () => loadShares(panel(), cell());
  const highest = () => Math.max(0.45, ...(shares() ?? []));
  return new Chart({
    label: "Loads of the layers",
    height: () => 140,
    // Bars stand between the layers of the curve above, whose axis serves both.
    x: { range: () => [0, last()], show: false },
    y: {
      range: () => [Math.min(0, ...(shares() ?? [])), highest()],
      label: "load, share of the fall (dashed: equal)",
      format: (value) => `${digits(100 * value)} %`,
    },
    series: { loads: bars((c) => fade(c.purple, 0.8), 0.62), equal: EQUAL },
    data() {
      const heights = shares();
      if (!heights) return {};
      return {
        loads: [heights.map((_, l) => l + 0.5), heights],
        equal: [
          [0, last()],
          [1 / last(), 1 / last()],
        ],
      };
    },
    notes() {
      if (shares()) return [];
      const text = "the curve does not surely fall, so there is no whole to share";
      return [{ text, x: last() / 2, y: highest() / 2, align: "center" }];
    },
  });
}

/** The share of each layer in the fall of the mean curve; undefined where that does not fall. */
export function loadShares(panel: Panel, cell: number): number[] | undefined {
  const mean = panel.meanCurve(cell);
  if (!mean || !panel.falls(cell)) return undefined;
  const fall = (mean[0] ?? 0) - (mean[mean.length - 1] ?? 0);
  return mean.slice(1).map((value, l) => ((mean[l] ?? 0) - value) / fall);
}
