/** ByteQueue: bytes that have to wait, copied into chunks; what drop() took is never written over, spend() lends nothing. */

/** Small bodies shall not cost a big chunk each, big ones not a chunk per packet. */
const CHUNK_BYTES_MIN = 1024;
const CHUNK_BYTES_MAX = 16384;
/** Of this thread: 16 MiB. Slow readers' bytes would else be garbage, as much as they are sent. */
const SPARE_CHUNKS_MAX = 1024;
const spare: Uint8Array[] = [];

function takeChunk(byteCount: number): Uint8Array {
  if (byteCount < CHUNK_BYTES_MAX) return new Uint8Array(Math.max(CHUNK_BYTES_MIN, byteCount));
  return spare.pop() ?? new Uint8Array(CHUNK_BYTES_MAX);
}

function giveChunk(bytes: Uint8Array): void {
  if (bytes.length === CHUNK_BYTES_MAX && spare.length < SPARE_CHUNKS_MAX) spare.push(bytes);
}

interface Chunk {
  readonly bytes: Uint8Array;
  start: number;
  end: number;
}

export class ByteQueue {
  /** Bytes in it. */
  length = 0;
  readonly #chunks: Chunk[] = [];
  #first = 0;

  /** Copies. */
  push(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    this.length += end - start;
    const last = this.#first < this.#chunks.length ? (this.#chunks[this.#chunks.length - 1] as Chunk) : null;
    if (last !== null) {
      const stop = Math.min(end, at + last.bytes.length - last.end);
      last.bytes.set(bytes.subarray(at, stop), last.end);
      last.end += stop - at;
      at = stop;
    }
    while (at < end) {
      const stop = Math.min(end, at + CHUNK_BYTES_MAX);
      const room = takeChunk(this.length);
      room.set(bytes.subarray(at, stop), 0);
      this.#chunks.push({ bytes: room, start: 0, end: stop - at });
      at = stop;
    }
  }

  /** The first chunk's array; what is there of it: [frontStart, frontEnd). Only when length > 0. */
  get front(): Uint8Array {
    return (this.#chunks[this.#first] as Chunk).bytes;
  }
  get frontStart(): number {
    return (this.#chunks[this.#first] as Chunk).start;
  }
  get frontEnd(): number {
    return (this.#chunks[this.#first] as Chunk).end;
  }

  /** Takes bytes off the first chunk. */
  drop(byteCount: number): void {
    const chunk = this.#chunks[this.#first] as Chunk;
    chunk.start += byteCount;
    this.length -= byteCount;
    if (chunk.start === chunk.end) this.#leaveFirst();
  }

  /** drop() of bytes that nobody reads any more: a chunk that is empty is used again. */
  spend(byteCount: number): void {
    const chunk = this.#chunks[this.#first] as Chunk;
    this.drop(byteCount);
    if (chunk.start === chunk.end) giveChunk(chunk.bytes);
  }

  /** Everything is dropped, read by nobody any more. */
  clear(): void {
    for (let at = this.#first; at < this.#chunks.length; at++) giveChunk((this.#chunks[at] as Chunk).bytes);
    this.#chunks.length = 0;
    this.#first = 0;
    this.length = 0;
  }

  #leaveFirst(): void {
    this.#first++;
    // The array is cut now and then, not for every chunk.
    if (this.#first === this.#chunks.length) {
      this.#chunks.length = 0;
      this.#first = 0;
    } else if (this.#first >= 64) {
      this.#chunks.splice(0, this.#first);
      this.#first = 0;
    }
  }
}
