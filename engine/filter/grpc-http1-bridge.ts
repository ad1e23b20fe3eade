/** GrpcHttp1Bridge: gRPC calls by clients of HTTP/1.1 without trailers: the status comes in the head (Envoy). */
import { equalsIgnoreCase } from '../base/ascii.js';
import { FAULTS, type Fault, REQUEST_TOO_LARGE, RESPONSE_TOO_LARGE } from '../fault/faults.js';
import { delimitByLength } from '../http/framing.js';
import { isGrpc, readGrpcStatus } from '../http/grpc.js';
import { FRAME_HEAD_BYTES, writeFrameHead } from '../http/grpc-frames.js';
import type { Head } from '../http/head.js';
import { N } from '../http/names.js';
import type { GrpcHttp1BridgeRecord } from '../plan/grpc-http1-bridge-record.js';
import { type FilterContext, type FilterKind, type FilterState, HOLD, NEXT, TAKEN, type Verdict } from './filter.js';
import { Gathered } from './gathered.js';

const CONTENT_LENGTH = N['content-length'];
const CONTENT_TYPE = N['content-type'];
const GRPC_MESSAGE = N['grpc-message'];
const GRPC_STATUS = N['grpc-status'];

const encoder = new TextEncoder();
const GRPC = encoder.encode('application/grpc');
const PROTOBUF = encoder.encode('application/x-protobuf');
const REQUEST_REFUSAL = encoder.encode((FAULTS[REQUEST_TOO_LARGE] as Fault).body as string);
const RESPONSE_REFUSAL = encoder.encode((FAULTS[RESPONSE_TOO_LARGE] as Fault).body as string);
const QUESTION = 0x3f;

const frameHead = new Uint8Array(FRAME_HEAD_BYTES);

class Bridged implements FilterState {
  isBridged = false;
  /** The client speaks protobuf alone: frames are put on and taken off for it. */
  isFramed = false;
  readonly request = new Gathered();
  readonly response = new Gathered();

  reset(): void {
    if (!this.isBridged) return;
    this.isBridged = false;
    this.isFramed = false;
    this.request.reset();
    this.response.reset();
  }
}

export const GRPC_HTTP1_BRIDGE: FilterKind<GrpcHttp1BridgeRecord, Bridged> = {
  typeUrl: 'envoy.extensions.filters.http.grpc_http1_bridge.v3.Config',
  build: (record) => record as GrpcHttp1BridgeRecord,
  newState: () => new Bridged(),

  onRequestHead(x: FilterContext, config: GrpcHttp1BridgeRecord, call: Bridged, end: boolean): Verdict {
    if (x.protocol === 'HTTP/2') return NEXT;
    const head = x.request;
    call.isFramed = config.upgradeProtobuf && !end && isProtobuf(head);
    call.isBridged = call.isFramed || isGrpc(head);
    if (!call.isBridged) return NEXT;
    if (config.ignoreQuery) dropQuery(head);
    if (!call.isFramed) return NEXT;
    if (head.contentLength > config.maxBytes) return x.reply(413, REQUEST_REFUSAL, REQUEST_TOO_LARGE);
    head.removeAll(CONTENT_TYPE);
    head.add(CONTENT_TYPE, GRPC, 0, GRPC.length);
    return HOLD;
  },

  onRequestData(x, config, call, bytes, start, end, last): Verdict {
    if (!call.isFramed) return NEXT;
    const body = call.request;
    if (!body.add(bytes, start, end, config.maxBytes)) return x.reply(413, REQUEST_REFUSAL, REQUEST_TOO_LARGE);
    if (last) sendFramed(x, body, true);
    return TAKEN;
  },

  onRequestTrailers(x, _config, call): Verdict {
    if (call.isFramed) sendFramed(x, call.request, false);
    return NEXT;
  },

  onResponseHead(_x: FilterContext, _config: GrpcHttp1BridgeRecord, call: Bridged, end: boolean): Verdict {
    // Of trailers only: the status is where the client looks for it.
    return call.isBridged && !end ? HOLD : NEXT;
  },

  onResponseData(x, config, call, bytes, start, end, last): Verdict {
    if (!call.isBridged) return NEXT;
    if (!call.response.add(bytes, start, end, config.maxBytes))
      return x.reply(500, RESPONSE_REFUSAL, RESPONSE_TOO_LARGE);
    if (last) sendWhole(x, call);
    return TAKEN;
  },

  onResponseTrailers(x, _config, call, trailers): Verdict {
    if (!call.isBridged) return NEXT;
    const head = x.response;
    copyField(head, trailers, GRPC_STATUS);
    copyField(head, trailers, GRPC_MESSAGE);
    if (trailers.find(GRPC_STATUS) >= 0 && readGrpcStatus(trailers) !== 0) head.status = 503;
    sendWhole(x, call);
    return TAKEN;
  },
};

function isProtobuf(head: Head): boolean {
  const slot = head.find(CONTENT_TYPE);
  return slot >= 0 && equalsIgnoreCase(head.fieldBytes(slot), head.valueStart(slot), head.valueEnd(slot), PROTOBUF);
}

function dropQuery(head: Head): void {
  const bytes = head.pathBytes;
  let end = head.pathFrom;
  while (end < head.pathTo && bytes[end] !== QUESTION) end++;
  if (end < head.pathTo) head.setPath(bytes, head.pathFrom, end);
}

function copyField(to: Head, from: Head, id: number): void {
  const slot = from.find(id);
  if (slot < 0) return;
  to.removeAll(id);
  to.add(id, from.fieldBytes(slot), from.valueStart(slot), from.valueEnd(slot));
}

/** One message, uncompressed. */
function sendFramed(x: FilterContext, body: Gathered, last: boolean): void {
  const isEmpty = body.length === 0;
  writeFrameHead(frameHead, body.length);
  if (last) delimitByLength(x.request, FRAME_HEAD_BYTES + body.length);
  else x.request.removeAll(CONTENT_LENGTH);
  x.emit(frameHead, 0, FRAME_HEAD_BYTES, last && isEmpty);
  if (!isEmpty) x.emit(body.bytes, 0, body.length, last);
}

/** With its length: a client tells by that whether it has all. */
function sendWhole(x: FilterContext, call: Bridged): void {
  const { bytes, length } = call.response;
  const start = call.isFramed ? Math.min(FRAME_HEAD_BYTES, length) : 0;
  delimitByLength(x.response, length - start);
  x.emit(bytes, start, length, true);
}
