/** Pool: one worker's connections to one endpoint: those with room by recency, dials under way, requests that wait. */
import { type FaultCode, UP_DRAINED, UP_OVERFLOW } from '../fault/faults.js';
import type { MessageSink, MessageStream } from '../http/codec.js';
import type { ProxiedAddresses } from '../io/proxied.js';
import { CLUSTER, ENDPOINT } from '../metrics/declare.js';
import type { EndpointRecord } from '../plan/records.js';
import { breakerCell, breakerOf } from './breaker.js';
import type { Cluster } from './cluster.js';
import { CLUSTER_CONNECTIONS, CLUSTER_PENDING, ENDPOINT_CONNECTIONS, endpointCell } from './shared-cells.js';
import { UpstreamConn } from './upstream-conn.js';

const PENDING_TOTAL = CLUSTER.index.upstream_rq_pending_total;
const PENDING_ACTIVE = CLUSTER.index.upstream_rq_pending_active;
const PENDING_OVERFLOW = CLUSTER.index.upstream_rq_pending_overflow;
const PENDING_EJECT = CLUSTER.index.upstream_rq_pending_failure_eject;
const CX_OVERFLOW = CLUSTER.index.upstream_cx_overflow;
const CX_TOTAL = CLUSTER.index.upstream_cx_total;
const CX_ACTIVE = CLUSTER.index.upstream_cx_active;
const ENDPOINT_CX_TOTAL = ENDPOINT.index.cx_total;
const ENDPOINT_CX_ACTIVE = ENDPOINT.index.cx_active;

/** Who waits for a stream; the exchange itself, so that waiting allocates nothing. */
export interface StreamWaiter {
  onStreamReady(stream: MessageStream): void;
  onStreamFault(fault: FaultCode): void;
}

interface Waiting {
  readonly waiter: StreamWaiter;
  readonly sink: MessageSink;
  readonly isHigh: boolean;
}

/** AUTO: what TLS negotiates. */
export type PoolProtocol = 'HTTP1' | 'HTTP2' | 'AUTO';

// A connection has room while a stream can be opened on it: one of HTTP/1 while it is idle, one of HTTP/2 up to the
// limits of both ends. Requests go to the connection that was used last, so that few are in use; the others grow idle.
export class Pool {
  readonly cluster: Cluster;
  readonly protocol: PoolProtocol;
  endpoint: EndpointRecord;
  /** What the requests on its connections ask for; null = anything. */
  readonly host: string | null;
  /** Whom its connections name to the endpoint; null = nobody. */
  readonly client: ProxiedAddresses | null;
  /** What the last stream that was given away is on. */
  lastConn: UpstreamConn | null = null;
  /** Why TLS failed the last time that it did; '' = it never did. */
  tlsFailure = '';
  /** Those with room, the most recently used last. */
  readonly #ready: UpstreamConn[] = [];
  readonly #all = new Set<UpstreamConn>();
  readonly #waiting: Waiting[] = [];
  /** Connections on their way. */
  #dialling = 0;
  /** Requests that one connection on its way is thought to take. */
  #streamsPerDial: number;
  #isDraining = false;

  constructor(
    cluster: Cluster,
    endpoint: EndpointRecord,
    protocol: PoolProtocol,
    host: string | null = null,
    client: ProxiedAddresses | null = null,
  ) {
    this.host = host;
    this.client = client;
    this.cluster = cluster;
    this.endpoint = endpoint;
    this.protocol = protocol;
    this.#streamsPerDial = protocol === 'HTTP2' ? cluster.record.http2.maxConcurrentStreams : 1;
  }

  get isEmpty(): boolean {
    return this.#all.size === 0 && this.#waiting.length === 0;
  }

  /** A stream on a connection with room, or null: then cluster.lastFault says why, or the waiter hears later. */
  acquire(sink: MessageSink, waiter: StreamWaiter, isHigh: boolean, isFresh: boolean): MessageStream | null {
    const ready = this.#ready;
    while (ready.length > 0) {
      const conn = ready[ready.length - 1] as UpstreamConn;
      // What a reused connection of HTTP/2 does to one request it does to all of them: its death is no race.
      if (isFresh && conn.protocol === 1) break;
      const stream = conn.openStream(sink);
      if (stream === null || !conn.hasRoom) this.leaveReady(conn);
      if (stream === null) continue;
      this.lastConn = conn;
      return stream;
    }
    this.#wait(sink, waiter, isHigh);
    return null;
  }

