/** QueryParameter: the first parameter of a name in a request's query, as it stands there, not decoded. */
import type { Head } from '../http/head.js';

const AMPERSAND = 0x26;
const EQUALS = 0x3d;
const QUESTION_MARK = 0x3f;

export class QueryParameter {
  /** Of the value in head.pathBytes, after a find() that was true; empty for a name without "=". */
  start = 0;
  end = 0;
  readonly #name: Uint8Array;

  constructor(name: string) {
    this.#name = new TextEncoder().encode(name);
  }

  find(head: Head): boolean {
    const bytes = head.pathBytes;
    const end = head.pathTo;
    let at = head.pathFrom;
    while (at < end && bytes[at] !== QUESTION_MARK) at++;
    while (at < end) {
      at++;
      const nameStart = at;
      while (at < end && bytes[at] !== EQUALS && bytes[at] !== AMPERSAND) at++;
      const nameEnd = at;
      let valueStart = at;
      if (bytes[at] === EQUALS && at < end) {
        valueStart = ++at;
        while (at < end && bytes[at] !== AMPERSAND) at++;
      }
      if (!this.#isName(bytes, nameStart, nameEnd)) continue;
      this.start = valueStart;
      this.end = at;
      return true;
    }
    return false;
  }

  #isName(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start !== this.#name.length) return false;
    for (let i = 0; i < this.#name.length; i++) if (bytes[start + i] !== this.#name[i]) return false;
    return true;
  }
}
