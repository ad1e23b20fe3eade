/** DeadlineHeap: the item that is due first; for schedules that give every item its share (earliest deadline first). */

// Deadlines that are equal go in the order in which they were given. Columns, so that moving the top allocates nothing.

export class DeadlineHeap {
  size = 0;
  /** Deadline for moveTop(): in an array, because a fraction that goes to a call is garbage. */
  readonly next = new Float64Array(1);
  readonly #items: Int32Array;
  readonly #deadlines: Float64Array;
  readonly #orders: Float64Array;
  #given = 0;

  constructor(capacity: number) {
    this.#items = new Int32Array(capacity);
    this.#deadlines = new Float64Array(capacity);
    this.#orders = new Float64Array(capacity);
  }

  /** The item that is due first; size must not be 0. */
  get top(): number {
    return this.#items[0] as number;
  }
  get topDeadline(): number {
    return this.#deadlines[0] as number;
  }

  clear(): void {
    this.size = 0;
  }

  push(item: number, deadline: number): void {
    this.next[0] = deadline;
    const order = this.#given++;
    let at = this.size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(order, parent)) break;
      this.#copy(parent, at);
      at = parent;
    }
    this.#put(at, item, order);
  }

  pop(): number {
    const top = this.top;
    const last = --this.size;
    if (last > 0) {
      this.next[0] = this.#deadlines[last] as number;
      this.#sink(this.#items[last] as number, this.#orders[last] as number);
    }
    return top;
  }

  /** The top is due again at next[0]. */
  moveTop(): void {
    this.#sink(this.top, this.#given++);
  }

  /** Puts an item that is due at next[0] where the top was and lets it sink to its place. */
  #sink(item: number, order: number): void {
    let at = 0;
    for (let child = 1; child < this.size; child = 2 * at + 1) {
      const right = child + 1;
      if (right < this.size && this.#isChildBefore(right, child)) child = right;
      if (this.#isBefore(order, child)) break;
      this.#copy(child, at);
      at = child;
    }
    this.#put(at, item, order);
  }

  #isBefore(order: number, at: number): boolean {
    const deadline = this.next[0] as number;
    const other = this.#deadlines[at] as number;
    return deadline < other || (deadline === other && order < (this.#orders[at] as number));
  }

  #isChildBefore(at: number, other: number): boolean {
    const deadline = this.#deadlines[at] as number;
    const otherDeadline = this.#deadlines[other] as number;
    const isEqual = deadline === otherDeadline;
    return isEqual ? (this.#orders[at] as number) < (this.#orders[other] as number) : deadline < otherDeadline;
  }

  #copy(from: number, to: number): void {
    this.#items[to] = this.#items[from] as number;
    this.#deadlines[to] = this.#deadlines[from] as number;
    this.#orders[to] = this.#orders[from] as number;
  }

  #put(at: number, item: number, order: number): void {
    this.#items[at] = item;
    this.#deadlines[at] = this.next[0] as number;
    this.#orders[at] = order;
  }
}
