/** ByteOutput: a byte array that grows, reused from one use to the next: where text is composed without strings. */

const INITIAL_BYTES = 1024;
/** Above this many bytes a native copy beats a loop, in spite of the view that it needs. */
const LOOP_BYTES = 256;
/** The same for set() of a whole array, which needs no view. */
const SET_BYTES = 16;

export class ByteOutput {
  bytes: Uint8Array;
  /** Bytes in use; set it back to drop what was written behind. */
  length: number;

  constructor(initialBytes = INITIAL_BYTES) {
    this.bytes = new Uint8Array(initialBytes);
    this.length = 0;
  }

  /** Room for `count` more bytes behind `length`. */
  reserve(count: number): void {
    const need = this.length + count;
    if (need <= this.bytes.length) return;
    const bigger = new Uint8Array(Math.max(need, this.bytes.length * 2));
    bigger.set(this.bytes.subarray(0, this.length));
    this.bytes = bigger;
  }

  byte(value: number): void {
    if (this.length === this.bytes.length) this.reserve(1);
    this.bytes[this.length++] = value;
  }

  /** A whole array. */
  all(source: Uint8Array): void {
    const length = source.length;
    if (this.length + length > this.bytes.length) this.reserve(length);
    const bytes = this.bytes;
    const at = this.length;
    this.length = at + length;
    if (length > SET_BYTES) bytes.set(source, at);
    else for (let i = 0; i < length; i++) bytes[at + i] = source[i] as number;
  }

  range(source: Uint8Array, start: number, end: number): void {
    const count = end - start;
    if (this.length + count > this.bytes.length) this.reserve(count);
    const bytes = this.bytes;
    let at = this.length;
    this.length = at + count;
    if (count > LOOP_BYTES) bytes.set(source.subarray(start, end), at);
    else for (let from = start; from < end; from++) bytes[at++] = source[from] as number;
  }

  /** UTF-8; text of ours is nearly always short ASCII, for which a loop is fastest. */
  text(text: string): void {
    const length = text.length;
    // Three bytes are the most that one UTF-16 unit needs.
    this.reserve(length * 3);
    const bytes = this.bytes;
    const at = this.length;
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code >= 0x80) {
        this.length = at + encoder.encodeInto(text, bytes.subarray(at)).written;
        return;
      }
      bytes[at + i] = code;
    }
    this.length = at + length;
  }

  /** A whole number in decimal. */
  decimal(value: number): void {
    this.reserve(24);
    let rest = Math.floor(value);
    if (rest < 0) {
      this.bytes[this.length++] = 0x2d;
      rest = -rest;
    }
    let digits = 1;
    for (let bound = 10; rest >= bound; bound *= 10) digits++;
    const bytes = this.bytes;
    let at = this.length + digits;
    this.length = at;
    // Integer arithmetic as long as the number fits.
    while (rest > 0x7fffffff) {
      const tenth = Math.floor(rest / 10);
      bytes[--at] = 0x30 + (rest - tenth * 10);
      rest = tenth;
      digits--;
    }
    let small = rest | 0;
    for (; digits > 0; digits--) {
      const tenth = (small / 10) | 0;
      bytes[--at] = 0x30 + (small - tenth * 10);
      small = tenth;
    }
  }

  /** A whole number with leading zeros up to `width`. */
  padded(value: number, width: number): void {
    this.reserve(width);
    let rest = value | 0;
    for (let at = this.length + width - 1; at >= this.length; at--) {
      const tenth = (rest / 10) | 0;
      this.bytes[at] = 0x30 + (rest - tenth * 10);
      rest = tenth;
    }
    this.length += width;
  }

  /** What was written from `start` on, as text: for tests and the control plane. */
  toText(start = 0): string {
    return decoder.decode(this.bytes.subarray(start, this.length));
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
