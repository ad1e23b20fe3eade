/** Http2ClientCodec: the client's side of an HTTP/2 connection: many requests out at a time, their answers in. */
import {
  type FaultCode,
  UP_BAD_FRAMING,
  UP_CLOSED,
  UP_H2_PROTOCOL,
  UP_NO_EXTENDED_CONNECT,
  UP_STREAM_REFUSED,
  UP_STREAM_RESET,
  UP_TOO_MANY_INTERIMS,
  UP_TRUNCATED,
} from '../fault/faults.js';
import type { MessageSink, MessageStream, MultiplexedHost } from '../http/codec.js';
import { HEAD_EXTENDED_CONNECT, type Head } from '../http/head.js';
import { METHOD_CONNECT, METHOD_HEAD } from '../http/methods.js';
import { hasNoBody } from '../http/statuses.js';
import type { Conn } from '../io/transport.js';
import { HTTP2 } from '../metrics/declare.js';
import { CLOSED_BY_PEER, CLOSED_BY_US } from './closed-streams.js';
import { Http2Connection } from './connection.js';
import {
  CANCEL,
  ENHANCE_YOUR_CALM,
  type ErrorCode,
  NO_ERROR,
  PROTOCOL_ERROR,
  REFUSED_STREAM,
  STREAM_CLOSED,
  endsConnection,
} from './error-codes.js';
import {
  FLAG_END_STREAM,
  HEADER_TABLE_BYTES,
  INT31_MAX,
  SETTING_ENABLE_PUSH,
  SETTING_HEADER_TABLE_SIZE,
  SETTING_INITIAL_WINDOW_SIZE,
  SETTING_MAX_HEADER_LIST_SIZE,
} from './frames.js';
import { BLOCK_REQUEST, BLOCK_RESPONSE, BLOCK_TRAILERS } from './hpack-decoder.js';
import type { Http2Options } from './options.js';
import type { Http2Shared } from './shared.js';
import {
  CLOSED,
  END_PASSED,
  HEAD_RECEIVED,
  HEAD_SENT,
  type Http2Stream,
  IS_REUSED,
  LOCAL_ENDED,
  REMOTE_ENDED,
  SAW_BYTES,
  SENDER_ENDED,
  TO_CONNECT,
  TO_EXTENDED_CONNECT,
  TO_HEAD,
  TUNNEL,
} from './stream.js';

const RX_MESSAGING_ERROR = HTTP2.index.rx_messaging_error;

/** Interim responses per request: an origin that sends them for ever would keep a client waiting, and us busy, for ever. */
const INTERIMS_MAX = 64;

export class Http2ClientCodec extends Http2Connection {
  /** Nobody pushes. */
  readonly lastPeerId = 0;
  /** The next stream's. Tests begin near the end. */
  nextId = 1;
  #isStarted = false;
  /** No new streams: ours to decide, or the peer's. */
  isDraining = false;
  #isFinished = false;
  /** When a frame came last, for connection_idle_interval. */
  #lastUsedMs: number;

  constructor(conn: Conn, host: MultiplexedHost, options: Http2Options, shared: Http2Shared) {
    super(conn, host, options, shared, false);
    this.#lastUsedMs = this.nowMs();
  }

