/** The spellings of a load report in response fields: text, JSON and base64 of protobuf; read without garbage. */
import { decodeBase64 } from '../../base/base64.js';
import type { Head } from '../../http/head.js';
import {
  APPLICATION,
  CPU,
  EPS,
  type MetricSink,
  MEM,
  NAMED_METRICS,
  REQUEST_COST,
  RPS,
  TOP_LEVEL,
  UTILIZATION,
} from './load-report.js';

// As Envoy reads them: endpoint-load-metrics-bin holds the message; endpoint-load-metrics begins with "TEXT ", "JSON "
// or "BIN ". TEXT is name=value (or, of old, name:value), with commas between. A report that can't be read whole is
// none: half of one would set a wrong weight.

const encoder = new TextEncoder();
const FIELD = encoder.encode('endpoint-load-metrics');
const FIELD_BIN = encoder.encode('endpoint-load-metrics-bin');
const TEXT = encoder.encode('TEXT ');
const JSON_TEXT = encoder.encode('JSON ');
const BIN = encoder.encode('BIN ');
const PARTS: readonly (readonly [Uint8Array, Uint8Array, number])[] = [
  [encoder.encode('named_metrics'), encoder.encode('namedMetrics'), NAMED_METRICS],
  [encoder.encode('utilization'), encoder.encode('utilization'), UTILIZATION],
  [encoder.encode('request_cost'), encoder.encode('requestCost'), REQUEST_COST],
];

/** Longest message that is read, bytes. */
const BINARY_MAX = 16384;
const decoded = new Uint8Array(BINARY_MAX);
const decodedView = new DataView(decoded.buffer);

/** Fills the report; false = there is none that can be read, and what it holds means nothing. */
export function readLoadReport(head: Head, report: MetricSink): boolean {
  let slot = head.findByName(FIELD_BIN);
  const isBinary = slot >= 0;
  if (!isBinary) slot = head.findByName(FIELD);
  if (slot < 0) return false;
  report.reset();
  const bytes = head.fieldBytes(slot);
  const from = head.valueStart(slot);
  const to = head.valueEnd(slot);
  if (isBinary) return readBinary(bytes, from, to, report);
  if (startsWith(bytes, from, to, TEXT)) return readText(bytes, from + TEXT.length, to, report);
  if (startsWith(bytes, from, to, JSON_TEXT)) return readJson(bytes, from + JSON_TEXT.length, to, report);
  return startsWith(bytes, from, to, BIN) && readBinary(bytes, from + BIN.length, to, report);
}

function startsWith(bytes: Uint8Array, from: number, to: number, prefix: Uint8Array): boolean {
  if (to - from < prefix.length) return false;
  for (let i = 0; i < prefix.length; i++) if (bytes[from + i] !== prefix[i]) return false;
  return true;
}

const COMMA = 0x2c;
const EQUALS = 0x3d;
const COLON = 0x3a;
const DOT = 0x2e;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const MINUS = 0x2d;
const PLUS = 0x2b;

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}

/** NaN when it is no finite decimal number. */
export function decimalOf(bytes: Uint8Array, from: number, to: number): number {
  let at = from;
  const isNegative = bytes[at] === MINUS;
  if (isNegative || bytes[at] === PLUS) at++;
  let digits = 0;
  let value = 0;
  let exponent = 0;
  for (; at < to && isDigit(bytes[at] as number); at++, digits++) value = value * 10 + ((bytes[at] as number) - 48);
  if (at < to && bytes[at] === DOT)
    for (at++; at < to && isDigit(bytes[at] as number); at++, digits++, exponent--)
      value = value * 10 + ((bytes[at] as number) - 48);
  if (digits === 0 || at > to) return Number.NaN;
  if (at < to && ((bytes[at] as number) | 32) === 0x65) {
    const isSmaller = bytes[++at] === MINUS;
    if (isSmaller || bytes[at] === PLUS) at++;
    if (at >= to) return Number.NaN;
    let power = 0;
    for (; at < to && isDigit(bytes[at] as number); at++) power = power * 10 + ((bytes[at] as number) - 48);
    exponent += isSmaller ? -power : power;
  }
  // A division is exact to the last digit where a multiplication with 10^-n is not.
  const scaled = exponent < 0 ? value / 10 ** -exponent : value * 10 ** exponent;
  if (at !== to || !Number.isFinite(scaled)) return Number.NaN;
  return isNegative ? -scaled : scaled;
}

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57;
}

