/** Codec, MessageStream and MessageSink: the only view others have of a protocol, both roles. */
import type { FaultCode } from '../fault/faults.js';
import type { HoldBits } from '../io/transport.js';
import type { Head } from './head.js';

// Laws, tested by test/conformance/codec.suite.ts:
//  1. What travels, in either direction: interim head*, head, data*, trailers?, end | reset. Nothing after end or reset.
//  2. The end is said exactly once: by end=true of onHead, last=true of onData, or by onTrailers.
//  3. onHead gives the Head away; the sink answers with the Head that the codec may use from now on
//     (the same one when the sink keeps nothing). Its bytes are borrowed until the turn ends: retain() to keep.
//  4. onData lends bytes until the turn ends.
//  5. No sink call runs inside a call on the stream it belongs to (no re-entrance).
//  6. sendHead/sendData/sendTrailers answer true when the connection is full; onDrained follows.
//  7. After onReset, or after the stream's own reset(), the stream is dead and every call on it does nothing.

/** What travels in either direction, whatever the protocol. */
export interface MessageSink {
  /** May come more than once: 1xx heads first (never with end). Law 3. */
  onHead(head: Head, end: boolean): Head;
  onData(bytes: Uint8Array, start: number, end: number, last: boolean): void;
  /** The end, with trailers. Law 3 holds for the bytes: copy what is kept. */
  onTrailers(trailers: Head): void;
  onReset(fault: FaultCode): void;
  /**
   * Server role: the request is malformed (before its head, or in its body) or over a limit. Nothing more of it comes,
   * but the stream can still be answered; the connection ends after the answer.
   */
  onInvalid(fault: FaultCode): void;
  /** The stream we write to has room again. */
  onDrained(): void;
}

export interface MessageStream {
  /** HTTP/2 stream id; for HTTP/1 the ordinal of the message on its connection, from 1. */
  readonly id: number;
  /** True when an earlier message used this connection: its death before any byte is the keep-alive race. */
  readonly isReused: boolean;
  /** Client role: any byte of an answer to this request has come. */
  readonly sawResponseBytes: boolean;
  /**
   * Interim heads (1xx but 101) may precede the head. The codec writes the framing that its protocol needs and drops
   * what belongs to the other connection (hop-by-hop fields, fields that Connection nominates). After a 101, or a 2xx
   * to CONNECT, the stream is a tunnel: onData carries raw bytes in both roles and last=true is the FIN.
   */
  sendHead(head: Head, end: boolean): boolean;
  sendData(bytes: Uint8Array, start: number, end: number, last: boolean): boolean;
  /** Ends the message with trailers (dropped where the message's framing can't carry them). */
  sendTrailers(trailers: Head): boolean;
  reset(fault: FaultCode): void;
  /** Credit the peer for bytes that left us: a window update in HTTP/2, nothing in HTTP/1. */
  consumed(byteCount: number): void;
  hold(reason: HoldBits): void;
  release(reason: HoldBits): void;
}

/** Server role: gets a stream per request, answers with the sink of its request. */
export interface StreamAcceptor {
  onStream(stream: MessageStream): MessageSink;
}

export interface Codec {
  readonly protocol: 1 | 2;
  /** Client role: how many streams could be opened now. */
  streamsFree(): number;
  /**
   * Consume bytes; a connection-level fault is returned after it was answered as far as the protocol allows
   * (the caller then ends the connection), a stream-level one goes to its sink. 0 = fine.
   */
  feed(bytes: Uint8Array, start: number, end: number): FaultCode;
  /** The peer ended its side (FIN). Answers a fault when that truncates a message. */
  feedEnd(): FaultCode;
  /** Client role: a stream to send a request on; null when streamsFree() is 0. */
  openStream(sink: MessageSink): MessageStream | null;
  /** Server: `connection: close` on the next response, or GOAWAY. Client: no new streams. */
  drain(): void;
  /** Room again on the connection: passes onDrained to whoever waits. */
  onWritable(): void;
  /** The connection is gone: every open stream's sink gets onReset(fault). */
  close(fault: FaultCode): void;
}

/** What a codec needs of its connection's owner. One object per connection; no closures. */
export interface CodecHost {
  /** Exchange over, connection reusable. A server says it again when the next head has begun but is not whole. */
  onIdle(): void;
  /** No further message is possible on this connection; end it once flushed. */
  onFinished(): void;
}

/** The same for a protocol of many streams per connection. */
export interface MultiplexedHost extends CodecHost {
  /** Client role: a stream has ended, or the peer allows more: streamsFree() may be above 0 again. */
  onStreamsFree(): void;
  /** Client role: no new streams here (GOAWAY, ids used up); those under way finish, then onFinished() comes. */
  onDraining(): void;
  /**
   * Found out of turn (a timeout): the connection can't go on. GOAWAY is written and every sink knows; end it once
   * flushed, as after a fault of feed().
   */
  onFailed(fault: FaultCode): void;
}
