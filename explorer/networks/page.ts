/** The page of the networks' phase diagrams. */

import { segments } from "../shared/controls";
import { make } from "../shared/dom";
import { openPage } from "../shared/header";
import { Summary } from "../shared/spoken";
import { choice, number, State } from "../shared/state";
import { onTheme } from "../shared/theme";
import { curvesChart, loadsChart, loadShares } from "./curves";
import { CellMap } from "./map";
import { DATA_SETS, KINDS, PANELS, panelOf } from "./panels";
import "./networks.css";
import { cellsOf, Scatter } from "./scatter";
import { legend } from "./shades";
import * as words from "./words";

/** Stands for the most accurate cell of the panel, which is chosen until another one is. */
const BEST = -1;

const state = new State({
  data: choice("mnist", DATA_SETS),
  panel: choice("dropout", PANELS),
  kind: choice("trace_ratio", KINDS),
  shade: choice("accuracy", ["accuracy", "concavity"]),
  slope: number(BEST, { min: BEST, max: 1 }),
  level: number(BEST, { min: BEST, max: 10000 }),
});

/** The cell that a mouse is over, which is shown as long as it is there. */
let hovered: number | undefined;

const panel = () => panelOf(state.values.data, state.values.panel, state.values.kind);

function chosen(): number {
  const { slope, level } = state.values;
  return slope < 0 || level < 0 ? panel().best() : panel().nearest(slope, level);
}

const shown = () => hovered ?? chosen();

const main = openPage(
  "networks",
  "Each cell of the map stands for small networks trained alike, from ReLU nets to linear ones and " +
    "from little noise to much. Its curve says how far the classes still are from being " +
    "separated after each layer. The claim of the spring-block theory: nets are most accurate where " +
    "that curve is straight, that is, where all layers share the work.",
  { state, panelOf, loadShares, shown },
);

const map = new CellMap({
  choose(cell) {
    hovered = undefined;
    state.set({ slope: panel().slopeOf(cell), level: panel().levelOf(cell) });
    show();
  },
  hover(cell) {
    hovered = cell;
    show();
  },
});
const shades = legend();
const summary = new Summary("The chosen cell, in words");

const curves = curvesChart(panel, shown);
const loads = loadsChart(panel, shown);
const scatter = new Scatter(panel, shown);
const dots = scatter.chart;
dots.element.addEventListener("pointermove", (event) => {
  if (event.pointerType !== "mouse") return;
  const cell = scatter.at(event);
  dots.element.style.cursor = cell === undefined ? "" : "pointer";
  if (cell === hovered) return;
  hovered = cell;
  show();
});
dots.element.addEventListener("pointerleave", () => {
  hovered = undefined;
  show();
});
dots.element.addEventListener("click", (event) => {
  // What a mouse is over is what it means: clicks are placed in whole pixels, moves in parts.
  const cell = hovered ?? scatter.at(event);
  if (cell !== undefined) state.set({ slope: panel().slopeOf(cell), level: panel().levelOf(cell) });
});

const claim = make("p", { class: "claim" });
const warned = make("p", { class: "quiet" });
const source = make("p", { class: "quiet" });
const axis = make("p", { class: "axis" });
const place = make("h2");
const verdict = make("p", { class: "verdict" });
const accuracy = make("dd", { "data-name": "accuracy" });
const concavity = make("dd", { "data-name": "concavity" });
const between = {
  nets: make("dd", { "data-name": "between-nets" }),
  cells: make("dd", { "data-name": "between-cells" }),
};
const leftOut = make("p", { class: "quiet" });

