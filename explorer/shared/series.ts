/**
 * What a chart draws, as uPlot's series: each has its own x and y (uPlot's mode 2), and colours that
 * are asked for whenever it is drawn, so that they follow the theme.
 *
 *     line((c) => c.blue, { width: 3 })      dots((c) => c.text, { size: 8, ring: (c) => c.panel })
 *     area((c) => fade(c.orange, 0.5))       columns((c) => c.green)
 */

import uPlot from "uplot";
import { colors, type Colors } from "./theme";

export type Paint = (colors: Colors) => string;

export interface Stroke {
  /** CSS pixels; 0 draws nothing, for a line that only bounds a band. */
  readonly width?: number;
  /** CSS pixels that are drawn and left out in turn. */
  readonly dash?: readonly number[];
}

const LINEAR = uPlot.paths.linear?.() as uPlot.Series.PathBuilder;
const POINTS = uPlot.paths.points?.() as uPlot.Series.Points.PathBuilder;

/** Points are placed in parts of pixels: rounded to whole ones, slow motion would jerk. */
const PLACED = { pxAlign: 0, auto: false } as const;

/** A line through points. */
export function line(color: Paint, { width = 2, dash }: Stroke = {}): uPlot.Series {
  return {
    ...PLACED,
    stroke: () => color(colors()),
    width,
    paths(plot, i, first, last) {
      // uPlot takes dashes in pixels of the screen.
      const series = plot.series[i];
      if (dash && series) series.dash = dash.map((length) => length * uPlot.pxRatio);
      return LINEAR(plot, i, first, last);
    },
  };
}

/** The area between a line and 0. */
export function area(color: Paint): uPlot.Series {
  return { ...PLACED, fill: () => color(colors()), width: 0, paths: LINEAR };
}

export interface Dots {
  /** Across, in CSS pixels, with its ring. */
  readonly size: number | (() => number);
  readonly ring?: Paint;
  readonly ringWidth?: number;
}

/** A round dot at each point. */
export function dots(color: Paint, { size, ring, ringWidth = 2 }: Dots): uPlot.Series {
  return {
    ...PLACED,
    paths: () => null,
    points: {
      show: true,
      width: ring ? ringWidth : 0,
      fill: () => color(colors()),
      stroke: () => (ring ?? color)(colors()),
      filter: (plot, i) => Array.from(pointsOf(plot, i)[0], (_, each) => each),
      paths(plot, i, first, last, chosen) {
        const { points } = plot.series[i] ?? {};
        if (points) points.size = typeof size === "number" ? size : size();
        return POINTS(plot, i, first, last, chosen);
      },
    },
  };
}

/** A bar around each x, as wide as a share of the step from one x to the next. */
export function bars(color: Paint, share: number): uPlot.Series {
  const paths = uPlot.paths.bars?.({ size: [share] }) as uPlot.Series.PathBuilder;
  return { ...PLACED, fill: () => color(colors()), width: 0, paths };
}

/** A bar from each x to the next one, as high as its y; the last x ends the last bar. */
export function columns(color: Paint): uPlot.Series {
  return {
    ...PLACED,
    fill: () => color(colors()),
    width: 0,
    paths: (plot, i) => {
      const [edges, heights] = pointsOf(plot, i);
      const fill = new Path2D();
      const gap = uPlot.pxRatio;
      const bottom = plot.valToPos(0, "y", true);
      for (let each = 0; each + 1 < edges.length; each++) {
        const height = heights[each];
        if (height === null || height === undefined) continue;
        const left = plot.valToPos(edges[each] as number, "x", true) + gap / 2;
        const right = plot.valToPos(edges[each + 1] as number, "x", true) - gap / 2;
        const top = plot.valToPos(height, "y", true);
        fill.rect(left, top, Math.max(gap, right - left), bottom - top);
      }
      return { fill, stroke: null, flags: 0 };
    },
  };
}

type Row = ArrayLike<number | null>;

/** The x and y of a series: uPlot's types know its mode 1 only, where all have one x. */
function pointsOf(plot: uPlot, i: number): readonly [Row, Row] {
  return plot.data[i] as unknown as readonly [Row, Row];
}
