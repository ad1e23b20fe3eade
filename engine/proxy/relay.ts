/** Relay: body and trailers from one stream to the other, with backpressure; used in both directions. */
import type { FaultCode } from '../fault/faults.js';
import type { MessageSink, MessageStream } from '../http/codec.js';
import type { Head } from '../http/head.js';
import { HOLD_PEER_FULL } from '../io/transport.js';
import type { Exchange } from './exchange.js';

/**
 * Passes data on; a full target holds the source until its onDrained. Answers how many bytes the source's peer is not
 * given credit for yet: while they have not left us, more of them must not come (HTTP/2 windows are end-to-end this way).
 */
export function relayData(
  source: MessageStream,
  target: MessageStream,
  bytes: Uint8Array,
  start: number,
  end: number,
  last: boolean,
): number {
  if (target.sendData(bytes, start, end, last) && !last) {
    source.hold(HOLD_PEER_FULL);
    return end - start;
  }
  source.consumed(end - start);
  return 0;
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
