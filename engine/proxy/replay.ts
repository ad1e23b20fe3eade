/** Replay: the part of a request's body that has been passed on, kept as long as the request may have to be sent again. */
import type { MessageStream } from '../http/codec.js';
import type { Head } from '../http/head.js';
import type { HeadPool } from '../http/head-pool.js';

/** A longer body is not kept: the request that carries it is sent once (Envoy's retry buffer is bounded likewise). */
const KEPT_MAX_BYTES = 64 * 1024;
const FIRST_BYTES = 1024;
/** An exchange that is not in use holds no more. */
const IDLE_BYTES = 4096;

export class Replay {
  #bytes: Uint8Array = new Uint8Array(FIRST_BYTES);
  #length = 0;
  /** Everything since begin() is here. */
  #isWhole = false;
  trailers: Head | null = null;

  /** expected: announced length in bytes, -1 = unknown. */
  begin(expected: number): void {
    this.#length = 0;
    this.#isWhole = expected <= KEPT_MAX_BYTES;
  }

  keep(bytes: Uint8Array, start: number, end: number): void {
    if (!this.#isWhole) return;
    const length = this.#length + end - start;
    if (length > KEPT_MAX_BYTES) {
      this.#isWhole = false;
      return;
    }
    if (length > this.#bytes.length) {
      const bigger = new Uint8Array(Math.min(KEPT_MAX_BYTES, Math.max(length, this.#bytes.length * 2)));
      bigger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = bigger;
    }
    this.#bytes.set(bytes.subarray(start, end), this.#length);
    this.#length = length;
  }

  /** Is all of a body of which so many bytes were passed on still here? */
  has(byteCount: number): boolean {
    return this.#isWhole && this.#length === byteCount;
  }

  /** Behind the head. isEnded: the request is over. True = the stream is full. */
  send(stream: MessageStream, isEnded: boolean): boolean {
    if (this.trailers === null) return stream.sendData(this.#bytes, 0, this.#length, isEnded);
    if (this.#length > 0) stream.sendData(this.#bytes, 0, this.#length, false);
    return stream.sendTrailers(this.trailers);
  }

  end(heads: HeadPool): void {
    if (this.trailers !== null) heads.give(this.trailers);
    this.trailers = null;
    this.#isWhole = false;
    this.#length = 0;
    if (this.#bytes.length > IDLE_BYTES) this.#bytes = new Uint8Array(FIRST_BYTES);
  }
}
