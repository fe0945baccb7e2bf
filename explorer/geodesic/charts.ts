/** The charts of a geodesic, with the position p marked in them. */

import { Chart, LOGARITHMIC, type Points } from "../shared/chart";
import { digits } from "../shared/dom";
import { area, columns, dots, line, type Paint } from "../shared/series";
import { fade } from "../shared/theme";
import { GEODESICS, type Geodesic } from "./paths";

/** What is shown: a path, a position on it, and how its energies are drawn. */
export interface Shown {
  readonly path: Geodesic;
  readonly p: number;
  readonly gamma0: number;
  readonly whole: boolean;
}

/** The bottleneck rank of the teacher: its inner dimension. */
export const RANK = 3;

const POSITION = { range: (): [number, number] => [0, 1], label: "position p on the path" };
const usual = (width: number) => Math.max(260, Math.min(400, 0.72 * width));
export const tall = (width: number) => Math.max(280, Math.min(500, 1.05 * width));

/** The position p, from the bottom of a chart to its top. */
const HERE = line((c) => c.purple);

function upright(x: number, [low, high]: readonly [number, number]): Points {
  return [
    [x, x],
    [low, high],
  ];
}

/** Singular values over p: the three that stand for the teacher's dimensions, and the others. */
export function spectrumChart(shown: () => Shown): Chart {
  const ends: [number, number] = [0.01, 60];
  const hues: readonly Paint[] = [(c) => c.blue, (c) => c.orange, (c) => c.green];
  const modes = Math.max(...GEODESICS.map(({ content }) => content.spectrum[0]?.length ?? 0));
  // The smallest first, so that the three lie on top.
  const order = Array.from({ length: modes }, (_, i) => modes - 1 - i);
  const weak: Paint = (c) => fade(c.quiet, 0.6);
  return new Chart({
    label: "Spectrum along the path",
    height: tall,
    x: POSITION,
    y: {
      range: () => ends,
      label: "singular value of centred A (thick: the first three)",
      scale: LOGARITHMIC,
      ticks: () => [0.01, 0.1, 1, 10],
    },
    series: {
      ...Object.fromEntries(
        order.map((k) => [`mode${k}`, line(hues[k] ?? weak, { width: k < RANK ? 3 : 1 })]),
      ),
      here: HERE,
      ...Object.fromEntries(
        order.map((k) => [
          `value${k}`,
          dots(hues[k] ?? ((c) => c.quiet), { size: k < RANK ? 10 : 5 }),
        ]),
      ),
    },
    data() {
      const { path, p } = shown();
      const { content } = path;
      const node = path.node(p);
      const found: Record<string, Points> = { here: upright(p, ends) };
      for (const k of order) {
        const value = content.spectrum[node]?.[k] ?? 0;
        found[`mode${k}`] = [content.p, content.spectrum.map((row) => Math.max(1e-3, row[k] ?? 0))];
        if (value > ends[0]) found[`value${k}`] = [[content.p[node] ?? 0], [value]];
      }
      return found;
    },
  });
}

/** The Hamiltonian's two parts as areas, kinetic energy up and cost of identity down; their sum. */
export function energiesChart(shown: () => Shown): Chart {
  const ends = (): [number, number] => {
    const { path, gamma0, whole } = shown();
    const [up, down] = energyRange(path, gamma0, whole);
    return [-down, up];
  };
  return new Chart({
    label: "The Hamiltonian's two parts",
    height: usual,
    x: POSITION,
    y: { range: ends, label: "energy times 2 / L\u0303" },
    margin: { left: 50 },
    series: {
      kinetic: area((c) => fade(c.orange, 0.5)),
      cost: area((c) => fade(c.blue, 0.5)),
      zero: line((c) => c.quiet, { width: 1 }),
      momenta: line((c) => c.text, { width: 1.5, dash: [5, 4] }),
      sum: line((c) => c.text, { width: 3 }),
      here: HERE,
      now: dots((c) => c.text, { size: 12, ring: (c) => c.panel }),
    },
    data() {
      const { path, p, gamma0 } = shown();
      const parts = Array.from({ length: path.layers }, (_, l) => path.parts(l, gamma0));
      const ps = path.content.p.slice(0, -1);
      const step = path.step(path.node(p));
      return {
        kinetic: [ps, parts.map(({ kinetic }) => kinetic)],
        cost: [ps, parts.map(({ cost }) => -cost)],
        zero: [
          [0, 1],
          [0, 0],
        ],
        momenta: [ps, path.content.dimension.map((value) => -value)],
        sum: [ps, parts.map(({ sum }) => sum)],
        here: upright(p, ends()),
        now: [[ps[step] ?? 0], [parts[step]?.sum ?? 0]],
      };
    },
    notes() {
      const [low, high] = ends();
      const color: Paint = (c) => c.text;
      return [
        { text: "kinetic energy", x: 0, y: high, dx: 8, dy: 12, color },
        { text: "\u2212 cost of identity", x: 0, y: low, dx: 8, dy: -12, color },
      ];
    },
  });
}

