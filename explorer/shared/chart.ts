/**
 * A chart: uPlot with the explorer's fonts, colours and sizes, as wide as its place. It is drawn anew
 * when its size, the theme or the screen's pixels change. `redraw()` may be called at will: it draws
 * once, at the next frame.
 *
 *     const chart = new Chart({
 *       label: "Load curve", height: () => 260,
 *       x: { range: () => [0, 8], label: "layer", ...WHOLE },
 *       y: { range: () => [0, 0.3], label: "1 - x", scale: power(2) },
 *       series: { chord: line((c) => c.quiet), mean: line((c) => c.blue) },
 *       bands: [{ between: ["mean", "chord"], fill: (c) => fade(c.blue, 0.2) }],
 *       data: () => ({ chord: [[0, 8], [1, 0]], mean: [xs, ys] }),
 *     });
 *     place.append(chart.element);
 *     chart.describe("Load curve: concave, +0.18.");  // what a screen reader says of it
 */

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { digits, make } from "./dom";
import type { Paint } from "./series";
import { colors, FONT, onTheme } from "./theme";

/** The points of a series; null is no dot, and no bar. */
export type Points = readonly [xs: ArrayLike<number>, ys: ArrayLike<number | null>];

export interface AxisOptions {
  /** The ends of the axis, asked for whenever it is drawn. */
  readonly range: (plot: uPlot) => [number, number];
  readonly label?: string | (() => string);
  /** How values are spread, if not evenly: uPlot's names for it. */
  readonly scale?: uPlot.Scale;
  /** Where ticks are, if not where uPlot puts them. */
  readonly ticks?: () => readonly number[];
  readonly show?: boolean;
  readonly incrs?: number[];
  /** CSS pixels between ticks, at least; if not as many as make some seven of them. */
  readonly space?: number;
  readonly format?: (value: number) => string;
}

/** A text beside a point of the chart. */
export interface Note {
  readonly text: string;
  readonly x: number;
  readonly y: number;
  readonly color?: Paint;
  readonly align?: CanvasTextAlign;
  /** CSS pixels from the point. */
  readonly dx?: number;
  readonly dy?: number;
  readonly bold?: boolean;
}

export interface ChartOptions<K extends string> {
  readonly label: string;
  /** CSS pixels, for a width. */
  readonly height: (width: number) => number;
  readonly x: AxisOptions;
  readonly y: AxisOptions;
  /** What is drawn, the lowest first. */
  readonly series: Readonly<Record<K, uPlot.Series>>;
  /** Areas where the first of two series lies above the second one. */
  readonly bands?: readonly { readonly between: readonly [K, K]; readonly fill: Paint }[];
  /** The points of each series now; one that is left out is not drawn. */
  readonly data: (plot: uPlot) => Readonly<Partial<Record<K, Points>>>;
  readonly notes?: (plot: uPlot) => readonly Note[];
  /** Drawn below all else, in pixels of the screen. */
  readonly under?: (plot: uPlot) => void;
  readonly grid?: boolean;
  /**
   * Room around the frame, in CSS pixels. On the left it is more where ticks have long names, and
   * below it is the axis that takes room, if one shows.
   */
  readonly margin?: Partial<{ left: number; right: number; top: number; bottom: number }>;
}

/** For an axis that counts. */
export const WHOLE = { incrs: [1, 2, 5, 10, 20, 50, 100], space: 26 };

/** Equal factors. */
export const LOGARITHMIC: uPlot.Scale = { distr: 3 };

/** Values from 0 that grow as a power of the place, as sliders with that power have them. */
export function power(exponent: number): uPlot.Scale {
  return {
    distr: 100,
    fwd: (value) => Math.max(0, value) ** (1 / exponent),
    bwd: (place) => Math.max(0, place) ** exponent,
  };
}

/** Height of the line above a chart that has the name of its y. */
const NAME = 18;
const SMALL = `12px ${FONT}`;

export class Chart<K extends string = string> {
  readonly element: HTMLElement;
  private readonly options: ChartOptions<K>;
  private readonly keys: readonly K[];
  private plot: uPlot | undefined;
  private asked = 0;

  constructor(options: ChartOptions<K>) {
    this.options = options;
    this.keys = Object.keys(options.series) as K[];
    this.element = make("div", { role: "img", "aria-label": options.label, class: "surface" });
    this.element.style.height = `${Math.round(options.height(600))}px`; // until its width is known
    new ResizeObserver(() => this.fit()).observe(this.element);
    onTheme(() => this.redraw());
  }

  /** Say in words what is drawn. */
  describe(text: string): void {
    if (this.element.getAttribute("aria-label") !== text) {
      this.element.setAttribute("aria-label", text);
    }
  }

  /** Draw at the next frame. */
  redraw(): void {
    this.asked ||= requestAnimationFrame(() => {
      this.asked = 0;
      this.drawNow();
    });
  }

  /** Draw at once: for pages that have a loop of their own. */
  drawNow(): void {
    const { plot } = this;
    if (!plot) return;
    this.nameY(plot);
    plot.batch(() => plot.setData(this.rows(this.options.data(plot))));
  }

  /** The values where a pointer is. */
  at(event: PointerEvent | MouseEvent): { x: number; y: number } | undefined {
    const [place, { plot }] = [this.place(event), this];
    if (!plot || !place) return undefined;
    return { x: plot.posToVal(place.left, "x"), y: plot.posToVal(place.top, "y") };
  }

