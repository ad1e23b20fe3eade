/** Gathered: the body of one message, kept until it is whole, and no more of it than a limit. */

const NOTHING = new Uint8Array(0);
/** What a body needed most is not kept for the next one, where that was much. */
const IDLE_BYTES = 4096;
const FIRST_BYTES = 1024;

export class Gathered {
  /** [0, length) is the body. */
  bytes: Uint8Array = NOTHING;
  length = 0;

  reset(): void {
    this.length = 0;
    if (this.bytes.length > IDLE_BYTES) this.bytes = NOTHING;
  }

  /**
   * Copies; false, and nothing is, where it would be more than maxBytes. Room grows with what has come, never with what
   * a head announces: announcing costs a peer nothing.
   */
  add(bytes: Uint8Array, start: number, end: number, maxBytes: number): boolean {
    const length = this.length + end - start;
    if (length > maxBytes) return false;
    if (length > this.bytes.length) {
      const bigger = new Uint8Array(Math.max(length, Math.min(maxBytes, Math.max(FIRST_BYTES, this.length * 2))));
      bigger.set(this.bytes.subarray(0, this.length));
      this.bytes = bigger;
    }
    this.bytes.set(bytes.subarray(start, end), this.length);
    this.length = length;
    return true;
  }
}
