/**
 * The phase diagram of the page: computed between frames, drawn as a map, with the sliders' place
 * on it. A pointer moves that place; sliders do the same by keyboard.
 */

import { signed } from "../shared/dom";
import { Axes, FONT, power, type Scale } from "../shared/plot";
import type { State } from "../shared/state";
import { Surface, type Box } from "../shared/surface";
import { mix, type Colors } from "../shared/theme";
import { chainOf, FIELDS, motionOf, type Settings } from "./fields";
import { cells, isFlow, runOf, turning, unpinningNoise, type Grid } from "./physics";
import { shape } from "./words";

/** Concavity at which a colour is full. */
const FULL = 0.3;
/** Cells of the map: the flow of means is cheap, simulated chains are not. */
const FINE = { columns: 28, rows: 24 };
const COARSE = { columns: 16, rows: 12 };

/** Where an axis has ticks, as shares of its end. */
const TICKS = [0, 0.1, 1 / 3, 2 / 3, 1];

/** How friction and noise are spread: as their sliders are, and as far as they tell chains apart. */
function axesOf(values: Settings): { x: Scale; y: Scale } {
  const { n_blocks: n, stiffness } = values;
  // All blocks move below 2 k / n (n + 1): longer chains are told apart by less friction.
  const reach = Math.min(1, (stiffness * 56) / (n * (n + 1)));
  const axis = (field: { max: number; power: number }) => {
    const end = Number((field.max * reach).toPrecision(2));
    const shares = end < 0.01 ? [0, 0.1, 0.4, 1] : TICKS;
    const ticks = shares.map((share) => Number((end * share).toPrecision(1)));
    return power([0, end], field.power, [...ticks.slice(0, -1), end]);
  };
  return { x: axis(FIELDS.friction_right), y: axis(FIELDS.noise) };
}

export class PhaseMap {
  readonly surface: Surface;
  private readonly state: State<typeof FIELDS>;
  private scales: { x: Scale; y: Scale };
  private grid: Grid = { friction: [], noise: [] };
  private values: (number | undefined)[][] = [];
  private work: ReturnType<typeof cells> | undefined;
  private key = "";
  private axes: Axes | undefined;
  private picture: HTMLCanvasElement | undefined;
  private painted: Colors | undefined;

  constructor(state: State<typeof FIELDS>) {
    this.state = state;
    this.scales = axesOf(state.values);
    this.surface = new Surface({
      label: "Phase diagram",
      height: (width) => Math.max(230, Math.min(330, width * 0.86)),
      draw: (pen, box, colors) => this.draw(pen, box, colors),
    });
    this.follow();
  }

  /** Whether every cell is known. */
  get done(): boolean {
    return this.work === undefined;
  }

  /** Begin anew if the settings that the map depends on are others. */
  use(values: Settings): void {
    const chain = { ...chainOf(values), friction_right: 0 };
    const motion = { ...motionOf(values), noise: 0 };
    const key = JSON.stringify([chain, motion]);
    if (key !== this.key) {
      this.key = key;
      this.scales = axesOf(values);
      this.grid = gridOf(isFlow(motion) && chain.n_blocks <= 30 ? FINE : COARSE, this.scales);
      this.values = this.grid.friction.map(() => []);
      this.work = cells(this.grid, { chain, motion, run: runOf(chain, motion) });
      this.picture = undefined;
    }
    this.surface.redraw();
  }

  /** Compute for some milliseconds. */
  advance(milliseconds: number): void {
    if (!this.work) return;
    const until = performance.now() + milliseconds;
    let fresh = false;
    do {
      const { value: cell, done } = this.work.next();
      if (done) {
        this.work = undefined;
        fresh = true;
        break;
      }
      if (cell) {
        this.values[cell.column][cell.row] = cell.value;
        fresh = true;
      }
    } while (performance.now() < until);
    if (fresh) {
      this.picture = undefined;
      this.surface.redraw();
    }
  }

  /** The concavity on the map at the sliders' place, undefined while it is not known. */
  here(): number | undefined {
    const { friction_right, noise } = this.state.values;
    const column = Math.round(
      Math.min(1, this.scales.x.share(friction_right)) * (this.grid.friction.length - 1),
    );
    const row = Math.round(Math.min(1, this.scales.y.share(noise)) * (this.grid.noise.length - 1));
    return this.at(column, row);
  }

  /** The value of a cell, or of the rough cell that stands for it. */
  private at(column: number, row: number): number | undefined {
    for (const size of [1, 2, 4]) {
      const value = this.values[column - (column % size)]?.[row - (row % size)];
      if (value !== undefined) return value;
    }
    return undefined;
  }

