/** NodeArena: slab, scratch and carved ranges of the node transport. */
import { type Arena, SCRATCH_BYTES } from './transport.js';

export const SLAB_BYTES = 64 * 1024;
const CARVE_BYTES = 8 * 1024 * 1024;

export class NodeArena implements Arena {
  readonly bytes: Uint8Array = new Uint8Array(SLAB_BYTES + SCRATCH_BYTES + CARVE_BYTES);
  readonly #flush: () => void;
  #scratchAt = SLAB_BYTES;
  #carveAt = SLAB_BYTES + SCRATCH_BYTES;

  constructor(flush: () => void) {
    this.#flush = flush;
  }
  reserve(byteCount: number): number {
    if (this.#scratchAt + byteCount > SLAB_BYTES + SCRATCH_BYTES) {
      this.#flush();
      this.#scratchAt = SLAB_BYTES;
    }
    const at = this.#scratchAt;
    this.#scratchAt = at + byteCount;
    return at;
  }
  commit(end: number): void {
    this.#scratchAt = end;
  }
  carve(byteCount: number): number {
    if (this.#carveAt + byteCount > this.bytes.length) return -1;
    this.#carveAt += byteCount;
    return this.#carveAt - byteCount;
  }
  free(): void {
    this.#scratchAt = SLAB_BYTES;
  }
}
