/**
 * What is seen, in words: shown on the page, and read out by screen readers once it has rested, so
 * that they are not flooded while a slider moves or a chain is in motion.
 *
 *     const summary = new Summary("What is seen");
 *     place.append(summary.element);
 *     summary.show("The curve is concave: deep layers do the work.");
 */

import { make } from "./dom";

/** Milliseconds without a change until a text is read out. */
const REST = 900;

export class Summary {
  readonly element: HTMLElement;
  private readonly seen = make("p", { "aria-hidden": "true" });
  private readonly heard = make("p", {
    class: "heard",
    role: "status",
    "aria-live": "polite",
    "aria-atomic": "true",
  });
  private waiting = 0;

  constructor(label: string) {
    this.element = make(
      "section",
      { class: "summary", "aria-label": label },
      this.seen,
      this.heard,
    );
  }

  /** Show a text now; it is read out after it has rested, unless `quiet`. */
  show(text: string, quiet = false): void {
    if (this.seen.textContent !== text) this.seen.textContent = text;
    if (quiet) return;
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => {
      if (this.heard.textContent !== text) this.heard.textContent = text;
    }, REST);
  }
}
