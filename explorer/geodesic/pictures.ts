/** The pictures of a geodesic: each draws one canvas, with the position p marked in it. */

import { digits } from "../shared/dom";
import { Axes, FONT, linear, logarithmic, type Scale } from "../shared/plot";
import type { Box } from "../shared/surface";
import { mix, type Colors } from "../shared/theme";
import { GEODESICS, type Geodesic } from "./paths";

type Pen = CanvasRenderingContext2D;

/** The bottleneck rank of the teacher: its inner dimension. */
export const RANK = 3;

/** Singular values over p: the three that stand for the teacher's dimensions, and the others. */
export function drawSpectrum(pen: Pen, box: Box, colors: Colors, path: Geodesic, p: number): Axes {
  const { content } = path;
  const axes = new Axes(pen, box, colors, {
    x: linear([0, 1]),
    y: logarithmic([0.01, 60]),
    xLabel: "position p on the path",
    yLabel: "singular value of centred A (thick: the first three)",
  });
  axes.frame();
  const modes = content.spectrum[0]?.length ?? 0;
  const hues = [colors.blue, colors.orange, colors.green];
  axes.inside(() => {
    for (let k = modes - 1; k >= 0; k--) {
      const values = content.spectrum.map((row) => Math.max(1e-3, row[k] ?? 0));
      const hue = hues[k];
      const stroke = hue ? { color: hue, width: 3 } : { color: colors.quiet, width: 1, alpha: 0.6 };
      axes.line(content.p, values, stroke);
    }
    markPosition(axes, colors, p);
  });
  const node = path.node(p);
  content.spectrum[node]?.forEach((value, k) => {
    if (value > 0.01) {
      axes.dot(content.p[node] ?? 0, value, {
        color: hues[k] ?? colors.quiet,
        radius: k < RANK ? 5 : 2.5,
      });
    }
  });
  return axes;
}

/** How many nodes back the way of a sample is drawn. */
const TRAIL = 4;

/**
 * Samples in the plane of most variance, with the last of the way that they have come. The window
 * follows them, for they are far smaller in the bottleneck than at the ends: a bar has its scale.
 */
export function drawSamples(pen: Pen, box: Box, colors: Colors, path: Geodesic, p: number): void {
  const node = path.node(p);
  const { middle, reach } = path.window(node);
  const scale = (0.44 * Math.min(box.width, box.height)) / reach;
  const px = (value: number) => box.width / 2 + (value - middle.x) * scale;
  const py = (value: number) => box.height / 2 - (value - middle.y) * scale;
  const first = Math.max(0, node - TRAIL);
  for (let i = 0; i < path.samples; i++) {
    pen.strokeStyle = targetColor(path.content.target[i] ?? 0, colors);
    pen.globalAlpha = 0.35;
    pen.lineWidth = 1.2;
    pen.beginPath();
    for (let l = first; l <= node; l++) {
      const { x, y } = path.place(l, i);
      if (l > first) pen.lineTo(px(x), py(y));
      else pen.moveTo(px(x), py(y));
    }
    pen.stroke();
  }
  pen.globalAlpha = 1;
  for (let i = 0; i < path.samples; i++) {
    const { x, y } = path.place(node, i);
    pen.beginPath();
    pen.arc(px(x), py(y), 5.5, 0, 2 * Math.PI);
    pen.fillStyle = targetColor(path.content.target[i] ?? 0, colors);
    pen.fill();
    pen.lineWidth = 1;
    pen.strokeStyle = colors.panel;
    pen.stroke();
  }
  scaleBar(pen, box, colors, scale);
}

/** A bar of a round length, below on the left. */
function scaleBar(pen: Pen, box: Box, colors: Colors, scale: number): void {
  const most = (0.25 * box.width) / scale;
  const unit = 10 ** Math.floor(Math.log10(most));
  const length = unit * ([5, 2, 1].find((each) => each * unit <= most) ?? 1);
  const [left, bottom] = [10, box.height - 12];
  pen.strokeStyle = colors.text;
  pen.lineWidth = 2;
  pen.beginPath();
  pen.moveTo(left, bottom - 5);
  pen.lineTo(left, bottom);
  pen.lineTo(left + length * scale, bottom);
  pen.lineTo(left + length * scale, bottom - 5);
  pen.stroke();
  pen.font = `12px ${FONT}`;
  pen.fillStyle = colors.quiet;
  pen.textAlign = "left";
  pen.textBaseline = "bottom";
  pen.fillText(`${digits(length)} in the plane`, left, bottom - 8);
}

/** From blue over grey to orange, by what is to be predicted. */
function targetColor(target: number, colors: Colors): string {
  return mix(colors.stuck, target < 0 ? colors.blue : colors.orange, Math.abs(target) / 1.3);
}

