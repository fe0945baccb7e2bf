/** A slider that steps through the L~ for which there is a geodesic. */

import { digits, freshId, make } from "../shared/dom";
import { GEODESICS, geodesicAt } from "./paths";

export interface Rungs {
  readonly element: HTMLElement;
  show(leak: number): void;
}

export function rungSlider(label: string, hint: string, choose: (leak: number) => void): Rungs {
  const id = freshId("depth");
  const input = make("input", {
    id,
    name: "depth",
    type: "range",
    min: 0,
    max: GEODESICS.length - 1,
    step: 1,
    "aria-describedby": `${id}-hint`,
  });
  const output = make("output", { for: id });
  input.addEventListener("input", () => choose(GEODESICS[Number(input.value)]?.leak ?? 0));
  return {
    element: make(
      "div",
      { class: "control" },
      make("div", { class: "head" }, make("label", { for: id }, label), output),
      input,
      make("p", { class: "hint", id: `${id}-hint` }, hint),
    ),
    show(leak) {
      const path = geodesicAt(leak);
      const position = String(GEODESICS.indexOf(path));
      if (input.value !== position) input.value = position;
      input.setAttribute("aria-valuetext", digits(path.leak));
      output.textContent = digits(path.leak);
    },
  };
}
