/** Framing: what delimits a body, in the one order of RFC 9112 §6.3; every reader and writer of bodies asks here. */
import { writeDecimal } from '../base/ascii.js';
import { HEAD_CHUNKED, HEAD_UNTIL_CLOSE, type Head } from './head.js';
import { N } from './names.js';
import { hasNoBody } from './statuses.js';

// Read once: N has too many properties for the compiler to see through it.
const CONTENT_LENGTH = N['content-length'];

/** Kinds of bodies. */
export const BODY_NONE = 0;
export const BODY_LENGTH = 1;
export const BODY_CHUNKED = 2;
/** Responses only: until the connection ends. */
export const BODY_UNTIL_CLOSE = 3;
/** Behind 101, or a 2xx to CONNECT: bytes of another protocol, in both directions, each until its FIN. */
export const BODY_TUNNEL = 4;
export type BodyKind = number;

/** Body of a request that the head parser took (it refuses every combination that could be read in two ways). */
export function requestBody(head: Head): BodyKind {
  if ((head.flags & HEAD_CHUNKED) !== 0) return BODY_CHUNKED;
  return head.contentLength > 0 ? BODY_LENGTH : BODY_NONE;
}

/** Body of a final response as received: RFC 9112 §6.3 items 1, 2, 4, 6 and 8. */
export function responseBody(head: Head, toHead: boolean, toConnect: boolean): BodyKind {
  const status = head.status;
  if (status === 101 || (toConnect && status >= 200 && status < 300)) return BODY_TUNNEL;
  if (toHead || hasNoBody(status)) return BODY_NONE;
  if ((head.flags & HEAD_CHUNKED) !== 0) return BODY_CHUNKED;
  return head.contentLength >= 0 ? BODY_LENGTH : BODY_UNTIL_CLOSE;
}

/** Bytes that a head announces for its body; -1 = none announced (removing the field takes that back: Head.remove). */
export function announcedLength(head: Head): number {
  return (head.flags & HEAD_CHUNKED) !== 0 ? -1 : head.contentLength;
}

/** The body will have so many bytes, however it was delimited before. */
export function delimitByLength(head: Head, length: number): void {
  head.removeAll(CONTENT_LENGTH);
  head.flags &= ~(HEAD_CHUNKED | HEAD_UNTIL_CLOSE);
  head.endAdd(writeDecimal(head.store, head.beginAdd(CONTENT_LENGTH, 16), length));
  head.contentLength = length;
}
