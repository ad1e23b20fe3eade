/** Http1ServerCodec: requests in, responses out, one at a time and in order; the codec is its only stream. */
import {
  BAD_TRAILER,
  DOWN_TRUNCATED,
  type FaultCode,
  TOO_BIG_HEAD,
  TOO_BIG_TRAILERS,
  TOO_MANY_FIELDS,
} from '../fault/faults.js';
import type { Codec, CodecHost, MessageSink, MessageStream, StreamAcceptor } from '../http/codec.js';
import { HEAD_CHUNKED, HEAD_CLOSE, HEAD_HTTP10, HEAD_UPGRADE, type Head } from '../http/head.js';
import { METHOD_CONNECT, METHOD_HEAD } from '../http/methods.js';
import { hasNoBody } from '../http/statuses.js';
import {
  type Conn,
  HOLD_CONNECTING,
  HOLD_FILTER,
  HOLD_PEER_FULL,
  HOLD_PIPELINE,
  type HoldBits,
} from '../io/transport.js';
import { CHUNK_DATA, CHUNK_FAULT, CHUNK_LAST, ChunkedReader, writeChunk, writeLastChunk } from './chunked.js';
import { type HeadLimits, parseFields, parseRequestHead } from './head-parser.js';
import {
  WRITE_CHUNKED,
  WRITE_CLOSE,
  WRITE_END,
  WRITE_KEEP_ALIVE,
  WRITE_UPGRADE,
  isFramingTrailer,
  writeResponseHead,
  writeTrailers,
} from './head-writer.js';
import { hasLineEnd, joinBytes } from './leftover.js';
import type { Http1Shared } from './shared.js';

/** Per listener. */
export interface Http1ServerOptions extends HeadLimits {}

// Where reading stands.
const HEAD = 0;
const LENGTH = 1;
const CHUNKS = 2;
const TRAILERS = 3;
/** The request is whole; what follows waits for the response. */
const WAIT = 4;
const TUNNEL = 5;
/** Nothing is read any more. */
const DEAD = 6;

// How the response is delimited.
const OUT_NONE = 0;
const OUT_LENGTH = 1;
const OUT_CHUNKED = 2;
const OUT_CLOSE = 3;
const OUT_TUNNEL = 4;

const EMPTY = new Uint8Array(0);
/** Reasons that keep the body in the codec: there is nobody to give it to. */
const HOLD_BODY = HOLD_CONNECTING | HOLD_FILTER;

export class Http1ServerCodec implements Codec, MessageStream {
  readonly protocol = 1;
  readonly sawResponseBytes = false;
  id = 0;
  readonly #conn: Conn;
  readonly #host: CodecHost;
  readonly #acceptor: StreamAcceptor;
  readonly #options: Http1ServerOptions;
  readonly #shared: Http1Shared;
  #sink: MessageSink | null = null;
  #state = HEAD;
  #out = OUT_NONE;
  #remaining = 0;
  #chunks: ChunkedReader | null = null;
  #leftover: Uint8Array | null = null;
  #held: HoldBits = 0;
  #isLast = false;
  #isRequestEnded = false;
  #isResponseEnded = false;
  #isHead = false;
  #isConnect = false;
  #isUpgrade = false;
  #isHttp10 = false;
  #peerEnded = false;
  #isResumePlanned = false;

  constructor(conn: Conn, host: CodecHost, acceptor: StreamAcceptor, options: Http1ServerOptions, shared: Http1Shared) {
    this.#conn = conn;
    this.#host = host;
    this.#acceptor = acceptor;
    this.#options = options;
    this.#shared = shared;
  }

  get isReused(): boolean {
    return this.id > 1;
  }
  /** Some bytes of a request head are here, not all. */
  get hasPartialHead(): boolean {
    return this.#state === HEAD && this.#leftover !== null;
  }

  streamsFree(): number {
    return 0;
  }
  openStream(): null {
    return null;
  }

  // ---- reading -----------------------------------------------------------------------------------------

