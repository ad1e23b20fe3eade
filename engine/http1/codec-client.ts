/** Http1ClientCodec: one request out, one response in, over a connection that is used again when both ended cleanly. */
import { parseDecimal } from '../base/ascii.js';
import {
  type FaultCode,
  UP_BAD_FRAMING,
  UP_BAD_HEADER,
  UP_TOO_MANY_INTERIMS,
  UP_CLOSED,
  UP_TRUNCATED,
  UP_UNSOLICITED,
} from '../fault/faults.js';
import type { Codec, CodecHost, MessageSink, MessageStream } from '../http/codec.js';
import {
  announcedLength,
  BODY_CHUNKED,
  BODY_LENGTH,
  BODY_NONE,
  BODY_TUNNEL,
  BODY_UNTIL_CLOSE,
  responseBody,
} from '../http/framing.js';
import { HEAD_CHUNKED, HEAD_CLOSE, HEAD_UPGRADE, type Head } from '../http/head.js';
import { expectsBody, METHOD_CONNECT, METHOD_HEAD } from '../http/methods.js';
import { N } from '../http/names.js';
import type { Conn, HoldBits } from '../io/transport.js';
import { BodyReader } from './body-reader.js';
import { BodyWriter } from './body-writer.js';
import { type HeadLimits, parseResponseHead } from './head-parser.js';
import { WRITE_CHUNKED, WRITE_EMPTY, WRITE_END, WRITE_UPGRADE, writeRequestHead } from './head-writer.js';
import { hasLineEnd, Leftover } from './leftover.js';
import type { Http1Shared } from './shared.js';

// Read once: N has too many properties for the compiler to see through it.
const KEEP_ALIVE = N['keep-alive'];

/** Per cluster. */
export interface Http1ClientOptions extends HeadLimits {}

// States of reading:
//
//   IDLE --openStream--> HEAD --final head--> BODY --its end--> DONE --request over--> IDLE   (or DEAD: no reuse)
//   any --malformed, truncated, reset--> DEAD
const IDLE = 0;
const HEAD = 1;
const BODY = 2;
/** The response is whole, the request is not. */
const DONE = 3;
const DEAD = 4;

/** Interim responses per request: an origin that sends them for ever would keep a client waiting, and us busy, for ever. */
const INTERIMS_MAX = 64;

