/** GrpcWeb: gRPC-Web of browsers to gRPC and back, binary and base64; trailers become the last message (Envoy). */
import { Base64Decoder, Base64Encoder } from '../base/base64-stream.js';
import { equalsIgnoreCase, writeDecimal } from '../base/ascii.js';
import { GRPC_WEB_BAD_BASE64, FAULTS, type Fault } from '../fault/faults.js';
import { addGrpcMessage, grpcStatusOfHttp, isGrpc } from '../http/grpc.js';
import { FRAME_HEAD_BYTES, GrpcFrames } from '../http/grpc-frames.js';
import type { Head } from '../http/head.js';
import { N } from '../http/names.js';
import { type FilterContext, type FilterKind, type FilterState, HOLD, NEXT, TAKEN, type Verdict } from './filter.js';

const ACCEPT = N.accept;
const CONTENT_LENGTH = N['content-length'];
const CONTENT_TYPE = N['content-type'];
const GRPC_STATUS = N['grpc-status'];
const TE = N.te;

const encoder = new TextEncoder();
const GRPC = encoder.encode('application/grpc');
const WEB = encoder.encode('application/grpc-web');
const WEB_PROTO = encoder.encode('application/grpc-web+proto');
const WEB_TEXT = encoder.encode('application/grpc-web-text');
const WEB_TEXT_PROTO = encoder.encode('application/grpc-web-text+proto');
const TRAILERS = encoder.encode('trailers');
const ACCEPT_ENCODING = encoder.encode('grpc-accept-encoding');
const IDENTITY = encoder.encode('identity');
const NOTHING = new Uint8Array(0);
const BAD_BASE64 = encoder.encode((FAULTS[GRPC_WEB_BAD_BASE64] as Fault).body as string);

/** Of a frame: it holds the trailers (PROTOCOL-WEB.md). */
const TRAILERS_FLAG = 0x80;
/** Of a body that is not gRPC so much goes into grpc-message (Envoy). */
const MESSAGE_MAX_BYTES = 16384;

/** What a piece becomes is composed here and lent; one piece is as long as fits when it is base64. */
const out = new Uint8Array(32768);
const PIECE_BYTES = 24000;

class WebCall implements FilterState {
  isWeb = false;
  isTextRequest = false;
  isTextResponse = false;
  /** The response is not gRPC: its body becomes a grpc-message. */
  isForeign = false;
  foreign: Uint8Array = NOTHING;
  foreignLength = 0;
  readonly decoder = new Base64Decoder();
  readonly encoder = new Base64Encoder();
  readonly frames = new GrpcFrames();

  reset(): void {
    if (!this.isWeb) return;
    this.isWeb = false;
    this.isTextRequest = false;
    this.isTextResponse = false;
    this.isForeign = false;
    this.foreign = NOTHING;
    this.foreignLength = 0;
    this.decoder.reset();
    this.encoder.reset();
    this.frames.reset();
  }
}

export const GRPC_WEB: FilterKind<object, WebCall> = {
  typeUrl: 'envoy.extensions.filters.http.grpc_web.v3.GrpcWeb',
  build: () => GRPC_WEB,
  newState: () => new WebCall(),

  onRequestHead(x: FilterContext, _config: object, call: WebCall): Verdict {
    const head = x.request;
    const type = head.find(CONTENT_TYPE);
    if (type < 0) return NEXT;
    const isText = isOneOf(head, type, WEB_TEXT, WEB_TEXT_PROTO);
    if (!isText && !isOneOf(head, type, WEB, WEB_PROTO)) return NEXT;
    call.isWeb = true;
    call.isTextRequest = isText;
    const accept = head.find(ACCEPT);
    call.isTextResponse = accept >= 0 && isOneOf(head, accept, WEB_TEXT, WEB_TEXT_PROTO);
    head.removeAll(CONTENT_LENGTH);
    replace(head, CONTENT_TYPE, GRPC);
    replace(head, TE, TRAILERS);
    if (head.findByName(ACCEPT_ENCODING) < 0) head.addName(ACCEPT_ENCODING, 0, IDENTITY, 0, IDENTITY.length);
    return NEXT;
  },

  onRequestData(x, _config, call, bytes, start, end, last): Verdict {
    if (!call.isTextRequest) return NEXT;
    for (let at = start; at < end; at += PIECE_BYTES) {
      const count = call.decoder.decode(bytes, at, Math.min(end, at + PIECE_BYTES), out);
      if (count < 0) return x.reply(400, BAD_BASE64, GRPC_WEB_BAD_BASE64);
      if (count > 0) x.emit(out, 0, count, false);
    }
    if (!last) return TAKEN;
    if (!call.decoder.isWhole) return x.reply(400, BAD_BASE64, GRPC_WEB_BAD_BASE64);
    x.emit(NOTHING, 0, 0, true);
    return TAKEN;
  },

  onResponseHead(x: FilterContext, _config: object, call: WebCall, end: boolean): Verdict {
    if (!call.isWeb) return NEXT;
    const head = x.response;
    call.isForeign = !end && !isGrpcAnswer(head);
    head.removeAll(CONTENT_LENGTH);
    replace(head, CONTENT_TYPE, call.isTextResponse ? WEB_TEXT_PROTO : WEB_PROTO);
    return call.isForeign ? HOLD : NEXT;
  },

  onResponseData(x, _config, call, bytes, start, end, last): Verdict {
    if (!call.isWeb) return NEXT;
    if (call.isForeign) {
      gather(call, bytes, start, end);
      if (last) sendForeign(x, call);
      return TAKEN;
    }
    if (!call.isTextResponse) return NEXT;
    for (let at = start; at < end; at += PIECE_BYTES) encode(x, call, bytes, at, Math.min(end, at + PIECE_BYTES));
    if (last) {
      const length = call.encoder.finish(out, 0);
      x.emit(out, 0, length, true);
    }
    return TAKEN;
  },

  onResponseTrailers(x, _config, call, trailers): Verdict {
    if (!call.isWeb) return NEXT;
    if (call.isForeign) sendForeign(x, call);
    else sendTrailers(x, call, trailers);
    return TAKEN;
  },
};

