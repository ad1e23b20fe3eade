/** BodyReader: a received body of any framing, with its trailers, lent to a sink piece by piece; both roles. */
import { BAD_TRAILER, TOO_BIG_HEAD, TOO_BIG_TRAILERS, TOO_MANY_FIELDS, UP_BAD_CHUNK } from '../fault/faults.js';
import type { MessageSink } from '../http/codec.js';
import { BODY_CHUNKED, BODY_LENGTH, BODY_NONE, type BodyKind } from '../http/framing.js';
import type { Head } from '../http/head.js';
import { isFramingTrailer } from '../http/hop-by-hop.js';
import { CHUNK_DATA, CHUNK_FAULT, CHUNK_LAST, ChunkedReader } from './chunked.js';
import { type HeadLimits, parseFields } from './head-parser.js';

const EMPTY = new Uint8Array(0);

export class BodyReader {
  kind: BodyKind = BODY_NONE;
  /** The whole body was read: set before the sink hears of it, because its answer may come within that call. */
  isEnded = true;
  /** A part of a trailer section is whole only with its line end. */
  isInTrailers = false;
  readonly #isRequest: boolean;
  #remaining = 0;
  #chunks: ChunkedReader | null = null;

  constructor(isRequest: boolean) {
    this.#isRequest = isRequest;
  }

  /** length: of BODY_LENGTH. A body of no bytes is over at once, without a word to the sink. */
  begin(kind: BodyKind, length: number): void {
    this.kind = kind;
    this.isEnded = kind === BODY_NONE || (kind === BODY_LENGTH && length === 0);
    this.isInTrailers = false;
    this.#remaining = length;
    if (kind !== BODY_CHUNKED) return;
    if (this.#chunks === null) this.#chunks = new ChunkedReader();
    else this.#chunks.reset();
  }

  /** Reads on in bytes[at, end): > 0 is the offset behind it, 0 means more is needed first, < 0 is minus the fault. */
  read(
    bytes: Uint8Array,
    at: number,
    end: number,
    sink: MessageSink | null,
    trailers: Head,
    limits: HeadLimits,
  ): number {
    if (this.kind === BODY_LENGTH) {
      const to = Math.min(end, at + this.#remaining);
      this.#remaining -= to - at;
      this.isEnded = this.#remaining === 0;
      sink?.onData(bytes, at, to, this.isEnded);
      return to;
    }
    if (this.kind === BODY_CHUNKED)
      return this.isInTrailers
        ? this.#readTrailers(bytes, at, end, sink, trailers, limits)
        : this.#readChunk(bytes, at, end, sink);
    // Until close, or a tunnel.
    sink?.onData(bytes, at, end, false);
    return end;
  }

  /** The peer's FIN where that is a proper end. */
  endByPeer(sink: MessageSink | null): void {
    this.isEnded = true;
    sink?.onData(EMPTY, 0, 0, true);
  }

  #readChunk(bytes: Uint8Array, at: number, end: number, sink: MessageSink | null): number {
    const chunks = this.#chunks as ChunkedReader;
    const what = chunks.next(bytes, at, end);
    if (what === CHUNK_FAULT) return -(this.#isRequest ? chunks.fault : UP_BAD_CHUNK);
    if (what === CHUNK_DATA) sink?.onData(bytes, chunks.dataStart, chunks.dataEnd, false);
    else if (what === CHUNK_LAST) this.isInTrailers = true;
    return chunks.at;
  }

  #readTrailers(
    bytes: Uint8Array,
    at: number,
    end: number,
    sink: MessageSink | null,
    trailers: Head,
    limits: HeadLimits,
  ): number {
    if (end - at >= 2 && bytes[at] === 0x0d && bytes[at + 1] === 0x0a) {
      this.isInTrailers = false;
      this.endByPeer(sink);
      return at + 2;
    }
    trailers.begin(bytes, at);
    const after = parseFields(bytes, at, end, trailers, limits, this.#isRequest);
    if (after === 0) return 0;
    if (after < 0) return this.#isRequest ? -trailerFault(-after) : after;
    // Framing or routing fields that come late are an attempt to change what was read already (RFC 9110 §6.5.1);
    // from an upstream they are dropped by the writer.
    if (this.#isRequest)
      for (let slot = 0; slot < trailers.fieldCount; slot++)
        if (isFramingTrailer(trailers.fieldId(slot))) return -BAD_TRAILER;
    this.isInTrailers = false;
    this.isEnded = true;
    sink?.onTrailers(trailers);
    return after;
  }
}

function trailerFault(fault: number): number {
  return fault === TOO_BIG_HEAD || fault === TOO_MANY_FIELDS ? TOO_BIG_TRAILERS : BAD_TRAILER;
}
