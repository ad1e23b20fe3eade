/** SlabArena: the array of a transport, divided into receive slab, scratch and carved ranges. */
import { type Arena, SCRATCH_BYTES } from './transport.js';

export class SlabArena implements Arena {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #scratchStart: number;
  readonly #scratchEnd: number;
  readonly #flush: () => void;
  #scratchAt: number;
  #carveAt: number;

  /** flush: lets leave what was composed so far; its scratch is free then. */
  constructor(slabBytes: number, carveBytes: number, flush: () => void) {
    this.#scratchStart = slabBytes;
    this.#scratchEnd = slabBytes + SCRATCH_BYTES;
    this.bytes = new Uint8Array(this.#scratchEnd + carveBytes);
    this.#scratchAt = this.#scratchStart;
    this.#carveAt = this.#scratchEnd;
    this.#flush = flush;
  }

  reserve(byteCount: number): number {
    if (this.#scratchAt + byteCount > this.#scratchEnd) {
      this.#flush();
      this.#scratchAt = this.#scratchStart;
    }
    const at = this.#scratchAt;
    this.#scratchAt = at + byteCount;
    return at;
  }

  commit(end: number): void {
    this.#scratchAt = end;
  }

  carve(byteCount: number): number {
    const at = this.#carveAt;
    if (at + byteCount > this.bytes.length) return -1;
    this.#carveAt = at + byteCount;
    return at;
  }

  /** The turn's writes have left. */
  free(): void {
    this.#scratchAt = this.#scratchStart;
  }
}
