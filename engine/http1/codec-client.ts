/** Http1ClientCodec: one request out, one response in, over a connection that is used again when both ended cleanly. */
import { parseDecimal } from '../base/ascii.js';
import {
  BAD_CHUNK_SIZE,
  type FaultCode,
  UP_BAD_CHUNK,
  UP_BAD_FRAMING,
  UP_BAD_HEADER,
  UP_CLOSED,
  UP_TRUNCATED,
  UP_UNSOLICITED,
} from '../fault/faults.js';
import type { Codec, CodecHost, MessageSink, MessageStream } from '../http/codec.js';
import { HEAD_CHUNKED, HEAD_CLOSE, HEAD_UPGRADE, type Head } from '../http/head.js';
import { METHOD_CONNECT, METHOD_HEAD } from '../http/methods.js';
import { N } from '../http/names.js';
import { hasNoBody } from '../http/statuses.js';
import type { Conn, HoldBits } from '../io/transport.js';
import { CHUNK_DATA, CHUNK_FAULT, CHUNK_LAST, ChunkedReader, writeChunk, writeLastChunk } from './chunked.js';
import { type HeadLimits, parseFields, parseResponseHead } from './head-parser.js';
import { WRITE_CHUNKED, WRITE_END, WRITE_UPGRADE, writeRequestHead, writeTrailers } from './head-writer.js';
import { joinBytes } from './leftover.js';
import type { Http1Shared } from './shared.js';

/** Per cluster. */
export interface Http1ClientOptions extends HeadLimits {}

const IDLE = 0;
const HEAD = 1;
const LENGTH = 2;
const CHUNKS = 3;
const TRAILERS = 4;
const UNTIL_CLOSE = 5;
const TUNNEL = 6;
/** The response is whole, the request is not. */
const DONE = 7;
const DEAD = 8;

const EMPTY = new Uint8Array(0);
const TIMEOUT = new TextEncoder().encode('timeout=');

export class Http1ClientCodec implements Codec, MessageStream {
  readonly protocol = 1;
  id = 0;
  /** Learnt from Keep-Alive: timeout=N, 0 = none. */
  keepAliveTimeoutMs = 0;
  sawResponseBytes = false;
  readonly #conn: Conn;
  readonly #host: CodecHost;
  readonly #options: Http1ClientOptions;
  readonly #shared: Http1Shared;
  #sink: MessageSink | null = null;
  #state = IDLE;
  #remaining = 0;
  #chunks: ChunkedReader | null = null;
  #leftover: Uint8Array | null = null;
  #isRequestChunked = false;
  #isRequestEnded = false;
  #isHead = false;
  #isConnect = false;
  #isUpgrade = false;
  #isLast = false;

  constructor(conn: Conn, host: CodecHost, options: Http1ClientOptions, shared: Http1Shared) {
    this.#conn = conn;
    this.#host = host;
    this.#options = options;
    this.#shared = shared;
  }

  get isReused(): boolean {
    return this.id > 1;
  }

  /** No response is under way. */
  get isIdleOrDone(): boolean {
    return this.#state === IDLE || this.#state === DEAD;
  }

  streamsFree(): number {
    return this.#state === IDLE && !this.#isLast ? 1 : 0;
  }

  openStream(sink: MessageSink): MessageStream | null {
    if (this.streamsFree() === 0) return null;
    this.#sink = sink;
    this.id++;
    this.#state = HEAD;
    this.sawResponseBytes = false;
    this.#isRequestEnded = false;
    this.#isRequestChunked = false;
    return this;
  }

  // ---- request -----------------------------------------------------------------------------------------

