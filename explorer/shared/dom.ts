/** Elements made in one expression. Text is always text: no page of ours sets HTML from strings. */

type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** An element with attributes and children; `true` sets an attribute without a value. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children);
  return element;
}

let count = 0;

/** An id that no other element has. */
export function freshId(name: string): string {
  return `${name}-${++count}`;
}

/** A text with its minus sign as typographers write it, rounded to some significant digits. */
export function digits(value: number, significant = 3): string {
  const rounded = Number(value.toPrecision(significant));
  return (Object.is(rounded, -0) ? 0 : rounded).toString().replace("-", "\u2212");
}

/** A text with a fixed number of decimals and always a sign. */
export function signed(value: number, decimals = 3): string {
  const text = Math.abs(value).toFixed(decimals);
  if (Number(text) === 0) return text;
  return `${value < 0 ? "\u2212" : "+"}${text}`;
}