main.append(
  make(
    "div",
    { class: "choices" },
    segments(state, "data", { label: "Data", names: words.DATA_NAMES }),
    segments(state, "panel", { label: "Noise", names: words.PANEL_NAMES }),
    segments(state, "kind", { label: "Separation measured by", names: words.KIND_NAMES }),
    segments(state, "shade", {
      label: "Shade",
      names: { accuracy: "accuracy", concavity: "concavity" },
    }),
  ),
  make(
    "div",
    { class: "networks" },
    make(
      "section",
      { class: "panel whole", "aria-label": "Map" },
      claim,
      shades.element,
      make("div", { class: "frame" }, make("p", { class: "side" }, "slope below 0"), map.element),
      axis,
      summary.element,
      warned,
      source,
    ),
    make(
      "section",
      { class: "panel", "aria-label": "Chosen cell" },
      place,
      verdict,
      make(
        "dl",
        {},
        make("dt", {}, "test accuracy"),
        accuracy,
        make("dt", {}, "concavity"),
        concavity,
      ),
      curves.element,
      loads.element,
      make(
        "p",
        { class: "quiet" },
        "Thin: one net each. Thick: their mean, whose distance from its dashed chord is the " +
          "concavity: orange where the curve lies above it, blue below. In brackets 95 % intervals.",
      ),
    ),
    make(
      "section",
      { class: "panel", "aria-label": "Accuracy against concavity" },
      make("h2", {}, "Are the straightest the best?"),
      make(
        "p",
        {},
        "If so, the dots make a roof with its ridge at 0. The line joins the cells of one slope, " +
          "from little noise to much.",
      ),
      dots.element,
      make(
        "dl",
        {},
        make("dt", {}, "Spearman, over nets"),
        between.nets,
        make("dt", {}, "Pearson, over cells"),
        between.cells,
      ),
      make(
        "p",
        { class: "quiet" },
        "Correlation of accuracy with straightness, \u2212|concavity|: 1 if the claim holds " +
          "without exception, 0 if there is nothing to it.",
      ),
      leftOut,
    ),
  ),
);

/** What is the same for all cells of a panel. */
function showPanel(): void {
  const [now, { panel: name, shade }] = [panel(), state.values];
  map.show(now, shade);
  shades.show(now, shade);
  axis.textContent = `${words.LEVEL_NAMES[name].axis} \u2192`;
  claim.textContent = words.claimInWords(now);
  warned.textContent = words.caution(now);
  source.textContent = words.sourceInWords(now);
  for (const [pair, [value, low, high]] of [
    ["nets", now.betweenNets],
    ["cells", now.betweenCells],
  ] as const) {
    const [middle, from, to] = [value, low, high].map((each) => minus(each.toFixed(2)));
    between[pair].replaceChildren(...emphasized(`${middle} (${from} to ${to})`));
  }
  const out = now.cells - cellsOf(now).length;
  leftOut.textContent =
    "Hollow dots lie beyond the frame." +
    (out
      ? ` ${out} of ${now.cells} cells are left out: their mean curves do not surely fall, so that their concavity may be anything.`
      : "");
}

function show(): void {
  const [now, cell] = [panel(), shown()];
  map.choose(chosen());
  place.textContent = capital(words.placeInWords(now, cell));
  const said = words.verdict(now, cell);
  verdict.replaceChildren(
    make("strong", { class: said.tone }, capital(said.word)),
    `: ${said.means}.`,
  );
  accuracy.replaceChildren(...emphasized(words.accuracyText(now.accuracy(cell))));
  concavity.replaceChildren(
    ...emphasized(words.concavityText(now.concavity(cell), now.falls(cell))),
  );
  summary.show(`${capital(words.cellInWords(now, cell))}: ${said.means}.`, hovered !== undefined);
  curves.describe(`Load curves. ${words.cellInWords(now, cell)}.`);
  loads.describe(
    `Loads of the layers: ${
      loadShares(now, cell)
        ?.map((share) => `${Math.round(100 * share)} %`)
        .join(", ") ?? "none, for the curve does not surely fall"
    }.`,
  );
  dots.describe(
    `Accuracy against concavity of ${cellsOf(now).length} cells; the chosen one at ` +
      `${words.concavityText(now.concavity(cell), now.falls(cell))} and ${accuracy.textContent}.`,
  );
  curves.redraw();
  loads.redraw();
  dots.redraw();
}

/** A number in bold, and its interval after it. */
function emphasized(text: string): (Node | string)[] {
  const at = text.indexOf(" (");
  if (at < 0) return [make("strong", {}, text)];
  return [make("strong", {}, text.slice(0, at)), text.slice(at)];
}

function minus(text: string): string {
  return text.replace("-", "\u2212");
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

onTheme(() => shades.show(panel(), state.values.shade));

let opened = false;
state.onChange((_, changed) => {
  // Levels of one kind of noise say nothing of another's. An address may name both at once.
  if (opened && changed.has("panel") && !changed.has("slope") && !changed.has("level")) {
    state.set({ slope: BEST, level: BEST });
  }
  opened = true;
  hovered = undefined;
  if ((["data", "panel", "kind", "shade"] as const).some((name) => changed.has(name))) showPanel();
  show();
});
