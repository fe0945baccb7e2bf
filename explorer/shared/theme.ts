/**
 * Colours, light and dark. Style sheets use them as `var(--text)`; canvases ask for `colors()` each
 * time they draw, and are drawn anew when the theme changes (`onTheme`).
 */

/** Names of the custom properties in style.css, without the dashes. */
const NAMES = [
  "text", // what is read first
  "quiet", // labels and axes
  "line", // grids and borders
  "panel", // the ground of boxes
  "ground", // the page
  "blue", // links, focus; convex, active
  "orange", // doubt; concave, lazy
  "green",
  "purple",
  "stuck", // a block at rest
] as const;

export type Colors = Readonly<Record<(typeof NAMES)[number], string>>;
export type Theme = "auto" | "light" | "dark";

/** What canvases write with, as style.css does. */
export const FONT = "system-ui, -apple-system, 'Segoe UI', sans-serif";

const KEY = "loadpath-theme";
const listeners: (() => void)[] = [];
const dark = matchMedia("(prefers-color-scheme: dark)");
let found: Colors | undefined;

/** The colours of the theme that shows. */
export function colors(): Colors {
  if (!found) {
    const style = getComputedStyle(document.documentElement);
    found = Object.fromEntries(
      NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]),
    ) as Colors;
  }
  return found;
}

/** Be told when the colours change. */
export function onTheme(listener: () => void): void {
  listeners.push(listener);
}

/** The theme that was chosen here before: "auto" follows the system. */
export function chosenTheme(): Theme {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === "light" || kept === "dark" ? kept : "auto";
  } catch {
    return "auto"; // some browsers keep nothing for files on disk
  }
}

export function chooseTheme(theme: Theme): void {
  try {
    if (theme === "auto") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // It holds for this page then.
  }
  show(theme);
}

/** Whether the page shows dark now. */
export function isDark(): boolean {
  const { theme } = document.documentElement.dataset;
  return theme ? theme === "dark" : dark.matches;
}

/** A colour between two of the style sheet's. */
export function mix(from: string, to: string, share: number): string {
  const part = Math.min(1, Math.max(0, share));
  const [a, b] = [channels(from), channels(to)];
  const [red, green, blue] = a.map((each, i) => Math.round(each + (b[i] - each) * part));
  return `rgb(${red}, ${green}, ${blue})`;
}

/** A colour that what lies below shows through. */
export function fade(color: string, alpha: number): string {
  return `rgba(${channels(color).join(", ")}, ${alpha})`;
}

/** Of "#rrggbb", of "#rgb" as a build shortens it, or of what `mix` gives. */
function channels(color: string): number[] {
  if (!color.startsWith("#")) return (color.match(/\d+/g) ?? []).map(Number);
  const step = color.length === 4 ? 1 : 2;
  return [0, 1, 2].map((i) => {
    const text = color.slice(1 + i * step, 1 + (i + 1) * step);
    return parseInt(step === 1 ? text + text : text, 16);
  });
}

function show(theme: Theme): void {
  if (theme === "auto") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
  changed();
}

function changed(): void {
  found = undefined;
  for (const listener of listeners) listener();
}

dark.addEventListener("change", changed);
show(chosenTheme());
