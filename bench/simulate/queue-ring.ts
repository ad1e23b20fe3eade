/** QueueRing: integers in the order in which they came; grows when it must. */

export class QueueRing {
  size = 0;
  #items = new Int32Array(16);
  #first = 0;

  push(item: number): void {
    if (this.size === this.#items.length) this.#grow();
    this.#items[(this.#first + this.size++) & (this.#items.length - 1)] = item;
  }

  /** size must not be 0. */
  get first(): number {
    return this.#items[this.#first] as number;
  }

  /** size must not be below 2. */
  get second(): number {
    return this.#items[(this.#first + 1) & (this.#items.length - 1)] as number;
  }

  shift(): number {
    const item = this.first;
    this.#first = (this.#first + 1) & (this.#items.length - 1);
    this.size--;
    return item;
  }

  /** Takes out the first that equals item, in linear time. */
  remove(item: number): void {
    const mask = this.#items.length - 1;
    let at = 0;
    while (at < this.size && this.#items[(this.#first + at) & mask] !== item) at++;
    if (at === this.size) return;
    for (; at + 1 < this.size; at++)
      this.#items[(this.#first + at) & mask] = this.#items[(this.#first + at + 1) & mask] as number;
    this.size--;
  }

  #grow(): void {
    const before = this.#items;
    const after = new Int32Array(2 * before.length);
    for (let i = 0; i < this.size; i++) after[i] = before[(this.#first + i) & (before.length - 1)] as number;
    this.#items = after;
    this.#first = 0;
  }
}
