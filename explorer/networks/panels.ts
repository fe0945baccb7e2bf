/**
 * The panels that `data/export.py` thinned: what `lp.phase_diagram.mean_curves` and
 * `lp.phase_diagram.correlation` say of them, and the load curve of every net.
 */

import text from "../data/phase_diagrams.json?raw";
import { unpack, type Packed } from "../shared/packed";

export const DATA_SETS = ["mnist", "fashion", "digits", "mnist-no-batch-norm"] as const;
export const PANELS = ["dropout", "data-noise", "learning-rate", "batch-size"] as const;
export const KINDS = ["trace_ratio", "fuzziness", "inverse"] as const;
export type DataSet = (typeof DATA_SETS)[number];
export type PanelName = (typeof PANELS)[number];
export type Kind = (typeof KINDS)[number];

/** A value with the ends of its 95 % interval; null is unbounded or unknown. */
export type Estimate = readonly [value: number | null, low: number | null, high: number | null];
/** A coefficient with its interval, and over how many nets it is. */
export type Coefficient = readonly [value: number, low: number, high: number, nets: number];

interface KindContent {
  /** Of every cell's mean curve: concavity with its interval, and 1 if the curve surely falls. */
  readonly concavity: readonly (readonly [...Estimate, number])[];
  readonly curves: Packed;
  readonly between_nets: Coefficient;
  readonly between_cells: Coefficient;
}

interface Content {
  readonly data: DataSet;
  readonly panel: PanelName;
  readonly slopes: readonly number[];
  readonly levels: readonly number[];
  readonly subsets: number;
  readonly nets: number;
  readonly n_train: number;
  readonly n_test: number;
  readonly layers: number;
  readonly accuracy: readonly Estimate[];
  readonly net_accuracy: Packed;
  readonly kinds: Readonly<Record<Kind, KindContent>>;
}

/** A panel by one convention; cells are numbered slope by slope. */
export class Panel {
  readonly content: Content;
  readonly kind: Kind;
  readonly cells: number;
  /** How many nets each cell has. */
  readonly seeds: number;
  private readonly curves: Float64Array;
  private readonly netAccuracy: Float64Array;
  private readonly means: (number[] | undefined)[];

  constructor(content: Content, kind: Kind) {
    this.content = content;
    this.kind = kind;
    this.cells = content.slopes.length * content.levels.length;
    this.seeds = content.subsets * content.nets;
    this.curves = unpack(content.kinds[kind].curves);
    this.netAccuracy = unpack(content.net_accuracy);
    this.means = Array.from({ length: this.cells }, (_, cell) => this.measureMean(cell));
  }

  cell(slope: number, level: number): number {
    return slope * this.content.levels.length + level;
  }

  slopeOf(cell: number): number {
    return this.content.slopes[Math.floor(cell / this.content.levels.length)] ?? NaN;
  }

  levelOf(cell: number): number {
    return this.content.levels[cell % this.content.levels.length] ?? NaN;
  }

  accuracy(cell: number): Estimate {
    return this.content.accuracy[cell] ?? [null, null, null];
  }

  concavity(cell: number): Estimate {
    const [value, low, high] = this.own.concavity[cell] ?? [null, null, null];
    return [value, low, high];
  }

  /** Whether the mean curve of a cell surely falls, so that its concavity may be read. */
  falls(cell: number): boolean {
    return this.own.concavity[cell]?.[3] === 1;
  }

  get betweenNets(): Coefficient {
    return this.own.between_nets;
  }

  get betweenCells(): Coefficient {
    return this.own.between_cells;
  }

  /** The load curves of a cell's nets: log separation over the layers, in nats, that falls. */
  netCurves(cell: number): Float64Array[] {
    const { layers } = this.content;
    const start = cell * this.seeds * layers;
    return Array.from({ length: this.seeds }, (_, i) =>
      this.curves.subarray(start + i * layers, start + (i + 1) * layers),
    ).filter((curve) => curve.every(Number.isFinite));
  }

  netAccuracies(cell: number): Float64Array {
    return this.netAccuracy.subarray(cell * this.seeds, (cell + 1) * this.seeds);
  }

  /** The mean over the nets whose curve is finite; undefined if there is none. */
  meanCurve(cell: number): number[] | undefined {
    return this.means[cell];
  }

  private measureMean(cell: number): number[] | undefined {
    const curves = this.netCurves(cell);
    if (!curves.length) return undefined;
    return Array.from(
      { length: this.content.layers },
      (_, l) => curves.reduce((sum, curve) => sum + (curve[l] ?? 0), 0) / curves.length,
    );
  }

  /** The cell with the highest mean accuracy. */
  best(): number {
    return this.content.accuracy.reduce(
      (best, [value], cell) => ((value ?? -1) > (this.accuracy(best)[0] ?? -1) ? cell : best),
      0,
    );
  }

  /** The cell at the nearest slope and level; levels are compared by their ratio but at 0. */
  nearest(slope: number, level: number): number {
    const { slopes, levels } = this.content;
    return this.cell(closest(slopes, slope), closest(levels, level));
  }

  private get own(): KindContent {
    return this.content.kinds[this.kind];
  }
}

function closest(values: readonly number[], wanted: number): number {
  const distance = (value: number) =>
    value > 0 && wanted > 0 ? Math.abs(Math.log(value / wanted)) : Math.abs(value - wanted) * 1e3;
  return values.reduce(
    (best, value, i) => (distance(value) < distance(values[best] ?? NaN) ? i : best),
    0,
  );
}

const parsed = JSON.parse(text) as { phase_diagrams: readonly Content[] };
const made = new Map<string, Panel>();

/** How many nets a cell has in the panel that has most. */
export const MOST_NETS = Math.max(
  ...parsed.phase_diagrams.map(({ subsets, nets }) => subsets * nets),
);

/** A panel, unpacked when it is first asked for. */
export function panelOf(data: DataSet, panel: PanelName, kind: Kind): Panel {
  const key = `${data}/${panel}/${kind}`;
  let found = made.get(key);
  if (!found) {
    const content = parsed.phase_diagrams.find((one) => one.data === data && one.panel === panel);
    if (!content) throw new Error(`There is no panel ${data}/${panel}.`);
    found = new Panel(content, kind);
    made.set(key, found);
  }
  return found;
}