/** The value is one of the two, in lower case. */
function isOneOf(head: Head, slot: number, first: Uint8Array, second: Uint8Array): boolean {
  const bytes = head.fieldBytes(slot);
  const start = head.valueStart(slot);
  const end = head.valueEnd(slot);
  return equalsIgnoreCase(bytes, start, end, first) || equalsIgnoreCase(bytes, start, end, second);
}

function replace(head: Head, id: number, value: Uint8Array): void {
  head.removeAll(id);
  head.add(id, value, 0, value.length);
}

function isGrpcAnswer(head: Head): boolean {
  if (head.status !== 200) return false;
  const type = head.find(CONTENT_TYPE);
  return isGrpc(head) || (type >= 0 && isOneOf(head, type, WEB, WEB_PROTO));
}

/** Each message is a text of its own: the client has it whole when it has come whole. */
function encode(x: FilterContext, call: WebCall, bytes: Uint8Array, start: number, end: number): void {
  let length = 0;
  for (let at = start; at < end; ) {
    const until = call.frames.advance(bytes, at, end);
    // Of many tiny messages each costs up to four letters more.
    if (length + (until - at) * 2 + 8 > out.length) {
      x.emit(out, 0, length, false);
      length = 0;
    }
    length = call.encoder.encode(bytes, at, until, out, length);
    if (call.frames.isBetween) length = call.encoder.finish(out, length);
    at = until;
  }
  if (length > 0) x.emit(out, 0, length, false);
}

/** One frame, "name:value" lines in it, as the end of the body. */
function sendTrailers(x: FilterContext, call: WebCall, trailers: Head): void {
  let size = FRAME_HEAD_BYTES;
  for (let slot = 0; slot < trailers.fieldCount; slot++)
    if (!trailers.isRemoved(slot))
      size +=
        trailers.nameEnd(slot) - trailers.nameStart(slot) + trailers.valueEnd(slot) - trailers.valueStart(slot) + 3;
  // Trailers are as long as heads may be; most fit.
  const fits = size * 3 + 8 <= out.length;
  const frame = fits ? out : new Uint8Array(size);
  const start = frame.length - size;
  const length = size - FRAME_HEAD_BYTES;
  let at = start;
  frame[at++] = TRAILERS_FLAG;
  for (let shift = 24; shift >= 0; shift -= 8) frame[at++] = (length >>> shift) & 0xff;
  for (let slot = 0; slot < trailers.fieldCount; slot++) {
    if (trailers.isRemoved(slot)) continue;
    const bytes = trailers.fieldBytes(slot);
    for (let i = trailers.nameStart(slot); i < trailers.nameEnd(slot); i++) frame[at++] = lower(bytes[i] as number);
    frame[at++] = 0x3a;
    for (let i = trailers.valueStart(slot); i < trailers.valueEnd(slot); i++) frame[at++] = bytes[i] as number;
    frame[at++] = 0x0d;
    frame[at++] = 0x0a;
  }
  if (!call.isTextResponse) {
    x.emit(frame, start, at, true);
    return;
  }
  const text = fits ? out : new Uint8Array(size * 2 + 8);
  // A message that broke off in the middle of a group is padded first.
  let end = call.encoder.finish(text, 0);
  end = call.encoder.encode(frame, start, at, text, end);
  end = call.encoder.finish(text, end);
  x.emit(text, 0, end, true);
}

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

function gather(call: WebCall, bytes: Uint8Array, start: number, end: number): void {
  const length = Math.min(end - start, MESSAGE_MAX_BYTES - call.foreignLength);
  if (length <= 0) return;
  // An error page of an origin that speaks no gRPC: garbage is no matter there.
  const more = new Uint8Array(call.foreignLength + length);
  more.set(call.foreign);
  more.set(bytes.subarray(start, start + length), call.foreignLength);
  call.foreign = more;
  call.foreignLength = more.length;
}

/** The head that was held, with what its body said as grpc-message. */
function sendForeign(x: FilterContext, call: WebCall): void {
  const head = x.response;
  call.isForeign = false;
  head.removeAll(GRPC_STATUS);
  const at = head.beginAdd(GRPC_STATUS, 2);
  const status = grpcStatusOfHttp(head.status);
  head.endAdd(writeDecimal(head.store, at, status));
  if (call.foreignLength > 0) addGrpcMessage(head, call.foreign, 0, call.foreignLength);
  x.emit(NOTHING, 0, 0, true);
}