  #wait(sink: MessageSink, waiter: StreamWaiter, isHigh: boolean): void {
    const cluster = this.cluster;
    const limit = breakerOf(cluster.record, isHigh).maxPendingRequests;
    if (!cluster.cells.tryTake(breakerCell(cluster.record, CLUSTER_PENDING, isHigh), limit)) {
      cluster.count(PENDING_OVERFLOW, 1);
      cluster.lastFault = UP_OVERFLOW;
      return;
    }
    cluster.count(PENDING_TOTAL, 1);
    cluster.count(PENDING_ACTIVE, 1);
    this.#waiting.push({ waiter, sink, isHigh });
    this.#dialWaiting();
  }

  #leavePending(waiting: Waiting): void {
    const cluster = this.cluster;
    cluster.cells.add(breakerCell(cluster.record, CLUSTER_PENDING, waiting.isHigh), -1);
    cluster.count(PENDING_ACTIVE, -1);
  }

  /** False when the connection limit is reached: the waiter gets a connection that comes back. */
  #dial(isHigh: boolean): boolean {
    const cluster = this.cluster;
    const cell = breakerCell(cluster.record, CLUSTER_CONNECTIONS, isHigh);
    if (!cluster.cells.tryTake(cell, breakerOf(cluster.record, isHigh).maxConnections)) {
      cluster.count(CX_OVERFLOW, 1);
      // Even over the limit an endpoint gets one connection per worker, or its requests would wait for ever (Envoy).
      if (this.#all.size > 0) {
        // Only who wants a fresh connection waits beside idle ones: the oldest makes room.
        const oldest = this.#ready[0];
        if (oldest !== undefined) {
          this.leaveReady(oldest);
          oldest.end();
        }
        return false;
      }
      cluster.cells.add(cell, 1);
    }
    cluster.cells.add(endpointCell(this.endpoint.row, ENDPOINT_CONNECTIONS), 1);
    cluster.count(CX_TOTAL, 1);
    cluster.count(CX_ACTIVE, 1);
    this.countEndpoint(ENDPOINT_CX_TOTAL, 1);
    this.countEndpoint(ENDPOINT_CX_ACTIVE, 1);
    this.#dialling++;
    this.#all.add(new UpstreamConn(this, cell));
    return true;
  }

  countEndpoint(index: number, amount: number): void {
    const base = this.endpoint.metrics.counters;
    if (base >= 0) this.cluster.context.metrics.add(base + index, amount);
  }

  // ---- from UpstreamConn ---------------------------------------------------------------------------------

  /** Open, and it is known how many streams the connection takes. */
  onSettled(conn: UpstreamConn): void {
    this.#dialling--;
    this.#streamsPerDial = conn.roomAtFirst;
    this.#serve(conn);
  }

  /** The connection has room again, or for the first time: for the oldest waiters, or on the stack. */
  onRoom(conn: UpstreamConn): void {
    this.#serve(conn);
  }

  #serve(conn: UpstreamConn): void {
    while (this.#waiting.length > 0 && conn.hasRoom) {
      const waiting = this.#waiting[0] as Waiting;
      const stream = conn.openStream(waiting.sink);
      // It takes no request after all: the waiter stays, for a connection that does.
      if (stream === null) break;
      this.#waiting.shift();
      this.#leavePending(waiting);
      this.lastConn = conn;
      waiting.waiter.onStreamReady(stream);
    }
    if (this.#isDraining) conn.drain();
    else if (conn.hasRoom) {
      if (!conn.isReady) {
        conn.isReady = true;
        this.#ready.push(conn);
      }
      if (!conn.isBusy) conn.startIdle();
    } else if (!conn.isBusy) {
      if (conn.isPaused) conn.startIdle();
      else conn.end();
    }
    this.#dialWaiting();
  }

  /** Connections on their way for those who wait, as far as the limit allows. */
  #dialWaiting(): void {
    // Another connection would be told the same: the endpoint takes nothing for now.
    if (this.#waiting.length > 0 && this.#hasPaused()) return;
    while (this.#waiting.length > this.#dialling * this.#streamsPerDial)
      if (!this.#dial((this.#waiting[0] as Waiting).isHigh)) return;
  }

  #hasPaused(): boolean {
    if (this.protocol === 'HTTP1') return false;
    for (const conn of this.#all) if (conn.isPaused) return true;
    return false;
  }

  /** It takes no further request for now: it must not be found on the stack. */
  leaveReady(conn: UpstreamConn): void {
    if (!conn.isReady) return;
    conn.isReady = false;
    const at = this.#ready.lastIndexOf(conn);
    if (at === this.#ready.length - 1) this.#ready.pop();
    else this.#ready.splice(at, 1);
  }

  onClosed(conn: UpstreamConn, fault: FaultCode, wasSettled: boolean, cell: number): void {
    const cluster = this.cluster;
    this.#all.delete(conn);
    if (this.lastConn === conn) this.lastConn = null;
    this.leaveReady(conn);
    cluster.cells.add(cell, -1);
    cluster.cells.add(endpointCell(this.endpoint.row, ENDPOINT_CONNECTIONS), -1);
    cluster.count(CX_ACTIVE, -1);
    this.countEndpoint(ENDPOINT_CX_ACTIVE, -1);
    if (!wasSettled) {
      this.#dialling--;
      this.#eject(fault);
    }
    // Waiters that a connection limit had kept from dialling.
    this.#dialWaiting();
  }

  /**
   * A dial failed: who has no other one under way hears of it, the oldest first, and may try another endpoint. Busy
   * connections don't count: nobody knows when they come back (a tunnel never does), and the endpoint seems to be gone.
   */
  #eject(fault: FaultCode): void {
    let surplus = this.#waiting.length - this.#dialling * this.#streamsPerDial;
    while (surplus-- > 0 && this.#waiting.length > 0) {
      const waiting = this.#waiting.shift() as Waiting;
      this.#leavePending(waiting);
      this.cluster.count(PENDING_EJECT, 1);
      waiting.waiter.onStreamFault(fault);
    }
  }

  cancel(waiter: StreamWaiter): boolean {
    const at = this.#waiting.findIndex((waiting) => waiting.waiter === waiter);
    if (at < 0) return false;
    this.#leavePending(this.#waiting[at] as Waiting);
    this.#waiting.splice(at, 1);
    return true;
  }

  /**
   * The endpoint is gone from the list: idle connections end, busy ones after their request, and requests that wait
   * here still get theirs.
   */
  drain(): void {
    this.#isDraining = true;
    for (const conn of this.#ready.splice(0)) conn.isReady = false;
    for (const conn of this.#all) conn.drain();
  }

  revive(endpoint: EndpointRecord): void {
    this.endpoint = endpoint;
    this.#isDraining = false;
  }

  close(): void {
    for (const conn of this.#all) conn.abort(UP_DRAINED);
  }
}
