/**
 * The map: a cell for each slope and level, shaded, with its mean load curve and chord drawn in it.
 * It is a grid for keyboards and screen readers: arrows go from cell to cell. On narrow screens
 * style.css turns it, so that slopes lie side by side and levels below each other.
 */

import { make } from "../shared/dom";
import { onTheme } from "../shared/theme";
import type { Panel } from "./panels";
import { colorOf, inkOn, type Shade } from "./shades";
import { cellInWords, LEVEL_NAMES, levelText } from "./words";

const SVG = "http://www.w3.org/2000/svg";

export interface MapEvents {
  /** A cell was chosen, by a click, a tap or the keyboard. */
  readonly choose: (cell: number) => void;
  /** A mouse is over a cell; undefined when it leaves. */
  readonly hover: (cell: number | undefined) => void;
}

export class CellMap {
  readonly element = make("div", { class: "map", role: "grid" });
  private readonly events: MapEvents;
  private panel: Panel | undefined;
  private shade: Shade = "accuracy";
  private cells: HTMLElement[] = [];
  private chosen = 0;

  constructor(events: MapEvents) {
    this.events = events;
    this.element.addEventListener("keydown", (event) => this.key(event));
    this.element.addEventListener("pointerleave", () => events.hover(undefined));
    onTheme(() => this.paint());
  }

  show(panel: Panel, shade: Shade): void {
    const same = this.panel?.content === panel.content;
    this.panel = panel;
    this.shade = shade;
    if (!same) this.build();
    this.paint();
  }

  /** Mark a cell as the chosen one. */
  choose(cell: number): void {
    this.cells.forEach((each, i) => {
      each.setAttribute("aria-selected", String(i === cell));
      each.tabIndex = i === cell ? 0 : -1;
    });
    this.chosen = cell;
  }

  private build(): void {
    const { panel } = this;
    if (!panel) return;
    const { slopes, levels, panel: name } = panel.content;
    this.element.style.setProperty("--slopes", String(slopes.length));
    this.element.style.setProperty("--levels", String(levels.length));
    this.element.classList.toggle("many", levels.length > 10);
    this.element.setAttribute(
      "aria-label",
      `Slope by ${LEVEL_NAMES[name].axis}: choose a cell with the arrow keys`,
    );
    const rows: HTMLElement[] = [];
    this.cells = [];
    slopes.forEach((slope, i) => {
      const row = make("div", { role: "row", class: "line" });
      const head = make("span", { role: "rowheader", class: "slope" }, slopeText(slope));
      head.style.setProperty("--i", String(i));
      row.append(head);
      levels.forEach((_, j) => {
        const cell = this.makeCell(panel.cell(i, j));
        cell.style.setProperty("--i", String(i));
        cell.style.setProperty("--j", String(j));
        row.append(cell);
        this.cells.push(cell);
      });
      rows.push(row);
    });
    const heads = levels.map((level, j) => {
      const head = make("span", { role: "columnheader", class: "level" }, levelText(name, level));
      head.style.setProperty("--j", String(j));
      return head;
    });
    const foot = make("div", { role: "row", class: "line" }, ...heads);
    this.element.replaceChildren(...rows, foot);
  }

  private makeCell(cell: number): HTMLElement {
    const element = make("div", { role: "gridcell", class: "cell", "data-cell": cell });
    element.addEventListener("click", () => this.events.choose(cell));
    element.addEventListener("pointerenter", (event) => {
      if (event.pointerType === "mouse") this.events.hover(cell);
    });
    return element;
  }

  private paint(): void {
    const { panel, shade } = this;
    if (!panel) return;
    this.cells.forEach((element, cell) => {
      const color = colorOf(panel, cell, shade);
      element.style.background = color;
      element.style.color = inkOn(color);
      element.setAttribute("aria-label", cellInWords(panel, cell));
      element.replaceChildren(...glyph(panel, cell));
    });
    this.choose(this.chosen);
  }

  private key(event: KeyboardEvent): void {
    const { panel } = this;
    if (!panel || event.ctrlKey || event.metaKey || event.altKey) return;
    const { slopes, levels } = panel.content;
    // Which way the grid lies is the style sheet's to say.
    const turned = getComputedStyle(this.element).getPropertyValue("--turned").trim() === "1";
    const [right, up] = turned ? [levels.length, -1] : [1, levels.length];
    const [row, column] = [Math.floor(this.chosen / levels.length), this.chosen % levels.length];
    const room: Record<string, [number, boolean]> = {
      ArrowRight: [right, turned ? row < slopes.length - 1 : column < levels.length - 1],
      ArrowLeft: [-right, turned ? row > 0 : column > 0],
      ArrowUp: [up, turned ? column > 0 : row < slopes.length - 1],
      ArrowDown: [-up, turned ? column < levels.length - 1 : row > 0],
      Home: [-column, true],
      End: [levels.length - 1 - column, true],
    };
    const move = room[event.key];
    if (!move) return;
    event.preventDefault();
    if (!move[1]) return;
    this.events.choose(this.chosen + move[0]);
    this.cells[this.chosen]?.focus();
  }
}

function slopeText(slope: number): string {
  if (slope === 0) return "ReLU 0";
  return slope === 1 ? "linear 1" : String(slope);
}

/** The mean load curve with its chord, scaled to the cell. */
function glyph(panel: Panel, cell: number): SVGElement[] {
  const curve = panel.meanCurve(cell);
  if (!curve) return [];
  const [low, high] = [Math.min(...curve), Math.max(...curve)];
  const at = (value: number, l: number): string => {
    const x = 12 + (76 * l) / (curve.length - 1);
    return `${x.toFixed(1)},${(14 + (72 * (high - value)) / (high - low || 1)).toFixed(1)}`;
  };
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 100 100");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const last = curve.length - 1;
  const ends = [at(curve[0] ?? 0, 0), at(curve[last] ?? 0, last)];
  for (const [name, points] of [
    ["chord", ends],
    ["mean", curve.map(at)],
  ] as const) {
    const line = document.createElementNS(SVG, "polyline");
    line.setAttribute("points", points.join(" "));
    line.setAttribute("class", name);
    svg.append(line);
  }
  return [svg];
}
