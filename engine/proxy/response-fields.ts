/** What is done to a response's fields before it goes down: the upstream's, and our own replies. */
import type { Head } from '../http/head.js';
import { N } from '../http/names.js';
import type { Cluster } from '../upstream/cluster.js';
import type { Pool } from '../upstream/pool.js';
import type { ExchangeRecord } from './exchange-record.js';
import { addDecimal } from './local-reply.js';
import { appendVia } from './request-fields.js';
import type { ListenerRuntime } from './snapshot.js';

// Read once: N has too many properties for the compiler to see through it.
const ATTEMPT_COUNT = N['x-envoy-attempt-count'];
const DATE = N.date;
const REQUEST_ID = N['x-request-id'];
const SERVER = N.server;
const SERVICE_TIME = N['x-envoy-upstream-service-time'];

/** A final head from the upstream, as the filters left it. */
export function prepareResponse(x: ExchangeRecord): void {
  const head = x.response;
  const listener = x.listener as ListenerRuntime;
  const http = listener.record;
  if (!http.router.suppressEnvoyHeaders) {
    if (head.has(SERVICE_TIME)) head.removeAll(SERVICE_TIME);
    const serviceMs = Math.max(0, Math.floor((x.upstreamHeadUs - x.upstreamStartUs) / 1000));
    addDecimal(head, SERVICE_TIME, serviceMs);
  }
  const route = x.route;
  if (route !== null) {
    if (route.virtualHost.record.includeAttemptCountInResponse) {
      head.removeAll(ATTEMPT_COUNT);
      addDecimal(head, ATTEMPT_COUNT, x.attemptCount);
    }
    route.mutateResponse(head, x, x.choice);
    if (x.newCookies !== 0) route.hashPolicies?.addCookies(x);
  }
  if (!head.has(DATE)) {
    const date = x.core.dateBytes();
    head.add(DATE, date, 0, date.length);
  }
  finishFields(x, listener, http.serverHeaderTransformation);
}

/** What the endpoint reports of its load, in the fields of its response or in its trailers (gRPC). */
export function readLoadReport(x: ExchangeRecord, fields: Head): void {
  const reports = (x.cluster as Cluster).loadReports;
  if (reports !== null) reports.responseHead((x.pool as Pool).endpoint.row, fields);
}

/** A reply of our own: header changes of the route hold for it too, as in Envoy. */
export function prepareReply(x: ExchangeRecord): void {
  const listener = x.listener as ListenerRuntime;
  if (x.route !== null) x.route.mutateResponse(x.response, x, x.choice);
  finishFields(x, listener, 'OVERWRITE');
}

function finishFields(
  x: ExchangeRecord,
  listener: ListenerRuntime,
  transformation: 'OVERWRITE' | 'APPEND_IF_ABSENT' | 'PASS_THROUGH',
): void {
  const head = x.response;
  if (transformation === 'OVERWRITE') {
    if (head.has(SERVER)) head.removeAll(SERVER);
    head.addLine(listener.serverLine);
  } else if (transformation === 'APPEND_IF_ABSENT' && head.find(SERVER) < 0) head.addLine(listener.serverLine);
  if (listener.via.length > 0) appendVia(head, listener.via);
  if (listener.record.alwaysSetRequestIdInResponse) echoRequestId(x);
}

function echoRequestId(x: ExchangeRecord): void {
  const request = x.request;
  const slot = request.find(REQUEST_ID);
  if (slot < 0) return;
  x.response.removeAll(REQUEST_ID);
  x.response.add(REQUEST_ID, request.fieldBytes(slot), request.valueStart(slot), request.valueEnd(slot));
}

/** After the turn: the heads of the response and of its trailers are for others. */
export function giveResponse(x: ExchangeRecord): void {
  const { core, response, responseTrailers } = x;
  if (response !== core.noResponse) core.heads.give(response);
  x.response = core.noResponse;
  if (responseTrailers !== null) core.heads.give(responseTrailers);
}
