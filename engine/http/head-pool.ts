/** HeadPool: spare Heads with stores in the arena; what is given back is reused from the next turn on. */
import type { Arena } from '../io/transport.js';
import { HOME_SLOT_INTS, Head } from './head.js';

const SLOTS_BYTES = HOME_SLOT_INTS * 4;
/**
 * Per pooled head: its slots, then its store: a retained request (usually below 1 KiB) plus what we add. Larger ones
 * grow on their own. An odd number of cache lines: at a power of two all would fall into the same few cache sets.
 */
const HEAD_BYTES = 43 * 64;

export class HeadPool {
  readonly #arena: Arena;
  /** The arena once more: one array for the slots of all heads, so that reading a head needs no array of its own. */
  readonly #slots: Int32Array;
  readonly #spare: Head[] = [];
  readonly #given: Head[] = [];

  constructor(arena: Arena) {
    this.#arena = arena;
    const { buffer, byteOffset, byteLength } = arena.bytes;
    this.#slots = new Int32Array(buffer, byteOffset, byteLength >> 2);
  }

  take(): Head {
    return this.#spare.pop() ?? this.#create();
  }

  /** The transport may still point into the head's store: it is spare only after endTurn(). */
  give(head: Head): void {
    this.#given.push(head);
  }

  /** Called after the writes of the turn have left. */
  endTurn(): void {
    while (this.#given.length > 0) {
      const head = this.#given.pop() as Head;
      if (head.owesReset) head.reset();
      this.#spare.push(head);
    }
  }

  #create(): Head {
    const offset = this.#arena.carve(HEAD_BYTES);
    if (offset >= 0)
      return new Head(this.#arena.bytes, offset + SLOTS_BYTES, offset + HEAD_BYTES, this.#slots, offset >> 2);
    return new Head(new Uint8Array(HEAD_BYTES), 0, HEAD_BYTES, new Int32Array(HOME_SLOT_INTS), 0);
  }
}
