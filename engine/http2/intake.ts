/** Intake: the DATA that one connection receives: windows, lengths, streams that are held, and credit for the peer. */
import type { HeadPool } from '../http/head-pool.js';
import type { Head } from '../http/head.js';
import { ByteQueue } from '../base/byte-queue.js';
import { type ErrorCode, FLOW_CONTROL_ERROR, PROTOCOL_ERROR, STREAM_CLOSED } from './error-codes.js';
import { FLAG_END_STREAM, INITIAL_WINDOW_BYTES } from './frames.js';
import type { Http2Options } from './options.js';
import type { StreamStore } from './stream-store.js';
import { CLOSED, HEAD_RECEIVED, type Http2Stream, REMOTE_ENDED } from './stream.js';

// Laws: 1. Window is given back when the owner says consumed(), never for what is kept here: a peer can't make us keep
// more than the windows that we announced. 2. Credit goes out when half a window has gathered, of the connection's half of
// what nobody holds: a few WINDOW_UPDATEs per megabyte, and streams that are held keep nobody else's from it. 3. What
// can't be given to anybody (streams that are closed, padding) is credited to the connection at once. 4. While a stream
// is held nothing of it is passed on, and what came meanwhile goes first afterwards.

/** Who knows the streams' fates. */
export interface IntakeOwner {
  readonly store: StreamStore;
  /** DATA on an id that has no open stream. */
  onStrayFrame(type: number, id: number): ErrorCode;
  /** Resets the stream for what the peer did; 0, or an error of the connection. */
  streamError(stream: Http2Stream, code: ErrorCode): ErrorCode;
  /** Content-Length and DATA disagree. */
  lengthError(stream: Http2Stream): ErrorCode;
  /** An empty frame that doesn't end its stream. */
  onEmptyFrame(isEmpty: boolean): ErrorCode;
  /** END_STREAM has been received and passed on. */
  onEndReceived(stream: Http2Stream): void;
  sendWindowUpdate(id: number, byteCount: number): void;
  /** isCrowded is over. */
  onUncrowded(): void;
}

export class Intake {
  readonly #owner: IntakeOwner;
  readonly #heads: HeadPool;
  /** What the peer may still send on the connection. */
  #window: number;
  readonly #wholeWindow: number;
  #uncredited = 0;
  /**
   * Streams that are held have three quarters of the connection's window: what a new one waits for would wait for their
   * readers, who may be slow on purpose. Over when it is down to half.
   */
  isCrowded = false;
  /** What a new stream may send, and when to credit. */
  streamWindow: number;
  /** Inside a DATA frame: its stream, null when nobody gets it. */
  #stream: Http2Stream | null = null;
  #generation = 0;
  #isLastFrame = false;
  /** Streams that were released with something kept. */
  #resuming: Http2Stream[] = [];
  #isResumePlanned = false;
  #resume: (() => void) | null = null;

  constructor(owner: IntakeOwner, heads: HeadPool, options: Http2Options) {
    this.#owner = owner;
    this.#heads = heads;
    this.#wholeWindow = Math.max(options.initialConnectionWindowBytes, INITIAL_WINDOW_BYTES);
    this.#window = this.#wholeWindow;
    // Until SETTINGS are acknowledged the peer may go by the initial value.
    this.streamWindow = Math.max(options.initialStreamWindowBytes, INITIAL_WINDOW_BYTES);
  }

  /** What the first WINDOW_UPDATE of the connection adds. */
  get firstCredit(): number {
    return this.#wholeWindow - INITIAL_WINDOW_BYTES;
  }

  // ---- DATA ----------------------------------------------------------------------------------------------