  /** How far from a point a pointer is, in CSS pixels. */
  away(event: PointerEvent | MouseEvent, x: number, y: number): number {
    const [place, { plot }] = [this.place(event), this];
    if (!plot || !place) return Infinity;
    return Math.hypot(plot.valToPos(x, "x") - place.left, plot.valToPos(y, "y") - place.top);
  }

  private place(event: MouseEvent): { left: number; top: number } | undefined {
    const frame = this.plot?.over.getBoundingClientRect();
    return frame && { left: event.clientX - frame.left, top: event.clientY - frame.top };
  }

  /** uPlot's mode 2: an array of its own for each series, after one for none. */
  private rows(points?: Readonly<Partial<Record<K, Points>>>): uPlot.AlignedData {
    const rows = this.keys.map((key) => points?.[key] ?? [[], []]);
    return [null, ...rows] as unknown as uPlot.AlignedData;
  }

  private fit(): void {
    const width = this.element.clientWidth;
    if (!width) return;
    const whole = Math.round(this.options.height(width));
    const height = whole - (this.options.y.label ? NAME : 0);
    this.element.style.height = `${whole}px`;
    const plot = (this.plot ??= new uPlot(this.setUp(width, height), this.rows(), this.element));
    // uPlot draws once for both, before the browser paints.
    plot.setSize({ width, height });
    plot.setData(this.rows(this.options.data(plot)));
    this.nameY(plot);
  }

  private nameY(plot: uPlot): void {
    const title = plot.root.querySelector(".u-title");
    const name = textOf(this.options.y.label);
    if (title && title.textContent !== name) title.textContent = name;
  }

  private setUp(width: number, height: number): uPlot.Options {
    const { x, y, series, bands = [], margin = {}, notes, under } = this.options;
    const { left = 46, right = 12, top = 10, bottom = 8 } = margin;
    const hidden = { left: 0, top: 0, width: 0, height: 0 };
    return {
      mode: 2,
      width,
      height,
      // uPlot would turn the name of y on its side. Above its axis it can be read.
      ...(y.label ? { title: textOf(y.label) } : {}),
      series: [null, ...this.keys.map((key) => series[key])] as uPlot.Series[],
      bands: bands.map(({ between, fill }) => ({
        series: [this.keys.indexOf(between[0]) + 1, this.keys.indexOf(between[1]) + 1],
        fill: () => fill(colors()),
      })),
      scales: { x: scaleOf(x), y: scaleOf(y) },
      axes: [
        this.axis(x, 2, () => 22),
        this.axis(y, 3, (plot, names) => roomFor(plot, names, left)),
      ],
      padding: [top, right, x.show === false ? bottom : 0, y.show === false ? left : 0],
      legend: { show: false },
      cursor: { show: false },
      select: { show: false, ...hidden },
      hooks: {
        drawClear: under ? [under] : [],
        draw: notes ? [(plot) => notes(plot).forEach((note) => write(plot, note))] : [],
      },
    };
  }

  private axis(options: AxisOptions, side: 2 | 3, size: uPlot.Axis.Size): uPlot.Axis {
    const { label, ticks, incrs, show = true, format = digits } = options;
    const least = side === 2 ? 48 : 24;
    const space: uPlot.Axis.Space =
      options.space ?? ((_plot, _i, _from, _to, size) => Math.max(least, size / 7));
    return {
      show,
      scale: side === 2 ? "x" : "y",
      side,
      size,
      gap: 6,
      font: SMALL,
      labelFont: SMALL,
      stroke: () => colors().quiet,
      grid: { show: this.options.grid ?? true, stroke: () => colors().line, width: 1 },
      ticks: { show: false },
      border: { show: false },
      space,
      filter: (_, splits) => splits,
      values: (_, splits) => splits.map((value) => format(value)),
      ...(incrs ? { incrs } : {}),
      ...(ticks ? { splits: () => [...ticks()] } : {}),
      ...(label && side === 2 ? { label: textOf(label), labelSize: 16 } : {}),
    };
  }
}

function scaleOf({ range, scale = { distr: 1 } }: AxisOptions): uPlot.Scale {
  return { ...scale, time: false, range: (plot) => range(plot) };
}

/** What names of ticks take at the left, with the gap to the frame. */
function roomFor({ ctx: pen }: uPlot, names: readonly string[] | null, least: number): number {
  pen.save();
  pen.font = SMALL;
  const widths = (names ?? []).map((name) => pen.measureText(name).width);
  pen.restore();
  return Math.max(least, ...widths.map((width) => Math.ceil(width) + 8));
}

function textOf(label: AxisOptions["label"]): string {
  return (typeof label === "function" ? label() : label) ?? "";
}

function write(plot: uPlot, note: Note): void {
  const { text, x, y, color, align = "left", dx = 0, dy = 0, bold = false } = note;
  const { ctx: pen } = plot;
  const ratio = uPlot.pxRatio;
  pen.save();
  pen.font = `${bold ? "600 " : ""}${12 * ratio}px ${FONT}`;
  pen.fillStyle = color ? color(colors()) : colors().quiet;
  pen.textAlign = align;
  pen.textBaseline = "middle";
  pen.fillText(
    text,
    plot.valToPos(x, "x", true) + dx * ratio,
    plot.valToPos(y, "y", true) + dy * ratio,
  );
  pen.restore();
}
