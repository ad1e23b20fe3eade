/** Upgrade: WebSocket and the like between HTTP/1.1's Upgrade and HTTP/2's extended CONNECT (RFC 8441). */
import { type FaultCode, UP_NO_SWITCH } from '../fault/faults.js';
import { HEAD_EXTENDED_CONNECT, HEAD_UPGRADE, type Head } from '../http/head.js';
import { METHOD_CONNECT } from '../http/methods.js';
import { N } from '../http/names.js';
import { websocketAccept, websocketKey } from '../http/websocket-key.js';
import type { Client } from './client.js';
import type { ExchangeRecord } from './exchange-record.js';

// In the common form both are a GET with an Upgrade field and a 101. What one side has and the other lacks:
//   HTTP/1.1 -> HTTP/2   the key stays with us; the 101 gets Upgrade and the Sec-WebSocket-Accept that the key asks for
//   HTTP/2 -> HTTP/1.1   the request gets a key; the origin's Sec-WebSocket-Accept is checked and dropped

const KEY = N['sec-websocket-key'];
const ACCEPT = N['sec-websocket-accept'];
const WEBSOCKET = new TextEncoder().encode('websocket');

/** Bytes behind the head are a tunnel's, once the answer agrees to that. */
export function asksForTunnel(head: Head): boolean {
  return head.method === METHOD_CONNECT || (head.flags & HEAD_UPGRADE) !== 0;
}

/** Before an upgrade leaves, in each attempt: a retry may find the other version. The key is made once. */
export function translateUpgrade(x: ExchangeRecord): void {
  const head = x.request;
  const from = (x.downstream as Client).protocol;
  const to = x.upstreamIsHttp2 ? 2 : 1;
  if (to === 2) {
    head.flags |= HEAD_EXTENDED_CONNECT;
    // The GET has no body, but its stream is going to carry the tunnel (RFC 9113 §8.1.1).
    head.removeAll(N['content-length']);
  } else head.flags &= ~HEAD_EXTENDED_CONNECT;
  if (from === to || x.switchAccept !== null) return;
  const upgrade = head.find(N.upgrade);
  if (upgrade < 0 || !head.valueEquals(upgrade, WEBSOCKET)) return;
  if (from === 1) {
    const slot = head.find(KEY);
    if (slot < 0) return;
    x.switchAccept = websocketAccept(head.fieldBytes(slot), head.valueStart(slot), head.valueEnd(slot));
    head.removeAll(KEY);
    return;
  }
  const { random } = x.core;
  const key = websocketKey([random.next(), random.next(), random.next(), random.next()]);
  head.removeAll(KEY);
  head.add(KEY, key, 0, key.length);
  x.switchAccept = websocketAccept(key, 0, key.length);
}

/** The answer to an upgrade, 101 or 2xx, on its way to the client. A fault: it is none that the client could take. */
export function translateSwitch(x: ExchangeRecord, response: Head): FaultCode {
  const accept = x.switchAccept;
  if ((x.downstream as Client).protocol === 2) {
    // Whoever asked by extended CONNECT would take any 2xx for the tunnel.
    if (response.status !== 101) return UP_NO_SWITCH;
    if (accept === null) return 0;
    const slot = response.find(ACCEPT);
    if (slot < 0 || !isEqual(response, slot, accept)) return UP_NO_SWITCH;
    response.removeAll(ACCEPT);
    return 0;
  }
  if (response.status !== 101) return 0;
  if (accept !== null) {
    response.removeAll(ACCEPT);
    response.add(ACCEPT, accept, 0, accept.length);
  }
  if (x.upstreamIsHttp2) nameSwitch(x.request, response);
  return 0;
}

/** A 101 says to what it switches (RFC 9110 §15.2.2); the 200 of an extended CONNECT did not have to. */
function nameSwitch(request: Head, response: Head): void {
  const slot = request.find(N.upgrade);
  if (slot < 0 || response.find(N.upgrade) >= 0) return;
  response.add(N.upgrade, request.fieldBytes(slot), request.valueStart(slot), request.valueEnd(slot));
}

/** Base64 minds the case of letters. */
function isEqual(head: Head, slot: number, wanted: Uint8Array): boolean {
  const start = head.valueStart(slot);
  if (head.valueEnd(slot) - start !== wanted.length) return false;
  const bytes = head.fieldBytes(slot);
  for (let i = 0; i < wanted.length; i++) if (bytes[start + i] !== wanted[i]) return false;
  return true;
}
