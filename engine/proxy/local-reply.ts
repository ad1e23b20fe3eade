/** Our own answers: status, fields and body of a local reply, a redirect or a direct response. */
import { writeDecimal } from '../base/ascii.js';
import { type Fault, FAULTS, type FaultCode } from '../fault/faults.js';
import type { Head } from '../http/head.js';
import { N } from '../http/names.js';
import { statusText } from '../http/statuses.js';
import type { Exchange } from './exchange.js';

// Read once: N has too many properties for the compiler to see through it.
const CONTENT_LENGTH = N['content-length'];
const CONTENT_TYPE = N['content-type'];
const DATE = N.date;

const encoder = new TextEncoder();
const TEXT_PLAIN = encoder.encode('text/plain');
const EMPTY = new Uint8Array(0);

/** Bodies are constant per fault: encoded once. */
const bodies: (Uint8Array | undefined)[] = [];

/** Body of a fault's local reply: Envoy's text where it has one, else "<status text>: <reason>". */
export function faultBody(fault: FaultCode): Uint8Array {
  let body = bodies[fault];
  if (body === undefined) {
    const row = FAULTS[fault] as Fault;
    body = encoder.encode(row.body ?? `${statusText(row.status)}: ${row.reason}\n`);
    bodies[fault] = body;
  }
  return body;
}

/** Fills a response head of ours; the codec adds what the connection needs. */
export function fillReply(head: Head, status: number, bodyBytes: number, dateBytes: Uint8Array): void {
  head.reset();
  head.status = status;
  head.contentLength = bodyBytes;
  const mayHaveBody = status !== 204 && status !== 304 && status >= 200;
  if (mayHaveBody) {
    addDecimal(head, CONTENT_LENGTH, bodyBytes);
    if (bodyBytes > 0) head.add(CONTENT_TYPE, TEXT_PLAIN, 0, TEXT_PLAIN.length);
  }
  head.add(DATE, dateBytes, 0, dateBytes.length);
}

/** Adds a field whose value is a whole number. */
export function addDecimal(head: Head, id: number, value: number): void {
  const at = head.beginAdd(id, 16);
  if (value >= 10) {
    head.endAdd(writeDecimal(head.store, at, value));
    return;
  }
  head.store[at] = 0x30 + value;
  head.endAdd(at + 1);
}

export const NO_BODY = EMPTY;

/** 307 to the path as normalised (path_with_escaped_slashes_action UNESCAPE_AND_REDIRECT). */
export function redirectToPath(x: Exchange): void {
  fillReply(x.ownResponse(), 307, 0, x.core.dateBytes());
  const path = x.request;
  x.response.add(N.location, path.pathBytes, path.pathFrom, path.pathTo);
  x.responseCodeDetails = 'path_normalization_redirect';
  x.sendReply(NO_BODY);
}
