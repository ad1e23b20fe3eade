/** Http2Stream: one request and its answer on an HTTP/2 connection; a pooled object, its states drawn here. */
import { ByteQueue } from '../base/byte-queue.js';
import type { FaultCode } from '../fault/faults.js';
import type { MessageSink, MessageStream } from '../http/codec.js';
import type { Head } from '../http/head.js';
import type { HoldBits } from '../io/transport.js';
import type { Http2Connection } from './connection.js';

// States of RFC 9113 §5.1. Nobody pushes, so the reserved ones don't exist; "idle" is an id above the last one used and
// has no object; a closed stream has none either, its id is remembered by closed-streams.ts for a while.
//
//   (idle) --HEADERS--> open --we send END_STREAM----> LOCAL_ENDED ---they send it--> CLOSED
//                       open --they send END_STREAM--> REMOTE_ENDED --we send it----> CLOSED
//                       any  --RST_STREAM of either side, end of the connection-----> CLOSED
//
// Besides: SENDER_ENDED: the owner has said the end, but bytes before it still wait for window.

/** END_STREAM has been sent. */
export const LOCAL_ENDED = 1;
/** END_STREAM has been received. */
export const REMOTE_ENDED = 2;
export const SENDER_ENDED = 4;
export const CLOSED = 8;
/** The head has been received: the request's, or the final one of the response. */
export const HEAD_RECEIVED = 16;
/** The head has been sent: the request's, or the final one of the response. */
export const HEAD_SENT = 32;
export const TO_HEAD = 64;
export const TO_CONNECT = 128;
export const TO_EXTENDED_CONNECT = 256;
/** DATA carries bytes of another protocol, END_STREAM is its FIN. */
export const TUNNEL = 512;
/** Somebody was told that this stream is full. */
export const WANTS_DRAINED = 1024;
/** Client role: bytes of an answer have come. */
export const SAW_BYTES = 2048;
/** Client role: an earlier stream used this connection. */
export const IS_REUSED = 4096;
/** REMOTE_ENDED, and the owner has been told: nothing is kept any more. */
export const END_PASSED = 8192;

export class Http2Stream implements MessageStream {
  connection: Http2Connection;
  id = 0;
  sink: MessageSink | null = null;
  state = 0;
  held: HoldBits = 0;
  /** Counts up when the stream closes: who kept a reference finds out that it is another stream's now. */
  generation = 0;
  /** What the peer lets us send; below 0 after SETTINGS took some of it back (RFC 9113 §6.9.2). */
  sendWindow = 0;
  /** What the peer may send. */
  receiveWindow = 0;
  /** Consumed, but not given back to the peer yet. */
  uncredited = 0;
  /** Lent to the owner or kept for it, and not consumed. */
  unconsumed = 0;
  /** DATA bytes that Content-Length still announces, -1 = none announced. */
  bytesToCome = -1;
  interims = 0;
  /** What waits for window, or for room on the connection. */
  queue: ByteQueue | null = null;
  queuedTrailers: Head | null = null;
  /** When it began to wait. */
  queuedSinceMs = 0;
  /** In the ring of streams that can send. */
  nextReady: Http2Stream | null = null;
  previousReady: Http2Stream | null = null;
  /** What came while the stream was held. */
  kept: ByteQueue | null = null;
  keptTrailers: Head | null = null;
  isResumePlanned = false;

  constructor(connection: Http2Connection) {
    this.connection = connection;
  }

  /** Begins another life. Windows are as of now; SETTINGS that come later change them. */
  begin(connection: Http2Connection, id: number, state: number, sendWindow: number, receiveWindow: number): void {
    this.connection = connection;
    this.id = id;
    this.sink = null;
    this.state = state;
    this.held = 0;
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
    this.uncredited = 0;
    this.unconsumed = 0;
    this.bytesToCome = -1;
    this.interims = 0;
    this.isResumePlanned = false;
  }

  get isReused(): boolean {
    return (this.state & IS_REUSED) !== 0;
  }
  get sawResponseBytes(): boolean {
    return (this.state & SAW_BYTES) !== 0;
  }
  /** Something of its message waits. */
  get isQueued(): boolean {
    return this.queue !== null;
  }

  sendHead(head: Head, end: boolean): boolean {
    if ((this.state & (CLOSED | SENDER_ENDED)) !== 0) return false;
    return this.connection.sendHead(this, head, end);
  }

  sendData(bytes: Uint8Array, start: number, end: number, last: boolean): boolean {
    if ((this.state & (CLOSED | SENDER_ENDED)) !== 0) return false;
    return this.connection.sendBytes(this, bytes, start, end, last);
  }

  sendTrailers(trailers: Head): boolean {
    if ((this.state & (CLOSED | SENDER_ENDED)) !== 0) return false;
    return this.connection.sendTrailers(this, trailers);
  }

  reset(fault: FaultCode): void {
    if ((this.state & CLOSED) === 0) this.connection.resetStream(this, fault);
  }

  consumed(byteCount: number): void {
    if ((this.state & CLOSED) === 0) this.connection.intake.consumed(this, byteCount);
  }

  hold(reason: HoldBits): void {
    this.held |= reason;
  }

  release(reason: HoldBits): void {
    if ((this.held & reason) === 0) return;
    this.held &= ~reason;
    if (this.held === 0 && this.kept !== null && (this.state & CLOSED) === 0) this.connection.intake.planResume(this);
  }

  /** Copies what can't be sent now. */
  enqueue(bytes: Uint8Array, start: number, end: number): void {
    if (this.queue === null) this.queue = new ByteQueue();
    this.queue.push(bytes, start, end);
  }
}
