/** The timeouts of an exchange: when the next one is due, and which fault the one that fired is. */
import {
  DOWN_GONE,
  type FaultCode,
  MAX_STREAM_DURATION,
  REQUEST_TIMEOUT,
  STREAM_IDLE_REQUEST,
  STREAM_IDLE_RESPONSE,
  UP_TIMEOUT,
} from '../fault/faults.js';
import { isGrpc, readGrpcTimeoutMs, setGrpcTimeout } from '../http/grpc.js';
import type { HttpRecord, RouteActionRecord } from '../plan/records.js';
import type { ExchangeRecord } from './exchange-record.js';
import { DOWNSTREAM_FULL, REQUEST_ENDED, TUNNEL } from './exchange-state.js';

// route     route.timeout            from the end of the request to the end of the response; retries included
// idle      stream_idle_timeout      no head or data in either direction
// request   request_timeout          from the first byte of the head to the end of the request
// duration  max_stream_duration      the whole exchange
// gone      half-close grace         the client sent FIN, and nothing has come for it since

export function startDeadlines(x: ExchangeRecord, http: HttpRecord): void {
  const nowMs = x.core.transport.nowMs();
  x.idleTimeoutMs = http.streamIdleTimeoutMs;
  if (http.streamIdleTimeoutMs !== 0) x.idleDeadlineMs = nowMs + http.streamIdleTimeoutMs;
  if (http.requestTimeoutMs !== 0) x.requestDeadlineMs = nowMs + http.requestTimeoutMs;
  if (http.maxStreamDurationMs !== 0) x.durationDeadlineMs = nowMs + http.maxStreamDurationMs;
}

/** What a route says comes before what its connection manager does. */
export function routeDeadlines(x: ExchangeRecord, action: RouteActionRecord): void {
  if (action.kind !== 'forward') return;
  x.routeTimeoutMs = action.timeoutMs;
  if (action.idleTimeoutMs !== null) {
    x.idleTimeoutMs = action.idleTimeoutMs;
    x.idleDeadlineMs = 0;
    x.touch();
  }
  let durationMs = action.maxStreamDurationMs;
  if (action.grpcTimeout !== null && isGrpc(x.request)) {
    const { headerMaxMs, headerOffsetMs, maxMs, offsetMs } = action.grpcTimeout;
    const askedMs = readGrpcTimeoutMs(x.request);
    if (headerMaxMs !== null && askedMs >= 0) {
      durationMs = Math.max(SOON_MS, withOffset(capped(askedMs, headerMaxMs), headerOffsetMs, SOON_MS));
      setGrpcTimeout(x.request, durationMs);
    }
    if (maxMs !== null) {
      // Here 0 is no limit, and an offset that leaves nothing doesn't count (Envoy).
      const wantedMs = Math.max(0, askedMs);
      const laterMs = withOffset(wantedMs, offsetMs, wantedMs);
      x.routeTimeoutMs = laterMs === 0 ? maxMs : capped(laterMs, maxMs);
      if (x.routeTimeoutMs !== 0) setGrpcTimeout(x.request, x.routeTimeoutMs);
    }
  }
  if (durationMs !== null) x.durationDeadlineMs = durationMs === 0 ? 0 : x.core.transport.nowMs() + durationMs;
}

/** A deadline of 0 ms is one that is due, not one that is off. */
const SOON_MS = 1;

/** maxMs: 0 = there is none. */
function capped(ms: number, maxMs: number): number {
  return maxMs !== 0 && ms > maxMs ? maxMs : ms;
}

function withOffset(ms: number, offsetMs: number, otherwiseMs: number): number {
  return offsetMs < ms ? ms - offsetMs : otherwiseMs;
}

/** Sets the timer for what is due next. */
export function armTimer(x: ExchangeRecord): void {
  // The route timer begins with the end of the request, which for one without a body is before the route is known.
  if (x.routeDeadlineMs === 0 && x.routeTimeoutMs !== 0 && x.is(REQUEST_ENDED) && !x.is(TUNNEL))
    x.routeDeadlineMs = x.core.transport.nowMs() + x.routeTimeoutMs;
  const next = nextDeadlineMs(x);
  if (next !== 0) x.core.wheel.arm(x, next);
}

/** The earliest due time, or 0 when every timeout is off. */
function nextDeadlineMs(x: ExchangeRecord): number {
  let next = x.idleDeadlineMs;
  if (x.routeDeadlineMs !== 0 && (next === 0 || x.routeDeadlineMs < next)) next = x.routeDeadlineMs;
  if (x.requestDeadlineMs !== 0 && (next === 0 || x.requestDeadlineMs < next)) next = x.requestDeadlineMs;
  if (x.durationDeadlineMs !== 0 && (next === 0 || x.durationDeadlineMs < next)) next = x.durationDeadlineMs;
  if (isGoneCounted(x) && (next === 0 || x.goneDeadlineMs < next)) next = x.goneDeadlineMs;
  return next;
}

/** The fault of a due timeout, or 0 when none is due yet (its deadline moved since the timer was armed). */
export function dueFault(x: ExchangeRecord, nowMs: number): FaultCode {
  if (isGoneCounted(x) && isDue(x.goneDeadlineMs, nowMs)) return DOWN_GONE;
  if (isDue(x.durationDeadlineMs, nowMs)) return MAX_STREAM_DURATION;
  if (isDue(x.requestDeadlineMs, nowMs)) return REQUEST_TIMEOUT;
  if (isDue(x.routeDeadlineMs, nowMs)) return UP_TIMEOUT;
  if (isDue(x.idleDeadlineMs, nowMs)) return x.is(REQUEST_ENDED) ? STREAM_IDLE_RESPONSE : STREAM_IDLE_REQUEST;
  return 0;
}

/** A client for which bytes wait is reading, or its connection breaks by itself. */
function isGoneCounted(x: ExchangeRecord): boolean {
  return x.goneDeadlineMs !== 0 && !x.is(DOWNSTREAM_FULL);
}

function isDue(deadlineMs: number, nowMs: number): boolean {
  return deadlineMs !== 0 && deadlineMs <= nowMs;
}
