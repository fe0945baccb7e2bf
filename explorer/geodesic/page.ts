/** The page of the geodesic. */

import type { Chart } from "../shared/chart";
import { segments, slider } from "../shared/controls";
import { digits, make } from "../shared/dom";
import { openPage } from "../shared/header";
import { Summary } from "../shared/spoken";
import { choice, number, State } from "../shared/state";
import { depthsChart, energiesChart, residualsChart, spectrumChart, type Shown } from "./charts";
import "./geodesic.css";
import { GEODESICS, geodesicAt } from "./paths";
import { rungSlider } from "./rungs";
import { samplesChart } from "./samples";
import * as words from "./words";

/** Seconds that a whole path takes when it is played. */
const DURATION = 5;

const state = new State({
  depth: number(8, { min: 1, max: 100 }),
  p: number(0.5, { min: 0, max: 1, step: 0.01 }),
  gamma0: choice("0.001", ["0.01", "0.001", "0.0001"]),
  range: choice("middle", ["middle", "whole"]),
});

const path = () => geodesicAt(state.values.depth);
const node = () => path().node(state.values.p);
const position = () => path().content.p[node()] ?? 0;
const gamma0 = () => Number(state.values.gamma0);

const main = openPage(
  "geodesic",
  "A Leaky ResNet that has been trained to the end takes its data along a path of least cost. The " +
    "paths here learn one teacher, which passes 30 inputs through 3 inner dimensions to 30 outputs. " +
    "The larger the effective depth, the deeper the path dives: it drops to those 3 dimensions " +
    "within a few fast layers, stays there for most of its length, and comes back at the end.",
  { state, path, node, geodesics: GEODESICS, words },
);

const shown = (): Shown => ({
  path: path(),
  p: position(),
  gamma0: gamma0(),
  whole: state.values.range === "whole",
});

/** Where a pointer presses a chart or is dragged in it, do something with the x there. */
function pressed(chart: Chart, press: (x: number) => void): Chart {
  chart.element.classList.add("pressed");
  const take = (event: PointerEvent) => {
    const place = event.buttons ? chart.at(event) : undefined;
    if (place) press(place.x);
  };
  chart.element.addEventListener("pointerdown", take);
  chart.element.addEventListener("pointermove", take);
  return chart;
}

const goTo = (p: number) => state.set({ p });
const spectrum = pressed(spectrumChart(shown), goTo);
const samples = samplesChart(shown);
const energies = pressed(energiesChart(shown), goTo);
const depths = pressed(depthsChart(shown), (leak) => state.set({ depth: geodesicAt(leak).leak }));
const residuals = residualsChart(shown);
const charts = [spectrum, samples, energies, depths, residuals];

// --- controls ---

const rungs = rungSlider("Effective depth L\u0303", "2 is shallow, without a bottleneck.", (leak) =>
  state.set({ depth: leak }),
);
const play = make("button", { type: "button", class: "main" }, "Play");
const places = slider(state, "p", {
  label: "Position p",
  hint: "0 is the input, 1 the output. Press or drag in a picture to go there.",
  format: (p) => {
    const now = geodesicAt(state.values.depth);
    return `${(now.content.p[now.node(p)] ?? 0).toFixed(2)}, layer ${now.node(p)} of ${now.layers}`;
  },
});
const summary = new Summary("What is seen");
const said = {
  spectrum: make("p", { "data-name": "spectrum" }),
  samples: make("p"),
  energies: make("p", { "data-name": "energies" }),
  depths: make("p", { "data-name": "depths" }),
  verdict: make("h3", { "data-name": "verdict" }),
  certificate: make("ul", { "data-name": "certificate" }),
};

let playing = 0;
let before = 0;

function tick(now: number): void {
  const p = state.values.p + pending + (now - before) / 1000 / DURATION;
  before = now;
  const held = Math.min(1, p);
  state.set({ p: held });
  pending = held - state.values.p; // the state holds hundredths
  playing = held < 1 ? requestAnimationFrame(tick) : 0;
  if (!playing) stop();
}

/** What the state's hundredths leave out of the position while it is played. */
let pending = 0;

function stop(): void {
  cancelAnimationFrame(playing);
  playing = 0;
  play.textContent = "Play";
  show();
}

