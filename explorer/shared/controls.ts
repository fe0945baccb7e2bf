/**
 * Controls bound to one value of a page's state: they show it, change it by mouse, touch and
 * keyboard, and follow when it changes otherwise. Each has a label, and a hint of a sentence or two
 * that says what to see.
 *
 *     slider(state, "friction", { label: "Friction", hint: "It holds blocks.", digits: 2 })
 *     segments(state, "dynamics", { label: "Dynamics", names: { overdamped: "No inertia", ... } })
 *     select(state, "panel", { label: "Panel", names: {...} })
 *     toggle(state, "common", { label: "One noise for all" })
 *
 * `when` hides a control where it does not apply: `when: (values) => values.dynamics === "langevin"`.
 */

import { digits, freshId, make } from "./dom";
import type { ChoiceField, Fields, FlagField, NumberField, State, Values } from "./state";

type Named<S extends Fields, F> = { [K in keyof S]: S[K] extends F ? K : never }[keyof S] & string;

export interface Options<S extends Fields> {
  readonly label: string;
  /** What to look at when this is moved. */
  readonly hint?: string;
  readonly when?: (values: Values<S>) => boolean;
}

/** Positions of a slider whose field has no step. */
const POSITIONS = 200;

/** The position of a slider, 0 to `positions(field)`, that stands for a value. */
export function toPosition(field: NumberField, value: number): number {
  const share = (value - field.min) / (field.max - field.min);
  return Math.round(share ** (1 / field.power) * positions(field));
}

/** The value that a slider's position stands for, rounded to three digits where it has no step. */
export function fromPosition(field: NumberField, position: number): number {
  const share = (position / positions(field)) ** field.power;
  const value = field.min + share * (field.max - field.min);
  return field.step ? value : Number(value.toPrecision(3));
}

function positions(field: NumberField): number {
  return field.step ? Math.round((field.max - field.min) / field.step) : POSITIONS;
}

/** A slider for a number. Arrows move it by one position, Page Up and Down by a tenth. */
export function slider<S extends Fields>(
  state: State<S>,
  name: Named<S, NumberField>,
  options: Options<S> & {
    /** A symbol after the label, such as "\u03bc". */
    readonly symbol?: string;
    readonly format?: (value: number) => string;
  },
): HTMLElement {
  const field = state.fields[name] as unknown as NumberField;
  const id = freshId(name);
  const format = options.format ?? digits;
  const input = make("input", {
    id,
    name,
    type: "range",
    min: 0,
    max: positions(field),
    step: 1,
    "aria-describedby": options.hint ? `${id}-hint` : undefined,
  });
  const output = make("output", { for: id });
  input.addEventListener("input", () => {
    state.set({ [name]: fromPosition(field, Number(input.value)) } as Partial<Values<S>>);
  });
  const label = make("label", { for: id }, options.label);
  if (options.symbol) label.append(" ", make("span", { class: "symbol" }, options.symbol));
  const control = wrap(id, options, make("div", { class: "head" }, label, output), input);
  state.onChange((values) => {
    const value = values[name] as number;
    const position = toPosition(field, value);
    // An arrow is to leave the place that the value shows, also where it lies between positions.
    if (fromPosition(field, Number(input.value)) !== value) input.value = String(position);
    input.style.setProperty("--share", `${(position / positions(field)) * 100}%`);
    input.setAttribute("aria-valuetext", format(value));
    output.textContent = format(value);
  });
  return follow(state, options, control);
}

/** A few words beside each other, of which one is chosen: a group of radio buttons. */
export function segments<S extends Fields>(
  state: State<S>,
  name: Named<S, ChoiceField>,
  options: Options<S> & { readonly names: Readonly<Record<string, string>> },
): HTMLElement {
  const field = state.fields[name] as unknown as ChoiceField;
  const id = freshId(name);
  const inputs = field.choices.map((value) => {
    const input = make("input", { type: "radio", name: id, value, id: `${id}-${value}` });
    input.addEventListener("change", () => {
      if (input.checked) state.set({ [name]: value } as Partial<Values<S>>);
    });
    return input;
  });
  const parts = inputs.flatMap((input) => [
    input,
    make("label", { for: input.id }, options.names[input.value] ?? input.value),
  ]);
  const group = make(
    "fieldset",
    {
      class: "segments",
      "data-name": name,
      "aria-describedby": options.hint ? `${id}-hint` : undefined,
    },
    make("legend", {}, options.label),
    make("div", { class: "row" }, ...parts),
  );
  state.onChange((values) => {
    for (const input of inputs) input.checked = input.value === values[name];
  });
  return follow(state, options, wrap(id, options, group));
}

/** A list of words that opens, of which one is chosen. */
export function select<S extends Fields>(
  state: State<S>,
  name: Named<S, ChoiceField>,
  options: Options<S> & { readonly names: Readonly<Record<string, string>> },
): HTMLElement {
  const field = state.fields[name] as unknown as ChoiceField;
  const id = freshId(name);
  const list = make(
    "select",
    { id, name, "aria-describedby": options.hint ? `${id}-hint` : undefined },
    ...field.choices.map((value) => make("option", { value }, options.names[value] ?? value)),
  );
  list.addEventListener("change", () => {
    state.set({ [name]: list.value } as Partial<Values<S>>);
  });
  state.onChange((values) => {
    list.value = values[name] as string;
  });
  const label = make("label", { for: id }, options.label);
  return follow(state, options, wrap(id, options, make("div", { class: "head" }, label), list));
}

/** A box to tick. */
export function toggle<S extends Fields>(
  state: State<S>,
  name: Named<S, FlagField>,
  options: Options<S>,
): HTMLElement {
  const id = freshId(name);
  const input = make("input", {
    id,
    name,
    type: "checkbox",
    "aria-describedby": options.hint ? `${id}-hint` : undefined,
  });
  input.addEventListener("change", () => {
    state.set({ [name]: input.checked } as Partial<Values<S>>);
  });
  state.onChange((values) => {
    input.checked = values[name] as boolean;
  });
  const label = make("label", { for: id }, options.label);
  return follow(state, options, wrap(id, options, make("div", { class: "tick" }, input, label)));
}

/** Buttons that each show a view: the defaults, but for the values given. */
export function presets<S extends Fields>(
  state: State<S>,
  label: string,
  all: readonly { name: string; values: Partial<Values<S>> }[],
  chosen: () => void = () => {},
): HTMLElement {
  const buttons = all.map(({ name, values }) => {
    const button = make("button", { type: "button", class: "preset" }, name);
    button.addEventListener("click", () => {
      state.reset(values);
      chosen();
    });
    return button;
  });
  state.onChange((now) => {
    all.forEach(({ values }, i) => {
      const wanted = { ...state.initial, ...values };
      const shows = Object.keys(wanted).every((name) => wanted[name] === now[name]);
      buttons[i]?.setAttribute("aria-pressed", String(shows));
    });
  });
  return make("div", { class: "presets", role: "group", "aria-label": label }, ...buttons);
}

function wrap<S extends Fields>(id: string, options: Options<S>, ...parts: Node[]): HTMLElement {
  const control = make("div", { class: "control" }, ...parts);
  if (options.hint) {
    control.append(make("p", { class: "hint", id: `${id}-hint` }, options.hint));
  }
  return control;
}

function follow<S extends Fields>(
  state: State<S>,
  { when }: Options<S>,
  control: HTMLElement,
): HTMLElement {
  if (when) {
    state.onChange((values) => {
      control.hidden = !when(values);
    });
  }
  return control;
}
