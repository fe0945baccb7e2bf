/** Accuracy against concavity: a dot for each cell, the chosen one marked. */

import { digits } from "../shared/dom";
import { Axes, linear } from "../shared/plot";
import type { Box } from "../shared/surface";
import type { Colors } from "../shared/theme";
import type { Panel } from "./panels";
import { range } from "./shades";

/** How far from a dot a pointer still means it, in CSS pixels. */
const REACH = 22;
/** Bends beyond these stand at the edge: they are of curves that fall little. */
const WIDEST = [-0.5, 0.4] as const;

export class Scatter {
  private axes: Axes | undefined;
  private panel: Panel | undefined;

  draw(
    pen: CanvasRenderingContext2D,
    box: Box,
    colors: Colors,
    panel: Panel,
    chosen: number,
  ): void {
    const shown = cellsOf(panel);
    const bends = shown.map((cell) => panel.concavity(cell)[0] ?? 0);
    const [left, right] = [Math.min(-0.15, ...bends), Math.max(0.15, ...bends)];
    const [low, high] = range(panel, "accuracy");
    const axes = new Axes(pen, box, colors, {
      x: linear([Math.max(left, WIDEST[0]) - 0.02, Math.min(right, WIDEST[1]) + 0.02]),
      y: linear([low, high]),
      xLabel: "concavity of the mean curve",
      yLabel: "test accuracy",
      yFormat: (value) => `${digits(100 * value)} %`,
      margin: { left: 50, top: 40 },
    });
    this.axes = axes;
    this.panel = panel;
    axes.frame();
    axes.line([0, 0], [low, high], { color: colors.text, width: 1.5, dash: [6, 4] });
    const wide = box.width > 420;
    axes.text("straight", 0, high, { align: "center", dy: -9, color: colors.text });
    axes.text(wide ? "\u2190 shallow layers do the work" : "\u2190 shallow", 0, high, {
      align: "right",
      dx: -32,
      dy: -9,
      color: colors.blue,
    });
    axes.text(wide ? "deep layers \u2192" : "deep \u2192", 0, high, {
      dx: 32,
      dy: -9,
      color: colors.orange,
    });
    for (const cell of shown) this.mark(pen, axes, colors, cell);
    this.row(axes, colors, chosen);
    this.chosen(pen, axes, colors, chosen);
  }

  /** The cell whose dot is nearest to a place in CSS pixels; undefined if none is near. */
  at(place: { x: number; y: number }): number | undefined {
    const { axes, panel } = this;
    if (!axes || !panel) return undefined;
    let [best, distance] = [undefined as number | undefined, REACH];
    for (const cell of cellsOf(panel)) {
      const dot = this.placeOf(axes, cell);
      const away = Math.hypot(dot.x - place.x, dot.y - place.y);
      if (away < distance) [best, distance] = [cell, away];
    }
    return best;
  }

  /** Where a cell's dot lies, in CSS pixels, held inside the frame. */
  placeOf(axes: Axes, cell: number): { x: number; y: number; held: boolean } {
    const x = axes.px(this.panel?.concavity(cell)[0] ?? 0);
    const y = axes.py(this.panel?.accuracy(cell)[0] ?? 0);
    const inX = Math.min(axes.right, Math.max(axes.left, x));
    const inY = Math.min(axes.bottom, Math.max(axes.top, y));
    return { x: inX, y: inY, held: inX !== x || inY !== y };
  }

  private mark(pen: CanvasRenderingContext2D, axes: Axes, colors: Colors, cell: number): void {
    const { x, y, held } = this.placeOf(axes, cell);
    pen.beginPath();
    pen.arc(x, y, 4, 0, 2 * Math.PI);
    pen.globalAlpha = 0.6;
    // Hollow dots lie farther out than the frame shows.
    if (held) {
      pen.strokeStyle = colors.quiet;
      pen.lineWidth = 1.5;
      pen.stroke();
    } else {
      pen.fillStyle = colors.quiet;
      pen.fill();
    }
    pen.globalAlpha = 1;
  }

  /** The cells of the chosen one's slope, from the least noise to the most. */
  private row(axes: Axes, colors: Colors, chosen: number): void {
    const { panel } = this;
    if (!panel) return;
    const count = panel.content.levels.length;
    const first = Math.floor(chosen / count) * count;
    const cells = Array.from({ length: count }, (_, j) => first + j).filter((c) => panel.falls(c));
    axes.inside(() =>
      axes.line(
        cells.map((cell) => panel.concavity(cell)[0] ?? 0),
        cells.map((cell) => panel.accuracy(cell)[0] ?? 0),
        { color: colors.purple, width: 1.5, alpha: 0.8 },
      ),
    );
  }

  private chosen(pen: CanvasRenderingContext2D, axes: Axes, colors: Colors, cell: number): void {
    const { panel } = this;
    if (!panel?.falls(cell)) return;
    const { x, y } = this.placeOf(axes, cell);
    const [, left, right] = panel.concavity(cell);
    const [, low, high] = panel.accuracy(cell);
    pen.strokeStyle = colors.text;
    pen.lineWidth = 2;
    axes.inside(() => {
      pen.beginPath();
      if (left !== null && right !== null) {
        pen.moveTo(axes.px(left), y);
        pen.lineTo(axes.px(right), y);
      }
      if (low !== null && high !== null) {
        pen.moveTo(x, axes.py(low));
        pen.lineTo(x, axes.py(high));
      }
      pen.stroke();
    });
    pen.beginPath();
    pen.arc(x, y, 7, 0, 2 * Math.PI);
    pen.fillStyle = colors.text;
    pen.fill();
    pen.strokeStyle = colors.panel;
    pen.stroke();
  }
}

/** The cells that are shown: those whose mean curve surely falls. */
export function cellsOf(panel: Panel): number[] {
  return Array.from({ length: panel.cells }, (_, cell) => cell).filter((cell) => panel.falls(cell));
}
