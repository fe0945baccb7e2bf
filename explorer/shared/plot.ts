/**
 * Axes on a canvas: scales, ticks, lines, areas, points.
 *
 *     const axes = new Axes(pen, box, colors, {
 *       x: linear([0, 8]), y: power([0, 0.3], 2), xLabel: "layer", yLabel: "1 - x",
 *     });
 *     axes.frame();
 *     axes.line(xs, ys, { color: colors.blue });
 *     axes.dot(3, 0.1, { color: colors.orange });
 *     axes.x.invert(share)   // from a share of the axis back to a value, for pointers
 */

import { digits } from "./dom";
import type { Box } from "./surface";
import type { Colors } from "./theme";

/** From values to shares 0 to 1 of an axis, and back. */
export interface Scale {
  readonly domain: readonly [number, number];
  readonly ticks: readonly number[];
  share(value: number): number;
  invert(share: number): number;
}

/** Even steps. */
export function linear(domain: readonly [number, number], count = 5): Scale {
  const [from, to] = domain;
  return {
    domain,
    ticks: niceTicks(from, to, count),
    share: (value) => (value - from) / (to - from),
    invert: (share) => from + share * (to - from),
  };
}

/** Values from 0 that grow as a power of the place, as sliders with that power have them. */
export function power(
  domain: readonly [number, number],
  exponent: number,
  ticks?: readonly number[],
): Scale {
  const [from, to] = domain;
  return {
    domain,
    ticks: ticks ?? niceTicks(from, to, 5),
    share: (value) => Math.max(0, (value - from) / (to - from)) ** (1 / exponent),
    invert: (share) => from + Math.max(0, share) ** exponent * (to - from),
  };
}

/** Equal factors; the domain is above 0. */
export function logarithmic(domain: readonly [number, number]): Scale {
  const [from, to] = domain;
  const ticks: number[] = [];
  for (let e = Math.ceil(Math.log10(from) - 1e-9); e <= Math.log10(to) + 1e-9; e++) {
    ticks.push(Number(`1e${e}`));
  }
  return {
    domain,
    ticks,
    share: (value) => Math.log(value / from) / Math.log(to / from),
    invert: (share) => from * (to / from) ** share,
  };
}

/** Some `count` round numbers between two. */
export function niceTicks(from: number, to: number, count: number): number[] {
  const rough = (to - from) / count;
  if (!(rough > 0)) return [from];
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * ([1, 2, 5, 10].find((each) => each * unit >= rough * 0.999) ?? 10);
  const ticks: number[] = [];
  for (let i = Math.ceil(from / step - 1e-9); i * step <= to + step * 1e-9; i++) {
    ticks.push(Number((i * step).toPrecision(12)));
  }
  return ticks;
}

export interface Stroke {
  readonly color: string;
  readonly width?: number;
  readonly dash?: readonly number[];
  readonly alpha?: number;
}

export interface AxesOptions {
  readonly x: Scale;
  readonly y: Scale;
  readonly xLabel?: string;
  readonly yLabel?: string;
  readonly format?: (value: number) => string;
  /** How ticks of y are written, if not by `format`. */
  readonly yFormat?: (value: number) => string;
  /** Room around the frame, in CSS pixels. */
  readonly margin?: Partial<{ left: number; right: number; top: number; bottom: number }>;
}

type Points = ArrayLike<number>;
export const FONT = "system-ui, -apple-system, 'Segoe UI', sans-serif";

export class Axes {
  readonly x: Scale;
  readonly y: Scale;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  private readonly pen: CanvasRenderingContext2D;
  private readonly colors: Colors;
  private readonly options: AxesOptions;

  constructor(pen: CanvasRenderingContext2D, box: Box, colors: Colors, options: AxesOptions) {
    const { left = 46, right = 12, top = 22, bottom = 38 } = options.margin ?? {};
    this.pen = pen;
    this.colors = colors;
    this.options = options;
    this.x = options.x;
    this.y = options.y;
    this.left = left;
    this.right = box.width - right;
    this.top = top;
    this.bottom = box.height - bottom;
  }

  /** Where a value lies, in CSS pixels. */
  px(value: number): number {
    return this.left + this.x.share(value) * (this.right - this.left);
  }

  py(value: number): number {
    return this.bottom - this.y.share(value) * (this.bottom - this.top);
  }

