/** Accuracy against concavity: a dot for each cell, the chosen one marked. */

import { Chart, type Note, type Points } from "../shared/chart";
import { digits } from "../shared/dom";
import { dots, line } from "../shared/series";
import { fade } from "../shared/theme";
import type { Panel } from "./panels";
import { range } from "./shades";

/** How far from a dot a pointer still means it, in CSS pixels. */
const REACH = 22;
/** Bends beyond these stand at the edge: they are of curves that fall little. */
const WIDEST = [-0.5, 0.4] as const;

export class Scatter {
  readonly chart: Chart;
  private readonly panel: () => Panel;
  private readonly shown: () => number;

  constructor(panel: () => Panel, shown: () => number) {
    this.panel = panel;
    this.shown = shown;
    this.chart = new Chart({
      label: "Accuracy against concavity",
      height: (width) => Math.max(300, Math.min(430, width * 0.8)),
      x: { range: () => this.ends().x, label: "concavity of the mean curve" },
      y: {
        range: () => this.ends().y,
        label: "test accuracy",
        format: (value) => `${digits(100 * value)} %`,
      },
      margin: { left: 50, top: 24 },
      series: {
        straight: line((c) => c.text, { width: 1.5, dash: [6, 4] }),
        cells: dots((c) => fade(c.quiet, 0.6), { size: 8 }),
        // Hollow dots lie farther out than the frame shows.
        beyond: dots((c) => c.panel, { size: 9, ring: (c) => fade(c.quiet, 0.6), ringWidth: 1.5 }),
        slope: line((c) => fade(c.purple, 0.8), { width: 1.5 }),
        concavity: line((c) => c.text),
        accuracy: line((c) => c.text),
        chosen: dots((c) => c.text, { size: 16, ring: (c) => c.panel }),
      },
      data: () => this.points(),
      notes: (plot) => this.notes(plot.width > 420),
    });
  }

  /** The cell whose dot is nearest to a pointer; undefined if none is near. */
  at(event: PointerEvent | MouseEvent): number | undefined {
    let [best, distance] = [undefined as number | undefined, REACH];
    for (const cell of cellsOf(this.panel())) {
      const away = this.chart.away(event, ...this.place(cell).dot);
      if (away < distance) [best, distance] = [cell, away];
    }
    return best;
  }

  private ends(): { x: [number, number]; y: [number, number] } {
    const panel = this.panel();
    const bends = cellsOf(panel).map((cell) => panel.concavity(cell)[0] ?? 0);
    const [left, right] = [Math.min(-0.15, ...bends), Math.max(0.15, ...bends)];
    return {
      x: [Math.max(left, WIDEST[0]) - 0.02, Math.min(right, WIDEST[1]) + 0.02],
      y: range(panel, "accuracy"),
    };
  }

  /** Where a cell lies, and its dot, which is held inside the frame. */
  private place(cell: number): { at: Place; dot: Place } {
    const { x, y } = this.ends();
    const at: Place = [this.panel().concavity(cell)[0] ?? 0, this.panel().accuracy(cell)[0] ?? 0];
    const held = (value: number, [low, high]: [number, number]) =>
      Math.min(high, Math.max(low, value));
    return { at, dot: [held(at[0], x), held(at[1], y)] };
  }

  private points(): Record<string, Points> {
    const panel = this.panel();
    const places = cellsOf(panel).map((cell) => this.place(cell));
    const within = ({ at, dot }: { at: Place; dot: Place }) => at[0] === dot[0] && at[1] === dot[1];
    const [low, high] = this.ends().y;
    return {
      straight: [
        [0, 0],
        [low, high],
      ],
      cells: pointsOf(places.filter(within).map(({ dot }) => dot)),
      beyond: pointsOf(places.filter((each) => !within(each)).map(({ dot }) => dot)),
      slope: pointsOf(this.slope().map((cell) => this.place(cell).at)),
      ...this.chosen(),
    };
  }

  /** The cells of the chosen one's slope, from the least noise to the most. */
  private slope(): number[] {
    const panel = this.panel();
    const count = panel.content.levels.length;
    const first = Math.floor(this.shown() / count) * count;
    return Array.from({ length: count }, (_, j) => first + j).filter((each) => panel.falls(each));
  }

  /** The chosen cell's dot, with its two intervals. */
  private chosen(): Record<string, Points> {
    const [panel, cell] = [this.panel(), this.shown()];
    if (!panel.falls(cell)) return {};
    const { dot } = this.place(cell);
    const [, left, right] = panel.concavity(cell);
    const [, low, high] = panel.accuracy(cell);
    const found: Record<string, Points> = { chosen: pointsOf([dot]) };
    if (left !== null && right !== null) {
      found["concavity"] = pointsOf([
        [left, dot[1]],
        [right, dot[1]],
      ]);
    }
    if (low !== null && high !== null) {
      found["accuracy"] = pointsOf([
        [dot[0], low],
        [dot[0], high],
      ]);
    }
    return found;
  }

  private notes(wide: boolean): Note[] {
    const at = { x: 0, y: this.ends().y[1], dy: -9 };
    const left = wide ? "\u2190 shallow layers do the work" : "\u2190 shallow";
    return [
      { ...at, text: "straight", align: "center", color: (c) => c.text },
      { ...at, text: left, align: "right", dx: -32, color: (c) => c.blue },
      { ...at, text: wide ? "deep layers \u2192" : "deep \u2192", dx: 32, color: (c) => c.orange },
    ];
  }
}

type Place = readonly [x: number, y: number];

function pointsOf(places: readonly Place[]): Points {
  return [places.map(([x]) => x), places.map(([, y]) => y)];
}

/** The cells that are shown: those whose mean curve surely falls. */
export function cellsOf(panel: Panel): number[] {
  return Array.from({ length: panel.cells }, (_, cell) => cell).filter((cell) => panel.falls(cell));
}
