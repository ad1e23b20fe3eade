/** Our own answers: status, fields and body of a local reply, a redirect or a direct response. */
import { writeDecimal } from '../base/ascii.js';
import { type Fault, FAULTS, type FaultCode } from '../fault/faults.js';
import type { MessageStream } from '../http/codec.js';
import { HEAD_EXPECT_CONTINUE, HEAD_HTTP10, type Head } from '../http/head.js';
import { addGrpcMessage, grpcStatusOfHttp, isGrpc } from '../http/grpc.js';
import { N } from '../http/names.js';
import { statusText } from '../http/statuses.js';
import type { Exchange } from './exchange.js';
import { LOCAL_REPLY, REQUEST_HEAD, RESPONSE_ENDED, TUNNEL } from './exchange-state.js';

// Read once: N has too many properties for the compiler to see through it.
const CONTENT_LENGTH = N['content-length'];
const CONTENT_TYPE = N['content-type'];
const DATE = N.date;
const EXPECT = N.expect;
const GRPC_STATUS = N['grpc-status'];

const encoder = new TextEncoder();
const TEXT_PLAIN = encoder.encode('text/plain');
const GRPC = encoder.encode('application/grpc');

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

/**
 * Fills x.response with an answer of ours, in the form that the client understands; answers the body to send. The codec
 * adds what the connection needs. fault: 0 = an ordinary answer.
 */
export function fillReply(x: Exchange, status: number, body: Uint8Array, fault: FaultCode): Uint8Array {
  const head = x.ownResponse();
  const date = x.core.dateBytes();
  head.reset();
  // Before there is a head of this request, `request` still holds another one's.
  if (x.is(REQUEST_HEAD) && isGrpc(x.request)) {
    fillGrpcReply(head, grpcStatusOf(status, fault), body);
    head.add(DATE, date, 0, date.length);
    return NO_BODY;
  }
  head.status = status;
  head.contentLength = body.length;
  const mayHaveBody = status !== 204 && status !== 304 && status >= 200;
  if (mayHaveBody) {
    addDecimal(head, CONTENT_LENGTH, body.length);
    if (body.length > 0) head.add(CONTENT_TYPE, TEXT_PLAIN, 0, TEXT_PLAIN.length);
  }
  head.add(DATE, date, 0, date.length);
  return body;
}

/** The fault's own, unless the config gave it another status than the table's. */
function grpcStatusOf(status: number, fault: FaultCode): number {
  const row = FAULTS[fault] as Fault;
  return fault !== 0 && row.status === status ? row.grpcStatus : grpcStatusOfHttp(status);
}

/**
 * What ends a call of gRPC whose response has begun: a status, in place of a reset, which a client can't tell from a bug
 * of its server. Null where the response is none of gRPC, or not to be ended so. Given back when the exchange is.
 */
export function grpcEnd(x: Exchange, status: number, text: Uint8Array, fault: FaultCode): Head | null {
  // The head has left, and its fields with it: its numbers are still there.
  const { status: sent, contentLength } = x.response;
  if (x.is(LOCAL_REPLY | RESPONSE_ENDED | TUNNEL) || sent !== 200 || contentLength >= 0 || !isGrpc(x.request))
    return null;
  // Where trailers would be dropped, a body that broke off must not look whole.
  if (x.responseTrailers !== null || x.downstream?.hasTrailers !== true || x.protocol === 'HTTP/1.0') return null;
  const trailers = x.core.heads.take();
  trailers.reset();
  addDecimal(trailers, GRPC_STATUS, grpcStatusOf(status, fault));
  addMessage(trailers, text);
  x.responseTrailers = trailers;
  return trailers;
}

/** A response of trailers only (gRPC over HTTP/2, "Responses"); the text goes into grpc-message. */
function fillGrpcReply(head: Head, grpcStatus: number, text: Uint8Array): void {
  head.status = 200;
  head.add(CONTENT_TYPE, GRPC, 0, GRPC.length);
  addDecimal(head, GRPC_STATUS, grpcStatus);
  addMessage(head, text);
}

/** A body ends its line, for those who read it in a terminal; a message has no lines. */
function addMessage(head: Head, text: Uint8Array): void {
  const end = text.length - (text[text.length - 1] === 0x0a ? 1 : 0);
  if (end > 0) addGrpcMessage(head, text, 0, end);
}

/**
 * 100 (Continue) in the stead of a server that has not been asked yet; the request goes on without the expectation,
 * which is met (RFC 9110 §10.1.1: one of HTTP/1.0 means nothing).
 */
export function meetExpectation(x: Exchange, down: MessageStream | null): void {
  const head = x.request;
  if ((head.flags & HEAD_EXPECT_CONTINUE) === 0) return;
  head.flags &= ~HEAD_EXPECT_CONTINUE;
  head.removeAll(EXPECT);
  if ((head.flags & HEAD_HTTP10) === 0) down?.sendHead(x.core.continueHead, false);
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

export const NO_BODY = new Uint8Array(0);

/** 307 to the path as normalised (path_with_escaped_slashes_action UNESCAPE_AND_REDIRECT). */
export function redirectToPath(x: Exchange): void {
  fillReply(x, 307, NO_BODY, 0);
  const path = x.request;
  x.response.add(N.location, path.pathBytes, path.pathFrom, path.pathTo);
  x.responseCodeDetails = 'path_normalization_redirect';
  x.sendReply(NO_BODY);
}