/** How far the axis of energies goes up and down: over the whole path, or where it is slow. */
function energyRange(path: Geodesic, gamma0: number, whole: boolean): [number, number] {
  const parts = Array.from({ length: path.layers }, (_, l) => path.parts(l, gamma0));
  const [kinetic, cost] = [parts.map((each) => each.kinetic), parts.map((each) => each.cost)];
  if (whole) return [1.1 * Math.max(...kinetic), 1.1 * Math.max(...cost)];
  // The ends are fast: on an axis that holds them the bottleneck would be a thin line.
  const slow = parts.slice(Math.floor(path.layers / 4), Math.ceil((3 * path.layers) / 4));
  const highest = Math.max(...slow.map(({ sum }) => sum));
  const down = 3 * Math.min(...cost);
  return [Math.max(4 * Math.min(...kinetic), 1.3 * highest, 0.3 * down), down];
}

/** Dimension and least cost of identity of every solved geodesic, over L~. */
export function depthsChart(shown: () => Shown): Chart {
  const leaks = GEODESICS.map(({ leak }) => leak);
  const ends: [number, number] = [0.9 * Math.min(...leaks), 1.1 * Math.max(...leaks)];
  const dimensions = GEODESICS.map((one) => one.medianDimension());
  const costs = () => GEODESICS.map((one) => one.leastCost(shown().gamma0));
  const chosen = () => GEODESICS.indexOf(shown().path);
  const ringed = (color: Paint) => dots(color, { size: 16, ring: (c) => c.text });
  return new Chart({
    label: "Dimensions over effective depth",
    height: tall,
    x: {
      range: () => ends,
      label: "effective depth L\u0303",
      scale: LOGARITHMIC,
      ticks: () => [2, 4, 8, 16, 32].filter((leak) => leak <= Math.max(...leaks)),
    },
    y: {
      range: () => [Math.min(...dimensions) - 2, Math.max(...costs()) + 3],
      label: "dimensions",
    },
    series: {
      rank: line((c) => c.text, { width: 1.5, dash: [6, 4] }),
      costs: line((c) => c.blue, { width: 2.5 }),
      dimensions: line((c) => c.purple, { width: 2.5 }),
      costDots: dots((c) => c.blue, { size: 7 }),
      dimensionDots: dots((c) => c.purple, { size: 7 }),
      cost: ringed((c) => c.blue),
      dimension: ringed((c) => c.purple),
    },
    data() {
      const both = { costs: [leaks, costs()], dimensions: [leaks, dimensions] } as const;
      const one = (values: readonly number[]): Points => [
        [shown().path.leak],
        [values[chosen()] ?? 0],
      ];
      return {
        rank: [ends, [RANK, RANK]],
        ...both,
        costDots: both.costs,
        dimensionDots: both.dimensions,
        cost: one(costs()),
        dimension: one(dimensions),
      };
    },
    notes() {
      const at = { x: leaks[1] ?? 2, dx: 10 };
      return [
        { text: `rank ${RANK}`, x: ends[0], y: RANK, dx: 4, dy: -9, color: (c) => c.text },
        { ...at, text: "least cost of identity", y: costs()[1] ?? 0, dy: -4, color: (c) => c.blue },
        {
          ...at,
          text: "\u2212(2 / L\u0303) H",
          y: dimensions[1] ?? 0,
          dy: 8,
          color: (c) => c.purple,
        },
      ];
    },
  });
}

/** How far each layer is from stationary, beside what counts as converged. */
export function residualsChart(shown: () => Shown): Chart {
  const tolerance = () => shown().path.content.tolerance;
  return new Chart({
    label: "Residuals of the layers",
    height: () => 300,
    x: POSITION,
    y: {
      range: () => [0, 1.15 * Math.max(tolerance(), shown().path.worst())],
      label: "residual of each layer",
      format: (value) => `${digits(100 * value)} %`,
    },
    margin: { left: 50 },
    series: {
      within: columns((c) => c.green),
      beyond: columns((c) => c.orange),
      tolerance: line((c) => c.text, { width: 1.5, dash: [6, 4] }),
    },
    data() {
      const { residual, p } = shown().path.content;
      const those = (chosen: (value: number) => boolean): Points => [
        p,
        residual.map((value) => (chosen(value) ? value : null)),
      ];
      return {
        within: those((value) => value <= tolerance()),
        beyond: those((value) => value > tolerance()),
        tolerance: [
          [0, 1],
          [tolerance(), tolerance()],
        ],
      };
    },
    notes() {
      const text = `tolerance, ${digits(100 * tolerance())} %`;
      return [{ text, x: 1, y: tolerance(), align: "right", dy: -9, color: (c) => c.text }];
    },
  });
}
