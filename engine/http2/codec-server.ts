/** Http2ServerCodec: the server's side of an HTTP/2 connection: requests in, answers out, GOAWAY in two steps. */
import {
  DOWN_RESET,
  DOWN_TRUNCATED,
  FAULTS,
  type FaultCode,
  H2_BODY_LENGTH,
  H2_PROTOCOL,
  TOO_BIG_HEAD,
  TOO_MANY_FIELDS,
  UP_BAD_HEADER,
} from '../fault/faults.js';
import type { MessageStream, MultiplexedHost, StreamAcceptor } from '../http/codec.js';
import { HEAD_EXTENDED_CONNECT, type Head } from '../http/head.js';
import { METHOD_CONNECT } from '../http/methods.js';
import { N } from '../http/names.js';
import type { Conn } from '../io/transport.js';
import { HTTP2 } from '../metrics/declare.js';
import { CLOSED_BY_PEER, CLOSED_BY_US } from './closed-streams.js';
import { Http2Connection } from './connection.js';
import { PING_DRAIN } from './connection-watch.js';
import {
  CANCEL,
  CONNECT_ERROR,
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
  PREFACE,
  SETTING_ENABLE_CONNECT_PROTOCOL,
  SETTING_HEADER_TABLE_SIZE,
  SETTING_INITIAL_WINDOW_SIZE,
  SETTING_MAX_CONCURRENT_STREAMS,
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
  SENDER_ENDED,
  TO_CONNECT,
  TO_EXTENDED_CONNECT,
  TUNNEL,
} from './stream.js';

const CONTENT_LENGTH = N['content-length'];
const HEADER_OVERFLOW = HTTP2.index.header_overflow;
const RX_MESSAGING_ERROR = HTTP2.index.rx_messaging_error;
const TOO_MANY_STREAMS = HTTP2.index.too_many_streams;

// The end of a connection (RFC 9113 §6.8):
//
//   OPEN --drain()--> ANNOUNCED: GOAWAY(2^31-1), PING --its answer, or the grace--> FINAL: GOAWAY(last id)
//        requests that come until FINAL are served; those behind are ignored, and safe to send elsewhere.
const OPEN = 0;
const ANNOUNCED = 1;
const FINAL = 2;

export class Http2ServerCodec extends Http2Connection {
  lastPeerId = 0;
  readonly #acceptor: StreamAcceptor;
  #prefaceAt = 0;
  #drainState = OPEN;
  /** What the last GOAWAY covers. */
  #coveredId = INT31_MAX;
  #isFinished = false;

  /** Writes SETTINGS at once; the first bytes fed must be the preface. */
  constructor(conn: Conn, host: MultiplexedHost, acceptor: StreamAcceptor, options: Http2Options, shared: Http2Shared) {
    super(conn, host, options, shared, true);
    this.#acceptor = acceptor;
    const settings = [
      SETTING_MAX_CONCURRENT_STREAMS,
      options.maxConcurrentStreams,
      SETTING_INITIAL_WINDOW_SIZE,
      options.initialStreamWindowBytes,
      SETTING_MAX_HEADER_LIST_SIZE,
      options.maxHeadBytes,
    ];
    if (options.hpackTableSizeBytes !== HEADER_TABLE_BYTES)
      settings.push(SETTING_HEADER_TABLE_SIZE, options.hpackTableSizeBytes);
    if (options.allowExtendedConnect) settings.push(SETTING_ENABLE_CONNECT_PROTOCOL, 1);
    settings.push(...options.customSettings);
    this.control.settings(settings);
    if (this.intake.firstCredit > 0) this.control.windowUpdate(0, this.intake.firstCredit);
    this.watch.start(this.nowMs());
  }

  /** GOAWAY has been sent. */
  get isDraining(): boolean {
    return this.#drainState !== OPEN;
  }

