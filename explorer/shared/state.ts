/**
 * The state of a page: named values with ranges and defaults, kept in the address after the "#", so
 * that a view can be sent to somebody.
 *
 *     const state = new State({
 *       friction: number(0.1, { min: 0, max: 0.3, power: 2 }),
 *       dynamics: choice("overdamped", ["overdamped", "langevin"]),
 *       common: flag(false),
 *     });
 *     state.values.friction;                 // number
 *     state.set({ friction: 0.2 });          // clamped to the range, told to all listeners
 *     state.onChange((values, changed) => { if (changed.has("friction")) ... });
 *
 * The address holds only what differs from the defaults: `#friction=0.2&common=yes`. What it says
 * that makes no sense is ignored; a number out of range becomes the nearest one in range.
 */

export interface NumberField {
  readonly kind: "number";
  readonly initial: number;
  readonly min: number;
  readonly max: number;
  /** Values are multiples of it above `min`; 0 for any number. */
  readonly step: number;
  /** How a slider spreads the range: the value grows as this power of the position. */
  readonly power: number;
}

export interface ChoiceField<C extends string = string> {
  readonly kind: "choice";
  readonly initial: C;
  readonly choices: readonly C[];
}

export interface FlagField {
  readonly kind: "flag";
  readonly initial: boolean;
}

export type Field = NumberField | ChoiceField | FlagField;
export type Fields = Readonly<Record<string, Field>>;
export type Value<F> = F extends NumberField
  ? number
  : F extends ChoiceField<infer C>
    ? C
    : boolean;
export type Values<S extends Fields> = { readonly [K in keyof S]: Value<S[K]> };
type Loose = Record<string, number | string | boolean>;

/** A number: with a `step` a multiple of it, and else any in the range. */
export function number(
  initial: number,
  range: { min: number; max: number; step?: number; power?: number },
): NumberField {
  return { kind: "number", initial, step: 0, power: 1, ...range };
}

/** One of a few words. */
export function choice<const C extends string>(initial: C, choices: readonly C[]): ChoiceField<C> {
  return { kind: "choice", initial, choices };
}

/** Yes or no. */
export function flag(initial: boolean): FlagField {
  return { kind: "flag", initial };
}

/** The nearest value that a field allows, or undefined if there is none. */
export function allowed(field: Field, value: unknown): number | string | boolean | undefined {
  if (field.kind === "choice") {
    return field.choices.includes(value as string) ? (value as string) : undefined;
  }
  if (field.kind === "flag") return typeof value === "boolean" ? value : undefined;
  if (typeof value !== "number" || !Number.isFinite(value)) return undefined;
  const { min, max, step } = field;
  const held = Math.min(max, Math.max(min, value));
  // Twelve digits take off what rounding adds to a multiple of the step.
  return step ? Number((min + Math.round((held - min) / step) * step).toPrecision(12)) : held;
}

/** What the address says after its "#", as far as the fields allow it. */
export function fromHash(fields: Fields, hash: string): Loose {
  const found: Loose = {};
  for (const [name, text] of new URLSearchParams(hash.replace(/^#/, ""))) {
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (!field) continue;
    let value: unknown = text;
    if (field.kind === "number") value = text.trim() === "" ? NaN : Number(text);
    if (field.kind === "flag") value = text === "yes" ? true : text === "no" ? false : undefined;
    const held = allowed(field, value);
    if (held !== undefined) found[name] = held;
  }
  return found;
}

/** What differs from the defaults, as the part of an address that follows the "#". */
export function toHash(fields: Fields, values: Loose): string {
  const said = new URLSearchParams();
  for (const [name, field] of Object.entries(fields)) {
    const value = values[name] as number | string | boolean;
    if (value === field.initial) continue;
    said.set(name, typeof value === "boolean" ? (value ? "yes" : "no") : String(value));
  }
  return said.toString();
}

/** Milliseconds without a change until the address is written: browsers limit how often it may be. */
const REST = 250;

export class State<S extends Fields> {
  readonly fields: S;
  readonly initial: Values<S>;
  private current: Loose;
  private readonly listeners: ((values: Values<S>, changed: Set<keyof S>) => void)[] = [];
  private waiting = 0;

  constructor(fields: S) {
    this.fields = fields;
    const initial: Loose = {};
    for (const [name, field] of Object.entries(fields)) initial[name] = field.initial;
    this.initial = initial as Values<S>;
    this.current = { ...initial, ...fromHash(fields, location.hash) };
    addEventListener("hashchange", () => {
      this.read(location.hash);
    });
  }

  get values(): Values<S> {
    return this.current as Values<S>;
  }

  /** The view as the part of an address that follows the "#". */
  get address(): string {
    return toHash(this.fields, this.current);
  }

  /** Show the view of an address. */
  read(address: string): void {
    this.set({ ...this.initial, ...fromHash(this.fields, address) } as Partial<Values<S>>);
  }

  /** Change some values; what a field does not allow is left as it is. */
  set(change: Partial<Values<S>>): void {
    const changed = new Set<keyof S>();
    const next = { ...this.current };
    for (const [name, value] of Object.entries(change)) {
      const field = this.fields[name];
      const held = field && allowed(field, value);
      if (held === undefined || held === next[name]) continue;
      next[name] = held;
      changed.add(name);
    }
    if (!changed.size) return;
    this.current = next;
    for (const listener of this.listeners) listener(this.values, changed);
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.write(), REST);
  }

  /** Set everything to its default but for what is given: how a preset is shown. */
  reset(but: Partial<Values<S>> = {}): void {
    this.set({ ...this.initial, ...but });
  }

  /** Be told of every change, and once now. */
  onChange(listener: (values: Values<S>, changed: Set<keyof S>) => void): void {
    this.listeners.push(listener);
    listener(this.values, new Set(Object.keys(this.fields)));
  }

  private write(): void {
    const hash = this.address;
    if (hash === location.hash.replace(/^#/, "")) return;
    // An empty address would jump to the top and, from a disk, is refused; "#" alone is neither.
    history.replaceState(null, "", `#${hash}`);
  }
}
