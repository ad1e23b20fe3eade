/** Breakers: a cluster's limits per priority, counted over all workers in the shared cells. */
import type { BreakerRecord, ClusterRecord } from '../plan/records.js';
import {
  CLUSTER_CONNECTIONS,
  CLUSTER_PENDING,
  CLUSTER_REQUESTS,
  CLUSTER_RETRIES,
  clusterCell,
  HIGH_PRIORITY,
} from './shared-cells.js';

// max_connections, max_pending_requests, max_requests and max_retries bound what one slow cluster can tie up in this
// process. The counts are exact: the first one over a limit is refused, whichever worker it is on.

export function breakerOf(record: ClusterRecord, isHigh: boolean): BreakerRecord {
  return isHigh ? record.breakers.high : record.breakers.default;
}

/** cell: CLUSTER_CONNECTIONS, CLUSTER_PENDING, CLUSTER_REQUESTS or CLUSTER_RETRIES. */
export function breakerCell(record: ClusterRecord, cell: number, isHigh: boolean): number {
  return clusterCell(record.index, isHigh ? cell + HIGH_PRIORITY : cell);
}

/** Main: the gauges circuit_breakers.<priority>.*_open of a cluster as of now, 1 = nothing more gets through. */
export function openBreakers(shared: Int32Array, record: ClusterRecord): [string, number][] {
  const gauges: [string, number][] = [];
  for (const priority of ['default', 'high'] as const) {
    const limits = record.breakers[priority];
    for (const [name, cell, limit] of [
      ['cx_open', CLUSTER_CONNECTIONS, limits.maxConnections],
      ['rq_pending_open', CLUSTER_PENDING, limits.maxPendingRequests],
      ['rq_open', CLUSTER_REQUESTS, limits.maxRequests],
      ['rq_retry_open', CLUSTER_RETRIES, limits.maxRetries],
    ] as const) {
      const taken = Atomics.load(shared, breakerCell(record, cell, priority === 'high'));
      gauges.push([`circuit_breakers.${priority}.${name}`, taken >= limit ? 1 : 0]);
    }
  }
  return gauges;
}