  /** Begins a frame: FrameSink. */
  begin(flags: number, id: number, frameBytes: number, padding: number): ErrorCode {
    const owner = this.#owner;
    this.#stream = null;
    if (id === 0) return PROTOCOL_ERROR;
    if (frameBytes > this.#window) return FLOW_CONTROL_ERROR;
    this.#window -= frameBytes;
    if (!this.isCrowded && (this.#window + this.#uncredited) * 4 < this.#wholeWindow) this.isCrowded = true;
    const isLast = (flags & FLAG_END_STREAM) !== 0;
    const dataBytes = frameBytes - padding;
    const flood = owner.onEmptyFrame(dataBytes === 0 && !isLast);
    if (flood !== 0) return flood;
    const stream = owner.store.find(id);
    const error = stream === null ? owner.onStrayFrame(0, id) : this.#check(stream, frameBytes, dataBytes, isLast);
    if (error !== 0) return error;
    if (stream === null || (stream.state & CLOSED) !== 0) {
      this.#credit(frameBytes);
      return 0;
    }
    stream.receiveWindow -= frameBytes;
    this.#stream = stream;
    this.#generation = stream.generation;
    this.#isLastFrame = isLast;
    if (padding > 0) {
      stream.unconsumed += padding;
      this.consumed(stream, padding);
    }
    return 0;
  }

  #check(stream: Http2Stream, frameBytes: number, dataBytes: number, isLast: boolean): ErrorCode {
    if ((stream.state & REMOTE_ENDED) !== 0) return this.#owner.streamError(stream, STREAM_CLOSED);
    if ((stream.state & HEAD_RECEIVED) === 0) return this.#owner.streamError(stream, PROTOCOL_ERROR);
    if (frameBytes > stream.receiveWindow) return this.#owner.streamError(stream, FLOW_CONTROL_ERROR);
    const toCome = stream.bytesToCome;
    if (toCome < 0) return 0;
    // RFC 9113 §8.1.1; said before anything of the frame is passed on.
    if (dataBytes > toCome || (isLast && dataBytes < toCome)) return this.#owner.lengthError(stream);
    stream.bytesToCome = toCome - dataBytes;
    return 0;
  }

  /** A piece of the frame: FrameSink. */
  bytes(bytes: Uint8Array, start: number, end: number, isWhole: boolean): ErrorCode {
    const stream = this.#stream;
    if (stream === null) return 0;
    if (isWhole) this.#stream = null;
    if (stream.generation !== this.#generation) {
      this.#credit(end - start);
      return 0;
    }
    const isLast = isWhole && this.#isLastFrame;
    stream.unconsumed += end - start;
    if (isLast) stream.state |= REMOTE_ENDED;
    if (stream.held !== 0 || stream.kept !== null) {
      if (stream.kept === null) stream.kept = new ByteQueue();
      stream.kept.push(bytes, start, end);
      return 0;
    }
    if (end > start || isLast) this.#pass(stream, bytes, start, end, isLast);
    return 0;
  }

  #pass(stream: Http2Stream, bytes: Uint8Array, start: number, end: number, isLast: boolean): void {
    const generation = stream.generation;
    if (stream.sink !== null) stream.sink.onData(bytes, start, end, isLast);
    else this.consumed(stream, end - start);
    if (isLast && stream.generation === generation) this.#owner.onEndReceived(stream);
  }

  /** Trailers, REMOTE_ENDED with them. */
  trailers(stream: Http2Stream, trailers: Head): void {
    stream.state |= REMOTE_ENDED;
    if (stream.held !== 0 || stream.kept !== null) {
      if (stream.kept === null) stream.kept = new ByteQueue();
      const copy = this.#heads.take();
      copy.copyFrom(trailers);
      stream.keptTrailers = copy;
      if (stream.held === 0) this.planResume(stream);
      return;
    }
    const generation = stream.generation;
    stream.sink?.onTrailers(trailers);
    if (stream.generation === generation) this.#owner.onEndReceived(stream);
  }

  // ---- streams that were held ----------------------------------------------------------------------------

  /** What was kept is passed on after the call that released it (codec.ts, law 5). */
  planResume(stream: Http2Stream): void {
    if (stream.isResumePlanned) return;
    stream.isResumePlanned = true;
    this.#resuming.push(stream);
    if (this.#isResumePlanned) return;
    this.#isResumePlanned = true;
    if (this.#resume === null) this.#resume = () => this.#resumeAll();
    queueMicrotask(this.#resume);
  }

  #resumeAll(): void {
    const streams = this.#resuming;
    this.#resuming = [];
    this.#isResumePlanned = false;
    for (const stream of streams) {
      // It may be another connection's stream by now.
      if (!stream.isResumePlanned || stream.connection.intake !== this) continue;
      stream.isResumePlanned = false;
      this.#resumeOne(stream);
    }
  }

  #resumeOne(stream: Http2Stream): void {
    const generation = stream.generation;
    const isEnded = (stream.state & REMOTE_ENDED) !== 0;
    const trailers = stream.keptTrailers;
    for (;;) {
      const kept = stream.kept;
      if (kept === null || stream.held !== 0 || stream.generation !== generation) return;
      if (kept.length === 0) break;
      const bytes = kept.front;
      const from = kept.frontStart;
      const to = kept.frontEnd;
      kept.drop(to - from);
      const isLast = kept.length === 0 && isEnded && trailers === null;
      if (isLast) stream.kept = null;
      this.#pass(stream, bytes, from, to, isLast);
      if (isLast) return;
    }
    stream.kept = null;
    if (trailers !== null) {
      stream.keptTrailers = null;
      stream.sink?.onTrailers(trailers);
      this.#heads.give(trailers);
      if (stream.generation === generation) this.#owner.onEndReceived(stream);
    } else if (isEnded) this.#pass(stream, NOTHING, 0, 0, true);
  }

  // ---- credit --------------------------------------------------------------------------------------------

  consumed(stream: Http2Stream, byteCount: number): void {
    stream.unconsumed -= byteCount;
    stream.uncredited += byteCount;
    if (stream.uncredited * 2 >= this.streamWindow && (stream.state & REMOTE_ENDED) === 0) {
      stream.receiveWindow += stream.uncredited;
      this.#owner.sendWindowUpdate(stream.id, stream.uncredited);
      stream.uncredited = 0;
    }
    this.#credit(byteCount);
  }

  #credit(byteCount: number): void {
    this.#uncredited += byteCount;
    if (this.#uncredited >= this.#window && this.#uncredited > 0) {
      this.#window += this.#uncredited;
      this.#owner.sendWindowUpdate(0, this.#uncredited);
      this.#uncredited = 0;
    }
    if (!this.isCrowded || (this.#window + this.#uncredited) * 2 < this.#wholeWindow) return;
    this.isCrowded = false;
    this.#owner.onUncrowded();
  }

  /** SETTINGS_INITIAL_WINDOW_SIZE is in force at the peer. */
  setStreamWindow(byteCount: number): void {
    const change = byteCount - this.streamWindow;
    this.streamWindow = byteCount;
    if (change !== 0) for (const stream of this.#owner.store.all()) stream.receiveWindow += change;
  }

  /** The stream is over: what nobody consumed any more is the connection's again. */
  forget(stream: Http2Stream): void {
    const byteCount = stream.unconsumed;
    stream.unconsumed = 0;
    stream.kept = null;
    stream.isResumePlanned = false;
    if (stream.keptTrailers !== null) this.#heads.give(stream.keptTrailers);
    stream.keptTrailers = null;
    if (byteCount > 0) this.#credit(byteCount);
  }
}

const NOTHING = new Uint8Array(0);
