/** DeadlineHeap: the item that is due first; for schedules that give every item its share (earliest deadline first). */

// Deadlines that are equal go in the order in which they were given. Columns, so that moving the top allocates nothing.

export class DeadlineHeap {
  size = 0;
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
    const order = this.#given++;
    let at = this.size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(deadline, order, parent)) break;
      this.#copy(parent, at);
      at = parent;
    }
    this.#put(at, item, deadline, order);
  }

  pop(): number {
    const top = this.top;
    const last = --this.size;
    if (last > 0)
      this.#sink(this.#items[last] as number, this.#deadlines[last] as number, this.#orders[last] as number);
    return top;
  }

  /** The top is due again later. */
  moveTop(deadline: number): void {
    this.#sink(this.top, deadline, this.#given++);
  }

  /** Puts an item where the top was and lets it sink to its place. */
  #sink(item: number, deadline: number, order: number): void {
    let at = 0;
    for (let child = 1; child < this.size; child = 2 * at + 1) {
      const right = child + 1;
      if (right < this.size && this.#isBefore(this.#deadlines[right] as number, this.#orders[right] as number, child))
        child = right;
      if (this.#isBefore(deadline, order, child)) break;
      this.#copy(child, at);
      at = child;
    }
    this.#put(at, item, deadline, order);
  }

  #isBefore(deadline: number, order: number, at: number): boolean {
    const other = this.#deadlines[at] as number;
    return deadline < other || (deadline === other && order < (this.#orders[at] as number));
  }

  #copy(from: number, to: number): void {
    this.#put(to, this.#items[from] as number, this.#deadlines[from] as number, this.#orders[from] as number);
  }

  #put(at: number, item: number, deadline: number, order: number): void {
    this.#items[at] = item;
    this.#deadlines[at] = deadline;
    this.#orders[at] = order;
  }
}
