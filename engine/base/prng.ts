/** Seeded generator (xoshiro128**), injected wherever randomness is used, so that tests can repeat it. */
export class Prng {
  #a = 0;
  #b = 0;
  #c = 0;
  #d = 0;

  /** Four 32-bit words, not all zero. */
  constructor(a: number, b: number, c: number, d: number) {
    this.#a = a | 0;
    this.#b = b | 0;
    this.#c = c | 0;
    this.#d = (d | 0) === 0 && (a | b | c | 0) === 0 ? 1 : d | 0;
  }

  /** Spreads one seed over the state (splitmix32). */
  static fromSeed(seed: number): Prng {
    let state = seed | 0;
    const next = (): number => {
      state = (state + 0x9e3779b9) | 0;
      let z = state;
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      return z ^ (z >>> 16);
    };
    return new Prng(next(), next(), next(), next());
  }

  /** Signed 32-bit. */
  next(): number {
    const b = this.#b;
    const scrambled = Math.imul(rotate(Math.imul(b, 5), 7), 9);
    const shifted = b << 9;
    this.#c ^= this.#a;
    this.#d ^= b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = rotate(this.#d, 11);
    return scrambled;
  }

  /** Whole number in [0, bound), bound up to 2^31. */
  below(bound: number): number {
    return Math.floor(((this.next() >>> 0) / 4294967296) * bound);
  }

  /** In [0, 1). */
  float(): number {
    return (this.next() >>> 0) / 4294967296;
  }
}

function rotate(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by));
}
