/** The page of the chain: its controls, its loop, and where things stand. */

import type { Chart } from "../shared/chart";
import { presets } from "../shared/controls";
import { make, signed } from "../shared/dom";
import { openPage } from "../shared/header";
import { button, caption, key, keys } from "../shared/layout";
import { Summary } from "../shared/spoken";
import { State } from "../shared/state";
import { Surface } from "../shared/surface";
import { onTheme } from "../shared/theme";
import { drawBlocks } from "./blocks";
import { chainOf, FIELDS, motionOf, PRESETS, type Settings } from "./fields";
import { Live } from "./live";
import { PhaseMap } from "./map";
import { curveChart, forcesChart } from "./panels";
import * as physics from "./physics";
import { settingsForm } from "./settings";
import { clock, shape, words } from "./words";
import "./style.css";

/** Milliseconds of a frame for the chain's steps, and for the phase diagram's. */
const STEPPING = 6;
const MAPPING = 4;
/** Steps of a block that "Skip ahead" may take, with noise and without: about a second of a core. */
const SKIPPING = { noisy: 5e7, still: 2e8 };
/** Milliseconds that sliders must rest before a chain without noise is pulled anew. */
const SETTLED = 350;
/** Milliseconds between two sentences about a chain in motion. */
const TELLING = 250;
/** Frames whose cost is remembered, for whoever measures it. */
const REMEMBERED = 600;

const state = new State(FIELDS);
const live = new Live(state.values);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const costs: number[] = [];
let playing = false;
let dirty = true;
let asked = 0;
let before = 0;
let owed = 0;
let waiting = 0;
let told = 0;
let topic = "";

const chain = new Surface({
  label: "The chain",
  height: (width) => (width < 500 ? 92 : 100),
  draw(pen, box, colors) {
    const { positions, stirring } = live;
    drawBlocks(pen, box, colors, { positions, stirring, exact: exactPositions(state.values) });
  },
});
const curve = curveChart(live, () => state.values);
const forces = forcesChart(live, () => state.values);
const map = new PhaseMap(state);
const main = openPage(
  "chain",
  "A deep network as blocks on springs. Each block is a layer. Training pulls the end out; " +
    "nonlinearity holds each block like friction; noise in training shakes it loose. The stretch of " +
    "a spring is the work of its layer.",
  { state, physics, live, map, costs, advance },
);

const summary = new Summary("What is seen");
const play = make("button", { type: "button", class: "main" });
const time = make("span", { class: "clock" });
const bends = [make("span", { class: "bend" }), make("span", { class: "bend" })];
const ends = make("p", { class: "caption" });
const source = make("p", { class: "caption" });

/** Exact positions (n + 2): where noise leads, or rest; none that inertia would overshoot. */
function exactPositions(values: Settings): number[] | undefined {
  if (values.dynamics === "langevin" && !values.noise) return undefined;
  const loads = values.noise
    ? physics.meanState(chainOf(values))
    : physics.restState(chainOf(values));
  const positions = [0];
  for (const load of loads) positions.push(positions[positions.length - 1] + load);
  return positions;
}

/** Take steps at once and show where they lead: also how tests move the chain. */
function advance(count: number): void {
  live.advance(count);
  changed();
  draw();
}

/** Take as many steps at once as let a chain settle, of overdamped chains those of the diagram. */
function skip(): void {
  const { values } = state;
  const { n_blocks: n, noise } = values;
  const most = noise > 0 ? SKIPPING.noisy / (n * live.replicas) : SKIPPING.still / n;
  live.advance(Math.min(physics.runOf(chainOf(values), motionOf(values)), Math.floor(most)));
  changed();
}

function changed(): void {
  dirty = true;
  asked ||= requestAnimationFrame(frame);
}

function frame(now: number): void {
  asked = 0;
  const started = performance.now();
  const passed = Math.min(50, now - before) / (1000 / 60);
  before = now;
  if (playing && !live.resting) {
    owed = Math.min(owed + state.values.speed * passed, 3 * state.values.speed);
    owed -= live.advance(Math.floor(owed), STEPPING);
    dirty = true;
  }
  map.advance(playing && !live.resting ? MAPPING : STEPPING + MAPPING);
  if (dirty) draw(playing && !live.resting && now - told < TELLING);
  costs.push(performance.now() - started);
  if (costs.length > REMEMBERED) costs.shift();
  if ((playing && !live.resting) || !map.done) asked ||= requestAnimationFrame(frame);
}

