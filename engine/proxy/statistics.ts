/** The counters of an exchange: what is added when it starts and when it ends. */
import { HTTP } from '../metrics/declare.js';
import type { WorkerMetrics } from '../metrics/slots.js';
import type { ExchangeRecord } from './exchange-record.js';
import { RESPONSE_HEAD, REQUEST_ENDED, TUNNEL } from './exchange-state.js';
import {
  MAX_STREAM_DURATION,
  NO_CLUSTER,
  NO_ROUTE,
  REQUEST_HEADERS_TIMEOUT,
  REQUEST_TIMEOUT,
  REQUEST_TOO_LARGE,
  RESPONSE_TOO_LARGE,
  STREAM_IDLE_REQUEST,
  STREAM_IDLE_RESPONSE,
  TOO_BIG_HEAD,
  TOO_MANY_FIELDS,
  FAULTS,
} from '../fault/faults.js';
import type { Client } from './client.js';
import type { ListenerRuntime } from './snapshot.js';

const RQ_TOTAL = HTTP.index.downstream_rq_total;
const RQ_ACTIVE = HTTP.index.downstream_rq_active;
const RQ_HTTP1 = HTTP.index.downstream_rq_http1_total;
const RQ_HTTP2 = HTTP.index.downstream_rq_http2_total;
const RQ_COMPLETED = HTTP.index.downstream_rq_completed;
const RQ_1XX = HTTP.index.downstream_rq_1xx;
const RQ_TIMEOUT = HTTP.index.downstream_rq_timeout;
const RQ_HEADER_TIMEOUT = HTTP.index.downstream_rq_header_timeout;
const RQ_IDLE_TIMEOUT = HTTP.index.downstream_rq_idle_timeout;
const RQ_DURATION = HTTP.index.downstream_rq_max_duration_reached;
const RQ_RX_RESET = HTTP.index.downstream_rq_rx_reset;
const RQ_TX_RESET = HTTP.index.downstream_rq_tx_reset;
const RQ_TOO_LARGE = HTTP.index.downstream_rq_too_large;
const RS_TOO_LARGE = HTTP.index.rs_too_large;
const RQ_EARLY_RESPONSE = HTTP.index.downstream_rq_response_before_rq_complete;
const CX_PROTOCOL_ERROR = HTTP.index.downstream_cx_protocol_error;
const UPGRADES_TOTAL = HTTP.index.downstream_cx_upgrades_total;
const UPGRADES_ACTIVE = HTTP.index.downstream_cx_upgrades_active;
const NO_ROUTE_TOTAL = HTTP.index.no_route;
const NO_CLUSTER_TOTAL = HTTP.index.no_cluster;
const ROUTER_RQ_TOTAL = HTTP.index.rq_total;
const RESET_AFTER_START = HTTP.index.rq_reset_after_downstream_response_started;
/** Position of downstream_rq_time among the scope's histograms. */
const RQ_TIME = HTTP.histograms.indexOf('downstream_rq_time');

export function countStart(x: ExchangeRecord): void {
  const base = (x.listener as ListenerRuntime).record.metrics.counters;
  const metrics = x.core.metrics;
  metrics.add(base + RQ_TOTAL, 1);
  metrics.add(base + ((x.downstream as Client).protocol === 1 ? RQ_HTTP1 : RQ_HTTP2), 1);
  metrics.add(base + RQ_ACTIVE, 1);
}

/** A request that has become a tunnel, an Upgrade or a CONNECT, is no longer bound to the times of requests. */
export function beginTunnel(x: ExchangeRecord): void {
  x.routeDeadlineMs = 0;
  x.requestDeadlineMs = 0;
  const base = (x.listener as ListenerRuntime).record.metrics.counters;
  x.core.metrics.add(base + UPGRADES_TOTAL, 1);
  x.core.metrics.add(base + UPGRADES_ACTIVE, 1);
}

export function countFinish(x: ExchangeRecord): void {
  const scope = (x.listener as ListenerRuntime).record.metrics;
  const metrics = x.core.metrics;
  const base = scope.counters;
  metrics.add(base + RQ_ACTIVE, -1);
  if (x.is(TUNNEL)) metrics.add(base + UPGRADES_ACTIVE, -1);
  if (x.is(RESPONSE_HEAD)) {
    const status = x.response.status;
    const hundred = status >= 600 ? 5 : Math.floor(status / 100);
    metrics.add(base + RQ_COMPLETED, 1);
    metrics.add(base + RQ_1XX + hundred - 1, 1);
    if (!x.is(REQUEST_ENDED)) metrics.add(base + RQ_EARLY_RESPONSE, 1);
  }
  if (x.cluster !== null) metrics.add(base + ROUTER_RQ_TOTAL, 1);
  if (scope.histograms >= 0) metrics.record(scope.histograms + RQ_TIME, x.endUs - x.startUs);
  if (x.fault !== 0) countFault(metrics, base, x);
}

function countFault(metrics: WorkerMetrics, base: number, x: ExchangeRecord): void {
  const fault = x.fault;
  const row = FAULTS[fault] as (typeof FAULTS)[number];
  if (fault === NO_ROUTE) metrics.add(base + NO_ROUTE_TOTAL, 1);
  else if (fault === NO_CLUSTER) metrics.add(base + NO_CLUSTER_TOTAL, 1);
  else if (fault === REQUEST_TIMEOUT) metrics.add(base + RQ_TIMEOUT, 1);
  else if (fault === REQUEST_HEADERS_TIMEOUT) metrics.add(base + RQ_HEADER_TIMEOUT, 1);
  else if (fault === STREAM_IDLE_REQUEST || fault === STREAM_IDLE_RESPONSE) metrics.add(base + RQ_IDLE_TIMEOUT, 1);
  else if (fault === MAX_STREAM_DURATION) metrics.add(base + RQ_DURATION, 1);
  else if (fault === TOO_BIG_HEAD || fault === TOO_MANY_FIELDS || fault === REQUEST_TOO_LARGE)
    metrics.add(base + RQ_TOO_LARGE, 1);
  else if (fault === RESPONSE_TOO_LARGE) metrics.add(base + RS_TOO_LARGE, 1);
  // In HTTP/2 it is the stream's alone, or was counted once for the connection.
  else if (row.flag === 'DPE' && (x.downstream as Client).protocol === 2)
    metrics.add(base + RQ_TX_RESET, x.is(RESPONSE_HEAD) ? 0 : 1);
  else if (row.flag === 'DPE') metrics.add(base + CX_PROTOCOL_ERROR, 1);
  else if (row.source === 'downstream') metrics.add(base + RQ_RX_RESET, 1);
  else if (row.source === 'upstream' && x.is(RESPONSE_HEAD) && x.response.length > 0)
    metrics.add(base + RESET_AFTER_START, 1);
}
