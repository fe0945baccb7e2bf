/**
 * The phase diagram of the page: computed between frames, drawn as a map, with the sliders' place
 * on it. A pointer moves that place; sliders do the same by keyboard.
 */

import type uPlot from "uplot";
import { Chart, power, type Note, type Points } from "../shared/chart";
import { signed } from "../shared/dom";
import { dots, line } from "../shared/series";
import type { State } from "../shared/state";
import { colors, mix, type Colors } from "../shared/theme";
import { chainOf, FIELDS, motionOf, type Settings } from "./fields";
import { square } from "./panels";
import { cells, isFlow, runOf, turning, unpinningNoise, type Grid } from "./physics";
import { shape } from "./words";

/** Concavity at which a colour is full. */
const FULL = 0.3;
/** Cells of the map: the flow of means is cheap, simulated chains are not. */
const FINE = { columns: 28, rows: 24 };
const COARSE = { columns: 16, rows: 12 };

/** Where an axis has ticks beside its end, as shares of it. */
const TICKS = [0, 0.1, 1 / 3, 2 / 3];

/** Friction and noise are spread as their sliders are. */
const SPREAD = { x: FIELDS.friction_right.power, y: FIELDS.noise.power } as const;

/** How far the axes go: as their sliders, and as far as they tell chains apart. */
function endsOf(values: Settings): { x: number; y: number } {
  const { n_blocks: n, stiffness } = values;
  // All blocks move below 2 k / n (n + 1): longer chains are told apart by less friction.
  const reach = Math.min(1, (stiffness * 56) / (n * (n + 1)));
  const end = (field: { max: number }) => Number((field.max * reach).toPrecision(2));
  return { x: end(FIELDS.friction_right), y: end(FIELDS.noise) };
}

function ticksOf(end: number): number[] {
  const shares = end < 0.01 ? [0, 0.1, 0.4] : TICKS;
  return [...shares.map((share) => Number((end * share).toPrecision(1))), end];
}

export class PhaseMap {
  readonly chart: Chart;
  private readonly state: State<typeof FIELDS>;
  private ends: { x: number; y: number };
  private grid: Grid = { friction: [], noise: [] };
  private values: (number | undefined)[][] = [];
  private work: ReturnType<typeof cells> | undefined;
  private key = "";
  private picture: HTMLCanvasElement | undefined;
  private painted: Colors | undefined;

  constructor(state: State<typeof FIELDS>) {
    this.state = state;
    this.ends = endsOf(state.values);
    this.chart = new Chart({
      label: "Phase diagram",
      height: square,
      x: {
        range: () => [0, this.ends.x],
        label: "friction to the right",
        scale: power(SPREAD.x),
        ticks: () => ticksOf(this.ends.x),
      },
      y: {
        range: () => [0, this.ends.y],
        label: "noise",
        scale: power(SPREAD.y),
        ticks: () => ticksOf(this.ends.y),
      },
      margin: { right: 24 },
      grid: false,
      under: (plot) => this.drawCells(plot),
      series: {
        turns: line((c) => c.text, { width: 1.5 }),
        frees: line((c) => c.text, { width: 1.5, dash: [2, 3] }),
        frame: line((c) => c.line, { width: 1 }),
        here: dots((c) => c.text, { size: 14, ring: (c) => c.ground }),
      },
      data: () => this.lines(),
      notes: () => this.notes(),
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
      this.ends = endsOf(values);
      this.grid = gridOf(isFlow(motion) && chain.n_blocks <= 30 ? FINE : COARSE, this.ends);
      this.values = this.grid.friction.map(() => []);
      this.work = cells(this.grid, { chain, motion, run: runOf(chain, motion) });
      this.picture = undefined;
    }
    this.redraw();
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
      this.redraw();
    }
  }