// ---- text -----------------------------------------------------------------------------------------------------

function readText(bytes: Uint8Array, from: number, to: number, report: MetricSink): boolean {
  for (let at = from; at <= to; ) {
    let end = at;
    while (end < to && bytes[end] !== COMMA) end++;
    if (!readPair(bytes, at, end, report)) return false;
    at = end + 1;
  }
  return true;
}

function readPair(bytes: Uint8Array, from: number, to: number, report: MetricSink): boolean {
  let start = from;
  let end = to;
  while (start < end && isSpace(bytes[start] as number)) start++;
  while (end > start && isSpace(bytes[end - 1] as number)) end--;
  let middle = start;
  while (middle < end && bytes[middle] !== EQUALS && bytes[middle] !== COLON) middle++;
  let nameEnd = middle;
  while (nameEnd > start && isSpace(bytes[nameEnd - 1] as number)) nameEnd--;
  let valueStart = middle + 1;
  while (valueStart < end && isSpace(bytes[valueStart] as number)) valueStart++;
  if (valueStart >= end || nameEnd === start) return false;
  const value = decimalOf(bytes, valueStart, end);
  if (Number.isNaN(value)) return false;
  for (let i = 0; i < PARTS.length; i++) {
    const [name, , part] = PARTS[i] as (typeof PARTS)[number];
    const dot = start + name.length;
    if (startsWith(bytes, start, nameEnd, name) && dot + 1 < nameEnd && bytes[dot] === DOT)
      return report.put(part, bytes, dot + 1, nameEnd, value);
  }
  return report.put(TOP_LEVEL, bytes, start, nameEnd, value);
}

// ---- JSON -----------------------------------------------------------------------------------------------------

/** Where the reader of JSON stands; -1 = it was none. */
let jsonAt = 0;

function readJson(bytes: Uint8Array, from: number, to: number, report: MetricSink): boolean {
  jsonAt = from;
  readObject(bytes, to, TOP_LEVEL, report);
  if (jsonAt < 0) return false;
  skipSpace(bytes, to);
  return jsonAt === to;
}

function skipSpace(bytes: Uint8Array, to: number): void {
  while (jsonAt < to && isSpace(bytes[jsonAt] as number)) jsonAt++;
}

/** Names and numbers; one level down, the parts that are maps. */
function readObject(bytes: Uint8Array, to: number, part: number, report: MetricSink): void {
  skipSpace(bytes, to);
  if (bytes[jsonAt++] !== OPEN) jsonAt = -1;
  for (let isFirst = true; jsonAt >= 0; isFirst = false) {
    skipSpace(bytes, to);
    if (isFirst && jsonAt < to && bytes[jsonAt] === CLOSE) break;
    const nameFrom = jsonAt + 1;
    skipString(bytes, to);
    if (jsonAt < 0) return;
    const nameTo = jsonAt - 1;
    skipSpace(bytes, to);
    if (jsonAt >= to || bytes[jsonAt++] !== COLON) jsonAt = -1;
    else readMember(bytes, to, part, nameFrom, nameTo, report);
    if (jsonAt < 0) return;
    skipSpace(bytes, to);
    if (jsonAt < to && bytes[jsonAt] === CLOSE) break;
    if (jsonAt >= to || bytes[jsonAt++] !== COMMA) jsonAt = -1;
  }
  if (jsonAt >= 0) jsonAt++;
}

function readMember(
  bytes: Uint8Array,
  to: number,
  part: number,
  nameFrom: number,
  nameTo: number,
  report: MetricSink,
): void {
  skipSpace(bytes, to);
  if (jsonAt < to && bytes[jsonAt] === OPEN) {
    const inner = part === TOP_LEVEL ? partNamed(bytes, nameFrom, nameTo) : -1;
    if (inner < 0) jsonAt = -1;
    else readObject(bytes, to, inner, report);
    return;
  }
  // Numbers may be written as strings (protobuf's JSON).
  let from = jsonAt;
  let end: number;
  if (bytes[from] === QUOTE) {
    skipString(bytes, to);
    from++;
    end = jsonAt - 1;
  } else {
    end = from;
    while (end < to && bytes[end] !== COMMA && bytes[end] !== CLOSE && !isSpace(bytes[end] as number)) end++;
    jsonAt = end;
  }
  if (jsonAt < 0) return;
  const value = decimalOf(bytes, from, end);
  if (Number.isNaN(value)) jsonAt = -1;
  else report.put(part, bytes, nameFrom, nameTo, value);
}

