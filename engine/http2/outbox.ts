/** Outbox: the messages that one connection sends: header blocks, DATA within windows, and whose turn it is to send. */
import type { HeadPool } from '../http/head-pool.js';
import type { Head } from '../http/head.js';
import type { Arena, Conn } from '../io/transport.js';
import { type ErrorCode, FLOW_CONTROL_ERROR } from './error-codes.js';
import {
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FRAME_BYTES_MAX,
  FRAME_CONTINUATION,
  FRAME_DATA,
  FRAME_HEADER_BYTES,
  FRAME_HEADERS,
  INITIAL_WINDOW_BYTES,
  INT31_MAX,
  writeFrameHeader,
} from './frames.js';
import { BLOCK_TRAILERS, type BlockKind } from './hpack-decoder.js';
import type { HpackEncoder } from './hpack-encoder.js';
import { type Http2Stream, SENDER_ENDED, WANTS_DRAINED } from './stream.js';

// Laws: 1. Header blocks leave in the order in which they were encoded, at once: HPACK counts on it.
// 2. DATA never exceeds the window of its stream or of the connection (RFC 9113 §6.9.1).
// 3. A stream's bytes leave in order: while some wait, later ones and the end wait behind them.
// 4. Streams that wait take turns, a frame each: bulk gets no more of the window than a small body asks for.
// 5. Frames are 16 KiB at most, whatever more the peer would take: a longer one holds up all other streams.

/** Bytes of the arena as few as these are put behind their frame header: one range less to send. */
const COPIED_BYTES_MAX = 64;
/** Bytes of other arrays are copied in any case. */
const COPIED_ELSEWHERE_MAX = 8192;

/** Who hears what became of a stream's bytes. */
export interface OutboxOwner {
  /** END_STREAM has left; the stream may be closed now. */
  onEndSent(stream: Http2Stream): void;
  /** Some of it has to wait from now on. */
  onQueued(stream: Http2Stream): void;
  nowMs(): number;
}

export class Outbox {
  readonly #conn: Conn;
  readonly #arena: Arena;
  readonly #heads: HeadPool;
  readonly #encoder: HpackEncoder;
  readonly #owner: OutboxOwner;
  /** Of the connection. */
  window = INITIAL_WINDOW_BYTES;
  /** The connection took what was written last, but wants no more. */
  isFull = false;
  /** Frames of messages that were written since the peer had taken everything. */
  frames = 0;
  /** DATA frames ever sent. */
  dataFrames = 0;
  /** Streams with bytes to send and a window for them, in a ring; the one whose turn is next. */
  #ready: Http2Stream | null = null;
  /** Streams whose owners were told that the connection is full. */
  #waiting: Http2Stream[] = [];
  #waitingBefore: Http2Stream[] = [];

  constructor(conn: Conn, arena: Arena, heads: HeadPool, encoder: HpackEncoder, owner: OutboxOwner) {
    this.#conn = conn;
    this.#arena = arena;
    this.#heads = heads;
    this.#encoder = encoder;
    this.#owner = owner;
  }

  // ---- messages ------------------------------------------------------------------------------------------

  /** A header block, END_STREAM with it when isEnd; true = full. */
  headers(stream: Http2Stream, head: Head, kind: BlockKind, isEnd: boolean): boolean {
    const bound = this.#encoder.sizeBound(head);
    const arena = this.#arena;
    const continuations = Math.floor(bound / FRAME_BYTES_MAX) + 1;
    const start = arena.reserve(bound + FRAME_HEADER_BYTES * (1 + continuations));
    const bytes = arena.bytes;
    const block = start + FRAME_HEADER_BYTES;
    const end = this.#encoder.encode(head, kind, bytes, block);
    if (end === block && kind === BLOCK_TRAILERS) {
      // Every trailer was dropped.
      arena.commit(start);
      return this.#end(stream);
    }
    const flags = isEnd ? FLAG_END_STREAM : 0;
    this.frames++;
    if (end - block <= FRAME_BYTES_MAX) {
      writeFrameHeader(bytes, start, end - block, FRAME_HEADERS, flags | FLAG_END_HEADERS, stream.id);
      arena.commit(end);
      this.isFull = this.#conn.write(bytes, start, end);
    } else this.#continued(stream.id, flags, start, end);
    if (isEnd) this.#owner.onEndSent(stream);
    return this.#tellFull(stream);
  }

