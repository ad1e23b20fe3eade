/** StreamStore: the open streams of one connection by id, in one array; no garbage, and no Map. */
import type { Http2Stream } from './stream.js';

// Open addressing with linear probing. Ids of a connection are consecutive odd numbers, so id >> 1 spreads them over
// the slots one by one: a look-up nearly always hits at once. Removal shifts back what was pushed on, if anything was.

const SLOTS_MIN = 16;

export class StreamStore {
  count = 0;
  #slots: (Http2Stream | null)[] = new Array(SLOTS_MIN).fill(null);
  #mask = SLOTS_MIN - 1;
  /** Streams that are not in the slot of their id: another one was there. */
  #pushedOn = 0;

  find(id: number): Http2Stream | null {
    let at = (id >> 1) & this.#mask;
    for (;;) {
      const stream = this.#slots[at] as Http2Stream | null;
      if (stream === null || stream.id === id) return stream;
      at = (at + 1) & this.#mask;
    }
  }

  add(stream: Http2Stream): void {
    if (++this.count * 2 > this.#slots.length) this.#grow();
    this.#put(stream);
  }

  remove(id: number): void {
    const slots = this.#slots;
    const mask = this.#mask;
    let hole = (id >> 1) & mask;
    while ((slots[hole] as Http2Stream | null)?.id !== id) {
      if (slots[hole] === null) return;
      hole = (hole + 1) & mask;
    }
    this.count--;
    if (this.#pushedOn === 0) {
      slots[hole] = null;
      return;
    }
    if (hole !== ((id >> 1) & mask)) this.#pushedOn--;
    for (let at = (hole + 1) & mask; ; at = (at + 1) & mask) {
      const stream = slots[at] as Http2Stream | null;
      if (stream === null) break;
      // May it move into the hole? Only when its home is not behind the hole.
      const home = (stream.id >> 1) & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      slots[hole] = stream;
      if (hole === home) this.#pushedOn--;
      hole = at;
    }
    slots[hole] = null;
  }

  /** Streams in no order, in an array of its own: they may close while it is walked. Off the data path. */
  all(): Http2Stream[] {
    return this.#slots.filter((stream) => stream !== null);
  }

  #put(stream: Http2Stream): void {
    const home = (stream.id >> 1) & this.#mask;
    let at = home;
    while (this.#slots[at] !== null) at = (at + 1) & this.#mask;
    if (at !== home) this.#pushedOn++;
    this.#slots[at] = stream;
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new Array(before.length * 2).fill(null);
    this.#mask = this.#slots.length - 1;
    this.#pushedOn = 0;
    for (const stream of before) if (stream !== null) this.#put(stream);
  }
}
