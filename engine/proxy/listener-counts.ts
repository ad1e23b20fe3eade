/** Listener counts: connections of a listener, and of the worker that has them, as they come and go. */
import { LISTENER, WORKER } from '../metrics/declare.js';
import type { WorkerMetrics } from '../metrics/slots.js';
import type { ListenerRecord } from '../plan/records.js';

const LISTENER_CX_TOTAL = LISTENER.index.downstream_cx_total;
const LISTENER_CX_ACTIVE = LISTENER.index.downstream_cx_active;
const LISTENER_CX_DESTROY = LISTENER.index.downstream_cx_destroy;
const LISTENER_CX_LENGTH = LISTENER.histograms.indexOf('downstream_cx_length_ms');
const WORKER_CX_TOTAL = WORKER.index.downstream_cx_total;
const WORKER_CX_ACTIVE = WORKER.index.downstream_cx_active;

/** Of a worker. */
export interface Counted {
  readonly metrics: WorkerMetrics;
  /** Of the WORKER scope's counters. */
  readonly workerBase: number;
}

export function countOpened({ metrics, workerBase }: Counted, { metrics: { counters } }: ListenerRecord): void {
  metrics.add(counters + LISTENER_CX_TOTAL, 1);
  metrics.add(counters + LISTENER_CX_ACTIVE, 1);
  // The acceptor goes by these.
  metrics.add(workerBase + WORKER_CX_TOTAL, 1);
  metrics.add(workerBase + WORKER_CX_ACTIVE, 1);
}

/** lengthUs: how long there was the connection. */
export function countClosed({ metrics, workerBase }: Counted, listener: ListenerRecord, lengthUs: number): void {
  const { counters, histograms } = listener.metrics;
  metrics.add(counters + LISTENER_CX_ACTIVE, -1);
  metrics.add(counters + LISTENER_CX_DESTROY, 1);
  if (histograms >= 0) metrics.record(histograms + LISTENER_CX_LENGTH, lengthUs);
  metrics.add(workerBase + WORKER_CX_ACTIVE, -1);
}