  private draw(pen: CanvasRenderingContext2D, box: Box, colors: Colors): void {
    const settings = this.state.values;
    const axes = new Axes(pen, box, colors, {
      ...this.scales,
      xLabel: "friction to the right",
      yLabel: "noise",
      margin: { left: this.scales.y.domain[1] < 0.01 ? 58 : 46, right: 24 },
    });
    this.axes = axes;
    const { columns, rows } = { columns: this.grid.friction.length, rows: this.grid.noise.length };
    if (this.painted !== colors) this.picture = undefined; // the theme is another
    this.painted = colors;
    this.picture ??= this.paint(columns, rows, colors);
    const [wide, high] = [
      (axes.right - axes.left) / (columns - 1),
      (axes.bottom - axes.top) / (rows - 1),
    ];
    axes.inside(() => {
      pen.imageSmoothingEnabled = true;
      pen.imageSmoothingQuality = "high";
      // Cells stand for the points in their middles.
      pen.drawImage(
        this.picture as HTMLCanvasElement,
        axes.left - wide / 2,
        axes.top - high / 2,
        wide * columns,
        high * rows,
      );
      this.drawBoundaries(pen, axes, colors, settings);
    });
    axes.frame({ grid: false });
    pen.strokeStyle = colors.line;
    pen.strokeRect(axes.left + 0.5, axes.top + 0.5, axes.right - axes.left, axes.bottom - axes.top);
    const [end, top] = [this.scales.x.domain[1], this.scales.y.domain[1]];
    axes.dot(Math.min(settings.friction_right, end), Math.min(settings.noise, top), {
      color: colors.text,
      radius: 6,
      ring: colors.ground,
    });
    this.describe(settings);
  }

  private drawBoundaries(
    pen: CanvasRenderingContext2D,
    axes: Axes,
    colors: Colors,
    settings: Settings,
  ): void {
    const { friction } = this.grid;
    if (this.done) {
      const noise = turning(this.grid, (column, row) => this.at(column, row) ?? NaN);
      const known = friction.map((_, i) => i).filter((i) => Number.isFinite(noise[i]));
      axes.line(
        known.map((i) => friction[i]),
        known.map((i) => noise[i]),
        { color: colors.text, width: 1.5 },
      );
    }
    const motion = motionOf(settings);
    if (isFlow(motion)) {
      const chain = chainOf(settings);
      const freeing = friction.map((mu) =>
        unpinningNoise(chain, mu, motion.dt * runOf(chain, motion), motion.dt),
      );
      if (Number.isFinite(freeing[0])) {
        axes.line(friction, freeing, { color: colors.text, width: 1.5, dash: [2, 3] });
      }
    }
    pen.font = `600 12px ${FONT}`;
    const label = (text: string, x: number, y: number) => {
      const color = colors.text;
      axes.text(text, x, y, { color, align: "center" });
    };
    const bottom = this.at(friction.length - 1, 0);
    if (bottom !== undefined && shape(bottom) === "concave")
      label("concave", this.scales.x.invert(0.82), this.scales.y.invert(0.08));
    const top = this.at(Math.round(friction.length * 0.2), this.grid.noise.length - 4);
    if (top !== undefined && shape(top) === "convex")
      label("convex", this.scales.x.invert(0.27), this.scales.y.invert(0.78));
  }

  private paint(columns: number, rows: number, colors: Colors): HTMLCanvasElement {
    const picture = document.createElement("canvas");
    picture.width = columns;
    picture.height = rows;
    const pen = picture.getContext("2d") as CanvasRenderingContext2D;
    for (let column = 0; column < columns; column++) {
      for (let row = 0; row < rows; row++) {
        const value = this.at(column, row);
        pen.fillStyle = value === undefined ? colors.panel : tone(value, colors);
        pen.fillRect(column, rows - 1 - row, 1, 1);
      }
    }
    return picture;
  }

  private describe(settings: Settings): void {
    const here = this.here();
    const said = here === undefined ? "being computed" : `${shape(here)}, ${signed(here)}`;
    this.surface.describe(
      `Phase diagram, friction to the right against noise. At friction ` +
        `${settings.friction_right} and noise ${settings.noise}: ${said}.`,
    );
  }

  private follow(): void {
    const { element } = this.surface;
    element.classList.add("map");
    const move = (event: PointerEvent) => {
      if (!this.axes) return;
      const { x, y } = this.axes.at(this.surface.place(event));
      this.state.set({
        friction_right: Number(Math.max(0, x).toPrecision(2)),
        noise: Number(Math.max(0, y).toPrecision(2)),
      });
    };
    element.addEventListener("pointerdown", (event) => {
      element.setPointerCapture(event.pointerId);
      move(event);
    });
    element.addEventListener("pointermove", (event) => {
      if (element.hasPointerCapture(event.pointerId)) move(event);
    });
  }
}

/** Orange where concave, blue where convex, the ground where straight. */
export function tone(value: number, colors: Colors): string {
  const share = Math.min(1, Math.abs(value) / FULL) ** 0.7;
  return mix(colors.ground, value > 0 ? colors.orange : colors.blue, share * 0.8);
}

function gridOf(
  { columns, rows }: { columns: number; rows: number },
  { x, y }: { x: Scale; y: Scale },
): Grid {
  return {
    friction: Array.from({ length: columns }, (_, i) => x.invert(i / (columns - 1))),
    noise: Array.from({ length: rows }, (_, i) => y.invert(i / (rows - 1))),
  };
}