const TIMEOUT = new TextEncoder().encode('timeout=');
/** A longer promise is not worth keeping a connection for. */
const KEEP_ALIVE_MAX_SECONDS = 86400;

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
  readonly #body = new BodyReader(false);
  readonly #out = new BodyWriter();
  #sink: MessageSink | null = null;
  #leftover: Leftover | null = null;
  #state = IDLE;
  #interims = 0;
  #isRequestEnded = false;
  #isHead = false;
  #isConnect = false;
  #isUpgrade = false;
  /** No further request goes out after this one. */
  #isLast = false;
  /** The origin has said that it closes the connection. */
  hasCloseNotice = false;

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
    this.#interims = 0;
    this.#isRequestEnded = false;
    this.#out.begin(BODY_NONE, 0);
    return this;
  }

  // ---- request -----------------------------------------------------------------------------------------

  sendHead(head: Head, end: boolean): boolean {
    if (this.#sink === null) return false;
    const arena = this.#shared.arena;
    this.#isHead = head.method === METHOD_HEAD;
    this.#isConnect = head.method === METHOD_CONNECT;
    this.#isUpgrade = (head.flags & HEAD_UPGRADE) !== 0;
    const length = announcedLength(head);
    let what = end ? WRITE_END : 0;
    let kind = BODY_NONE;
    if (length >= 0) kind = BODY_LENGTH;
    // Chunked whose end is known already (no body after all) still has to be closed.
    else if ((!end && !this.#isConnect) || (head.flags & HEAD_CHUNKED) !== 0) {
      kind = BODY_CHUNKED;
      what |= WRITE_CHUNKED;
    } else if (end && expectsBody(head.method)) what |= WRITE_EMPTY;
    if (this.#isUpgrade) what |= WRITE_UPGRADE;
    this.#out.begin(kind, length);
    const isFull = writeRequestHead(this.#conn, head, arena, what);
    if (end) {
      this.#out.end(this.#conn, arena);
      this.#endRequest();
    }
    return isFull;
  }

  sendData(bytes: Uint8Array, start: number, end: number, last: boolean): boolean {
    if (this.#sink === null || this.#isRequestEnded) return false;
    const isFull = this.#out.write(this.#conn, this.#shared.arena, bytes, start, end, last);
    if (last) {
      if (this.#out.kind === BODY_TUNNEL) this.#conn.shutdownAfterFlush();
      this.#endRequest();
    } else if (this.#out.isBroken) this.#conn.abort(UP_BAD_FRAMING);
    return isFull;
  }

  sendTrailers(trailers: Head): boolean {
    if (this.#sink === null || this.#isRequestEnded) return false;
    const isFull = this.#out.endWithTrailers(this.#conn, this.#shared.arena, trailers);
    this.#endRequest();
    return isFull;
  }

  #endRequest(): void {
    this.#isRequestEnded = true;
    if (this.#out.isBroken) {
      // The origin waits for bytes that don't exist, or would read them as the next request.
      this.#isLast = true;
      this.#conn.abort(UP_BAD_FRAMING);
    }
    this.#settle();
  }

  reset(fault: FaultCode): void {
    if (this.#sink === null) return;
    this.#sink = null;
    this.#state = DEAD;
    this.#leftover = null;
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
    if (this.#state === DEAD) return 0;
    this.sawResponseBytes = true;
    const rest = this.#leftover;
    if (rest === null) {
      const stop = this.#read(bytes, start, end);
      if (stop < 0) return this.#fail(-stop);
      if (stop < end && (this.#state as number) !== DEAD) this.#leftover = new Leftover(bytes, stop, end);
      return 0;
    }
    rest.append(bytes, start, end);
    // A head that comes byte by byte is parsed once per line, not once per byte.
    if (rest.length <= this.#options.maxHeadBytes && !hasLineEnd(bytes, start, end)) return 0;
    const until = rest.end;
    const stop = this.#read(rest.bytes, rest.start, until);
    if (stop < 0) return this.#fail(-stop);
    if (stop === until || (this.#state as number) === DEAD) this.#leftover = null;
    else rest.start = stop;
    return 0;
  }

  /** Reads what can be read now: the offset where it stopped (a part of a head is left), or minus the fault. */
  #read(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end) {
      let next: number;
      if (this.#state === HEAD) next = this.#readHead(bytes, at, end);
      else if (this.#state === BODY) {
        next = this.#body.read(bytes, at, end, this.#sink, this.#shared.trailers, this.#options);
        if (next > 0 && this.#body.isEnded) this.#endResponse();
      } else if (this.#state === DEAD) return end;
      else {
        // Bytes behind a whole response belong to no request: a desynchronised peer (RFC 9112 §6.3).
        this.#isLast = true;
        return -UP_UNSOLICITED;
      }
      if (next === 0) return at;
      if (next < 0) return next;
      at = next;
    }
    return at;
  }

  #fail(fault: FaultCode): FaultCode {
    this.#leftover = null;
    this.#isLast = true;
    const sink = this.#sink;
    this.#sink = null;
    this.#state = DEAD;
    sink?.onReset(fault);
    return fault;
  }

  /** As parseResponseHead, with what a response means to the request that it answers. */
  #readHead(bytes: Uint8Array, at: number, end: number): number {
    const shared = this.#shared;
    const head = shared.responseHead;
    const after = parseResponseHead(bytes, at, end, head, this.#options);
    if (after <= 0) return after;
    const sink = this.#sink as MessageSink;
    const status = head.status;
    if (status < 200 && status !== 101) {
      // An interim response has no body (RFC 9110 §8.6); one that announces some would let it be read as a response.
      if (head.contentLength >= 0 || (head.flags & HEAD_CHUNKED) !== 0) return -UP_BAD_FRAMING;
      if (++this.#interims > INTERIMS_MAX) return -UP_TOO_MANY_INTERIMS;
      shared.responseHead = sink.onHead(head, false);
      return after;
    }
    // 101 without our having asked would let the peer take the connection over.
    if (status === 101 && !this.#isUpgrade) return -UP_BAD_HEADER;
    if ((head.flags & HEAD_CLOSE) !== 0) {
      this.#isLast = true;
      this.hasCloseNotice = true;
    }
    if (head.has(KEEP_ALIVE)) this.#learnTimeout(head);
    const kind = responseBody(head, this.#isHead, this.#isConnect);
    this.#body.begin(kind, head.contentLength);
    if (kind === BODY_TUNNEL) {
      this.#out.begin(BODY_TUNNEL, 0);
      this.#isRequestEnded = false;
    }
    if (kind === BODY_TUNNEL || kind === BODY_UNTIL_CLOSE) this.#isLast = true;
    const isEnd = this.#body.isEnded;
    this.#state = isEnd ? DONE : BODY;
    shared.responseHead = sink.onHead(head, isEnd);
    if (isEnd) this.#settle();
    return after;
  }

  #endResponse(): void {
    if (this.#state !== BODY) return;
    this.#state = DONE;
    this.#settle();
  }

  feedEnd(): FaultCode {
    if (this.#state === BODY && (this.#body.kind === BODY_UNTIL_CLOSE || this.#body.kind === BODY_TUNNEL)) {
      // RFC 9112 §9.8: over TLS only close_notify says that this was all of it; anybody on the way can send a FIN.
      const isCutOff = this.#body.kind === BODY_UNTIL_CLOSE && this.#conn.tls?.isTruncated === true;
      if (isCutOff) return this.#fail(UP_TRUNCATED);
      this.#body.endByPeer(this.#sink);
      this.#endResponse();
      return 0;
    }
    if (this.#state !== HEAD && this.#state !== BODY) return 0;
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
    const slot = head.find(KEEP_ALIVE);
    if (slot < 0) return;
    const bytes = head.fieldBytes(slot);
    const end = head.valueEnd(slot);
    for (let at = head.valueStart(slot); at + TIMEOUT.length < end; at++) {
      let i = 0;
      while (i < TIMEOUT.length && ((bytes[at + i] as number) | 0x20) === ((TIMEOUT[i] as number) | 0x20)) i++;
      if (i < TIMEOUT.length) continue;
      const from = at + TIMEOUT.length;
      let to = from;
      while (to < end && (bytes[to] as number) >= 0x30 && (bytes[to] as number) <= 0x39) to++;
      const seconds = parseDecimal(bytes, from, to);
      if (seconds > 0 && seconds < KEEP_ALIVE_MAX_SECONDS) this.keepAliveTimeoutMs = seconds * 1000;
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