  /** The concavity on the map at the sliders' place, undefined while it is not known. */
  here(): number | undefined {
    const { friction_right, noise } = this.state.values;
    const share = (value: number, end: number, power: number) =>
      Math.min(1, value / end) ** (1 / power);
    const { friction, noise: levels } = this.grid;
    const column = Math.round(share(friction_right, this.ends.x, SPREAD.x) * (friction.length - 1));
    const row = Math.round(share(noise, this.ends.y, SPREAD.y) * (levels.length - 1));
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

  private redraw(): void {
    this.chart.redraw();
    this.describe(this.state.values);
  }

  /** Cells stand for the points in their middles, so that the outer ones reach out of the frame. */
  private drawCells(plot: uPlot): void {
    const now = colors();
    const [columns, rows] = [this.grid.friction.length, this.grid.noise.length];
    if (this.painted !== now) this.picture = undefined; // the theme is another
    this.painted = now;
    this.picture ??= this.paint(columns, rows, now);
    const { ctx: pen, bbox } = plot;
    const [wide, high] = [bbox.width / (columns - 1), bbox.height / (rows - 1)];
    pen.save();
    pen.beginPath();
    pen.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    pen.clip();
    pen.imageSmoothingEnabled = true;
    pen.imageSmoothingQuality = "high";
    const [left, top] = [bbox.left - wide / 2, bbox.top - high / 2];
    pen.drawImage(this.picture, left, top, wide * columns, high * rows);
    pen.restore();
  }

  /** Where curves turn, what noise frees the chain, and where the sliders are. */
  private lines(): Record<string, Points> {
    const { values: settings } = this.state;
    const { friction } = this.grid;
    const { x: end, y: top } = this.ends;
    const found: Record<string, Points> = {
      frame: [
        [0, end, end, 0, 0],
        [0, 0, top, top, 0],
      ],
      here: [[Math.min(settings.friction_right, end)], [Math.min(settings.noise, top)]],
    };
    if (this.done) {
      const noise = turning(this.grid, (column, row) => this.at(column, row) ?? NaN);
      const known = friction.map((_, i) => i).filter((i) => Number.isFinite(noise[i]));
      found["turns"] = [known.map((i) => friction[i]), known.map((i) => noise[i])];
    }
    const motion = motionOf(settings);
    if (isFlow(motion)) {
      const chain = chainOf(settings);
      const freeing = friction.map((mu) =>
        unpinningNoise(chain, mu, motion.dt * runOf(chain, motion), motion.dt),
      );
      if (Number.isFinite(freeing[0])) found["frees"] = [friction, freeing];
    }
    return found;
  }

  /** The names of the map's parts, where cells are of that shape. */
  private notes(): Note[] {
    const [columns, rows] = [this.grid.friction.length, this.grid.noise.length];
    const named = (name: string, value: number | undefined, x: number, y: number): Note[] =>
      value !== undefined && shape(value) === name
        ? [
            {
              text: name,
              x: this.ends.x * x ** SPREAD.x,
              y: this.ends.y * y ** SPREAD.y,
              color: (c) => c.text,
              align: "center",
              bold: true,
            },
          ]
        : [];
    return [
      ...named("concave", this.at(columns - 1, 0), 0.82, 0.08),
      ...named("convex", this.at(Math.round(columns * 0.2), rows - 4), 0.27, 0.78),
    ];
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
    this.chart.describe(
      `Phase diagram, friction to the right against noise. At friction ` +
        `${settings.friction_right} and noise ${settings.noise}: ${said}.`,
    );
  }

  private follow(): void {
    const { element } = this.chart;
    element.classList.add("map");
    const move = (event: PointerEvent) => {
      const { x, y } = this.chart.at(event) ?? {};
      if (x === undefined || y === undefined) return;
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

function gridOf({ columns, rows }: typeof FINE, { x, y }: { x: number; y: number }): Grid {
  const spread = (count: number, end: number, power: number) =>
    Array.from({ length: count }, (_, i) => end * (i / (count - 1)) ** power);
  return { friction: spread(columns, x, SPREAD.x), noise: spread(rows, y, SPREAD.y) };
}
