/** UwsStream: one request on uWebSockets.js and its answer, as the Exchange sees any other stream. */
import { DOWN_GONE, type FaultCode } from '../fault/faults.js';
import type { MessageSink, MessageStream } from '../http/codec.js';
import { announcedLength, BODY_NONE, requestBody } from '../http/framing.js';
import { HEAD_CLOSE, HEAD_UPGRADE, type Head } from '../http/head.js';
import type { PeerHost } from '../http/forwarded.js';
import { METHOD_HEAD } from '../http/methods.js';
import { N } from '../http/names.js';
import { hasNoBody } from '../http/statuses.js';
import { WRITE_NO_LENGTH, writeResponseHead } from '../http1/head-writer.js';
import type { Address, Arena, HoldBits } from '../io/transport.js';
import { UNKNOWN_ADDRESS } from '../io/unowned.js';
import type { Client } from '../proxy/client.js';
import { UwsClient } from './client.js';
import type { UwsResponse } from './load-uws.js';

/** What a stream needs of the app that it came through. */
export interface StreamOwner {
  /** The response that begins now says that the connection closes. */
  isClosing(): boolean;
  /** The response is whole, or the connection is gone. */
  onStreamEnd(stream: UwsStream): void;
  /** A call of uWebSockets.js's has been served. */
  onTurn(): void;
}

/** "HTTP/1.1 ", which uWebSockets.js writes itself, and the end of the last line with the empty line. */
const VERSION_BYTES = 9;
const END_BYTES = 4;
/** A whole body up to this size leaves in one call; of a bigger one uWebSockets.js would keep what the peer can't take. */
const WHOLE_MAX_BYTES = 64 * 1024;
const NOTHING = new Uint8Array(0);
const NO_LENGTH = -1;

