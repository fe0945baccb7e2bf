/** Random numbers with a seed: the same seed gives the same numbers in every browser. */

/** Layers of equal area under the normal density, by which `Random.normal` draws. */
const LAYERS = 256;
/** Where the lowest layer's tail begins, and the area of each layer: both follow from `LAYERS`. */
const [TAIL, AREA] = solveLayers();
/** Right end of each layer, from the widest, and the density there. */
const ENDS = new Float64Array(LAYERS + 1);
const HEIGHTS = new Float64Array(LAYERS + 1);
fillLayers();

/**
 * A stream of random numbers.
 *
 * Bits are those of xoshiro128** (Blackman and Vigna, "Scrambled linear pseudorandom number
 * generators", ACM TOMS 47, 2021); normals are drawn by the ziggurat of Marsaglia and Tsang
 * ("The ziggurat method for generating random variables", J. Stat. Softw. 5, 2000) with an integer
 * of 8 bits for the layer and one of 24 for the place in it, which share no bit.
 */
export class Random {
  private a: number;
  private b: number;
  private c: number;
  private d: number;

  constructor(seed: number) {
    // splitmix32 spreads the seed over the state, which must not be all zeros.
    let s = seed | 0;
    const next = () => {
      s = (s + 0x9e3779b9) | 0;
      let z = s;
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      return (z ^ (z >>> 16)) | 0;
    };
    [this.a, this.b, this.c, this.d] = [next(), next(), next(), next() | 1];
  }

  /** 32 random bits, as a signed integer. */
  bits(): number {
    const turned = Math.imul(this.b, 5);
    const found = Math.imul((turned << 7) | (turned >>> 25), 9);
    const shifted = this.b << 9;
    this.c ^= this.a;
    this.d ^= this.b;
    this.b ^= this.c;
    this.a ^= this.d;
    this.c ^= shifted;
    this.d = (this.d << 11) | (this.d >>> 21);
    return found;
  }

  /** Uniform above 0 and below 1. */
  uniform(): number {
    return ((this.bits() >>> 0) + 0.5) / 4294967296;
  }

  /** Standard normal. */
  normal(): number {
    for (;;) {
      const bits = this.bits();
      const layer = bits & (LAYERS - 1);
      const z = (((bits >> 8) + 0.5) / 8388608) * ENDS[layer];
      const size = Math.abs(z);
      if (size < ENDS[layer + 1]) return z; // inside the layer above too, so below the density
      if (layer === 0) return z < 0 ? -this.tail() : this.tail();
      const height = HEIGHTS[layer] + this.uniform() * (HEIGHTS[layer + 1] - HEIGHTS[layer]);
      if (height < Math.exp(-0.5 * z * z)) return z;
    }
  }

  /** A normal beyond `TAIL` (Marsaglia's method). */
  private tail(): number {
    for (;;) {
      const x = -Math.log(this.uniform()) / TAIL;
      const y = -Math.log(this.uniform());
      if (2 * y > x * x) return TAIL + x;
    }
  }
}

/** Find where the tail must begin for the layers to end at the density's top. */
function solveLayers(): [number, number] {
  let [low, high] = [2, 6];
  for (let i = 0; i < 100; i++) {
    const tail = (low + high) / 2;
    if (topAbove(tail, areaOf(tail))) low = tail;
    else high = tail;
  }
  return [high, areaOf(high)];
}

/** The area of a layer whose rectangle ends where the tail begins: the tail belongs to it. */
function areaOf(tail: number): number {
  const beyond = millsRatio(tail) * Math.exp(-0.5 * tail * tail);
  return tail * Math.exp(-0.5 * tail * tail) + beyond;
}

/** Whether layers of this area would reach above the density's top, 1, before they are all used. */
function topAbove(tail: number, area: number): boolean {
  let [x, height] = [tail, Math.exp(-0.5 * tail * tail)];
  for (let i = 1; i < LAYERS; i++) {
    height += area / x;
    if (height >= 1) return true;
    x = Math.sqrt(-2 * Math.log(height));
  }
  return false;
}

function fillLayers(): void {
  // The lowest layer counts as a rectangle of the layers' area, of which the tail is what lies
  // beyond TAIL.
  ENDS[0] = AREA / Math.exp(-0.5 * TAIL * TAIL);
  ENDS[1] = TAIL;
  HEIGHTS[1] = Math.exp(-0.5 * TAIL * TAIL);
  for (let i = 2; i < LAYERS; i++) {
    HEIGHTS[i] = HEIGHTS[i - 1] + AREA / ENDS[i - 1];
    ENDS[i] = Math.sqrt(-2 * Math.log(HEIGHTS[i]));
  }
  HEIGHTS[LAYERS] = 1;
  ENDS[LAYERS] = 0;
}

/** The normal tail beyond x, over the density at x, by its continued fraction: for x above 2. */
export function millsRatio(x: number): number {
  let below = x;
  for (let i = 200; i >= 1; i--) below = x + i / below;
  return 1 / below;
}
