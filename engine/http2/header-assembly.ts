/** HeaderAssembly: HEADERS and its CONTINUATIONs until the block is whole, within caps. */
import { ENHANCE_YOUR_CALM, type ErrorCode } from './error-codes.js';
import { FRAME_BYTES_MAX } from './frames.js';

/**
 * More frames than a block of the largest size needs (CONTINUATION flood, CVE-2024-27316 and others): small and empty
 * ones would keep us assembling for ever.
 */
const CONTINUATIONS_MAX = 16;
const NOTHING = new Uint8Array(0);

export class HeaderAssembly {
  /** Stream of the block under way, 0 = none: nothing else may come in between (RFC 9113 §6.10). */
  id = 0;
  /** Flags of its HEADERS frame. */
  flags = 0;
  isSelfDependent = false;
  bytes: Uint8Array = NOTHING;
  length = 0;
  #continuations = 0;
  /** Compressed bytes. A block that is too big decoded still has to be decoded: HPACK's state depends on it. */
  readonly #maxBytes: number;

  constructor(maxHeadBytes: number) {
    this.#maxBytes = maxHeadBytes * 2 + FRAME_BYTES_MAX;
  }

  begin(id: number, flags: number, isSelfDependent: boolean, bytes: Uint8Array, start: number, end: number): ErrorCode {
    this.id = id;
    this.flags = flags;
    this.isSelfDependent = isSelfDependent;
    this.length = 0;
    this.#continuations = 0;
    return this.#append(bytes, start, end);
  }

  continue(bytes: Uint8Array, start: number, end: number): ErrorCode {
    if (++this.#continuations > CONTINUATIONS_MAX) return ENHANCE_YOUR_CALM;
    return this.#append(bytes, start, end);
  }

  /** The block has been read. */
  end(): void {
    this.id = 0;
    this.bytes = NOTHING;
    this.length = 0;
  }

  #append(bytes: Uint8Array, start: number, end: number): ErrorCode {
    const need = this.length + (end - start);
    if (need > this.#maxBytes) return ENHANCE_YOUR_CALM;
    if (need > this.bytes.length) {
      const bigger = new Uint8Array(Math.max(need, this.bytes.length * 2));
      bigger.set(this.bytes.subarray(0, this.length));
      this.bytes = bigger;
    }
    this.bytes.set(bytes.subarray(start, end), this.length);
    this.length = need;
    return 0;
  }
}