export class UwsStream implements MessageStream, Client {
  readonly protocol = 1;
  readonly hasTrailers = false;
  readonly id = 1;
  readonly isReused = false;
  readonly sawResponseBytes = false;
  readonly conn = new UwsClient();
  /** checkUws refuses what needs them. */
  readonly pools = null;
  readonly tls = null;
  peerHost: PeerHost = null as unknown as PeerHost;
  peerAddress: Address = UNKNOWN_ADDRESS;
  readonly #owner: StreamOwner;
  readonly #arena: Arena;
  #response: UwsResponse | null = null;
  #sink: MessageSink | null = null;
  // The request's side.
  #held: HoldBits = 0;
  #isPaused = false;
  #isBodyEnded = true;
  #hasLastCome = false;
  #isDeliveryPlanned = false;
  #waiting: Uint8Array[] = [];
  #isHead = false;
  #saysClose = false;
  // The response's side.
  #hasHead = false;
  #isLast = false;
  /** Content-Length, or NO_LENGTH: chunked. */
  #length = NO_LENGTH;
  #sent = 0;
  #isFull = false;
  #isEndDue = false;
  #unsent: Uint8Array = NOTHING;
  // For cork(): made once, with their arguments beside them.
  #piece: Uint8Array = NOTHING;
  #isHeadWritten = false;
  #isHeadPlanned = false;
  #isLastPiece = false;
  readonly #headPlanned = (): void => this.#flushHead();
  readonly #headCorked = (): void => {
    this.#writeHead(this.#saysClose || this.#isLast);
    this.#try(NOTHING);
  };
  readonly #writeCorked = (): void => this.#writePiece();
  readonly #onData = (chunk: ArrayBuffer, last: boolean): void => this.#takeData(chunk, last);
  readonly #onAborted = (): void => this.#takeAbort();
  readonly #onWritable = (): boolean => this.#takeWritable();
  readonly #deliverPlanned = (): void => this.#deliver();

  constructor(owner: StreamOwner, arena: Arena) {
    this.#owner = owner;
    this.#arena = arena;
  }

  get isActive(): boolean {
    return this.#response !== null;
  }

  begin(response: UwsResponse): void {
    this.#response = response;
    this.#held = 0;
    this.#isPaused = false;
    this.#isBodyEnded = true;
    this.#hasLastCome = false;
    this.#waiting = [];
    this.#isHead = false;
    this.#saysClose = false;
    this.#hasHead = false;
    this.#isHeadWritten = false;
    this.#isLast = false;
    this.#isFull = false;
    this.#isEndDue = false;
    this.#unsent = NOTHING;
    response.onAborted(this.#onAborted);
    response.onData(this.#onData);
    response.onWritable(this.#onWritable);
  }

  /** Gives the head to the sink; answers the one that may be used from now on. */
  deliverHead(sink: MessageSink, head: Head): Head {
    this.#sink = sink;
    this.#isHead = head.method === METHOD_HEAD;
    this.#saysClose = (head.flags & HEAD_CLOSE) !== 0;
    this.#isBodyEnded = requestBody(head) === BODY_NONE;
    // uWebSockets.js has no tunnels (a server may pass over Upgrade, RFC 9110 §7.8), and has answered Expect itself.
    head.flags &= ~HEAD_UPGRADE;
    head.removeAll(N.expect);
    return sink.onHead(head, this.#isBodyEnded);
  }

  /** isHead: as far as it could be read. */
  refuse(sink: MessageSink, isHead: boolean, fault: FaultCode): void {
    this.#sink = sink;
    this.#isHead = isHead;
    this.#isLast = true;
    sink.onInvalid(fault);
  }

  // ---- request -------------------------------------------------------------------------------------------

  #takeData(chunk: ArrayBuffer, last: boolean): void {
    if (this.#isBodyEnded || this.#hasLastCome) return;
    // The chunk is taken back when this returns, and the turn's writes leave later.
    const bytes = new Uint8Array(chunk).slice();
    this.#hasLastCome = last;
    if (this.#held !== 0 || this.#waiting.length > 0) this.#waiting.push(bytes);
    else this.#give(bytes, last);
    this.#owner.onTurn();
  }

  #give(bytes: Uint8Array, last: boolean): void {
    if (last) this.#isBodyEnded = true;
    if (bytes.length > 0 || last) this.#sink?.onData(bytes, 0, bytes.length, last);
  }

  #deliver(): void {
    this.#isDeliveryPlanned = false;
    while (this.#held === 0 && this.#waiting.length > 0 && this.#sink !== null) {
      const bytes = this.#waiting.shift() as Uint8Array;
      this.#give(bytes, this.#hasLastCome && this.#waiting.length === 0);
    }
    if (this.#held === 0) this.#resume();
  }

  hold(reason: HoldBits): void {
    this.#held |= reason;
    if (this.#isPaused || this.#response === null) return;
    this.#isPaused = true;
    this.#response.pause();
  }

  release(reason: HoldBits): void {
    if ((this.#held & reason) === 0) return;
    this.#held &= ~reason;
    if (this.#held !== 0) return;
    if (this.#waiting.length === 0) this.#resume();
    else if (!this.#isDeliveryPlanned) {
      // Law 5: not inside this call.
      this.#isDeliveryPlanned = true;
      queueMicrotask(this.#deliverPlanned);
    }
  }

  #resume(): void {
    if (!this.#isPaused || this.#response === null) return;
    this.#isPaused = false;
    this.#response.resume();
  }

  consumed(): void {}

  #takeAbort(): void {
    const sink = this.#sink;
    this.#over();
    sink?.onReset(DOWN_GONE);
    this.#owner.onTurn();
  }

  // ---- response ------------------------------------------------------------------------------------------

  sendHead(head: Head, end: boolean): boolean {
    if (this.#response === null || this.#hasHead) return false;
    const status = head.status;
    // uWebSockets.js writes no interim heads.
    if (status < 200 && status !== 101) return false;
    this.#hasHead = true;
    this.#length = announcedLength(head);
    this.#sent = 0;
    this.#isLast = this.#isLast || this.#owner.isClosing() || !this.#isBodyEnded;
    // Both are uWebSockets.js's own; it can't send trailers either.
    head.removeAll(N.date);
    head.removeAll(N.trailer);
    this.conn.clear();
    // Told a length without a body, uWebSockets.js would wait for that body: this one goes by as any other field.
    const isBodiless = end && (this.#isHead || hasNoBody(status));
    writeResponseHead(this.conn, head, this.#arena, isBodiless && status !== 204 ? 0 : WRITE_NO_LENGTH);
    if (end) {
      this.#length = isBodiless ? NO_LENGTH : 0;
      this.#write(NOTHING, true);
    } else if (this.#length > 0 && !this.#isHeadPlanned) {
      this.#isHeadPlanned = true;
      queueMicrotask(this.#headPlanned);
    }
    return false;
  }

  /**
   * The turn is over and nothing of the body has come: the head goes alone. A chunked one can't: uWebSockets.js begins
   * such a body with its first bytes.
   */
  #flushHead(): void {
    this.#isHeadPlanned = false;
    if (this.#response !== null && this.#hasHead && !this.#isHeadWritten && this.#length > 0)
      this.#response.cork(this.#headCorked);
  }

  /** A status line of ours carries the lines of the whole head: one call, and bytes stay as they are. */
  #writeHead(saysClose: boolean): void {
    const response = this.#response as UwsResponse;
    this.#isHeadWritten = true;
    response.writeStatus(this.conn.written(VERSION_BYTES, END_BYTES));
    if (saysClose) response.writeHeader('connection', 'close');
  }

  sendData(bytes: Uint8Array, start: number, end: number, last: boolean): boolean {
    const response = this.#response;
    if (response === null || this.#isEndDue) return false;
    this.#sent += end - start;
    // A head never lies: with more or fewer bytes than announced the connection ends.
    if (this.#length >= 0 && (this.#sent > this.#length || (last && this.#sent < this.#length))) {
      this.#cut();
      return false;
    }
    if (end === start && !last) return this.#isFull;
    const piece = bytes.subarray(start, end);
    if (this.#unsent.length > 0) this.#unsent = Buffer.concat([this.#unsent, piece]);
    else this.#write(piece, last);
    // What the rest of this response meets is none of the exchange's: it is over, and may serve another request soon.
    if (last) this.#sink = null;
    return this.#isFull;
  }

  #write(piece: Uint8Array, isLast: boolean): void {
    const response = this.#response as UwsResponse;
    this.#piece = piece;
    this.#isLastPiece = isLast;
    // The next request of the connection has to be read.
    if (isLast) this.#resume();
    response.cork(this.#writeCorked);
    this.#piece = NOTHING;
  }

  #writePiece(): void {
    const response = this.#response as UwsResponse;
    const piece = this.#piece;
    const isFirst = !this.#isHeadWritten;
    const isWhole = isFirst && this.#isLastPiece && piece.length <= WHOLE_MAX_BYTES;
    const isBodiless = isWhole && piece.length === 0 && this.#length < 0;
    // uWebSockets.js says it itself where it is told with the end, unless the client has said it. It closes at once then:
    // a client that is still sending would see a reset before it has read the answer.
    const closes = this.#isLast && isWhole && !isBodiless && !this.#saysClose && this.#isBodyEnded;
    if (isFirst) this.#writeHead(this.#saysClose || (this.#isLast && !closes));
    if (!isWhole) {
      if (this.#length >= 0) this.#try(piece);
      else this.#writeChunk(piece);
      return;
    }
    if (isBodiless) response.endWithoutBody();
    else if (piece.length === 0) response.endWithoutBody(this.#length, closes);
    else response.end(piece, closes);
    this.#over();
  }

  #writeChunk(piece: Uint8Array): void {
    const response = this.#response as UwsResponse;
    if (piece.length > 0 && !response.write(piece)) this.#isFull = true;
    if (!this.#isLastPiece) return;
    // Ended before the client has taken all of it, the connection would count as idle, and a drain would cut it.
    if (this.#isFull) this.#isEndDue = true;
    else this.#end();
  }

  #end(): void {
    (this.#response as UwsResponse).end();
    this.#over();
  }

  /** A body of known length: what uWebSockets.js doesn't take waits here. */
  #try(piece: Uint8Array): boolean {
    const response = this.#response as UwsResponse;
    const before = response.getWriteOffset();
    const [isTaken, isWhole] = response.tryEnd(piece, this.#length);
    this.#isFull = !isTaken && !isWhole;
    if (isWhole) this.#over();
    else this.#unsent = isTaken ? NOTHING : Buffer.from(piece.subarray(response.getWriteOffset() - before));
    return !this.#isFull;
  }

  #takeWritable(): boolean {
    if (this.#response === null) return true;
    if (this.#unsent.length > 0) {
      if (!this.#try(this.#unsent)) return false;
    } else this.#isFull = false;
    if (this.#isEndDue) this.#end();
    this.#sink?.onDrained();
    this.#owner.onTurn();
    return true;
  }

  sendTrailers(): boolean {
    return this.sendData(NOTHING, 0, 0, true);
  }

  reset(): void {
    this.#sink = null;
    this.#cut();
  }

  /** The connection ends at once, the sink hears of it. */
  #cut(): void {
    this.#response?.close();
  }

  // ---- the end -------------------------------------------------------------------------------------------

  /** uWebSockets.js throws when a response is touched that is whole or aborted. */
  #over(): void {
    if (this.#response === null) return;
    this.#response = null;
    this.#unsent = NOTHING;
    this.#waiting = [];
    this.#sink = null;
    this.#owner.onStreamEnd(this);
  }

  onExchangeEnd(): void {}
}
