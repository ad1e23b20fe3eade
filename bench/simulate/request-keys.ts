/** RequestKeys: keys that some requests share, hot ones and rare ones, as 64-bit hashes; and where each was seen last. */
import type { Prng } from '../../engine/base/prng.js';
import { RequestHash } from '../../engine/upstream/balance/request-hash.js';

export class RequestKeys {
  readonly #random: Prng;
  /** Running sums of the probabilities. */
  readonly #sums: Float64Array;
  readonly #hash = new RequestHash();
  /** Server of the last request of each key, -1 = there was none. */
  readonly #last: Int32Array;
  #key = 0;

  constructor({ count, exponent }: { readonly count: number; readonly exponent: number }, random: Prng) {
    this.#random = random;
    this.#sums = new Float64Array(count);
    let sum = 0;
    for (let key = 0; key < count; key++) {
      sum += 1 / (key + 1) ** exponent;
      this.#sums[key] = sum;
    }
    this.#last = new Int32Array(count).fill(-1);
    this.#hash.isSet = true;
  }

  /** The hash of the next request's key; borrowed until the next call. */
  draw(): RequestHash {
    const sums = this.#sums;
    const at = this.#random.float() * (sums[sums.length - 1] as number);
    let low = 0;
    let high = sums.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] as number) > at) high = middle;
      else low = middle + 1;
    }
    this.#key = low;
    this.#hash.low = mixed(low);
    this.#hash.high = mixed(low ^ 0x5bd1e995);
    return this.#hash;
  }

  /** Did the last request with the key of this one go to the same server? Notes that this one does. */
  isAtHome(server: number): boolean {
    const isSame = this.#last[this.#key] === server;
    this.#last[this.#key] = server;
    return isSame;
  }
}

/** Spreads a small integer over 32 bits (the finalizer of MurmurHash3). */
function mixed(value: number): number {
  let bits = Math.imul(value + 1, 0x9e3779b1);
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}