  sendHead(head: Head, end: boolean): boolean {
    if (this.#sink === null) return false;
    this.#isHead = head.method === METHOD_HEAD;
    this.#isConnect = head.method === METHOD_CONNECT;
    this.#isUpgrade = (head.flags & HEAD_UPGRADE) !== 0;
    let what = end ? WRITE_END : 0;
    if (!end && head.contentLength < 0 && !this.#isConnect) {
      this.#isRequestChunked = true;
      what |= WRITE_CHUNKED;
    }
    if (this.#isUpgrade) what |= WRITE_UPGRADE;
    if (end) this.#isRequestEnded = true;
    // Chunked with an end already known (no body after all) still has to be closed.
    const isChunkedEmpty = end && (head.flags & HEAD_CHUNKED) !== 0;
    if (isChunkedEmpty) what |= WRITE_CHUNKED;
    const isFull = writeRequestHead(this.#conn, head, this.#shared.arena, what);
    if (isChunkedEmpty) writeChunk(this.#conn, this.#shared.arena, EMPTY, 0, 0, true);
    return isFull;
  }

  sendData(bytes: Uint8Array, start: number, end: number, last: boolean): boolean {
    if (this.#sink === null || this.#isRequestEnded) return false;
    let isFull = false;
    if (this.#isRequestChunked) {
      if (end > start || last) isFull = writeChunk(this.#conn, this.#shared.arena, bytes, start, end, last);
    } else isFull = this.#conn.write(bytes, start, end);
    if (last) {
      this.#isRequestEnded = true;
      if (this.#state === TUNNEL) this.#conn.shutdownAfterFlush();
      this.#settle();
    }
    return isFull;
  }

  sendTrailers(trailers: Head): boolean {
    if (this.#sink === null || this.#isRequestEnded) return false;
    let isFull = false;
    if (this.#isRequestChunked) {
      const arena = this.#shared.arena;
      const from = arena.reserve(3);
      const at = writeLastChunk(arena.bytes, from);
      arena.commit(at);
      this.#conn.write(arena.bytes, from, at);
      isFull = writeTrailers(this.#conn, trailers, arena);
    }
    this.#isRequestEnded = true;
    this.#settle();
    return isFull;
  }

  reset(fault: FaultCode): void {
    if (this.#sink === null) return;
    this.#sink = null;
    this.#state = DEAD;
    this.#conn.abort(fault);
  }

  consumed(): void {}
  hold(reason: HoldBits): void {
    this.#conn.hold(reason);
  }
  release(reason: HoldBits): void {
    this.#conn.release(reason);
  }

  // ---- response ----------------------------------------------------------------------------------------

  feed(bytes: Uint8Array, start: number, end: number): FaultCode {
    if (this.#state === IDLE) return UP_UNSOLICITED;
    this.sawResponseBytes = true;
    if (this.#leftover === null) return this.#read(bytes, start, end);
    const joined = joinBytes(this.#leftover, bytes, start, end);
    this.#leftover = null;
    return this.#read(joined, 0, joined.length);
  }

  #read(bytes: Uint8Array, start: number, end: number): FaultCode {
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
        case UNTIL_CLOSE:
        case TUNNEL:
          this.#sink?.onData(bytes, at, end, false);
          return 0;
        case IDLE:
        case DONE:
          // Bytes behind a whole response belong to no request: a desynchronised peer (RFC 9112 §6.3).
          this.#isLast = true;
          return UP_UNSOLICITED;
        default:
          return 0;
      }
      if (next === 0) {
        this.#leftover = joinBytes(null, bytes, at, end);
        return 0;
      }
      if (next < 0) return this.#fail(-next);
      at = next;
    }
    return 0;
  }

  #fail(fault: FaultCode): FaultCode {
    this.#state = DEAD;
    const sink = this.#sink;
    this.#sink = null;
    sink?.onReset(fault);
    return fault;
  }

  #readHead(bytes: Uint8Array, at: number, end: number): number {
    const shared = this.#shared;
    const head = shared.responseHead;
    const after = parseResponseHead(bytes, at, end, head, this.#options);
    if (after <= 0) return after;
    const status = head.status;
    const sink = this.#sink as MessageSink;
    if (status < 200 && status !== 101) {
      if (head.contentLength >= 0 || (head.flags & HEAD_CHUNKED) !== 0) return -UP_BAD_FRAMING;
      shared.responseHead = sink.onHead(head, false);
      return after;
    }
    // 101 without our having asked would let the peer take the connection over.
    if (status === 101 && !this.#isUpgrade) return -UP_BAD_HEADER;
    if ((head.flags & HEAD_CLOSE) !== 0) this.#isLast = true;
    if (head.has(N['keep-alive'])) this.#learnTimeout(head);
    const isEnd = this.#frame(head, status);
    if (isEnd) this.#state = DONE;
    shared.responseHead = sink.onHead(head, isEnd);
    if (isEnd) this.#settle();
    return after;
  }

  /** RFC 9112 §6.3: what delimits this body. True: there is none. */
  #frame(head: Head, status: number): boolean {
    if (status === 101 || (this.#isConnect && status >= 200 && status < 300)) {
      this.#state = TUNNEL;
      this.#isRequestEnded = false;
      this.#isRequestChunked = false;
      this.#isLast = true;
      return false;
    }
    if (this.#isHead || hasNoBody(status)) return true;
    if ((head.flags & HEAD_CHUNKED) !== 0) {
      if (this.#chunks === null) this.#chunks = new ChunkedReader();
      else this.#chunks.reset();
      this.#state = CHUNKS;
      return false;
    }
    if (head.contentLength >= 0) {
      this.#remaining = head.contentLength;
      this.#state = LENGTH;
      return head.contentLength === 0;
    }
    this.#state = UNTIL_CLOSE;
    this.#isLast = true;
    return false;
  }

  #readLength(bytes: Uint8Array, at: number, end: number): number {
    const to = Math.min(end, at + this.#remaining);
    this.#remaining -= to - at;
    const last = this.#remaining === 0;
    if (last) this.#state = DONE;
    this.#sink?.onData(bytes, at, to, last);
    if (last) this.#settle();
    return to;
  }

  #readChunks(bytes: Uint8Array, at: number, end: number): number {
    const chunks = this.#chunks as ChunkedReader;
    const what = chunks.next(bytes, at, end);
    if (what === CHUNK_FAULT) return -(chunks.fault === 0 ? BAD_CHUNK_SIZE : UP_BAD_CHUNK);
    if (what === CHUNK_DATA) this.#sink?.onData(bytes, chunks.dataStart, chunks.dataEnd, false);
    else if (what === CHUNK_LAST) this.#state = TRAILERS;
    return chunks.at;
  }

  #readTrailers(bytes: Uint8Array, at: number, end: number): number {
    if (end - at >= 2 && bytes[at] === 0x0d && bytes[at + 1] === 0x0a) {
      this.#endChunks();
      this.#sink?.onData(EMPTY, 0, 0, true);
      this.#settle();
      return at + 2;
    }
    const trailers = this.#shared.trailers;
    trailers.begin(bytes, at);
    const after = parseFields(bytes, at, end, trailers, this.#options, false);
    if (after <= 0) return after;
    this.#endChunks();
    this.#sink?.onTrailers(trailers);
    this.#settle();
    return after;
  }

  #endChunks(): void {
    this.#state = DONE;
    this.#chunks = null;
  }

  feedEnd(): FaultCode {
    if (this.#state === IDLE) return 0;
    if (this.#state === UNTIL_CLOSE || this.#state === TUNNEL) {
      const isTunnel = this.#state === TUNNEL;
      this.#state = DONE;
      this.#sink?.onData(EMPTY, 0, 0, true);
      if (!isTunnel || this.#isRequestEnded) this.#settle();
      return 0;
    }
    if (this.#state === DONE || this.#state === DEAD) return 0;
    return this.#fail(this.#state === HEAD && !this.sawResponseBytes ? UP_CLOSED : UP_TRUNCATED);
  }

  /** When both messages are over: reusable, or the end. */
  #settle(): void {
    if (this.#state !== DONE || !this.#isRequestEnded) return;
    this.#sink = null;
    if (this.#isLast) {
      this.#state = DEAD;
      this.#host.onFinished();
      return;
    }
    this.#state = IDLE;
    this.#host.onIdle();
  }

  /** "timeout=5, max=100": bytes, no string. */
  #learnTimeout(head: Head): void {
    const slot = head.find(N['keep-alive']);
    if (slot < 0) return;
    const bytes = head.fieldBytes(slot);
    const end = head.valueEnd(slot);
    for (let at = head.valueStart(slot); at + TIMEOUT.length < end; at++) {
      let i = 0;
      while (i < TIMEOUT.length && ((bytes[at + i] as number) | 0x20) === (TIMEOUT[i] as number | 0x20)) i++;
      if (i < TIMEOUT.length) continue;
      const from = at + TIMEOUT.length;
      let to = from;
      while (to < end && (bytes[to] as number) >= 0x30 && (bytes[to] as number) <= 0x39) to++;
      const seconds = parseDecimal(bytes, from, to);
      if (seconds > 0 && seconds < 86400) this.keepAliveTimeoutMs = seconds * 1000;
      return;
    }
  }

  drain(): void {
    this.#isLast = true;
  }
  onWritable(): void {
    this.#sink?.onDrained();
  }
  close(fault: FaultCode): void {
    const sawBytes = this.sawResponseBytes;
    const isWaiting = this.#state === HEAD;
    this.#state = DEAD;
    this.#leftover = null;
    const sink = this.#sink;
    this.#sink = null;
    if (sink === null) return;
    if (fault !== 0) sink.onReset(fault);
    else sink.onReset(isWaiting && !sawBytes ? UP_CLOSED : UP_TRUNCATED);
  }
}
