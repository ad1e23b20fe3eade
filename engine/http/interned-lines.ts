/** InternedLines: header lines that all heads of a worker may point to; a line stays put while a head may hold it. */

// Laws:
//  1. A head that points to a line has a hold: hold() before it does, release() once it doesn't.
//  2. turn() begins a new age. isOver() says that no hold of the age before is left: only then are bytes written over
//     that were given up before turn().

export class InternedLines {
  readonly bytes: Uint8Array;
  /** 1 or 2, the hold that heads get now. */
  #age = 1;
  #holds = 0;
  #holdsBefore = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  hold(): number {
    this.#holds++;
    return this.#age;
  }

  release(hold: number): void {
    if (hold === this.#age) this.#holds--;
    else this.#holdsBefore--;
  }

  isOver(): boolean {
    return this.#holdsBefore === 0;
  }

  /** Only when isOver(). */
  turn(): void {
    this.#holdsBefore = this.#holds;
    this.#holds = 0;
    this.#age = 3 - this.#age;
  }
}
