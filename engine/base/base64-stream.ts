/** Base64 in pieces: a decoder and an encoder that go on where the last piece ended, over bytes. */

const LETTERS = new TextEncoder().encode('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/');
const VALUES = new Int8Array(256).fill(-1);
for (let value = 0; value < LETTERS.length; value++) VALUES[LETTERS[value] as number] = value;
const PADDING = 0x3d;

/** Takes several texts behind each other, each padded (RFC 4648 §4). */
export class Base64Decoder {
  #held = 0;
  /** Letters of a group of four that are here, and how many of them are padding. */
  #count = 0;
  #padding = 0;

  reset(): void {
    this.#held = 0;
    this.#count = 0;
    this.#padding = 0;
  }

  /** Between two groups: a text may end here. */
  get isWhole(): boolean {
    return this.#count === 0;
  }

  /** Writes at most 3 bytes per 4 letters, and 3, to out; answers how many, or -1 for what is no base64. */
  decode(bytes: Uint8Array, start: number, end: number, out: Uint8Array): number {
    let at = 0;
    for (let i = start; i < end; i++) {
      const byte = bytes[i] as number;
      const value = VALUES[byte] as number;
      if (value >= 0 && this.#padding === 0) this.#held = (this.#held << 6) | value;
      else if (byte === PADDING && this.#count >= 2) {
        this.#padding++;
        this.#held <<= 6;
      } else return -1;
      if (++this.#count < 4) continue;
      const held = this.#held;
      // The bits that padding stands for have to be 0: two texts would mean the same bytes otherwise.
      if (this.#padding > 0 && (held & (this.#padding === 1 ? 0xff : 0xffff)) !== 0) return -1;
      out[at++] = held >> 16;
      if (this.#padding < 2) out[at++] = (held >> 8) & 0xff;
      if (this.#padding < 1) out[at++] = held & 0xff;
      this.reset();
    }
    return at;
  }
}

export class Base64Encoder {
  #held = 0;
  /** Bytes of a group of three that are here. */
  #count = 0;

  reset(): void {
    this.#held = 0;
    this.#count = 0;
  }

  /** Writes whole groups to out[at...], at most 4 letters per 3 bytes, and 4; answers the offset behind them. */
  encode(bytes: Uint8Array, start: number, end: number, out: Uint8Array, at: number): number {
    for (let i = start; i < end; i++) {
      this.#held = (this.#held << 8) | (bytes[i] as number);
      if (++this.#count === 3) at = this.#group(out, at);
    }
    return at;
  }

  /** Writes what is held, padded: the text ends, and another one may follow. At most 4 letters. */
  finish(out: Uint8Array, at: number): number {
    const missing = 3 - this.#count;
    if (missing === 3) return at;
    this.#held <<= missing * 8;
    const end = this.#group(out, at);
    for (let i = 1; i <= missing; i++) out[end - i] = PADDING;
    return end;
  }

  #group(out: Uint8Array, at: number): number {
    const held = this.#held;
    out[at] = LETTERS[(held >> 18) & 63] as number;
    out[at + 1] = LETTERS[(held >> 12) & 63] as number;
    out[at + 2] = LETTERS[(held >> 6) & 63] as number;
    out[at + 3] = LETTERS[held & 63] as number;
    this.reset();
    return at + 4;
  }
}
