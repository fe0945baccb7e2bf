/** Draws the chain itself: walls, springs, blocks on a rough ground. */

import { FONT, mix, type Colors } from "../shared/theme";
import type { Box } from "../shared/surface";

export interface Drawn {
  /** Positions (n + 2), with both ends; the target is 1. */
  readonly positions: ArrayLike<number>;
  /** How much each block has moved lately, with its sign. */
  readonly stirring: ArrayLike<number>;
  /** Where the blocks would be exactly, (n + 2), or undefined. */
  readonly exact: ArrayLike<number> | undefined;
}

/** What a spring takes of the width when it is slack, all springs together. */
const SLACK = 0.42;
const COILS = 5;

export function drawBlocks(
  pen: CanvasRenderingContext2D,
  { width, height }: Box,
  colors: Colors,
  { positions, stirring, exact }: Drawn,
): void {
  const n = positions.length - 2;
  const [left, right] = [14, width - 26];
  const ground = height - 30;
  const gap = ((right - left) * SLACK) / (n + 1);
  const stretch = (right - left) * (1 - SLACK);
  const at = (l: number, x: number) => left + gap * l + stretch * x;
  const side = Math.max(1.6, Math.min(gap * 0.62, 34, height * 0.26));
  const middle = ground - Math.max(side, 10) / 2;

  drawGround(pen, left, width - 8, ground, colors);
  drawWall(pen, left, ground, colors, -1);
  const end = at(n + 1, positions[n + 1]);
  drawWall(pen, end, ground, colors, 1);

  // Springs: the longer, the darker. An equal share of the whole is in the middle of the scale.
  const share = 1 / (n + 1);
  for (let l = 0; l <= n; l++) {
    const load = positions[l + 1] - positions[l];
    const from = at(l, positions[l]) + (l > 0 ? side / 2 : 0);
    const to = at(l + 1, positions[l + 1]) - (l < n ? side / 2 : 0);
    pen.strokeStyle = mix(colors.line, colors.text, 0.25 + (0.5 * load) / share);
    pen.lineWidth = n > 40 ? 1 : 1.6;
    drawSpring(pen, from, to, middle, Math.min(8, side * 0.45));
  }
  if (exact && n <= 40) drawMarks(pen, exact, at, ground, colors);
  for (let l = 1; l <= n; l++) {
    const x = at(l, positions[l]);
    const moved = stirring[l - 1];
    const tone = moved < 0 ? colors.purple : colors.green;
    pen.fillStyle = mix(colors.stuck, tone, Math.min(1, Math.abs(moved) * 1.4));
    pen.beginPath();
    const tall = Math.max(side, 10);
    pen.roundRect(x - side / 2, ground - tall, side, tall, Math.min(4, side / 4));
    pen.fill();
    if (side > 17) {
      pen.fillStyle = colors.ground;
      pen.font = `600 12px ${FONT}`;
      pen.textAlign = "center";
      pen.textBaseline = "middle";
      pen.fillText(String(l), x, ground - side / 2 + 0.5);
    }
  }
  pen.font = `12px ${FONT}`;
  pen.textBaseline = "top";
  pen.fillStyle = colors.quiet;
  pen.textAlign = "left";
  pen.fillText("input", 2, ground + 12);
  pen.textAlign = "right";
  pen.fillText(width < 500 ? "output, pulled" : "output: the pulled end", width - 4, ground + 12);
}

function drawGround(
  pen: CanvasRenderingContext2D,
  from: number,
  to: number,
  y: number,
  colors: Colors,
): void {
  pen.strokeStyle = colors.quiet;
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(from, y + 0.5);
  pen.lineTo(to, y + 0.5);
  pen.stroke();
  pen.strokeStyle = colors.line;
  pen.beginPath();
  for (let x = from + 6; x < to; x += 7) {
    pen.moveTo(x, y + 1);
    pen.lineTo(x - 5, y + 7);
  }
  pen.stroke();
}

function drawWall(
  pen: CanvasRenderingContext2D,
  x: number,
  ground: number,
  colors: Colors,
  side: number,
): void {
  pen.fillStyle = colors.text;
  pen.fillRect(side < 0 ? x - 5 : x, ground - 54, 5, 54);
  if (side < 0) return;
  pen.strokeStyle = colors.text;
  pen.lineWidth = 2;
  pen.beginPath();
  pen.moveTo(x + 5, ground - 27);
  pen.lineTo(x + 20, ground - 27);
  pen.moveTo(x + 14, ground - 32);
  pen.lineTo(x + 20, ground - 27);
  pen.lineTo(x + 14, ground - 22);
  pen.stroke();
}

function drawSpring(
  pen: CanvasRenderingContext2D,
  from: number,
  to: number,
  y: number,
  swing: number,
): void {
  pen.beginPath();
  pen.moveTo(from, y);
  if (Math.abs(to - from) > 10 && swing > 1.5) {
    const lead = (to - from) * 0.1;
    const step = (to - from - 2 * lead) / (2 * COILS);
    pen.lineTo(from + lead, y);
    for (let i = 0; i < 2 * COILS; i++) {
      pen.lineTo(from + lead + (i + 0.5) * step, y + (i % 2 ? swing : -swing));
    }
    pen.lineTo(to - lead, y);
  }
  pen.lineTo(to, y);
  pen.stroke();
}

/** Where each block belongs: small triangles under the ground. */
function drawMarks(
  pen: CanvasRenderingContext2D,
  exact: ArrayLike<number>,
  at: (l: number, x: number) => number,
  ground: number,
  colors: Colors,
): void {
  pen.fillStyle = colors.blue;
  for (let l = 1; l < exact.length - 1; l++) {
    const x = at(l, exact[l]);
    pen.beginPath();
    pen.moveTo(x, ground + 2);
    pen.lineTo(x - 4.5, ground + 10);
    pen.lineTo(x + 4.5, ground + 10);
    pen.fill();
  }
}