  /** A block of more than one frame; the frame headers of those behind the first are put behind the block. */
  #continued(id: number, flags: number, start: number, end: number): void {
    const bytes = this.#arena.bytes;
    let from = start + FRAME_HEADER_BYTES + FRAME_BYTES_MAX;
    let next = end;
    writeFrameHeader(bytes, start, FRAME_BYTES_MAX, FRAME_HEADERS, flags, id);
    this.#conn.write(bytes, start, from);
    while (from < end) {
      const to = Math.min(end, from + FRAME_BYTES_MAX);
      const header = next;
      next = writeFrameHeader(bytes, header, to - from, FRAME_CONTINUATION, to === end ? FLAG_END_HEADERS : 0, id);
      this.frames++;
      this.#conn.write(bytes, header, next);
      this.isFull = this.#conn.write(bytes, from, to);
      from = to;
    }
    this.#arena.commit(next);
  }

  /** DATA as far as windows and the connection allow; the rest is kept. The stream is SENDER_ENDED by now when isLast. */
  bytes(stream: Http2Stream, bytes: Uint8Array, start: number, end: number, isLast: boolean): boolean {
    if (stream.queue !== null) {
      stream.enqueue(bytes, start, end);
      return true;
    }
    let at = start;
    while (at < end && !this.isFull) {
      let length = end - at;
      if (length > stream.sendWindow) length = stream.sendWindow;
      if (length > this.window) length = this.window;
      if (length > FRAME_BYTES_MAX) length = FRAME_BYTES_MAX;
      if (length <= 0) break;
      const isEnd = isLast && at + length === end;
      this.#frame(stream, isEnd ? FLAG_END_STREAM : 0, bytes, at, at + length);
      at += length;
      if (isEnd) this.#owner.onEndSent(stream);
    }
    if (at === end) return isLast && start === end ? this.#end(stream) : this.#tellFull(stream);
    stream.enqueue(bytes, at, end);
    stream.state |= WANTS_DRAINED;
    this.#owner.onQueued(stream);
    this.#makeReady(stream);
    return true;
  }

  /** Trailers, END_STREAM with them, behind everything that waits. */
  trailers(stream: Http2Stream, trailers: Head): boolean {
    if (stream.queue === null) return this.headers(stream, trailers, BLOCK_TRAILERS, true);
    const copy = this.#heads.take();
    copy.copyFrom(trailers);
    stream.queuedTrailers = copy;
    return true;
  }

  /** An empty DATA frame that ends the stream: it needs no window. */
  #end(stream: Http2Stream): boolean {
    this.#frame(stream, FLAG_END_STREAM, this.#arena.bytes, 0, 0);
    this.#owner.onEndSent(stream);
    return this.#tellFull(stream);
  }

  #frame(stream: Http2Stream, flags: number, bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    const arena = this.#arena;
    const isCopied = length <= (bytes === arena.bytes ? COPIED_BYTES_MAX : COPIED_ELSEWHERE_MAX);
    stream.sendWindow -= length;
    this.window -= length;
    this.frames++;
    this.dataFrames++;
    const at = arena.reserve(FRAME_HEADER_BYTES + (isCopied ? length : 0));
    const target = arena.bytes;
    let to = writeFrameHeader(target, at, length, FRAME_DATA, flags, stream.id);
    if (isCopied) {
      if (length <= COPIED_BYTES_MAX) for (let i = start; i < end; i++) target[to + i - start] = bytes[i] as number;
      else target.set(bytes.subarray(start, end), to);
      to += length;
    }
    arena.commit(to);
    this.isFull = this.#conn.write(target, at, to);
    if (!isCopied) this.isFull = this.#conn.write(bytes, start, end);
  }

  #tellFull(stream: Http2Stream): boolean {
    if (!this.isFull) return false;
    if ((stream.state & WANTS_DRAINED) === 0) {
      stream.state |= WANTS_DRAINED;
      this.#waiting.push(stream);
    }
    return true;
  }

  // ---- windows and turns ---------------------------------------------------------------------------------

  /** More window; an error when it grows beyond 2^31-1 (RFC 9113 §6.9.1). Null: the connection's. flush() follows. */
  open(stream: Http2Stream | null, byteCount: number): ErrorCode {
    if (stream === null) {
      if (this.window + byteCount > INT31_MAX) return FLOW_CONTROL_ERROR;
      this.window += byteCount;
      return 0;
    }
    if (stream.sendWindow + byteCount > INT31_MAX) return FLOW_CONTROL_ERROR;
    stream.sendWindow += byteCount;
    if (stream.queue !== null) this.#makeReady(stream);
    return 0;
  }

  #makeReady(stream: Http2Stream): void {
    if (stream.nextReady !== null || stream.sendWindow <= 0) return;
    const first = this.#ready;
    if (first === null) {
      stream.nextReady = stream;
      stream.previousReady = stream;
      this.#ready = stream;
      return;
    }
    const last = first.previousReady as Http2Stream;
    last.nextReady = stream;
    stream.previousReady = last;
    stream.nextReady = first;
    first.previousReady = stream;
  }

  #leaveReady(stream: Http2Stream): void {
    const next = stream.nextReady;
    if (next === null) return;
    const previous = stream.previousReady as Http2Stream;
    previous.nextReady = next;
    next.previousReady = previous;
    if (this.#ready === stream) this.#ready = next === stream ? null : next;
    stream.nextReady = null;
    stream.previousReady = null;
  }

  /** Sends what windows allow, a frame per stream in turn. Not inside a call on a stream: owners hear onDrained. */
  flush(): void {
    while (this.#ready !== null && this.window > 0 && !this.isFull) {
      const stream = this.#ready;
      this.#ready = stream.nextReady;
      // SETTINGS may have taken window back.
      if (stream.sendWindow <= 0) this.#leaveReady(stream);
      else this.#sendOne(stream);
    }
  }

  #sendOne(stream: Http2Stream): void {
    const queue = stream.queue as NonNullable<typeof stream.queue>;
    const bytes = queue.front;
    const from = queue.frontStart;
    const to = Math.min(queue.frontEnd, from + Math.min(FRAME_BYTES_MAX, stream.sendWindow, this.window));
    const isAll = to - from === queue.length;
    const isLast = isAll && (stream.state & SENDER_ENDED) !== 0;
    if (isAll) {
      this.#leaveReady(stream);
      stream.queue = null;
    }
    const trailers = stream.queuedTrailers;
    this.#frame(stream, isLast && trailers === null ? FLAG_END_STREAM : 0, bytes, from, to);
    // write() has copied them (transport.ts, law 12).
    queue.spend(to - from);
    if (!isAll) {
      stream.queuedSinceMs = this.#owner.nowMs();
      if (stream.sendWindow <= 0) this.#leaveReady(stream);
    } else if (!isLast) this.#sayDrained(stream);
    else if (trailers === null) this.#owner.onEndSent(stream);
    else {
      stream.queuedTrailers = null;
      this.headers(stream, trailers, BLOCK_TRAILERS, true);
      this.#heads.give(trailers);
    }
  }

  #sayDrained(stream: Http2Stream): void {
    if ((stream.state & WANTS_DRAINED) === 0) return;
    if (this.isFull) {
      // Its own bytes have left, but what it sends now would only wait again.
      this.#waiting.push(stream);
      return;
    }
    stream.state &= ~WANTS_DRAINED;
    stream.sink?.onDrained();
  }

  /** The connection has room again. */
  onWritable(): void {
    this.isFull = false;
    this.flush();
    if (this.isFull) return;
    const waiting = this.#waiting;
    this.#waiting = this.#waitingBefore;
    this.#waitingBefore = waiting;
    for (let i = 0; i < waiting.length; i++) {
      const stream = waiting[i] as Http2Stream;
      if (stream.queue === null) this.#sayDrained(stream);
    }
    waiting.length = 0;
  }

  /** The stream is over: nothing of it is sent any more. */
  forget(stream: Http2Stream): void {
    this.#leaveReady(stream);
    stream.queue?.clear();
    stream.queue = null;
    if (stream.queuedTrailers !== null) this.#heads.give(stream.queuedTrailers);
    stream.queuedTrailers = null;
  }
}