/** The Hamiltonian's two parts as areas, kinetic energy up and cost of identity down; their sum. */
export function drawEnergies(
  pen: Pen,
  box: Box,
  colors: Colors,
  path: Geodesic,
  p: number,
  gamma0: number,
  whole: boolean,
): Axes {
  const steps = Array.from({ length: path.layers }, (_, l) => l);
  const parts = steps.map((step) => path.parts(step, gamma0));
  const [up, down] = energyRange(path, gamma0, whole);
  const axes = new Axes(pen, box, colors, {
    x: linear([0, 1]),
    y: linear([-down, up]),
    xLabel: "position p on the path",
    yLabel: "energy times 2 / L\u0303",
    margin: { left: 50 },
  });
  axes.frame();
  const ps = path.content.p.slice(0, -1);
  const zero = steps.map(() => 0);
  axes.inside(() => {
    axes.area(
      ps,
      zero,
      parts.map(({ kinetic }) => kinetic),
      colors.orange,
      0.5,
    );
    axes.area(
      ps,
      parts.map(({ cost }) => -cost),
      zero,
      colors.blue,
      0.5,
    );
    axes.line([0, 1], [0, 0], { color: colors.quiet, width: 1 });
    axes.line(
      ps,
      path.content.dimension.map((value) => -value),
      {
        color: colors.text,
        width: 1.5,
        dash: [5, 4],
      },
    );
    axes.line(
      ps,
      parts.map(({ sum }) => sum),
      { color: colors.text, width: 3 },
    );
    markPosition(axes, colors, p);
  });
  const node = path.node(p);
  const here = path.parts(path.step(node), gamma0);
  const at = ps[path.step(node)] ?? 0;
  axes.inside(() => axes.dot(at, here.sum, { color: colors.text, radius: 5, ring: colors.panel }));
  axes.text("kinetic energy", 0, up, { dx: 8, dy: 12, color: colors.text });
  axes.text("\u2212 cost of identity", 0, -down, { dx: 8, dy: -12, color: colors.text });
  return axes;
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
export function drawDepths(
  pen: Pen,
  box: Box,
  colors: Colors,
  path: Geodesic,
  gamma0: number,
): Axes {
  const leaks = GEODESICS.map(({ leak }) => leak);
  const costs = GEODESICS.map((one) => one.leastCost(gamma0));
  const dimensions = GEODESICS.map((one) => one.medianDimension());
  const x: Scale = {
    ...logarithmic([0.9 * Math.min(...leaks), 1.1 * Math.max(...leaks)]),
    ticks: [2, 4, 8, 16, 32].filter((leak) => leak <= Math.max(...leaks)),
  };
  const axes = new Axes(pen, box, colors, {
    x,
    y: linear([Math.min(...dimensions) - 2, Math.max(...costs) + 3]),
    xLabel: "effective depth L\u0303",
    yLabel: "dimensions",
  });
  axes.frame();
  axes.line(x.domain, [RANK, RANK], { color: colors.text, width: 1.5, dash: [6, 4] });
  axes.text(`rank ${RANK}`, x.domain[0], RANK, { dx: 4, dy: -9, color: colors.text });
  axes.inside(() => {
    axes.line(leaks, costs, { color: colors.blue, width: 2.5 });
    axes.line(leaks, dimensions, { color: colors.purple, width: 2.5 });
    GEODESICS.forEach((one, i) => {
      const style = one === path ? { radius: 7, ring: colors.text } : { radius: 3.5 };
      axes.dot(one.leak, costs[i] ?? 0, { color: colors.blue, ...style });
      axes.dot(one.leak, dimensions[i] ?? 0, { color: colors.purple, ...style });
    });
  });
  const label = leaks[1] ?? 2;
  axes.text("least cost of identity", label, costs[1] ?? 0, {
    dx: 10,
    dy: -4,
    color: colors.blue,
  });
  axes.text("\u2212(2 / L\u0303) H", label, dimensions[1] ?? 0, {
    dx: 10,
    dy: 8,
    color: colors.purple,
  });
  return axes;
}

/** How far each layer is from stationary, beside what counts as converged. */
export function drawResiduals(pen: Pen, box: Box, colors: Colors, path: Geodesic): Axes {
  const { residual, tolerance, p } = path.content;
  const top = 1.15 * Math.max(tolerance, path.worst());
  const axes = new Axes(pen, box, colors, {
    x: linear([0, 1]),
    y: linear([0, top], 4),
    xLabel: "position p on the path",
    yLabel: "residual of each layer",
    yFormat: (value) => `${digits(100 * value)} %`,
    margin: { left: 50 },
  });
  axes.frame();
  residual.forEach((value, l) => {
    const [left, right] = [axes.px(p[l] ?? 0), axes.px(p[l + 1] ?? 1)];
    pen.fillStyle = value > tolerance ? colors.orange : colors.green;
    pen.fillRect(
      left + 0.5,
      axes.py(value),
      Math.max(1, right - left - 1),
      axes.bottom - axes.py(value),
    );
  });
  axes.line([0, 1], [tolerance, tolerance], { color: colors.text, width: 1.5, dash: [6, 4] });
  axes.text(`tolerance, ${digits(100 * tolerance)} %`, 1, tolerance, {
    align: "right",
    dy: -9,
    color: colors.text,
  });
  return axes;
}

function markPosition(axes: Axes, colors: Colors, p: number): void {
  axes.line([p, p], [...axes.y.domain], { color: colors.purple, width: 2 });
}