/** Draw all that moves; say what is seen, unless it was said just now. */
function draw(silent = false): void {
  dirty = false;
  chain.drawNow();
  curve.drawNow();
  forces.drawNow();
  time.textContent = clock(live);
  if (silent) return;
  told = performance.now();
  const said = words(live, state.values);
  summary.show(said.text, said.topic === topic && playing);
  topic = said.topic;
  const { now } = live.bends;
  const name = live.steps ? `${shape(now)} ${signed(now)}` : "not pulled yet";
  for (const bend of bends) {
    bend.textContent = name;
  }
  main.dataset["shape"] = live.steps ? shape(now) : "none";
  chain.describe(`The chain: ${said.text}`);
  curve.describe(`Load curve, ${name}. ${ends.textContent}`);
  forces.describe(`Forces on the blocks: ${live.stuck} of ${live.loads.length - 1} stick.`);
  play.textContent = playing && !live.resting ? "Pause" : "Play";
}

function setPlaying(on: boolean): void {
  if (on && live.resting) live.restart();
  playing = on;
  owed = 0;
  before = performance.now();
  changed();
}

/** Put the chain back and pull it again; where motion is not wanted, show where that ends. */
function pullAgain(): void {
  clearTimeout(waiting);
  live.restart();
  if (calm.matches && !playing) skip();
  else setPlaying(true);
}

function panel(title: string, chart: Chart, ...more: (Node | string)[]): HTMLElement {
  const heading = make("div", { class: "heading" }, make("h2", {}, title));
  if (chart === curve) heading.append(bends[1]);
  return make("section", { class: "panel" }, heading, chart.element, ...more);
}

play.addEventListener("click", () => setPlaying(!playing || live.resting));

main.append(
  presets(state, "Views to begin with", PRESETS, pullAgain),
  make(
    "div",
    { class: "stage" },
    make(
      "section",
      { class: "panel chain" },
      chain.element,
      make(
        "div",
        { class: "buttons" },
        play,
        button("Pull again", pullAgain, "Put all blocks back to the start and pull the end"),
        button("Skip ahead", skip, "Take the steps at once that let the chain settle"),
        bends[0],
        time,
      ),
      keys(
        key("block stuck", "a block sticks"),
        key("block slips", "it slips to the right"),
        key("block back", "to the left"),
        key("mark", "where it belongs, exactly"),
      ),
    ),
    summary.element,
    settingsForm(state),
    make(
      "div",
      { class: "panels" },
      panel(
        "Load curve",
        curve,
        keys(
          key("live", "now"),
          key("chord", "chord: equal work"),
          key("rest", "exact at rest"),
          key("shaken noisy", "exact when shaken"),
        ),
        caption(
          "Above its chord the curve is concave, or lazy: deep layers do the work. Below it is " +
            "convex, or active.",
        ),
        ends,
      ),
      panel(
        "Forces on the blocks",
        forces,
        keys(
          key("band", "what friction can hold"),
          key("rest", "upper edge: blocks that were pulled rest here"),
          key("shaken noisy", "middle: where noise leads"),
        ),
        caption(
          "A block slips while the force of its two springs lies outside of the band. Watch where " +
            "the dots gather: that height is the slope of the loads.",
        ),
      ),
      panel(
        "Phase diagram",
        map.chart,
        keys(
          key("concave", "concave"),
          key("convex", "convex"),
          key("turns", "turns"),
          key("rest flow", "noise that frees the chain"),
        ),
        caption("The dot is where the sliders are: drag it, or click elsewhere."),
        source,
      ),
    ),
  ),
);

state.onChange((values, changes) => {
  const began = changes.size === Object.keys(FIELDS).length;
  live.use(values);
  map.use(values);
  main.classList.toggle("noisy", values.noise > 0);
  main.classList.toggle("flow", values.dynamics === "overdamped");
  const { rest, shaken } = live.bends;
  ends.textContent =
    `Exactly: ${signed(rest)} at rest${values.dynamics === "langevin" ? " without inertia" : ""}` +
    (values.noise > 0 ? `, ${signed(shaken)} when shaken for long.` : ".");
  const run = physics.runOf(chainOf(values), motionOf(values)).toLocaleString("en");
  source.textContent =
    `Mean curves after ${run} steps, ` +
    (values.dynamics === "overdamped"
      ? "from the flow of the means"
      : "simulated here with a few chains a cell") +
    `; friction to the left is ${values.friction_left}.`;
  if (!began && changes.has("speed") && changes.size === 1) return;
  // A chain without noise keeps what it went through: it is pulled anew once the sliders rest.
  clearTimeout(waiting);
  const again = values.noise === 0 || changes.has("n_blocks") || changes.has("pull");
  if (!began && again) waiting = setTimeout(pullAgain, SETTLED);
  else if (!began && calm.matches && !playing) skip();
  changed();
});
onTheme(changed);
if (calm.matches) skip();
else setPlaying(true);