play.addEventListener("click", () => {
  if (playing) {
    stop();
    return;
  }
  if (state.values.p >= 1) state.set({ p: 0 });
  pending = 0;
  before = performance.now();
  play.textContent = "Pause";
  playing = requestAnimationFrame(tick);
});

// --- the page ---

function card(title: string, name: string, ...parts: Node[]): HTMLElement {
  return make(
    "section",
    { class: `panel ${name}`, "aria-label": title },
    make("h2", {}, title),
    ...parts,
  );
}

main.append(
  make("div", { class: "sliders" }, rungs.element, make("div", { class: "along" }, places, play)),
  summary.element,
  make(
    "div",
    { class: "geodesic" },
    card("The spectrum: how many dimensions are left", "", said.spectrum, spectrum.element),
    card("The samples: what the path does to them", "", said.samples, samples.element),
    card(
      "The energies: what is paid where",
      "",
      make(
        "p",
        {},
        "Moving costs kinetic energy (above 0), and every dimension that is kept costs identity " +
          "(below). On an exact path their sum, the Hamiltonian (thick), is the same at every p: " +
          "where the path is slow, few dimensions can be left.",
      ),
      said.energies,
      energies.element,
      make(
        "div",
        { class: "pair" },
        segments(state, "range", {
          label: "Vertical range",
          names: { middle: "bottleneck", whole: "whole path" },
        }),
        segments(state, "gamma0", {
          label: "Stabilizer \u03b3\u2080",
          names: { "0.01": "0.01", "0.001": "0.001", "0.0001": "0.0001" },
        }),
      ),
      make(
        "p",
        { class: "quiet" },
        "Energies divide by the kernel, which a small share \u03b3\u2080 keeps from vanishing; a " +
          "large one hides weak dimensions. Dashed: the Hamiltonian from momenta, without a division.",
      ),
    ),
    card(
      "The limit: both count the same",
      "",
      make(
        "p",
        {},
        "As the effective depth grows, the least cost of identity falls and " +
          "\u2212(2\u00a0/\u00a0L\u0303)\u00a0H rises towards the bottleneck rank. Press a dot to see its path.",
      ),
      said.depths,
      depths.element,
    ),
    card(
      "The certificate: how near to a geodesic",
      "certificate",
      said.verdict,
      make("div", { class: "two" }, residuals.element, said.certificate),
      make(
        "p",
        { class: "quiet" },
        "A geodesic is where no change of the weights lowers the cost to first order. Each bar is how " +
          "far a layer's weights are from that, as a share of their size.",
      ),
    ),
  ),
);

function show(): void {
  const [now, at] = [path(), node()];
  said.spectrum.textContent = words.spectrumInWords(now, at);
  said.samples.textContent =
    `${now.samples} samples with the last of their way, in the plane that holds ` +
    `${Math.round(100 * now.content.explained)} % of the variance along the whole path. ` +
    "Blue to orange: the main component of what is to be predicted.";
  said.energies.textContent = words.energiesInWords(now, at, gamma0());
  said.depths.textContent = words.depthInWords(now, gamma0());
  summary.show(words.summaryInWords(now, at, gamma0()), playing !== 0);
  spectrum.describe(`Singular values over p. ${said.spectrum.textContent}`);
  samples.describe(`Samples at p = ${digits(position())}. ${said.samples.textContent}`);
  energies.describe(`Energies over p. ${said.energies.textContent}`);
  depths.describe(`Dimensions over effective depth. ${said.depths.textContent}`);
  for (const each of charts) each.redraw();
}

state.onChange((values, changed) => {
  rungs.show(values.depth);
  if (changed.has("depth")) {
    const now = path();
    said.verdict.textContent = words.verdictInWords(now);
    said.verdict.className = now.certified ? "green" : "orange";
    said.certificate.replaceChildren(
      ...now.content.words.map((sentence) => make("li", {}, sentence)),
    );
    residuals.describe(
      `Residuals of ${now.layers} layers, the worst ${digits(100 * now.worst())} %, where ` +
        `${digits(100 * now.content.tolerance)} % is the tolerance.`,
    );
  }
  show();
});
