/** Arrivals: when requests are meant to be sent, and under which keys, drawn before the run from its seed. */
import type { Prng } from '../../engine/base/prng.js';
import type { Keys } from '../scenario/scenario.js';

/** Microseconds from the beginning, in order, in memory that threads can share. */
export function arrivalTimes(rate: number, seconds: number, kind: 'POISSON' | 'UNIFORM', random: Prng): Float64Array {
  const times: number[] = [];
  const endUs = seconds * 1e6;
  const gapUs = 1e6 / rate;
  for (let at = gapUs / 2; at < endUs; at += kind === 'UNIFORM' ? gapUs : -Math.log(1 - random.float()) * gapUs)
    times.push(at);
  const shared = new Float64Array(new SharedArrayBuffer(times.length * 8));
  shared.set(times);
  return shared;
}

/** Draws keys from 0 to count - 1; with ZIPF the low ones are the hot ones. */
export class KeyDraw {
  readonly #keys: Keys;
  readonly #random: Prng;
  /** ZIPF: running sums of the probabilities. */
  readonly #sums: Float64Array;

  constructor(keys: Keys, random: Prng) {
    this.#keys = keys;
    this.#random = random;
    this.#sums = new Float64Array(keys.distribution === 'ZIPF' ? keys.count : 0);
    let sum = 0;
    for (let i = 0; i < this.#sums.length; i++) this.#sums[i] = sum += (i + 1) ** -keys.exponent;
  }

  next(): number {
    if (this.#sums.length === 0) return this.#random.below(this.#keys.count);
    const wanted = this.#random.float() * (this.#sums.at(-1) as number);
    let low = 0;
    let high = this.#sums.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#sums[middle] as number) > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