function skipString(bytes: Uint8Array, to: number): void {
  if (jsonAt >= to || bytes[jsonAt] !== QUOTE) {
    jsonAt = -1;
    return;
  }
  for (jsonAt++; jsonAt < to; jsonAt++) {
    if (bytes[jsonAt] === BACKSLASH) jsonAt++;
    else if (bytes[jsonAt] === QUOTE) {
      jsonAt++;
      return;
    }
  }
  jsonAt = -1;
}

function partNamed(bytes: Uint8Array, from: number, to: number): number {
  for (let i = 0; i < PARTS.length; i++) {
    const [name, camel, part] = PARTS[i] as (typeof PARTS)[number];
    if (to - from === name.length && startsWith(bytes, from, to, name)) return part;
    if (to - from === camel.length && startsWith(bytes, from, to, camel)) return part;
  }
  return -1;
}

// ---- protobuf -------------------------------------------------------------------------------------------------

/** By field number: doubles, and maps of string to double. */
const DOUBLES: readonly (Uint8Array | null)[] = [null, CPU, MEM, null, null, null, RPS, EPS, null, APPLICATION];
const MAPS: readonly number[] = [-1, -1, -1, -1, REQUEST_COST, UTILIZATION, -1, -1, NAMED_METRICS, -1];
const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

/** Where the reader of protobuf stands; -1 = it was none. */
let protoAt = 0;

function readBinary(bytes: Uint8Array, from: number, to: number, report: MetricSink): boolean {
  const end = decodeBase64(bytes, from, to, decoded);
  if (end <= 0) return false;
  protoAt = 0;
  while (protoAt >= 0 && protoAt < end) {
    const tag = readVarint(end);
    const field = tag >>> 3;
    const start = protoAt;
    const length = (tag & 7) === LENGTH ? readVarint(end) : 0;
    const body = protoAt;
    skipField(tag & 7, length, end);
    if (protoAt < 0 || start < 0) return false;
    const scalar = DOUBLES[field] ?? null;
    if ((tag & 7) === FIXED64 && scalar !== null) {
      const value = decodedView.getFloat64(body, true);
      if (!Number.isFinite(value)) return false;
      report.put(TOP_LEVEL, scalar, 0, scalar.length, value);
    } else if ((tag & 7) === LENGTH && (MAPS[field] ?? -1) >= 0) {
      const next = protoAt;
      if (!readEntry(body, next, MAPS[field] as number, report)) return false;
      protoAt = next;
    }
  }
  return protoAt === end;
}

/** A map's entry: field 1 the name, field 2 the value. */
function readEntry(from: number, end: number, part: number, report: MetricSink): boolean {
  let nameFrom = from;
  let nameTo = from;
  let value = 0;
  protoAt = from;
  while (protoAt >= 0 && protoAt < end) {
    const tag = readVarint(end);
    const length = (tag & 7) === LENGTH ? readVarint(end) : 0;
    const body = protoAt;
    skipField(tag & 7, length, end);
    if (protoAt < 0) return false;
    if (tag === ((1 << 3) | LENGTH)) {
      nameFrom = body;
      nameTo = protoAt;
    } else if (tag === ((2 << 3) | FIXED64)) value = decodedView.getFloat64(body, true);
  }
  return Number.isFinite(value) && report.put(part, decoded, nameFrom, nameTo, value);
}

function skipField(wireType: number, length: number, end: number): void {
  if (protoAt < 0) return;
  if (wireType === VARINT) readVarint(end);
  else if (wireType === FIXED64) protoAt += 8;
  else if (wireType === LENGTH) protoAt += length;
  else if (wireType === FIXED32) protoAt += 4;
  else protoAt = -1;
  if (protoAt > end) protoAt = -1;
}

/** Up to 32 bits of it; larger ones are skipped whole. */
function readVarint(end: number): number {
  let value = 0;
  for (let shift = 0; protoAt >= 0 && protoAt < end && shift < 70; shift += 7) {
    const byte = decoded[protoAt++] as number;
    if (shift < 28) value |= (byte & 0x7f) << shift;
    else if (shift === 28) value |= (byte & 0x0f) << shift;
    if (byte < 0x80) return value >>> 0;
  }
  protoAt = -1;
  return 0;
}
