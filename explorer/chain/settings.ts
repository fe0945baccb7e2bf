/** The controls of the chain's page. */

import { segments, slider, toggle } from "../shared/controls";
import { make } from "../shared/dom";
import { button, group } from "../shared/layout";
import type { State } from "../shared/state";
import type { FIELDS, Settings } from "./fields";

const langevin = (values: Settings) => values.dynamics === "langevin";

/** Every control, in groups that fold where there is no room. */
export function settingsForm(state: State<typeof FIELDS>): HTMLElement {
  const roomy = matchMedia("(min-width: 44rem)").matches;
  const form = make(
    "form",
    { class: "controls", "aria-label": "Settings" },
    make(
      "div",
      {},
      group(
        "Friction and noise",
        true,
        slider(state, "friction_right", {
          label: "Friction to the right",
          symbol: "\u03bc\u2192",
          hint: "It holds a block against the pull. More of it: only the deepest springs stretch.",
        }),
        slider(state, "friction_left", {
          label: "Friction to the left",
          symbol: "\u03bc\u2190",
          hint: "It matters once noise pushes blocks back. More of it than to the right: convex.",
        }),
        slider(state, "noise", {
          label: "Noise",
          symbol: "\u03b5",
          hint: "It frees what friction holds: dropout, a large learning rate, small batches.",
        }),
      ),
      group(
        "Motion",
        roomy,
        segments(state, "dynamics", {
          label: "Dynamics",
          names: { overdamped: "Overdamped", langevin: "Langevin" },
          hint: "Langevin blocks have mass: they overshoot, and rest elsewhere.",
        }),
        slider(state, "mass", {
          label: "Mass",
          symbol: "m",
          hint: "More of it, and blocks swing before they stick.",
          when: langevin,
        }),
        slider(state, "damping", {
          label: "Damping",
          symbol: "\u03b3",
          hint: "Force per velocity. With enough of it nothing overshoots.",
          when: langevin,
        }),
        toggle(state, "common_noise", {
          label: "One noise for all blocks",
          hint: "The sum of one for each, as in the paper\u2019s code.",
          when: langevin,
        }),
        slider(state, "noise_decay", {
          label: "Noise dies out at rate",
          symbol: "\u03bb",
          hint: "As a learning rate that decays: what it had freed freezes.",
          when: langevin,
        }),
        slider(state, "speed", {
          label: "Steps a frame",
          format: (value) => String(Math.round(value)),
          hint: "How fast you watch. It changes nothing in the chain.",
        }),
      ),
    ),
    make(
      "div",
      {},
      group(
        "The chain and its pull",
        roomy,
        slider(state, "n_blocks", { label: "Blocks", hint: "One for each hidden layer." }),
        slider(state, "stiffness", {
          label: "Stiffness",
          symbol: "k",
          hint: "Of every spring. Only friction over stiffness counts at rest.",
        }),
        segments(state, "pull", {
          label: "The end is pulled",
          names: { once: "At once", slow: "Slowly", jerks: "In jerks" },
          hint: "Without inertia the chain comes to rest at the same place either way.",
        }),
        slider(state, "pull_time", {
          label: "Time of the pull",
          hint: "Until the end is where it is to be.",
          when: (values) => values.pull !== "once",
        }),
        slider(state, "jerks", {
          label: "Jerks",
          hint: "Equal jumps of the end.",
          when: (values) => values.pull === "jerks",
        }),
      ),
      button("All defaults", () => state.reset(), "Set every slider back"),
    ),
  );
  form.addEventListener("submit", (event) => event.preventDefault());
  return form;
}
