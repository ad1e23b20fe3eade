/** What is done to a response's fields before it goes down: the upstream's, and our own replies. */
import { N } from '../http/names.js';
import type { ExchangeRecord } from './exchange-record.js';
import { addDecimal } from './local-reply.js';
import { appendVia } from './request-fields.js';
import type { ListenerRuntime } from './snapshot.js';

/** A final head from the upstream. */
export function prepareResponse(x: ExchangeRecord): void {
  const head = x.response;
  const listener = x.listener as ListenerRuntime;
  const http = listener.record;
  listener.filters.runResponseHead(x);
  if (!http.router.suppressEnvoyHeaders) {
    if (head.has(N['x-envoy-upstream-service-time'])) head.removeAll(N['x-envoy-upstream-service-time']);
    const serviceMs = Math.max(0, Math.floor((x.upstreamHeadUs - x.upstreamStartUs) / 1000));
    addDecimal(head, N['x-envoy-upstream-service-time'], serviceMs);
  }
  const route = x.route;
  if (route !== null) {
    if (route.virtualHost.record.includeAttemptCountInResponse) {
      head.removeAll(N['x-envoy-attempt-count']);
      addDecimal(head, N['x-envoy-attempt-count'], x.attemptCount);
    }
    route.mutateResponse(head, x, x.choice);
  }
  if (!head.has(N.date)) {
    const date = x.core.dateBytes();
    head.add(N.date, date, 0, date.length);
  }
  finishFields(x, listener, http.serverHeaderTransformation);
}

/** A reply of our own: header changes of the route hold for it too, as in Envoy. */
export function prepareReply(x: ExchangeRecord): void {
  const listener = x.listener as ListenerRuntime;
  listener.filters.runResponseHead(x);
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
    if (head.has(N.server)) head.removeAll(N.server);
    head.addLine(listener.serverLine);
  } else if (transformation === 'APPEND_IF_ABSENT' && head.find(N.server) < 0) head.addLine(listener.serverLine);
  if (listener.via.length > 0) appendVia(head, listener.via);
  if (listener.record.alwaysSetRequestIdInResponse) echoRequestId(x);
}

function echoRequestId(x: ExchangeRecord): void {
  const request = x.request;
  const slot = request.find(N['x-request-id']);
  if (slot < 0) return;
  x.response.removeAll(N['x-request-id']);
  x.response.add(N['x-request-id'], request.fieldBytes(slot), request.valueStart(slot), request.valueEnd(slot));
}
