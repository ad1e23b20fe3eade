/** EventQueue: when each actor of a simulation acts next; every actor has one slot and at most one pending time. */

// A 4-ary heap of slots in typed arrays: moving a time allocates nothing and needs no search for stale events.
// Equal times go in the order of the slots, so that a run can be repeated.

const ARITY = 4;
const ABSENT = -1;

export class EventQueue {
  size = 0;
  readonly #slots: Int32Array;
  readonly #places: Int32Array;
  readonly #times: Float64Array;

  constructor(slotCount: number) {
    this.#slots = new Int32Array(slotCount);
    this.#places = new Int32Array(slotCount).fill(ABSENT);
    this.#times = new Float64Array(slotCount).fill(Number.POSITIVE_INFINITY);
  }

  /** The slot that is due first; size must not be 0. */
  get top(): number {
    return this.#slots[0] as number;
  }
  get topUs(): number {
    return this.#times[this.top] as number;
  }

  /** The pending time of a slot; Infinity when it has none. */
  timeOf(slot: number): number {
    return this.#times[slot] as number;
  }

  /** Gives a slot a time in place of any it had; Infinity takes it out. */
  set(slot: number, atUs: number): void {
    const before = this.#times[slot] as number;
    if (atUs === before) return;
    this.#times[slot] = atUs;
    let place = this.#places[slot] as number;
    if (atUs === Number.POSITIVE_INFINITY) {
      this.#remove(slot, place);
      return;
    }
    if (place === ABSENT) place = this.size++;
    if (atUs < before) this.#rise(slot, atUs, place);
    else this.#sink(slot, atUs, place);
  }

  #remove(slot: number, place: number): void {
    this.#places[slot] = ABSENT;
    const last = this.#slots[--this.size] as number;
    if (last === slot) return;
    const lastUs = this.#times[last] as number;
    this.#rise(last, lastUs, place);
    this.#sink(last, lastUs, this.#places[last] as number);
  }

  #rise(slot: number, atUs: number, from: number): void {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 2;
      const other = this.#slots[parent] as number;
      const otherUs = this.#times[other] as number;
      if (otherUs < atUs || (otherUs === atUs && other < slot)) break;
      this.#put(other, place);
      place = parent;
    }
    this.#put(slot, place);
  }

  #sink(slot: number, atUs: number, from: number): void {
    const slots = this.#slots;
    const times = this.#times;
    let place = from;
    for (let first = ARITY * place + 1; first < this.size; first = ARITY * place + 1) {
      const end = Math.min(first + ARITY, this.size);
      let least = first;
      let leastSlot = slots[first] as number;
      let leastUs = times[leastSlot] as number;
      for (let child = first + 1; child < end; child++) {
        const childSlot = slots[child] as number;
        const childUs = times[childSlot] as number;
        if (childUs < leastUs || (childUs === leastUs && childSlot < leastSlot)) {
          least = child;
          leastSlot = childSlot;
          leastUs = childUs;
        }
      }
      if (atUs < leastUs || (atUs === leastUs && slot < leastSlot)) break;
      this.#put(leastSlot, place);
      place = least;
    }
    this.#put(slot, place);
  }

  #put(slot: number, place: number): void {
    this.#slots[place] = slot;
    this.#places[slot] = place;
  }
}