  /** Preface and SETTINGS; the connection must be open. Without a call they go with the first stream. */
  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    const { options } = this;
    const settings = [
      SETTING_ENABLE_PUSH,
      0,
      SETTING_INITIAL_WINDOW_SIZE,
      options.initialStreamWindowBytes,
      SETTING_MAX_HEADER_LIST_SIZE,
      options.maxHeadBytes,
    ];
    if (options.hpackTableSizeBytes !== HEADER_TABLE_BYTES)
      settings.push(SETTING_HEADER_TABLE_SIZE, options.hpackTableSizeBytes);
    this.control.preface();
    settings.push(...options.customSettings);
    this.control.settings(settings);
    if (this.intake.firstCredit > 0) this.control.windowUpdate(0, this.intake.firstCredit);
    this.watch.start(this.nowMs());
  }

  /** RFC 8441; known once the peer's SETTINGS have come. */
  get allowsExtendedConnect(): boolean {
    return this.peer.allowsExtendedConnect;
  }
  /** Streams under way. */
  get streamCount(): number {
    return this.store.count;
  }

  /** The peer has said how many streams it takes. */
  get isSettled(): boolean {
    return this.peer.isKnown;
  }
  /** Streams at a time, by both sides' limits. */
  get streamsMax(): number {
    return Math.min(this.peer.maxConcurrentStreams, this.options.maxConcurrentStreams);
  }

  streamsFree(): number {
    if (this.isDraining || this.isDead || this.intake.isCrowded) return 0;
    return Math.max(0, this.streamsMax - this.store.count);
  }

  /** Whoever opens a stream sends its head before another one is opened: ids go up on the wire. */
  openStream(sink: MessageSink): MessageStream | null {
    if (this.streamsFree() === 0) return null;
    // An origin that says nothing and reads nothing would never be found out by what it sends.
    if (this.hasOutboundFlood()) {
      this.host.onFailed(this.fail(ENHANCE_YOUR_CALM));
      return null;
    }
    this.start();
    this.#pingIfIdle();
    const stream = this.begin(this.nextId, this.nextId > 1 ? IS_REUSED : 0);
    stream.sink = sink;
    this.nextId += 2;
    // The last id is used up: another connection takes over (RFC 9113 §5.1.1).
    if (this.nextId > INT31_MAX) this.#stopOpening();
    return stream;
  }

  #pingIfIdle(): void {
    const { connectionIdleIntervalMs } = this.options.connectionKeepalive;
    if (connectionIdleIntervalMs === 0) return;
    const nowMs = this.nowMs();
    if (nowMs - this.#lastUsedMs >= connectionIdleIntervalMs) this.watch.ping(nowMs);
    this.#lastUsedMs = nowMs;
  }

  override feed(bytes: Uint8Array, start: number, end: number): FaultCode {
    // A server may speak first (RFC 9113 §3.4); what answers it goes behind the preface.
    if (!this.#isStarted) this.start();
    if (this.options.connectionKeepalive.connectionIdleIntervalMs !== 0) this.#lastUsedMs = this.nowMs();
    return super.feed(bytes, start, end);
  }

  /** FIN: what is not whole by now never will be. */
  feedEnd(): FaultCode {
    if (this.isDead) return 0;
    this.#stopOpening();
    let fault = 0;
    for (const stream of this.store.all()) {
      if ((stream.state & CLOSED) !== 0) continue;
      if ((stream.state & END_PASSED) === 0) fault = (stream.state & SAW_BYTES) === 0 ? UP_CLOSED : UP_TRUNCATED;
      this.sayReset(stream, fault);
      if ((stream.state & CLOSED) === 0) this.closeStream(stream, CLOSED_BY_PEER);
    }
    return fault;
  }

  // ---- requests ------------------------------------------------------------------------------------------

  sendHead(stream: Http2Stream, head: Head, end: boolean): boolean {
    const isExtended = (head.flags & HEAD_EXTENDED_CONNECT) !== 0;
    if (isExtended && !this.peer.allowsExtendedConnect) {
      this.abandon(stream, UP_NO_EXTENDED_CONNECT);
      return false;
    }
    let state = HEAD_SENT;
    if (head.method === METHOD_HEAD) state |= TO_HEAD;
    if (head.method === METHOD_CONNECT) state |= TO_CONNECT;
    if (isExtended) state |= TO_EXTENDED_CONNECT;
    // What asks for a tunnel is whole with its head, but the stream goes on as the tunnel.
    const isEnd = end && (state & (TO_CONNECT | TO_EXTENDED_CONNECT)) === 0;
    if (isEnd) state |= SENDER_ENDED;
    stream.state |= state;
    return this.outbox.headers(stream, head, BLOCK_REQUEST, isEnd);
  }

  onSenderEnded(): void {}

  onEndSent(stream: Http2Stream): void {
    stream.state |= LOCAL_ENDED;
    if ((stream.state & END_PASSED) !== 0) this.closeStream(stream, CLOSED_BY_PEER);
  }

  override resetStream(stream: Http2Stream, fault: FaultCode): void {
    if ((stream.state & HEAD_SENT) !== 0) super.resetStream(stream, fault);
    else this.closeStream(stream, CLOSED_BY_US);
  }

  // ---- answers -------------------------------------------------------------------------------------------

  onBlock(
    id: number,
    flags: number,
    isSelfDependent: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): ErrorCode {
    const isEnd = (flags & FLAG_END_STREAM) !== 0;
    const stream = this.store.find(id);
    if (stream === null || (stream.state & REMOTE_ENDED) !== 0) return this.#dropBlock(stream, id, bytes, start, end);
    if ((stream.state & HEAD_RECEIVED) !== 0) return this.#onTrailers(stream, isEnd, bytes, start, end);
    const head = this.shared.head;
    head.reset();
    const fault = this.decoder.decode(bytes, start, end, head, BLOCK_RESPONSE);
    if (endsConnection(fault)) return this.blockError(fault);
    if (fault !== 0 || isSelfDependent) return this.#malformed(stream, fault === 0 ? UP_H2_PROTOCOL : fault);
    stream.state |= SAW_BYTES;
    if (head.status < 200) return this.#onInterim(stream, head, isEnd);
    return this.#onHead(stream, head, isEnd);
  }

  #onInterim(stream: Http2Stream, head: Head, isEnd: boolean): ErrorCode {
    // RFC 9113 §8.1: an interim response doesn't end the stream; RFC 9110 §8.6: and has no body.
    if (isEnd || head.contentLength >= 0) return this.#malformed(stream, UP_BAD_FRAMING);
    if (++stream.interims > INTERIMS_MAX) return this.#malformed(stream, UP_TOO_MANY_INTERIMS);
    const { sink } = stream;
    if (sink === null) return 0;
    // It has been written on by now and its lines lie in the head itself: it rests until the turn ends.
    this.shared.heads.give(sink.onHead(head, false));
    this.shared.head = this.shared.heads.take();
    return 0;
  }

  #onHead(stream: Http2Stream, head: Head, isEnd: boolean): ErrorCode {
    const { status } = head;
    const isSuccess = status < 300;
    let toCome = head.contentLength;
    if (isSuccess && (stream.state & (TO_CONNECT | TO_EXTENDED_CONNECT)) !== 0) {
      stream.state |= TUNNEL;
      toCome = -1;
      // RFC 8441 §5: what is 200 here is 101 in HTTP/1.1.
      if ((stream.state & TO_EXTENDED_CONNECT) !== 0) head.status = 101;
    } else if ((stream.state & TO_HEAD) !== 0 || hasNoBody(status)) toCome = 0;
    else if (isEnd && toCome > 0) return this.#malformed(stream, UP_BAD_FRAMING);
    stream.bytesToCome = toCome;
    stream.state |= HEAD_RECEIVED | (isEnd ? REMOTE_ENDED : 0);
    const { generation, sink } = stream;
    if (sink !== null) this.shared.head = sink.onHead(head, isEnd);
    if (isEnd && stream.generation === generation) this.onEndReceived(stream);
    return 0;
  }

  #onTrailers(stream: Http2Stream, isEnd: boolean, bytes: Uint8Array, start: number, end: number): ErrorCode {
    const { trailers } = this.shared;
    trailers.reset();
    const fault = this.decoder.decode(bytes, start, end, trailers, BLOCK_TRAILERS);
    if (endsConnection(fault)) return this.blockError(fault);
    if (fault !== 0 || !isEnd || (stream.state & TUNNEL) !== 0) return this.#malformed(stream, UP_H2_PROTOCOL);
    if (stream.bytesToCome > 0 && (stream.state & TO_HEAD) === 0) return this.lengthError(stream);
    this.intake.trailers(stream, trailers);
    return 0;
  }

  /** A block without a stream that waits for one. */
  #dropBlock(stream: Http2Stream | null, id: number, bytes: Uint8Array, start: number, end: number): ErrorCode {
    const { trailers } = this.shared;
    trailers.reset();
    const fault = this.decoder.decode(bytes, start, end, trailers, BLOCK_TRAILERS);
    if (endsConnection(fault)) return this.blockError(fault);
    return stream === null ? this.onStrayFrame(1, id) : this.streamError(stream, STREAM_CLOSED);
  }

  #malformed(stream: Http2Stream, fault: FaultCode): ErrorCode {
    this.count(RX_MESSAGING_ERROR);
    if (!this.options.overrideStreamErrorOnInvalidHttpMessage) return PROTOCOL_ERROR;
    return this.breakStream(stream, PROTOCOL_ERROR, fault);
  }

  lengthError(stream: Http2Stream): ErrorCode {
    return this.#malformed(stream, UP_BAD_FRAMING);
  }

  onEndReceived(stream: Http2Stream): void {
    stream.state |= END_PASSED;
    if ((stream.state & LOCAL_ENDED) !== 0) this.closeStream(stream, CLOSED_BY_PEER);
    else if (
      (stream.state & TUNNEL) === 0 &&
      (stream.state & (SENDER_ENDED | TO_CONNECT | TO_EXTENDED_CONNECT)) !== 0
    ) {
      // It is answered; what still waits of the request is of no use.
      this.sendReset(stream.id, CANCEL);
      this.closeStream(stream, CLOSED_BY_US);
    }
  }

  onRstStream(stream: Http2Stream, code: ErrorCode): ErrorCode {
    const { state } = stream;
    if ((state & (REMOTE_ENDED | END_PASSED)) === REMOTE_ENDED && code === NO_ERROR) {
      // The answer is whole and only waits here: the server wants no more of the request (RFC 9113 §8.1).
      stream.state |= LOCAL_ENDED | SENDER_ENDED;
      this.outbox.forget(stream);
      return 0;
    }
    this.sayReset(stream, code === REFUSED_STREAM ? UP_STREAM_REFUSED : UP_STREAM_RESET);
    if ((stream.state & CLOSED) === 0) this.closeStream(stream, CLOSED_BY_PEER);
    return 0;
  }

  /** Nothing behind the end of the answer (codec.ts, law 1). */
  sayReset(stream: Http2Stream, fault: FaultCode): void {
    const { sink } = stream;
    stream.sink = null;
    if ((stream.state & END_PASSED) === 0) sink?.onReset(fault);
  }

  isIdle(id: number): boolean {
    return (id & 1) === 0 || id >= this.nextId;
  }

  onSettingsChanged(): void {
    this.host.onStreamsFree();
  }

  onUncrowded(): void {
    if (!this.isDraining && !this.isDead) this.host.onStreamsFree();
  }

  // ---- the end -------------------------------------------------------------------------------------------

  onPeerLeaving(lastId: number): void {
    this.#stopOpening();
    for (const stream of this.store.all()) {
      if (stream.id <= lastId || (stream.state & CLOSED) !== 0) continue;
      this.sayReset(stream, UP_STREAM_REFUSED);
      if ((stream.state & CLOSED) === 0) this.closeStream(stream, CLOSED_BY_PEER);
    }
    this.#finishIfDone();
  }

  #stopOpening(): void {
    if (this.isDraining) return;
    this.isDraining = true;
    this.host.onDraining();
  }

  drain(): void {
    this.isDraining = true;
  }

  onDrainDue(): void {}

  onStreamClosed(): void {
    if (this.isDraining) {
      this.#finishIfDone();
      return;
    }
    if (this.store.count === 0) this.host.onIdle();
    this.host.onStreamsFree();
  }

  #finishIfDone(): void {
    if (this.store.count > 0 || this.#isFinished) return;
    this.#isFinished = true;
    this.watch.stop();
    if (this.#isStarted) this.sendGoaway(0, NO_ERROR);
    this.host.onFinished();
  }

  override close(fault: FaultCode): void {
    if (this.isDead) return;
    if (fault !== 0) {
      super.close(fault);
      return;
    }
    this.isDraining = true;
    this.feedEnd();
    super.close(UP_CLOSED);
  }
}
