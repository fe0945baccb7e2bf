/** Numbers in 16 bits each, as `data/export.py` packs them: value = low + step q. */

export interface Packed {
  readonly shape: readonly number[];
  readonly low: number;
  readonly step: number;
  /** Little-endian, in base64. */
  readonly q: string;
}

/** Stands for a number that is not finite. */
const MISSING = 65535;

export function unpack({ low, step, q }: Packed): Float64Array {
  const bytes = atob(q);
  const values = new Float64Array(bytes.length / 2);
  for (let i = 0; i < values.length; i++) {
    const whole = bytes.charCodeAt(2 * i) + 256 * bytes.charCodeAt(2 * i + 1);
    values[i] = whole === MISSING ? NaN : low + step * whole;
  }
  return values;
}
