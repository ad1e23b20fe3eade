/** Http1ServerCodec: requests in, responses out, one at a time and in order; the codec is its only stream. */
import { DOWN_TRUNCATED, type FaultCode, UP_BAD_FRAMING } from '../fault/faults.js';
import type { Codec, CodecHost, MessageSink, MessageStream, StreamAcceptor } from '../http/codec.js';
import {
  announcedLength,
  BODY_CHUNKED,
  BODY_LENGTH,
  BODY_NONE,
  BODY_TUNNEL,
  BODY_UNTIL_CLOSE,
  requestBody,
  responseBody,
} from '../http/framing.js';
import { HEAD_CLOSE, HEAD_HTTP10, HEAD_UPGRADE, type Head } from '../http/head.js';
import { METHOD_CONNECT, METHOD_HEAD } from '../http/methods.js';
import {
  type Conn,
  HOLD_CONNECTING,
  HOLD_FILTER,
  HOLD_PEER_FULL,
  HOLD_PIPELINE,
  type HoldBits,
} from '../io/transport.js';
import { BodyReader } from './body-reader.js';
import { BodyWriter } from './body-writer.js';
import { type HeadLimits, parseRequestHead } from './head-parser.js';
import {
  WRITE_CHUNKED,
  WRITE_CLOSE,
  WRITE_EMPTY,
  WRITE_END,
  WRITE_KEEP_ALIVE,
  WRITE_NO_LENGTH,
  WRITE_UPGRADE,
  writeResponseHead,
} from './head-writer.js';
import { hasLineEnd, Leftover } from './leftover.js';
import type { Http1Shared } from './shared.js';

/** Per listener. */
export interface Http1ServerOptions extends HeadLimits {}

