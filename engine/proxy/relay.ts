/** Relay: body and trailers from one stream to the other, with backpressure; used in both directions. */
import type { FaultCode } from '../fault/faults.js';
import type { MessageSink, MessageStream } from '../http/codec.js';
import type { Head } from '../http/head.js';
import { HOLD_PEER_FULL } from '../io/transport.js';
import type { Exchange } from './exchange.js';

/** Passes data on; a full target holds the source (null: we answer ourselves) until its onDrained. True = it is full. */
export function relayData(
  source: MessageStream | null,
  target: MessageStream,
  bytes: Uint8Array,
  start: number,
  end: number,
  last: boolean,
): boolean {
  const isFull = target.sendData(bytes, start, end, last) && !last;
  if (isFull) source?.hold(HOLD_PEER_FULL);
  return isFull;
}

/** The upstream's side of an exchange: what the client codec calls. One per pooled exchange, for good. */
export class UpstreamSide implements MessageSink {
  readonly #exchange: Exchange;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  onHead(head: Head, end: boolean): Head {
    return this.#exchange.onUpstreamHead(head, end);
  }
  onData(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    this.#exchange.onUpstreamData(bytes, start, end, last);
  }
  onTrailers(trailers: Head): void {
    this.#exchange.onUpstreamTrailers(trailers);
  }
  onReset(fault: FaultCode): void {
    this.#exchange.onUpstreamReset(fault);
  }
  onInvalid(fault: FaultCode): void {
    this.#exchange.onUpstreamReset(fault);
  }
  onDrained(): void {
    this.#exchange.onUpstreamDrained();
  }
}
