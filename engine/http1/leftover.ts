/** Leftover: bytes of one connection that can't be read yet: a part of a head, or a pipelined request. */

export class Leftover {
  bytes: Uint8Array;
  /** Unread: [start, end). What lies before may still be lent to somebody, so nothing here is ever moved. */
  start = 0;
  end: number;

  /** A copy: the bytes given are borrowed. */
  constructor(bytes: Uint8Array, start: number, end: number) {
    // Not slice(): a Buffer's shares the memory that it was lent from.
    this.bytes = new Uint8Array(end - start);
    this.bytes.set(bytes.subarray(start, end));
    this.end = end - start;
  }

  get length(): number {
    return this.end - this.start;
  }

  /** Room doubles, so a head that comes byte by byte costs a copy per byte and not one of everything before it. */
  append(bytes: Uint8Array, start: number, end: number): void {
    const need = end - start;
    if (this.end + need > this.bytes.length) {
      const bigger = new Uint8Array((this.length + need) * 2);
      bigger.set(this.bytes.subarray(this.start, this.end));
      this.end = this.length;
      this.start = 0;
      this.bytes = bigger;
    }
    this.bytes.set(bytes.subarray(start, end), this.end);
    this.end += need;
  }
}

/** Is there a line end in bytes[start, end)? Without one there is nothing new for a parser. */
export function hasLineEnd(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] === 0x0a) return true;
  return false;
}
