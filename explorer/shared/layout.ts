/** Parts of a page that are not controls: buttons, groups that fold, captions, and their keys. */

import { make } from "./dom";

export function button(name: string, action: () => void, title: string): HTMLButtonElement {
  const made = make("button", { type: "button", title }, name);
  made.addEventListener("click", action);
  return made;
}

/** Controls under a title that folds them. */
export function group(title: string, open: boolean, ...controls: HTMLElement[]): HTMLElement {
  return make("details", { class: "group", open }, make("summary", {}, title), ...controls);
}

/** A sentence or two under what is drawn: what to see in it. */
export function caption(text: string): HTMLElement {
  return make("p", { class: "caption" }, text);
}

/** What colours and strokes stand for. */
export function keys(...all: HTMLElement[]): HTMLElement {
  return make("p", { class: "caption keys" }, ...all);
}

/** One of them: a page's style sheet draws its `kind` by `.key.KIND::before`. */
export function key(kind: string, text: string): HTMLElement {
  return make("span", { class: `key ${kind}` }, text);
}
