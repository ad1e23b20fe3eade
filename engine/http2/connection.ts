/** Http2Connection: what both roles of HTTP/2 share: frames in, streams, settings, errors, and the way to the end. */
import {
  type FaultCode,
  H2_FLOOD,
  H2_FLUSH_TIMEOUT,
  H2_PING_TIMEOUT,
  UP_H2_FLUSH_TIMEOUT,
  UP_H2_PING_TIMEOUT,
} from '../fault/faults.js';
import type { Codec, MessageSink, MessageStream, MultiplexedHost } from '../http/codec.js';
import type { Head } from '../http/head.js';
import type { Conn } from '../io/transport.js';
import { HTTP2 } from '../metrics/declare.js';
import { AbuseBudget, type AbuseView } from './abuse.js';
import { CLOSED_BY_PEER, CLOSED_BY_US, type ClosedHow, ClosedStreams } from './closed-streams.js';
import { ConnectionWatch, PING_DRAIN, PING_KEEPALIVE, type WatchOwner } from './connection-watch.js';
import { ControlWriter } from './control-writer.js';
import {
  CANCEL,
  codeOfFault,
  ENHANCE_YOUR_CALM,
  type ErrorCode,
  FLOW_CONTROL_ERROR,
  faultOfCode,
  NO_ERROR,
  PROTOCOL_ERROR,
  SETTINGS_TIMEOUT,
  STREAM_CLOSED,
} from './error-codes.js';
import { FrameDispatch, type FrameOwner } from './frame-dispatch.js';
import { FrameReader } from './frame-reader.js';
import { FLAG_ACK, FRAME_DATA, FRAME_RST_STREAM, FRAME_WINDOW_UPDATE } from './frames.js';
import { HpackDecoder } from './hpack-decoder.js';
import { HpackEncoder } from './hpack-encoder.js';
import { Intake, type IntakeOwner } from './intake.js';
import type { Http2Options } from './options.js';
import { Outbox, type OutboxOwner } from './outbox.js';
import { receivedFor, RX_RESET, sentFor, TX_RESET } from './reset-reasons.js';
import { PeerSettings } from './settings.js';
import type { Http2Shared } from './shared.js';
import { StreamStore } from './stream-store.js';
import { CLOSED, Http2Stream, SENDER_ENDED } from './stream.js';

const GOAWAY_SENT = HTTP2.index.goaway_sent;
const GOAWAY_RECEIVED = HTTP2.index.goaway_received;
const HEADER_OVERFLOW = HTTP2.index.header_overflow;
const KEEPALIVE_TIMEOUT = HTTP2.index.keepalive_timeout;
const SETTINGS_TIMED_OUT = HTTP2.index.settings_timeout;
const STREAMS_ACTIVE = HTTP2.index.streams_active;
const TRAILERS = HTTP2.index.trailers;
const TX_FLUSH_TIMEOUT = HTTP2.index.tx_flush_timeout;

export abstract class Http2Connection implements Codec, FrameOwner, IntakeOwner, OutboxOwner, WatchOwner, AbuseView {
  readonly protocol = 2;
  readonly isServer: boolean;
  readonly conn: Conn;
  readonly host: MultiplexedHost;
  readonly options: Http2Options;
  readonly shared: Http2Shared;
  readonly store = new StreamStore();
  readonly closed = new ClosedStreams();
  readonly control: ControlWriter;
  readonly outbox: Outbox;
  readonly intake: Intake;
  readonly decoder: HpackDecoder;
  readonly peer: PeerSettings;
  readonly abuse: AbuseBudget;
  readonly watch: ConnectionWatch;
  readonly #encoder: HpackEncoder;
  readonly dispatch: FrameDispatch;
  readonly #reader: FrameReader;
  /** Closed during this turn or before: who still holds one of them finds it dead. */
  readonly #retired: Http2Stream[] = [];
  /** Windows have opened: what waits is sent when the input has been read. */
  #needsFlush = false;
  isDead = false;

