/** GrpcFrames: where the messages of a gRPC body begin and end, in pieces. */

/** A flag, and the length in four bytes. */
export const FRAME_HEAD_BYTES = 5;

/** Of an uncompressed message, at the start of `to`. */
export function writeFrameHead(to: Uint8Array, messageBytes: number): void {
  to[0] = 0;
  for (let i = 1; i < FRAME_HEAD_BYTES; i++) to[i] = (messageBytes >>> (8 * (FRAME_HEAD_BYTES - 1 - i))) & 0xff;
}

export class GrpcFrames {
  /** Messages that have begun. */
  count = 0;
  #headRead = 0;
  #left = 0;

  reset(): void {
    this.count = 0;
    this.#headRead = 0;
    this.#left = 0;
  }

  /** The last message is whole. */
  get isBetween(): boolean {
    return this.#headRead === 0;
  }

  /** To the end of a message, or of the bytes: answers where that is. */
  advance(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (this.#headRead < FRAME_HEAD_BYTES) {
      if (at === end) return at;
      if (this.#headRead === 0) {
        this.count++;
        this.#left = 0;
      } else this.#left = this.#left * 256 + (bytes[at] as number);
      this.#headRead++;
      at++;
    }
    const taken = Math.min(this.#left, end - at);
    this.#left -= taken;
    if (this.#left === 0) this.#headRead = 0;
    return at + taken;
  }

  /** All of the bytes; answers how many messages began. */
  countIn(bytes: Uint8Array, start: number, end: number): number {
    const before = this.count;
    for (let at = start; at < end; ) at = this.advance(bytes, at, end);
    return this.count - before;
  }
}
