/** The load curves of one cell, with their chord, and below it how the layers share the fall. */

import { digits } from "../shared/dom";
import { Axes, linear } from "../shared/plot";
import type { Box } from "../shared/surface";
import type { Colors } from "../shared/theme";
import type { Panel } from "./panels";
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

export function drawCurves(
  pen: CanvasRenderingContext2D,
  box: Box,
  colors: Colors,
  panel: Panel,
  cell: number,
  range: readonly [number, number],
): void {
  const nets = panel.netCurves(cell);
  const mean = panel.meanCurve(cell);
  const last = panel.content.layers - 1;
  const shown = mean ?? [];
  const low = Math.min(range[0], ...shown);
  const high = Math.max(range[1], ...shown);
  const room = 0.04 * (high - low);
  const axes = new Axes(pen, box, colors, {
    x: linear([0, last], last),
    y: linear([low - room, high + room]),
    xLabel: "layer",
    yLabel: KIND_AXES[panel.kind],
  });
  axes.frame();
  if (!mean) {
    axes.text("no net of this cell has a finite curve", last / 2, (low + high) / 2, {
      align: "center",
    });
    return;
  }
  const layers = mean.map((_, l) => l);
  const [first = 0, end = 0] = [mean[0], mean[last]];
  const chord = layers.map((l) => first + ((end - first) * l) / last);
  axes.inside(() => {
    if (panel.falls(cell)) {
      const above = mean.map((value, l) => Math.max(value, chord[l] ?? 0));
      const below = mean.map((value, l) => Math.min(value, chord[l] ?? 0));
      axes.area(layers, chord, above, colors.orange, 0.28);
      axes.area(layers, below, chord, colors.blue, 0.28);
    }
    for (const net of nets) axes.line(layers, net, { color: colors.quiet, width: 1, alpha: 0.35 });
    axes.line([0, last], [first, end], { color: colors.text, width: 1.5, dash: [6, 4] });
    axes.line(layers, mean, { color: colors.text, width: 3 });
  });
}

/** Bars: the share of the whole fall that each layer takes. */
export function drawLoads(
  pen: CanvasRenderingContext2D,
  box: Box,
  colors: Colors,
  panel: Panel,
  cell: number,
): void {
  const shares = loadShares(panel, cell);
  const last = panel.content.layers - 1;
  const highest = Math.max(0.45, ...(shares ?? []));
  const lowest = Math.min(0, ...(shares ?? []));
  // Bars stand between the layers of the curve above, whose axis serves both.
  const axes = new Axes(pen, box, colors, {
    x: { ...linear([0, last]), ticks: [] },
    y: linear([lowest, highest], 3),
    yLabel: "load, share of the fall (dashed: equal)",
    yFormat: (value) => `${digits(100 * value)} %`,
    margin: { bottom: 8 },
  });
  axes.frame();
  if (!shares) {
    axes.text(
      "the curve does not surely fall, so there is no whole to share",
      last / 2,
      highest / 2,
      {
        align: "center",
      },
    );
    return;
  }
  const equal = 1 / last;
  shares.forEach((share, l) => {
    const width = 0.62 * (axes.px(1) - axes.px(0));
    pen.fillStyle = colors.purple;
    pen.globalAlpha = 0.8;
    const [top, bottom] = [axes.py(Math.max(0, share)), axes.py(Math.min(0, share))];
    pen.fillRect(axes.px(l + 0.5) - width / 2, top, width, bottom - top);
    pen.globalAlpha = 1;
  });
  axes.line([0, last], [equal, equal], { color: colors.text, width: 1.5, dash: [6, 4] });
}

/** The share of each layer in the fall of the mean curve; undefined where that does not fall. */
export function loadShares(panel: Panel, cell: number): number[] | undefined {
  const mean = panel.meanCurve(cell);
  if (!mean || !panel.falls(cell)) return undefined;
  const fall = (mean[0] ?? 0) - (mean[mean.length - 1] ?? 0);
  return mean.slice(1).map((value, l) => ((mean[l] ?? 0) - value) / fall);
}