  /** The values at a place in CSS pixels. */
  at(place: { x: number; y: number }): { x: number; y: number } {
    return {
      x: this.x.invert((place.x - this.left) / (this.right - this.left)),
      y: this.y.invert((this.bottom - place.y) / (this.bottom - this.top)),
    };
  }

  /** Grid lines, tick labels and the names of the axes. */
  frame({ grid = true } = {}): void {
    const { pen, colors } = this;
    const { format = digits, yFormat = format, xLabel, yLabel } = this.options;
    pen.font = `12px ${FONT}`;
    pen.lineWidth = 1;
    pen.strokeStyle = colors.line;
    pen.fillStyle = colors.quiet;
    pen.textAlign = "center";
    pen.textBaseline = "top";
    for (const tick of this.x.ticks) {
      const at = this.px(tick);
      if (at < this.left - 1 || at > this.right + 1) continue;
      if (grid) this.segment(at, this.top, at, this.bottom);
      pen.fillText(format(tick), at, this.bottom + 6);
    }
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const tick of this.y.ticks) {
      const at = this.py(tick);
      if (at > this.bottom + 1 || at < this.top - 1) continue;
      if (grid) this.segment(this.left, at, this.right, at);
      pen.fillText(yFormat(tick), this.left - 6, at);
    }
    if (xLabel) {
      pen.textAlign = "right";
      pen.textBaseline = "bottom";
      pen.fillText(xLabel, this.right, this.bottom + 37);
    }
    if (yLabel) {
      pen.textAlign = "left";
      pen.textBaseline = "top";
      pen.fillText(yLabel, 2, 2);
    }
  }

  line(xs: Points, ys: Points, stroke: Stroke): void {
    this.pen.save();
    this.set(stroke);
    this.trace(xs, ys);
    this.pen.stroke();
    this.pen.restore();
  }

  /** The area between two curves. */
  area(xs: Points, low: Points, high: Points, color: string, alpha = 1): void {
    const { pen } = this;
    pen.save();
    pen.globalAlpha = alpha;
    pen.fillStyle = color;
    this.trace(xs, high);
    for (let i = xs.length - 1; i >= 0; i--) pen.lineTo(this.px(xs[i]), this.py(low[i]));
    pen.closePath();
    pen.fill();
    pen.restore();
  }

  dot(x: number, y: number, style: { color: string; radius?: number; ring?: string }): void {
    const { pen } = this;
    pen.beginPath();
    pen.arc(this.px(x), this.py(y), style.radius ?? 3.5, 0, 2 * Math.PI);
    pen.fillStyle = style.color;
    pen.fill();
    if (style.ring) {
      pen.lineWidth = 2;
      pen.strokeStyle = style.ring;
      pen.stroke();
    }
  }

  /** A text beside a point. */
  text(
    text: string,
    x: number,
    y: number,
    { color = this.colors.quiet, align = "left" as CanvasTextAlign, dx = 0, dy = 0 } = {},
  ): void {
    const { pen } = this;
    pen.font = `12px ${FONT}`;
    pen.fillStyle = color;
    pen.textAlign = align;
    pen.textBaseline = "middle";
    pen.fillText(text, this.px(x) + dx, this.py(y) + dy);
  }

  /** Draw only inside the frame. */
  inside(draw: () => void): void {
    const { pen } = this;
    pen.save();
    pen.beginPath();
    pen.rect(this.left, this.top, this.right - this.left, this.bottom - this.top);
    pen.clip();
    draw();
    pen.restore();
  }

  private set(stroke: Stroke): void {
    this.pen.strokeStyle = stroke.color;
    this.pen.lineWidth = stroke.width ?? 2;
    this.pen.lineJoin = "round";
    this.pen.setLineDash([...(stroke.dash ?? [])]);
    this.pen.globalAlpha = stroke.alpha ?? 1;
  }

  private trace(xs: Points, ys: Points): void {
    const { pen } = this;
    pen.beginPath();
    for (let i = 0; i < xs.length; i++) {
      const x = this.px(xs[i]);
      const y = this.py(ys[i]);
      if (i === 0) pen.moveTo(x, y);
      else pen.lineTo(x, y);
    }
  }

  private segment(x1: number, y1: number, x2: number, y2: number): void {
    const { pen } = this;
    pen.beginPath();
    pen.moveTo(Math.round(x1) + 0.5, Math.round(y1) + 0.5);
    pen.lineTo(Math.round(x2) + 0.5, Math.round(y2) + 0.5);
    pen.stroke();
  }
}