  feed(bytes: Uint8Array, start: number, end: number): FaultCode {
    if (this.#state === DEAD) return 0;
    const before = this.#leftover;
    if (before === null) {
      this.#read(bytes, start, end);
      return 0;
    }
    const joined = joinBytes(before, bytes, start, end);
    // A head that comes byte by byte is parsed once per line, not once per byte.
    if (this.#state === HEAD && this.#sink === null && !hasLineEnd(bytes, start, end)) {
      this.#leftover = joined;
      if (joined.length > this.#options.maxHeadBytes) this.#invalid(TOO_BIG_HEAD);
      return 0;
    }
    this.#leftover = null;
    this.#read(joined, 0, joined.length);
    return 0;
  }

  #read(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end) {
      let next: number;
      switch (this.#state) {
        case HEAD:
          next = this.#readHead(bytes, at, end);
          break;
        case LENGTH:
          next = this.#readLength(bytes, at, end);
          break;
        case CHUNKS:
          next = this.#readChunks(bytes, at, end);
          break;
        case TRAILERS:
          next = this.#readTrailers(bytes, at, end);
          break;
        case TUNNEL:
          this.#sink?.onData(bytes, at, end, false);
          return;
        case WAIT:
          this.#conn.hold(HOLD_PIPELINE);
          next = -1;
          break;
        default:
          return;
      }
      if (next < 0) {
        if ((this.#state as number) !== DEAD) this.#leftover = joinBytes(null, bytes, at, end);
        return;
      }
      at = next;
    }
  }

  /** The offset behind the head; -1 when the rest must wait, or nothing more is read. */
  #readHead(bytes: Uint8Array, at: number, end: number): number {
    const shared = this.#shared;
    const head = shared.requestHead;
    const after = parseRequestHead(bytes, at, end, head, this.#options);
    if (after === 0) return -1;
    if (after < 0) {
      this.#invalid(-after);
      return -1;
    }
    const flags = head.flags;
    this.id++;
    this.#isHead = head.method === METHOD_HEAD;
    this.#isConnect = head.method === METHOD_CONNECT;
    this.#isUpgrade = (flags & HEAD_UPGRADE) !== 0;
    this.#isHttp10 = (flags & HEAD_HTTP10) !== 0;
    if ((flags & HEAD_CLOSE) !== 0) this.#isLast = true;
    this.#isRequestEnded = false;
    this.#isResponseEnded = false;
    this.#out = OUT_NONE;
    let end0 = true;
    if ((flags & HEAD_CHUNKED) !== 0) {
      if (this.#chunks === null) this.#chunks = new ChunkedReader();
      else this.#chunks.reset();
      this.#state = CHUNKS;
      end0 = false;
    } else if (head.contentLength > 0) {
      this.#remaining = head.contentLength;
      this.#state = LENGTH;
      end0 = false;
    } else {
      // A tunnel's bytes come only after our answer; until then they wait like a pipelined request.
      this.#state = WAIT;
      this.#isRequestEnded = true;
    }
    const sink = this.#acceptor.onStream(this);
    this.#sink = sink;
    shared.requestHead = sink.onHead(head, end0);
    return this.#mustWait() ? this.#keepRest(bytes, after, end) : after;
  }

  /** Body bytes that came with the head while nobody can take them stay here. */
  #mustWait(): boolean {
    return (this.#held & HOLD_BODY) !== 0 && this.#state !== WAIT && this.#state !== HEAD;
  }

  #keepRest(bytes: Uint8Array, at: number, end: number): number {
    if (at < end) this.#leftover = joinBytes(null, bytes, at, end);
    return end;
  }

  #readLength(bytes: Uint8Array, at: number, end: number): number {
    if (this.#mustWait()) return this.#keepRest(bytes, at, end);
    const to = Math.min(end, at + this.#remaining);
    this.#remaining -= to - at;
    const last = this.#remaining === 0;
    if (last) this.#endRequest();
    this.#sink?.onData(bytes, at, to, last);
    this.#settle();
    return to;
  }

  #readChunks(bytes: Uint8Array, at: number, end: number): number {
    if (this.#mustWait()) return this.#keepRest(bytes, at, end);
    const chunks = this.#chunks as ChunkedReader;
    const what = chunks.next(bytes, at, end);
    if (what === CHUNK_FAULT) {
      this.#invalid(chunks.fault);
      return -1;
    }
    if (what === CHUNK_DATA) this.#sink?.onData(bytes, chunks.dataStart, chunks.dataEnd, false);
    else if (what === CHUNK_LAST) this.#state = TRAILERS;
    return chunks.at;
  }

  #readTrailers(bytes: Uint8Array, at: number, end: number): number {
    if (end - at >= 2 && bytes[at] === 0x0d && bytes[at + 1] === 0x0a) {
      this.#endRequest();
      this.#sink?.onData(EMPTY, 0, 0, true);
      this.#settle();
      return at + 2;
    }
    const trailers = this.#shared.trailers;
    trailers.begin(bytes, at);
    const after = parseFields(bytes, at, end, trailers, this.#options, true);
    if (after === 0) return -1;
    if (after < 0) {
      this.#invalid(after === -TOO_BIG_HEAD || after === -TOO_MANY_FIELDS ? TOO_BIG_TRAILERS : BAD_TRAILER);
      return -1;
    }
    // Framing or routing fields that come late are an attempt to change what was read already (RFC 9110 §6.5.1).
    for (let slot = 0; slot < trailers.fieldCount; slot++)
      if (isFramingTrailer(trailers.fieldId(slot))) {
        this.#invalid(BAD_TRAILER);
        return -1;
      }
    this.#endRequest();
    this.#sink?.onTrailers(trailers);
    this.#settle();
    return after;
  }

  #endRequest(): void {
    this.#isRequestEnded = true;
    this.#state = WAIT;
    // An idle connection holds no reader.
    this.#chunks = null;
  }

  feedEnd(): FaultCode {
    this.#peerEnded = true;
    if (this.#state === TUNNEL) {
      this.#isRequestEnded = true;
      this.#sink?.onData(EMPTY, 0, 0, true);
      this.#settle();
      return 0;
    }
    if (this.#state === WAIT || this.#state === DEAD) return 0;
    if (this.#state === HEAD) {
      const isPartial = this.#leftover !== null;
      this.#state = DEAD;
      this.#leftover = null;
      return isPartial ? DOWN_TRUNCATED : 0;
    }
    // The request ends in the middle: nobody may take it for a whole one.
    this.#state = DEAD;
    this.#isLast = true;
    const sink = this.#sink;
    this.#sink = null;
    sink?.onReset(DOWN_TRUNCATED);
    return DOWN_TRUNCATED;
  }

  /** Answers with a fault of the connection's (a timeout while a head is incomplete). */
  refuse(fault: FaultCode): void {
    if (this.#state !== DEAD) this.#invalid(fault);
  }

  #invalid(fault: FaultCode): void {
    this.#state = DEAD;
    this.#isLast = true;
    this.#leftover = null;
    if (this.#sink === null) {
      this.id++;
      // The method was read before the mistake: an answer to HEAD has no body even then.
      this.#isHead = this.#shared.requestHead.method === METHOD_HEAD;
      this.#isConnect = false;
      this.#isUpgrade = false;
      this.#isHttp10 = false;
      this.#isResponseEnded = false;
      this.#out = OUT_NONE;
      this.#sink = this.#acceptor.onStream(this);
    }
    this.#isRequestEnded = true;
    this.#sink.onInvalid(fault);
  }

  // ---- writing -----------------------------------------------------------------------------------------

  sendHead(head: Head, end: boolean): boolean {
    if (this.#sink === null) return false;
    const status = head.status;
    const arena = this.#shared.arena;
    if (status < 200 && status !== 101) {
      // An interim response means nothing to HTTP/1.0 (RFC 9110 §15.2).
      return this.#isHttp10 ? false : writeResponseHead(this.#conn, head, arena, WRITE_END);
    }
    let what = end ? WRITE_END : 0;
    if ((status === 101 && this.#isUpgrade) || (this.#isConnect && status >= 200 && status < 300)) {
      this.#out = OUT_TUNNEL;
      if (status === 101) what = WRITE_UPGRADE;
      const isFull = writeResponseHead(this.#conn, head, arena, what | WRITE_END);
      this.#beginTunnel();
      return isFull;
    }
    if (this.#isHead || hasNoBody(status)) this.#out = OUT_NONE;
    else if (head.contentLength >= 0 && (head.flags & HEAD_CHUNKED) === 0) this.#out = OUT_LENGTH;
    else if (this.#isHttp10) {
      this.#out = OUT_CLOSE;
      this.#isLast = true;
    } else {
      this.#out = OUT_CHUNKED;
      what |= WRITE_CHUNKED;
    }
    // A client that still waits for 100 (Continue) may send its body or not: the connection can't go on.
    if (!this.#isRequestEnded && end) this.#isLast = true;
    if (this.#isLast) what |= WRITE_CLOSE;
    else if (this.#isHttp10) what |= WRITE_KEEP_ALIVE;
    const isFull = writeResponseHead(this.#conn, head, arena, what);
    if (end) {
      if (this.#out === OUT_CHUNKED) this.#writeEnd();
      this.#endResponse();
    }
    return isFull;
  }

  sendData(bytes: Uint8Array, start: number, end: number, last: boolean): boolean {
    if (this.#sink === null || this.#isResponseEnded) return false;
    const conn = this.#conn;
    let isFull = false;
    switch (this.#out) {
      case OUT_CHUNKED:
        if (end > start || last) isFull = writeChunk(conn, this.#shared.arena, bytes, start, end, last);
        break;
      case OUT_NONE:
        break;
      default:
        isFull = conn.write(bytes, start, end);
    }
    if (last) {
      if (this.#out === OUT_TUNNEL) conn.shutdownAfterFlush();
      this.#endResponse();
    }
    return isFull;
  }

  sendTrailers(trailers: Head): boolean {
    if (this.#sink === null || this.#isResponseEnded) return false;
    let isFull = false;
    if (this.#out === OUT_CHUNKED) {
      const arena = this.#shared.arena;
      const from = arena.reserve(3);
      const at = writeLastChunk(arena.bytes, from);
      arena.commit(at);
      this.#conn.write(arena.bytes, from, at);
      isFull = writeTrailers(this.#conn, trailers, arena);
    }
    this.#endResponse();
    return isFull;
  }

  #writeEnd(): void {
    writeChunk(this.#conn, this.#shared.arena, EMPTY, 0, 0, true);
  }

  #beginTunnel(): void {
    this.#state = TUNNEL;
    this.#isRequestEnded = this.#peerEnded;
    this.#isLast = true;
    if (this.#leftover !== null) this.#planResume();
    this.#conn.release(HOLD_PIPELINE);
  }

  reset(fault: FaultCode): void {
    if (this.#sink === null) return;
    this.#sink = null;
    this.#state = DEAD;
    this.#conn.abort(fault);
  }

  consumed(): void {}

  hold(reason: HoldBits): void {
    this.#held |= reason;
    this.#conn.hold(reason);
  }

  release(reason: HoldBits): void {
    if ((this.#held & reason) === 0) return;
    this.#held &= ~reason;
    if (this.#leftover !== null && (this.#held & HOLD_BODY) === 0) this.#planResume();
    else this.#conn.release(reason);
  }

  // ---- between messages ----------------------------------------------------------------------------------

  #endResponse(): void {
    this.#isResponseEnded = true;
    // An early answer: what is left of the request is not worth reading (RFC 9112 §9.3: close).
    if (!this.#isRequestEnded && this.#out !== OUT_TUNNEL) this.#isLast = true;
    this.#settle();
  }

  /** When both messages are over: the next request, or the end. */
  #settle(): void {
    if (!this.#isResponseEnded || (this.#out === OUT_TUNNEL && !this.#isRequestEnded)) return;
    if (this.#sink === null && this.#state !== WAIT) return;
    this.#sink = null;
    if (this.#isLast || (this.#peerEnded && this.#leftover === null)) {
      this.#state = DEAD;
      this.#leftover = null;
      this.#host.onFinished();
      return;
    }
    this.#state = HEAD;
    this.#held = 0;
    this.#conn.release(HOLD_PEER_FULL | HOLD_CONNECTING | HOLD_FILTER);
    if (this.#leftover !== null) this.#planResume();
    else this.#conn.release(HOLD_PIPELINE);
    this.#host.onIdle();
  }

  /** Leftover bytes are read after the call that made room for them (law 5). */
  #planResume(): void {
    if (this.#isResumePlanned) return;
    this.#isResumePlanned = true;
    queueMicrotask(() => this.#resume());
  }

  #resume(): void {
    this.#isResumePlanned = false;
    const bytes = this.#leftover;
    if (bytes === null || this.#state === DEAD || (this.#state === WAIT && this.#sink !== null)) return;
    this.#leftover = null;
    this.#read(bytes, 0, bytes.length);
    if (this.#leftover === null) this.#conn.release(HOLD_PIPELINE | HOLD_BODY);
    else if (this.#state === HEAD) {
      this.#conn.release(HOLD_PIPELINE);
      if (this.#peerEnded) this.#host.onFinished();
    }
  }

  drain(): void {
    this.#isLast = true;
  }

  onWritable(): void {
    this.#sink?.onDrained();
  }

  close(fault: FaultCode): void {
    this.#state = DEAD;
    this.#leftover = null;
    const sink = this.#sink;
    this.#sink = null;
    sink?.onReset(fault);
  }
}