  constructor(conn: Conn, host: MultiplexedHost, options: Http2Options, shared: Http2Shared, isServer: boolean) {
    const { arena } = shared.transport;
    this.isServer = isServer;
    this.conn = conn;
    this.host = host;
    this.options = options;
    this.shared = shared;
    this.control = new ControlWriter(conn, arena);
    this.#encoder = new HpackEncoder(shared.interns, options.hpackTableSizeBytes);
    this.outbox = new Outbox(conn, arena, shared.heads, this.#encoder, this);
    this.intake = new Intake(this, shared.heads, options);
    this.decoder = new HpackDecoder(shared.interns, {
      maxHeadBytes: options.maxHeadBytes,
      maxFields: options.maxFields,
      underscores: options.underscores,
      allowExtendedConnect: options.allowExtendedConnect,
    });
    this.peer = new PeerSettings(isServer);
    this.abuse = new AbuseBudget(this, options);
    this.watch = new ConnectionWatch(this, options, shared.wheel, shared.random);
    this.dispatch = new FrameDispatch(this, options.maxHeadBytes);
    this.#reader = new FrameReader(this.dispatch);
  }

  // ---- roles ---------------------------------------------------------------------------------------------

  /** The highest id that the peer has begun a stream with: what GOAWAY says. */
  abstract readonly lastPeerId: number;
  abstract streamsFree(): number;
  abstract openStream(sink: MessageSink): MessageStream | null;
  abstract drain(): void;
  abstract feedEnd(): FaultCode;
  abstract sendHead(stream: Http2Stream, head: Head, end: boolean): boolean;
  /** The owner has said the end of its message; it may wait yet. */
  abstract onSenderEnded(stream: Http2Stream): void;
  abstract onEndSent(stream: Http2Stream): void;
  abstract onEndReceived(stream: Http2Stream): void;
  /** A whole header block. */
  abstract onBlock(
    id: number,
    flags: number,
    isSelfDependent: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): ErrorCode;
  abstract onRstStream(stream: Http2Stream, code: ErrorCode): ErrorCode;
  /** GOAWAY: streams above lastId were not looked at. */
  abstract onPeerLeaving(lastId: number): void;
  abstract onDrainDue(): void;
  /** No stream with this id has been begun. */
  abstract isIdle(id: number): boolean;
  abstract onStreamClosed(): void;
  abstract onSettingsChanged(): void;
  abstract onUncrowded(): void;
  /** Tells the sink, if the message that it waits for is not whole. */
  abstract sayReset(stream: Http2Stream, fault: FaultCode): void;

  // ---- input ---------------------------------------------------------------------------------------------

  feed(bytes: Uint8Array, start: number, end: number): FaultCode {
    if (this.isDead) return 0;
    while (this.#retired.length > 0) this.shared.spareStreams.push(this.#retired.pop() as Http2Stream);
    this.watch.isHeard = true;
    if (this.hasOutboundFlood()) return this.fail(ENHANCE_YOUR_CALM);
    const error = this.#reader.feed(bytes, start, end);
    if (error !== 0) return this.fail(error);
    if (this.isDead || !this.#needsFlush) return 0;
    this.#needsFlush = false;
    this.outbox.flush();
    return 0;
  }

  protected hasOutboundFlood(): boolean {
    if (this.conn.queuedBytes > 0) return this.abuse.isOutboundFlood(this.outbox.frames, this.control.frames);
    this.control.frames = 0;
    this.outbox.frames = 0;
    return false;
  }

  /** Answers what a fault of a block ends the connection with. */
  blockError(fault: FaultCode): ErrorCode {
    if (fault === H2_FLOOD) this.onEndlessBlock();
    return codeOfFault(fault, true);
  }

  onEndlessBlock(): void {
    this.count(HEADER_OVERFLOW);
  }

  onSettings(bytes: Uint8Array, start: number, end: number): ErrorCode {
    const peer = this.peer;
    const { headerTableBytes, initialWindowBytes } = peer;
    const error = peer.read(bytes, start, end);
    if (error !== 0) return error;
    if (peer.headerTableBytes !== headerTableBytes) this.#encoder.setPeerMaxTableBytes(peer.headerTableBytes);
    const change = peer.initialWindowBytes - initialWindowBytes;
    if (change !== 0) {
      for (const stream of this.store.all()) if (this.outbox.open(stream, change) !== 0) return FLOW_CONTROL_ERROR;
      this.#needsFlush = true;
    }
    this.control.settingsAck();
    this.onSettingsChanged();
    return 0;
  }

  /** Ours are in force at the peer. */
  onSettingsAck(): void {
    this.watch.onSettingsAck();
    this.intake.setStreamWindow(this.options.initialStreamWindowBytes);
    this.decoder.setMaxTableBytes(this.options.hpackTableSizeBytes);
  }

  onPing(isAck: boolean, high: number, low: number): void {
    if (!isAck) this.control.ping(FLAG_ACK, high, low);
    else if (high === PING_KEEPALIVE) this.watch.onPingAck(this.nowMs());
    else if (high === PING_DRAIN) this.onDrainDue();
  }

  onGoaway(lastId: number, _code: ErrorCode): void {
    this.count(GOAWAY_RECEIVED);
    this.onPeerLeaving(lastId);
  }

  onWindowUpdate(id: number, byteCount: number): ErrorCode {
    this.#needsFlush = true;
    if (id === 0) return byteCount === 0 ? PROTOCOL_ERROR : this.outbox.open(null, byteCount);
    const stream = this.store.find(id);
    if (stream === null) return this.onStrayFrame(FRAME_WINDOW_UPDATE, id);
    const error = byteCount === 0 ? PROTOCOL_ERROR : this.outbox.open(stream, byteCount);
    return error === 0 ? 0 : this.streamError(stream, error);
  }

  onReset(id: number, code: ErrorCode): ErrorCode {
    const stream = this.store.find(id);
    if (stream === null) return this.onStrayFrame(FRAME_RST_STREAM, id);
    this.count(RX_RESET);
    this.count(receivedFor(code));
    return this.onRstStream(stream, code);
  }

  /** A frame on an id that has no open stream (RFC 9113 §5.1: idle, closed). */
  onStrayFrame(type: number, id: number): ErrorCode {
    if (this.isIdle(id)) return PROTOCOL_ERROR;
    const how = this.closed.how(id);
    const isLate = type === FRAME_WINDOW_UPDATE || type === FRAME_RST_STREAM;
    // All ids below our next one were streams of ours, and an upstream answers what we have reset long ago.
    if (!this.isServer) return how === CLOSED_BY_PEER && !isLate ? STREAM_CLOSED : 0;
    if (this.abuse.isControlFlood()) return ENHANCE_YOUR_CALM;
    // What crossed our RST_STREAM or END_STREAM on the way.
    if (how === CLOSED_BY_US || isLate) return 0;
    if (how === CLOSED_BY_PEER) return STREAM_CLOSED;
    if (type !== FRAME_DATA) return PROTOCOL_ERROR;
    // Closed longer ago than we remember.
    this.sendReset(id, STREAM_CLOSED);
    return this.abuse.isResetFlood() ? ENHANCE_YOUR_CALM : 0;
  }

  onEmptyFrame(isEmpty: boolean): ErrorCode {
    return this.abuse.isTooEmpty(isEmpty) ? ENHANCE_YOUR_CALM : 0;
  }

  // ---- streams -------------------------------------------------------------------------------------------

  /** A stream that is open from now on. */
  begin(id: number, state: number): Http2Stream {
    const stream = this.shared.spareStreams.pop() ?? new Http2Stream(this);
    stream.begin(this, id, state, this.peer.initialWindowBytes, this.intake.streamWindow);
    this.store.add(stream);
    this.abuse.streams++;
    this.add(STREAMS_ACTIVE, 1);
    return stream;
  }

  sendBytes(stream: Http2Stream, bytes: Uint8Array, start: number, end: number, isLast: boolean): boolean {
    if (isLast) stream.state |= SENDER_ENDED;
    const isFull = this.outbox.bytes(stream, bytes, start, end, isLast);
    if (isLast && (stream.state & CLOSED) === 0) this.onSenderEnded(stream);
    return isFull;
  }

  sendTrailers(stream: Http2Stream, trailers: Head): boolean {
    stream.state |= SENDER_ENDED;
    this.count(TRAILERS);
    const isFull = this.outbox.trailers(stream, trailers);
    if ((stream.state & CLOSED) === 0) this.onSenderEnded(stream);
    return isFull;
  }

  /** The owner gives the stream up. */
  resetStream(stream: Http2Stream, fault: FaultCode): void {
    this.sendReset(stream.id, codeOfFault(fault, this.isServer));
    this.closeStream(stream, CLOSED_BY_US);
  }

  /** The peer did what it must not do on this stream: RST_STREAM, and the sink hears of it. */
  streamError(stream: Http2Stream, code: ErrorCode): ErrorCode {
    return this.breakStream(stream, code, faultOfCode(code, this.isServer));
  }

  breakStream(stream: Http2Stream, code: ErrorCode, fault: FaultCode): ErrorCode {
    this.sendReset(stream.id, code);
    this.sayReset(stream, fault);
    if ((stream.state & CLOSED) === 0) this.closeStream(stream, CLOSED_BY_US);
    return this.abuse.isResetFlood() ? ENHANCE_YOUR_CALM : 0;
  }

  abstract lengthError(stream: Http2Stream): ErrorCode;

  /** Found inside a call of the owner: it hears afterwards (codec.ts, law 5). */
  abandon(stream: Http2Stream, fault: FaultCode): void {
    const { sink } = stream;
    this.resetStream(stream, fault);
    if (sink !== null) queueMicrotask(() => sink.onReset(fault));
  }

  sendReset(id: number, code: ErrorCode): void {
    this.count(TX_RESET);
    this.count(sentFor(code));
    this.control.rstStream(id, code);
  }

  closeStream(stream: Http2Stream, how: ClosedHow): void {
    stream.state |= CLOSED;
    stream.generation++;
    stream.sink = null;
    this.store.remove(stream.id);
    this.closed.note(stream.id, how);
    if (stream.queue !== null) this.outbox.forget(stream);
    if (stream.unconsumed > 0 || stream.kept !== null) this.intake.forget(stream);
    this.add(STREAMS_ACTIVE, -1);
    this.#retired.push(stream);
    if (!this.isDead) this.onStreamClosed();
  }

  sendWindowUpdate(id: number, byteCount: number): void {
    if (!this.isDead) this.control.windowUpdate(id, byteCount);
  }

  // ---- the end -------------------------------------------------------------------------------------------

  sendGoaway(lastId: number, code: ErrorCode): void {
    this.count(GOAWAY_SENT);
    this.control.goaway(lastId, code);
  }

  /** An error of the connection (RFC 9113 §5.4.1); the caller ends it. */
  fail(code: ErrorCode, fault = faultOfCode(code, this.isServer)): FaultCode {
    this.sendGoaway(this.lastPeerId, code);
    this.#die(fault);
    return fault;
  }

  #die(fault: FaultCode): void {
    this.isDead = true;
    this.watch.stop();
    for (const stream of this.store.all()) {
      this.sayReset(stream, fault);
      if ((stream.state & CLOSED) === 0) this.closeStream(stream, CLOSED_BY_US);
    }
  }

  onWritable(): void {
    if (!this.isDead) this.outbox.onWritable();
  }

  close(fault: FaultCode): void {
    if (!this.isDead) this.#die(fault);
  }

  // ---- time ----------------------------------------------------------------------------------------------

  nowMs(): number {
    return this.shared.transport.nowMs();
  }

  sendPing(purpose: number): void {
    this.control.ping(0, purpose, 0);
  }

  onQueued(stream: Http2Stream): void {
    const nowMs = this.nowMs();
    stream.queuedSinceMs = nowMs;
    this.watch.onQueued(nowMs);
  }

  onSettingsTimeout(): void {
    this.count(SETTINGS_TIMED_OUT);
    this.host.onFailed(this.fail(SETTINGS_TIMEOUT));
  }

  onPingTimeout(): void {
    this.count(KEEPALIVE_TIMEOUT);
    this.host.onFailed(this.fail(NO_ERROR, this.isServer ? H2_PING_TIMEOUT : UP_H2_PING_TIMEOUT));
  }

  resetStalled(sinceMs: number): number {
    let oldest = 0;
    for (const stream of this.store.all()) {
      if (stream.queue === null) continue;
      if (stream.queuedSinceMs <= sinceMs) {
        this.count(TX_FLUSH_TIMEOUT);
        this.breakStream(stream, CANCEL, this.isServer ? H2_FLUSH_TIMEOUT : UP_H2_FLUSH_TIMEOUT);
      } else if (oldest === 0 || stream.queuedSinceMs < oldest) oldest = stream.queuedSinceMs;
    }
    return oldest;
  }

  // ---- counters ------------------------------------------------------------------------------------------

  count(counter: number): void {
    this.add(counter, 1);
  }

  add(counter: number, amount: number): void {
    const base = this.options.counters;
    if (base >= 0) this.shared.metrics.add(base + counter, amount);
  }
}
