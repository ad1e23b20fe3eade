/** gRPC as HTTP sees it: which messages are gRPC, statuses, grpc-message, grpc-timeout. */
import { equalsIgnoreCase, parseDecimal, writeDecimal } from '../base/ascii.js';
import type { Head } from './head.js';
import { N } from './names.js';

const encoder = new TextEncoder();
const CONTENT_TYPE = N['content-type'];
const GRPC_MESSAGE = N['grpc-message'];
const GRPC_STATUS = N['grpc-status'];
const GRPC_TIMEOUT = N['grpc-timeout'];
const GRPC = encoder.encode('application/grpc');
const HEX = encoder.encode('0123456789ABCDEF');
const PERCENT = 0x25;
const PLUS = 0x2b;

/** content-type application/grpc or application/grpc+...; application/grpc-web is another protocol. */
export function isGrpc(head: Head): boolean {
  const slot = head.find(CONTENT_TYPE);
  if (slot < 0) return false;
  const start = head.valueStart(slot);
  const end = head.valueEnd(slot);
  const bytes = head.fieldBytes(slot);
  if (end - start < GRPC.length || !equalsIgnoreCase(bytes, start, start + GRPC.length, GRPC)) return false;
  return end - start === GRPC.length || bytes[start + GRPC.length] === PLUS;
}

/** grpc-status of a head or of trailers: -1 = there is none, or it is no number. */
export function readGrpcStatus(head: Head): number {
  const slot = head.find(GRPC_STATUS);
  if (slot < 0) return -1;
  return parseDecimal(head.fieldBytes(slot), head.valueStart(slot), head.valueEnd(slot));
}

/** The gRPC project's mapping of HTTP statuses (http-grpc-status-mapping.md), for answers that are not gRPC. */
export function grpcStatusOfHttp(status: number): number {
  switch (status) {
    case 400:
      return 13;
    case 401:
      return 16;
    case 403:
      return 7;
    case 404:
      return 12;
    case 429:
    case 502:
    case 503:
    case 504:
      return 14;
    default:
      return 2;
  }
}

/** Adds grpc-message: percent-encoded but for printable ASCII (gRPC over HTTP/2, "Responses"). */
export function addGrpcMessage(head: Head, text: Uint8Array, start: number, end: number): void {
  let at = head.beginAdd(GRPC_MESSAGE, (end - start) * 3);
  const store = head.store;
  for (let i = start; i < end; i++) {
    const byte = text[i] as number;
    if (byte >= 0x20 && byte <= 0x7e && byte !== PERCENT) store[at++] = byte;
    else {
      store[at] = PERCENT;
      store[at + 1] = HEX[byte >> 4] as number;
      store[at + 2] = HEX[byte & 15] as number;
      at += 3;
    }
  }
  head.endAdd(at);
}

/** Of a grpc-timeout: at most 8 digits and a unit. */
const DIGITS_MAX = 8;

/** grpc-timeout in milliseconds, rounded up; -1 = there is none, or it can't be read. */
export function readGrpcTimeoutMs(head: Head): number {
  if (!head.has(GRPC_TIMEOUT)) return -1;
  const slot = head.find(GRPC_TIMEOUT);
  if (slot < 0) return -1;
  const bytes = head.fieldBytes(slot);
  const start = head.valueStart(slot);
  const unitAt = head.valueEnd(slot) - 1;
  if (unitAt <= start || unitAt - start > DIGITS_MAX) return -1;
  const count = parseDecimal(bytes, start, unitAt);
  if (count < 0) return -1;
  switch (bytes[unitAt]) {
    case 0x48: // H
      return count * 3600000;
    case 0x4d: // M
      return count * 60000;
    case 0x53: // S
      return count * 1000;
    case 0x6d: // m
      return count;
    case 0x75: // u
      return Math.ceil(count / 1000);
    case 0x6e: // n
      return Math.ceil(count / 1000000);
    default:
      return -1;
  }
}

/** Milliseconds, then the coarser units for what 8 digits can't say: their letters, and how many make the next one. */
const UNITS = encoder.encode('mSMH');
const NEXT_UNIT = [1000, 60, 60];
const COUNT_MAX = 10 ** DIGITS_MAX - 1;

/** Replaces grpc-timeout; ms: whole. */
export function setGrpcTimeout(head: Head, ms: number): void {
  let count = ms;
  let unit = 0;
  while (count > COUNT_MAX && unit < NEXT_UNIT.length) count = Math.floor(count / (NEXT_UNIT[unit++] as number));
  head.removeAll(GRPC_TIMEOUT);
  const start = head.beginAdd(GRPC_TIMEOUT, DIGITS_MAX + 1);
  const end = writeDecimal(head.store, start, Math.min(count, COUNT_MAX));
  head.store[end] = UNITS[unit] as number;
  head.endAdd(end + 1);
}
