/** Coarse timers: a hashed wheel of intrusive entries; arming and re-arming later costs two stores. */

// Laws: 1. A timer fires at or after its deadline, at most one tick plus the caller's own delay late.
// 2. Moving a deadline later or disarming is free: the entry stays where it is and is looked at when its old slot
//    comes round. 3. Moving it earlier relinks it. 4. onTimer may arm or disarm any timer, its own included.

/** Milliseconds per tick: what a timeout may be late by. Smaller wakes an idle worker more often. */
export const TICK_MS = 20;
const SLOTS = 512;
const MASK = SLOTS - 1;

/** Whoever has a deadline extends or holds one of these; onTimer runs when it is due. */
export abstract class Timer {
  /** Due time on the wheel's clock; 0 = disarmed. */
  deadlineMs = 0;
  /** Slot that holds the entry, -1 = none. */
  wheelSlot = -1;
  wheelDueMs = 0;
  wheelNext: Timer | null = null;
  wheelPrevious: Timer | null = null;
  abstract onTimer(nowMs: number): void;
}

export class TimerWheel {
  #slots: (Timer | null)[] = new Array(SLOTS).fill(null);
  #tick = 0;
  #count = 0;

  constructor(nowMs: number) {
    this.#tick = Math.floor(nowMs / TICK_MS);
  }

  /** Entries linked, armed or not: 0 means no real timer is needed. */
  get count(): number {
    return this.#count;
  }

  arm(timer: Timer, deadlineMs: number): void {
    timer.deadlineMs = deadlineMs;
    if (timer.wheelSlot >= 0) {
      if (deadlineMs >= timer.wheelDueMs) return;
      this.#unlink(timer);
    }
    this.#link(timer, deadlineMs);
  }

  disarm(timer: Timer): void {
    timer.deadlineMs = 0;
  }

  /** Unlinks at once: for an object that is given up for good. */
  forget(timer: Timer): void {
    timer.deadlineMs = 0;
    if (timer.wheelSlot >= 0) this.#unlink(timer);
  }

  /** Fires what is due; call it about once per tick. */
  advance(nowMs: number): void {
    const until = Math.floor(nowMs / TICK_MS);
    // After a long sleep one revolution visits every slot.
    if (until - this.#tick > SLOTS) this.#tick = until - SLOTS;
    while (this.#tick < until) {
      this.#tick++;
      let timer = this.#slots[this.#tick & MASK] as Timer | null;
      this.#slots[this.#tick & MASK] = null;
      // The list is taken off first: entries that are armed again while it is walked go to a new list.
      while (timer !== null) {
        const next: Timer | null = timer.wheelNext;
        timer.wheelSlot = -1;
        timer.wheelNext = null;
        timer.wheelPrevious = null;
        this.#count--;
        if (next !== null) next.wheelPrevious = null;
        if (timer.deadlineMs !== 0) {
          if (timer.deadlineMs > nowMs) this.#link(timer, timer.deadlineMs);
          else {
            timer.deadlineMs = 0;
            this.#pending = next;
            timer.onTimer(nowMs);
            timer = this.#pending;
            continue;
          }
        }
        timer = next;
      }
      this.#pending = null;
    }
  }

  // Rest of the list being walked: onTimer may unlink its first entry.
  #pending: Timer | null = null;

  #link(timer: Timer, deadlineMs: number): void {
    let due = Math.ceil(deadlineMs / TICK_MS);
    if (due <= this.#tick) due = this.#tick + 1;
    const slot = due & MASK;
    const head = this.#slots[slot] as Timer | null;
    timer.wheelSlot = slot;
    timer.wheelDueMs = deadlineMs;
    timer.wheelNext = head;
    timer.wheelPrevious = null;
    if (head !== null) head.wheelPrevious = timer;
    this.#slots[slot] = timer;
    this.#count++;
  }

  #unlink(timer: Timer): void {
    const next = timer.wheelNext;
    const previous = timer.wheelPrevious;
    if (previous !== null) previous.wheelNext = next;
    else if (this.#slots[timer.wheelSlot] === timer) this.#slots[timer.wheelSlot] = next;
    else if (this.#pending === timer) this.#pending = next;
    if (next !== null) next.wheelPrevious = previous;
    timer.wheelSlot = -1;
    timer.wheelNext = null;
    timer.wheelPrevious = null;
    this.#count--;
  }
}
