/**
 * The colours of a map's cells, and the legend that tells what they mean. Both maps can be told
 * apart with any colour vision: accuracy gets darker (lighter in the dark) as it rises, and bending
 * is blue one way and orange the other.
 */

import { make } from "../shared/dom";
import { colors, isDark, mix } from "../shared/theme";
import type { Panel } from "./panels";

export type Shade = "accuracy" | "concavity";

/** After ColorBrewer's YlGnBu (Brewer, Harrower and Penn State), light and dark. */
const RAMPS = {
  light: ["#ffffe5", "#e4f4bd", "#b5dfbc", "#79c6bf", "#41afc1", "#2390bd", "#225ea8"],
  dark: ["#1c2230", "#20384d", "#22536b", "#2a7387", "#41999b", "#73c0a9", "#c5e8b7"],
};
/** Bends are shown up to this size; those beyond have the last colour. */
const BEND = 0.3;

/** The range of a shade: what its first and last colours stand for. */
export function range(panel: Panel, shade: Shade): [number, number] {
  if (shade === "concavity") return [-BEND, BEND];
  const values = panel.content.accuracy.flatMap(([value]) => (value === null ? [] : [value]));
  values.sort((a, b) => a - b);
  const top = values[values.length - 1] ?? 1;
  // Nets that learned next to nothing would take the colours from all the others.
  const low = Math.max(values[Math.floor(values.length / 10)] ?? 0, top - 0.15);
  return [Math.floor(low * 100) / 100, Math.ceil(top * 200) / 200];
}

export function colorOf(panel: Panel, cell: number, shade: Shade): string {
  const [low, high] = range(panel, shade);
  if (shade === "accuracy") return ramp(((panel.accuracy(cell)[0] ?? 0) - low) / (high - low));
  const [bend] = panel.concavity(cell);
  if (bend === null || !panel.falls(cell)) return colors().line;
  return bendColor(bend / BEND);
}

/** Black or white, whichever is seen better on a colour "rgb(r, g, b)". */
export function inkOn(color: string): string {
  const [r = 0, g = 0, b = 0] = (color.match(/\d+/g) ?? []).map(Number);
  if (color.startsWith("#")) return isDark() ? "#e6edf3" : "#1b1f24";
  return 0.299 * r + 0.587 * g + 0.114 * b > 125 ? "#14181d" : "#ffffff";
}

function ramp(share: number): string {
  const stops = RAMPS[isDark() ? "dark" : "light"];
  const at = Math.min(1, Math.max(0, share)) * (stops.length - 1);
  const i = Math.min(stops.length - 2, Math.floor(at));
  return mix(stops[i] ?? "", stops[i + 1] ?? "", at - i);
}

function bendColor(share: number): string {
  const { blue, orange, panel } = colors();
  const size = Math.min(1, Math.abs(share));
  return mix(panel, share < 0 ? blue : orange, size);
}

/** A bar of colours with what its ends mean. */
export function legend(): { element: HTMLElement; show(panel: Panel, shade: Shade): void } {
  const bar = make("span", { class: "bar", "aria-hidden": "true" });
  const [low, high] = [make("span"), make("span", { class: "high" })];
  const element = make("div", { class: "legend" }, low, bar, high);
  return {
    element,
    show(panel, shade) {
      const [from, to] = range(panel, shade);
      const steps = Array.from({ length: 13 }, (_, i) =>
        shade === "accuracy" ? ramp(i / 12) : bendColor(i / 6 - 1),
      );
      bar.style.background = `linear-gradient(to right, ${steps.join(", ")})`;
      if (shade === "accuracy") {
        low.textContent = `test accuracy \u2264 ${Math.round(from * 100)} %`;
        high.textContent = `${(to * 100).toFixed(1).replace(/\.0$/, "")} %`;
      } else {
        low.textContent = `convex, \u2264 \u2212${BEND}: shallow layers do the work`;
        high.textContent = `concave, \u2265 ${BEND}: deep layers do`;
      }
    },
  };
}