// States of reading:
//
//   HEAD --head--> MESSAGE --response and request over--> HEAD      (or DEAD: the connection was to close)
//                  MESSAGE --101, or 2xx to CONNECT--> TUNNEL --both directions over--> DEAD
//   any  --malformed, truncated--> DEAD                             (a response may still be written)
const HEAD = 0;
/** A request is under way; body.isEnded tells whether more of it comes. */
const MESSAGE = 1;
const TUNNEL = 2;
/** Nothing is read any more. */
const DEAD = 3;

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
  readonly #body = new BodyReader(true);
  readonly #out = new BodyWriter();
  #sink: MessageSink | null = null;
  #leftover: Leftover | null = null;
  #state = HEAD;
  #held: HoldBits = 0;
  /** No further request is read after this one. */
  #isLast = false;
  /** The next response head makes its request the last one; a head that has left promised otherwise. */
  isDraining = false;
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
  /** Some bytes of a request head are here, not all. The empty line that may precede one doesn't count. */
  get hasPartialHead(): boolean {
    const rest = this.#leftover;
    if (this.#state !== HEAD || rest === null) return false;
    return rest.length > 2 || rest.bytes[rest.start] !== 0x0d;
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
    const rest = this.#leftover;
    if (rest === null) {
      const stop = this.#read(bytes, start, end);
      if (stop < end && (this.#state as number) !== DEAD) this.#leftover = new Leftover(bytes, stop, end);
      return 0;
    }
    rest.append(bytes, start, end);
    // A head that comes byte by byte is parsed once per line, not once per byte.
    const isLineWise = this.#state === HEAD || this.#body.isInTrailers;
    if (isLineWise && rest.length <= this.#options.maxHeadBytes && !hasLineEnd(bytes, start, end)) return 0;
    this.#readLeftover(rest);
    return 0;
  }

  #readLeftover(rest: Leftover): void {
    const end = rest.end;
    const stop = this.#read(rest.bytes, rest.start, end);
    if (stop === end || this.#state === DEAD) this.#leftover = null;
    else rest.start = stop;
  }

  /** Reads what can be read now; answers where it stopped. */
  #read(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end) {
      let next: number;
      if (this.#state === HEAD) next = this.#readHead(bytes, at, end);
      else if (this.#state === DEAD) return at;
      else if (this.#state === MESSAGE && this.#body.isEnded) {
        // A pipelined request, or the first bytes of a tunnel, wait for the response.
        this.#conn.hold(HOLD_PIPELINE);
        return at;
      } else if ((this.#held & HOLD_BODY) !== 0) return at;
      else {
        next = this.#body.read(bytes, at, end, this.#sink, this.#shared.trailers, this.#options);
        if (next > 0 && this.#body.isEnded) this.#settle();
      }
      if (next === 0) return at;
      if (next < 0) {
        this.#invalid(-next);
        return at;
      }
      at = next;
    }
    return at;
  }

  /** As parseRequestHead; what follows the head is read by the caller. */
  #readHead(bytes: Uint8Array, at: number, end: number): number {
    const shared = this.#shared;
    const head = shared.requestHead;
    const after = parseRequestHead(bytes, at, end, head, this.#options);
    if (after <= 0) {
      // The method may have been read before the mistake: an answer to HEAD has no body even then.
      this.#isHead = head.method === METHOD_HEAD;
      return after;
    }
    const flags = head.flags;
    this.id++;
    this.#isHead = head.method === METHOD_HEAD;
    this.#isConnect = head.method === METHOD_CONNECT;
    this.#isUpgrade = (flags & HEAD_UPGRADE) !== 0;
    this.#isHttp10 = (flags & HEAD_HTTP10) !== 0;
    if ((flags & HEAD_CLOSE) !== 0) this.#isLast = true;
    this.#isResponseEnded = false;
    this.#body.begin(requestBody(head), head.contentLength);
    this.#state = MESSAGE;
    const sink = this.#acceptor.onStream(this);
    this.#sink = sink;
    shared.requestHead = sink.onHead(head, this.#body.isEnded);
    return after;
  }

  feedEnd(): FaultCode {
    // A whole request may wait for the end of this turn.
    if (this.#isResumePlanned) this.#resume();
    this.#peerEnded = true;
    if (this.#state === DEAD) return 0;
    if (this.#state === HEAD) {
      const isPartial = this.hasPartialHead;
      this.#state = DEAD;
      this.#leftover = null;
      return isPartial ? DOWN_TRUNCATED : 0;
    }
    // What was received before the end is read first.
    if (this.#leftover !== null && !this.#body.isInTrailers) return 0;
    return this.#endInput();
  }

  /** The peer has ended its side and everything that it sent before was read. */
  #endInput(): FaultCode {
    if (this.#body.isEnded) return 0;
    if (this.#state === TUNNEL) {
      this.#body.endByPeer(this.#sink);
      this.#settle();
      return 0;
    }
    // The request ends in the middle: nobody may take it for a whole one.
    this.#state = DEAD;
    this.#isLast = true;
    this.#leftover = null;
    const sink = this.#sink;
    this.#sink = null;
    sink?.onReset(DOWN_TRUNCATED);
    return DOWN_TRUNCATED;
  }

  /** Answers with a fault of the connection's (a timeout while a head is incomplete). */
  refuse(fault: FaultCode): void {
    if (this.#state === DEAD) return;
    if (this.#sink === null) this.#isHead = false;
    this.#invalid(fault);
  }

  #invalid(fault: FaultCode): void {
    this.#isLast = true;
    this.#leftover = null;
    if (this.#sink === null) {
      this.id++;
      this.#isConnect = false;
      this.#isUpgrade = false;
      this.#isHttp10 = false;
      this.#isResponseEnded = false;
      this.#sink = this.#acceptor.onStream(this);
    }
    this.#state = DEAD;
    // Nothing more of the request is waited for.
    this.#body.isEnded = true;
    this.#sink.onInvalid(fault);
  }

  // ---- writing -----------------------------------------------------------------------------------------

  sendHead(head: Head, end: boolean): boolean {
    if (this.#sink === null || this.#isResponseEnded) return false;
    const status = head.status;
    const arena = this.#shared.arena;
    // An interim response means nothing to HTTP/1.0 (RFC 9110 §15.2).
    if (status < 200 && status !== 101)
      return !this.#isHttp10 && writeResponseHead(this.#conn, head, arena, WRITE_NO_LENGTH | WRITE_END);
    const length = announcedLength(head);
    let kind = responseBody(head, this.#isHead, this.#isConnect);
    let what = end ? WRITE_END : 0;
    if (kind === BODY_TUNNEL) {
      if (status === 101 && !this.#isUpgrade) kind = BODY_NONE;
      what |= WRITE_NO_LENGTH | (status === 101 ? WRITE_UPGRADE : 0);
    } else if (kind === BODY_NONE) what |= status === 204 ? WRITE_NO_LENGTH : 0;
    else if (length >= 0 || end) {
      kind = BODY_LENGTH;
      if (length < 0) what |= WRITE_EMPTY;
    } else if (this.#isHttp10) {
      kind = BODY_UNTIL_CLOSE;
      what |= WRITE_NO_LENGTH;
      this.#isLast = true;
    } else {
      kind = BODY_CHUNKED;
      what |= WRITE_CHUNKED;
    }
    // An early answer: what is left of the request may be endless, or never come (a client that waits for 100).
    if (this.isDraining || !this.#body.isEnded) this.#isLast = true;
    if (kind === BODY_TUNNEL) this.#isLast = true;
    else if (this.#isLast) what |= WRITE_CLOSE;
    else if (this.#isHttp10) what |= WRITE_KEEP_ALIVE;
    this.#out.begin(kind, Math.max(0, length));
    const isFull = writeResponseHead(this.#conn, head, arena, what);
    if (kind === BODY_TUNNEL) this.#beginTunnel();
    else if (end) this.#out.end(this.#conn, arena);
    // Of a tunnel too: HTTP/2 may end one side of it with the head.
    if (end) this.#endResponse();
    return isFull;
  }

  sendData(bytes: Uint8Array, start: number, end: number, last: boolean): boolean {
    if (this.#sink === null || this.#isResponseEnded) return false;
    const isFull = this.#out.write(this.#conn, this.#shared.arena, bytes, start, end, last);
    if (last) this.#endResponse();
    else if (this.#out.isBroken) this.#conn.abort(UP_BAD_FRAMING);
    return isFull;
  }

  sendTrailers(trailers: Head): boolean {
    if (this.#sink === null || this.#isResponseEnded) return false;
    const isFull = this.#out.endWithTrailers(this.#conn, this.#shared.arena, trailers);
    this.#endResponse();
    return isFull;
  }

  #beginTunnel(): void {
    this.#state = TUNNEL;
    this.#body.begin(BODY_TUNNEL, 0);
    if (this.#leftover !== null || this.#peerEnded) this.#planResume();
    else this.#conn.release(HOLD_PIPELINE);
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
    this.#held |= reason;
    this.#conn.hold(reason);
  }

  release(reason: HoldBits): void {
    if ((this.#held & reason) === 0) return;
    this.#held &= ~reason;
    const hasWaited = (reason & HOLD_BODY) !== 0 && this.#leftover !== null;
    if (hasWaited && (this.#held & HOLD_BODY) === 0) this.#planResume();
    else this.#conn.release(reason);
  }

  // ---- between messages ----------------------------------------------------------------------------------

  #endResponse(): void {
    this.#isResponseEnded = true;
    if (this.#out.kind === BODY_TUNNEL) this.#conn.shutdownAfterFlush();
    if (this.#out.isBroken) {
      this.#isLast = true;
      this.#conn.abort(UP_BAD_FRAMING);
    }
    this.#settle();
  }

  /** When both messages are over: the next request, or the end. */
  #settle(): void {
    if (!this.#isResponseEnded) return;
    if (this.#out.kind === BODY_TUNNEL && !this.#body.isEnded) return;
    this.#sink = null;
    this.#isResponseEnded = false;
    if (this.#isLast || (this.#peerEnded && this.#leftover === null)) {
      this.#state = DEAD;
      this.#leftover = null;
      this.#host.onFinished();
      return;
    }
    this.#state = HEAD;
    this.#held = 0;
    this.#conn.release(HOLD_PEER_FULL | HOLD_BODY);
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
    if (this.#state === DEAD) return;
    const rest = this.#leftover;
    if (rest !== null) this.#readLeftover(rest);
    if ((this.#state as number) === DEAD) return;
    // Whatever waits for more bytes needs them read; what waits for something else holds the connection itself.
    if (this.#leftover !== null && this.#state !== HEAD && !this.#body.isInTrailers) return;
    this.#conn.release((HOLD_PIPELINE | HOLD_BODY | HOLD_PEER_FULL) & ~this.#held);
    if (this.#state !== HEAD) {
      if (this.#peerEnded) this.#endInput();
    } else if (this.#peerEnded) this.#host.onFinished();
    else this.#host.onIdle();
  }

  drain(): void {
    this.isDraining = true;
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