  /** Less than the preface, or than a header block, has come. */
  get hasPartialHead(): boolean {
    return this.#prefaceAt < PREFACE.length || this.dispatch.hasPartialBlock;
  }

  /** A head took too long to come whole: the block would have to be known to decode the next one. */
  refuse(fault: FaultCode): void {
    if (!this.isDead) this.fail(ENHANCE_YOUR_CALM, fault);
  }

  streamsFree(): number {
    return 0;
  }
  openStream(): MessageStream | null {
    return null;
  }

  override feed(bytes: Uint8Array, start: number, end: number): FaultCode {
    let at = start;
    while (this.#prefaceAt < PREFACE.length && at < end) {
      if (this.isDead) return 0;
      if (bytes[at++] !== PREFACE[this.#prefaceAt++]) return this.fail(PROTOCOL_ERROR);
    }
    return super.feed(bytes, at, end);
  }

  /** What has come whole can still be answered; nothing else is coming. */
  feedEnd(): FaultCode {
    if (this.isDead) return 0;
    for (const stream of this.store.all()) {
      if ((stream.state & (CLOSED | REMOTE_ENDED)) !== 0) continue;
      this.sayReset(stream, DOWN_TRUNCATED);
      if ((stream.state & CLOSED) === 0) this.closeStream(stream, CLOSED_BY_PEER);
    }
    this.#coveredId = Math.min(this.#coveredId, this.lastPeerId);
    this.#drainState = FINAL;
    this.#finishIfDone();
    return 0;
  }

  // ---- requests ------------------------------------------------------------------------------------------

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
    if (stream !== null) return this.#onTrailers(stream, isEnd, bytes, start, end);
    if ((id & 1) === 0) return PROTOCOL_ERROR;
    if (id <= this.lastPeerId || id > this.#coveredId) return this.#dropBlock(id, bytes, start, end);
    this.lastPeerId = id;
    if (this.store.count >= this.options.maxConcurrentStreams) return this.#refuse(id, bytes, start, end);
    const head = this.shared.head;
    head.reset();
    const fault = this.decoder.decode(bytes, start, end, head, BLOCK_REQUEST);
    if (endsConnection(fault)) return this.blockError(fault);
    const isReused = this.abuse.streams > 0;
    const opened = this.begin(id, isReused ? IS_REUSED : 0);
    if (fault !== 0) return this.#malformed(opened, fault, isEnd);
    if (isSelfDependent) return this.#malformed(opened, H2_PROTOCOL, isEnd);
    if (isEnd && head.contentLength > 0) return this.#malformed(opened, H2_BODY_LENGTH, isEnd);
    let state = HEAD_RECEIVED;
    if (head.method === METHOD_CONNECT) state |= TO_CONNECT;
    if ((head.flags & HEAD_EXTENDED_CONNECT) !== 0) state |= TO_EXTENDED_CONNECT;
    if (isEnd) state |= REMOTE_ENDED;
    opened.state |= state;
    if (!isEnd && (state & (TO_CONNECT | TO_EXTENDED_CONNECT)) === 0) {
      opened.bytesToCome = head.contentLength;
      // With its length passed on it would be whole already; only its end tells whether it is.
      if (head.contentLength === 0) head.removeAll(CONTENT_LENGTH);
    }
    const { generation } = opened;
    const sink = this.#acceptor.onStream(opened);
    opened.sink = sink;
    this.shared.head = sink.onHead(head, isEnd);
    if (isEnd && opened.generation === generation) this.onEndReceived(opened);
    return 0;
  }

  /** An exchange of it hears of the end alone, for the log; a head over a limit gets an answer that says so. */
  #malformed(stream: Http2Stream, fault: FaultCode, isEnd: boolean): ErrorCode {
    const sink = this.#acceptor.onStream(stream);
    stream.sink = sink;
    if (fault === TOO_BIG_HEAD || fault === TOO_MANY_FIELDS) {
      this.count(HEADER_OVERFLOW);
      stream.state |= HEAD_RECEIVED;
      if (isEnd) stream.state |= REMOTE_ENDED | END_PASSED;
      sink.onInvalid(fault);
      return this.abuse.isResetFlood() ? ENHANCE_YOUR_CALM : 0;
    }
    this.count(RX_MESSAGING_ERROR);
    if (this.options.overrideStreamErrorOnInvalidHttpMessage) return this.breakStream(stream, PROTOCOL_ERROR, fault);
    this.sayReset(stream, fault);
    return PROTOCOL_ERROR;
  }

  /** A block that nobody wants keeps HPACK's table in step all the same. */
  #decodeInVain(bytes: Uint8Array, start: number, end: number): ErrorCode {
    const { trailers } = this.shared;
    trailers.reset();
    const fault = this.decoder.decode(bytes, start, end, trailers, BLOCK_TRAILERS);
    return endsConnection(fault) ? this.blockError(fault) : 0;
  }

