/** HeadPool: spare Heads with stores in the arena; what is given back is reused from the next turn on. */
import type { Arena } from '../io/transport.js';
import { Head } from './head.js';

/**
 * Store per pooled head: retained request (usually below 1 KiB) plus what we add. Larger ones grow on their own.
 * An odd number of cache lines: stores at a power of two would all fall into the same few cache sets.
 */
const STORE_BYTES = 2112;

export class HeadPool {
  readonly #arena: Arena;
  readonly #spare: Head[] = [];
  readonly #given: Head[] = [];

  constructor(arena: Arena) {
    this.#arena = arena;
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
      if (head.isGrown) head.reset();
      this.#spare.push(head);
    }
  }

  #create(): Head {
    const offset = this.#arena.carve(STORE_BYTES);
    if (offset >= 0) return new Head(this.#arena.bytes, offset, offset + STORE_BYTES);
    return new Head(new Uint8Array(STORE_BYTES), 0, STORE_BYTES);
  }
}
