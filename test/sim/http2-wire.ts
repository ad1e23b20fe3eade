/** Http2Wire: our own HTTP/2 codecs as scripted peers of the simulation: what they need besides their peer end. */
import type { FaultCode } from '../../engine/fault/faults.js';
import type { MessageSink, MultiplexedHost } from '../../engine/http/codec.js';
import type { Head } from '../../engine/http/head.js';
import { HTTP2_DEFAULTS, type Http2Options } from '../../engine/http2/options.js';
import type { Http2Shared } from '../../engine/http2/shared.js';
import { FakeConn } from '../support/fake-conn.js';
import { newWorld } from '../support/http2-peer.js';
import type { PeerEnd } from './link.js';

/** For the peers of all runs: they have no timeouts. */
export const PEER_SHARED: Http2Shared = newWorld().shared;

/** Windows so small that bodies have to wait for them. */
export function peerOptions(id: number): Http2Options {
  const initialStreamWindowBytes = [1000, 65535, 1 << 20][id % 3] as number;
  return {
    ...HTTP2_DEFAULTS,
    initialStreamWindowBytes,
    initialConnectionWindowBytes: 65535,
    streamFlushTimeoutMs: 0,
    allowExtendedConnect: true,
  };
}

export class PeerConn extends FakeConn {
  end: PeerEnd | null = null;
  override write(bytes: Uint8Array, start: number, end: number): boolean {
    this.end?.write(new Uint8Array(bytes.slice(start, end)));
    return false;
  }
}

export const QUIET_HOST: MultiplexedHost = {
  onIdle() {},
  onFinished() {},
  onStreamsFree() {},
  onDraining() {},
  onFailed() {},
};

export function fieldsOf(head: Head): Map<string, string> {
  const fields = new Map<string, string>();
  for (let slot = 0; slot < head.fieldCount; slot++)
    if (!head.isRemoved(slot)) fields.set(head.nameString(slot), head.valueString(slot));
  return fields;
}

export function addField(head: Head, name: string, value: string): void {
  const bytes = Buffer.from(value);
  head.addName(Buffer.from(name), 0, bytes, 0, bytes.length);
}

/** A message as it comes, in text. */
export abstract class TextSink implements MessageSink {
  text = '';
  abstract onMessageHead(head: Head): void;
  abstract onMessageEnd(trailers: ReadonlyMap<string, string>): void;
  abstract onReset(fault: FaultCode): void;
  abstract consumed(byteCount: number): void;

  onHead(head: Head, end: boolean): Head {
    this.onMessageHead(head);
    if (end) this.onMessageEnd(new Map());
    return head;
  }
  onData(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    this.text += Buffer.from(bytes.subarray(start, end)).toString('latin1');
    this.consumed(end - start);
    if (last) this.onMessageEnd(new Map());
  }
  onTrailers(trailers: Head): void {
    this.onMessageEnd(fieldsOf(trailers));
  }
  onInvalid(fault: FaultCode): void {
    this.onReset(fault);
  }
  onDrained(): void {}
}
