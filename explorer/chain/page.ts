/** The page of the chain. */

import { slider } from "../shared/controls";
import { digits } from "../shared/dom";
import { openPage } from "../shared/header";
import { Axes, linear } from "../shared/plot";
import { Summary } from "../shared/spoken";
import { number, State } from "../shared/state";
import { Surface } from "../shared/surface";
import * as physics from "./physics";
import { concavity, curve, restState } from "./physics";

const state = new State({
  n_blocks: number(7, { min: 1, max: 100, step: 1 }),
  friction_right: number(0.1, { min: 0, max: 0.3, power: 2 }),
});

const main = openPage("chain", "Friction decides which springs carry the load.", {
  state,
  physics,
});

const surface = new Surface({
  label: "Load curve",
  height: 320,
  draw(pen, box, colors) {
    const { n_blocks: n } = state.values;
    const ys = curve(loads());
    const xs = ys.map((_, l) => l);
    const axes = new Axes(pen, box, colors, {
      x: linear([0, n + 1]),
      y: linear([0, 1]),
      xLabel: "layer",
      yLabel: "what is left to do, 1 \u2212 x",
    });
    axes.frame();
    axes.line([0, n + 1], [1, 0], { color: colors.quiet, dash: [5, 4], width: 1.5 });
    axes.line(xs, ys, { color: colors.orange });
    for (const l of xs) axes.dot(l, ys[l] ?? 0, { color: colors.orange });
  },
});
const summary = new Summary("What is seen");

function loads(): number[] {
  const { n_blocks, friction_right } = state.values;
  return restState({ n_blocks, stiffness: 1, friction_right, friction_left: 0, target: 1 });
}

main.append(
  slider(state, "friction_right", { label: "Friction to the right", symbol: "\u03bc\u2192" }),
  slider(state, "n_blocks", { label: "Blocks" }),
  surface.element,
  summary.element,
);
state.onChange(() => {
  const bend = concavity(loads());
  summary.show(`At rest the load curve is concave by ${digits(bend)}: deep layers do the work.`);
  surface.redraw();
});