  /** On a stream that is closed, or that a GOAWAY does not cover any more. */
  #dropBlock(id: number, bytes: Uint8Array, start: number, end: number): ErrorCode {
    const error = this.#decodeInVain(bytes, start, end);
    if (error !== 0 || id > this.lastPeerId) return error;
    return this.onStrayFrame(1, id);
  }

  #refuse(id: number, bytes: Uint8Array, start: number, end: number): ErrorCode {
    const error = this.#decodeInVain(bytes, start, end);
    if (error !== 0) return error;
    this.count(TOO_MANY_STREAMS);
    this.sendReset(id, REFUSED_STREAM);
    this.closed.note(id, CLOSED_BY_US);
    return this.abuse.isResetFlood() ? ENHANCE_YOUR_CALM : 0;
  }

  #onTrailers(stream: Http2Stream, isEnd: boolean, bytes: Uint8Array, start: number, end: number): ErrorCode {
    const { trailers } = this.shared;
    trailers.reset();
    const fault = this.decoder.decode(bytes, start, end, trailers, BLOCK_TRAILERS);
    if (endsConnection(fault)) return this.blockError(fault);
    if ((stream.state & REMOTE_ENDED) !== 0) return this.streamError(stream, STREAM_CLOSED);
    // RFC 9113 §8.1: trailers end the message; §8.5: CONNECT has none.
    const isTunnel = (stream.state & (TO_CONNECT | TO_EXTENDED_CONNECT)) !== 0;
    if (fault !== 0 || !isEnd || isTunnel) {
      this.count(RX_MESSAGING_ERROR);
      return this.breakStream(stream, PROTOCOL_ERROR, fault !== 0 ? fault : H2_PROTOCOL);
    }
    if (stream.bytesToCome > 0) return this.lengthError(stream);
    this.intake.trailers(stream, trailers);
    return 0;
  }

  lengthError(stream: Http2Stream): ErrorCode {
    this.count(RX_MESSAGING_ERROR);
    return this.breakStream(stream, PROTOCOL_ERROR, H2_BODY_LENGTH);
  }

  onEndReceived(stream: Http2Stream): void {
    stream.state |= END_PASSED;
    if ((stream.state & LOCAL_ENDED) !== 0) this.closeStream(stream, CLOSED_BY_PEER);
  }

  onRstStream(stream: Http2Stream, _code: ErrorCode): ErrorCode {
    const isAnswered = (stream.state & SENDER_ENDED) !== 0;
    this.sayReset(stream, DOWN_RESET);
    if ((stream.state & CLOSED) === 0) this.closeStream(stream, CLOSED_BY_PEER);
    return !isAnswered && this.abuse.isResetFlood() ? ENHANCE_YOUR_CALM : 0;
  }

  sayReset(stream: Http2Stream, fault: FaultCode): void {
    const { sink } = stream;
    stream.sink = null;
    sink?.onReset(fault);
  }

  isIdle(id: number): boolean {
    return (id & 1) === 0 || id > this.lastPeerId;
  }

  onSettingsChanged(): void {}

  onUncrowded(): void {}

  // ---- answers -------------------------------------------------------------------------------------------

  sendHead(stream: Http2Stream, head: Head, end: boolean): boolean {
    const { status } = head;
    const { outbox } = this;
    if (status < 200 && status !== 101) return outbox.headers(stream, head, BLOCK_RESPONSE, false);
    stream.state |= HEAD_SENT | (end ? SENDER_ENDED : 0);
    let isFull: boolean;
    if (status === 101 && (stream.state & TO_EXTENDED_CONNECT) === 0) {
      this.abandon(stream, UP_BAD_HEADER);
      return false;
    }
    if (status === 101) {
      // RFC 8441 §5: what HTTP/1.1 says with 101 is 200 here.
      stream.state |= TUNNEL;
      head.status = 200;
      isFull = outbox.headers(stream, head, BLOCK_RESPONSE, end);
      head.status = 101;
    } else {
      if (status < 300 && (stream.state & TO_CONNECT) !== 0) stream.state |= TUNNEL;
      isFull = outbox.headers(stream, head, BLOCK_RESPONSE, end);
    }
    if (end && (stream.state & CLOSED) === 0) this.onSenderEnded(stream);
    return isFull;
  }

  /** A tunnel whose other end broke (RFC 9113 §8.5; RFC 8441 §5). */
  override resetStream(stream: Http2Stream, fault: FaultCode): void {
    const isBroken = (stream.state & TUNNEL) !== 0 && FAULTS[fault]?.source === 'upstream';
    if (!isBroken) super.resetStream(stream, fault);
    else {
      this.sendReset(stream.id, (stream.state & TO_CONNECT) !== 0 ? CONNECT_ERROR : CANCEL);
      this.closeStream(stream, CLOSED_BY_US);
    }
  }

  /** The exchange is over: it hears no more, and what is still coming of the request is dropped. */
  onSenderEnded(stream: Http2Stream): void {
    if ((stream.state & TUNNEL) !== 0 && (stream.state & END_PASSED) === 0) return;
    stream.sink = null;
    this.intake.forget(stream);
  }

  onEndSent(stream: Http2Stream): void {
    const { state } = stream;
    stream.state |= LOCAL_ENDED;
    this.abuse.answered++;
    if ((state & TUNNEL) !== 0 && (state & END_PASSED) === 0) return;
    if ((state & REMOTE_ENDED) !== 0) {
      this.closeStream(stream, CLOSED_BY_PEER);
      return;
    }
    // An early answer: the rest of the request is of no use (RFC 9113 §8.1).
    this.sendReset(stream.id, NO_ERROR);
    this.closeStream(stream, CLOSED_BY_US);
  }

  // ---- the end -------------------------------------------------------------------------------------------

  drain(): void {
    if (this.isDead || this.#drainState !== OPEN) return;
    this.#drainState = ANNOUNCED;
    this.sendGoaway(INT31_MAX, NO_ERROR);
    this.sendPing(PING_DRAIN);
    this.watch.startDrain(this.nowMs());
  }

  onDrainDue(): void {
    if (this.#drainState !== ANNOUNCED) return;
    this.#drainState = FINAL;
    this.#coveredId = this.lastPeerId;
    this.watch.endDrain();
    this.sendGoaway(this.lastPeerId, NO_ERROR);
    this.#finishIfDone();
  }

  /** A client has no streams of ours to refuse. */
  onPeerLeaving(): void {}

  onStreamClosed(): void {
    if (this.store.count > 0) return;
    if (this.#drainState === FINAL) this.#finishIfDone();
    else this.host.onIdle();
  }

  #finishIfDone(): void {
    if (this.store.count > 0 || this.#isFinished) return;
    this.#isFinished = true;
    this.watch.stop();
    this.host.onFinished();
  }
}
