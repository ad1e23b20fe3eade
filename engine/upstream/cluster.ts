/** Cluster: endpoint table, picker, pools and breakers of one upstream, on one worker. */
import type { Prng } from '../base/prng.js';
import type { TimerWheel } from '../base/timer-wheel.js';
import { type Fault, type FaultCode, FAULTS, UP_OVERFLOW, UP_STREAM_REFUSED, UP_TIMEOUT } from '../fault/faults.js';
import type { MessageSink, MessageStream } from '../http/codec.js';
import type { Http1ClientOptions } from '../http1/codec-client.js';
import type { Http1Shared } from '../http1/shared.js';
import { HTTP2_DEFAULTS, type Http2Options } from '../http2/options.js';
import type { Http2Shared } from '../http2/shared.js';
import type { ProxiedAddresses } from '../io/proxied.js';
import { writePreface } from '../io/proxy-protocol.js';
import type { Transport } from '../io/transport.js';
import { CLUSTER, ENDPOINT } from '../metrics/declare.js';
import type { WorkerMetrics } from '../metrics/slots.js';
import type { ClusterRecord, EndpointRecord } from '../plan/records.js';
import type { Balancer } from './balance/balancer.js';
import { buildBalancer } from './balance/build-balancer.js';
import { HashTables, isHashPolicy } from './balance/hash-tables.js';
import type { LoadReports } from './balance/picker.js';
import type { RequestHash } from './balance/request-hash.js';
import type { TableFill } from '../base/table-fill.js';
import { AddressIndex } from './address-index.js';
import type { ClusterTls } from './cluster-tls.js';
import { breakerCell, breakerOf } from './breaker.js';
import type { OverrideHost } from './override-host.js';
import type { Pool, StreamWaiter } from './pool.js';
import { PoolSet } from './pool-set.js';
import { Prober } from './prober.js';
import {
  CLUSTER_REQUESTS,
  CLUSTER_RETRIES,
  ENDPOINT_REQUESTS,
  endpointCell,
  type SharedCells,
} from './shared-cells.js';

export type { StreamWaiter } from './pool.js';

export interface UpstreamContext {
  readonly transport: Transport;
  readonly wheel: TimerWheel;
  readonly metrics: WorkerMetrics;
  readonly cells: SharedCells;
  readonly random: Prng;
  readonly http1: Http1Shared;
  readonly http2: Http2Shared;
  readonly tableFill: TableFill;
}

const RQ_TOTAL = CLUSTER.index.upstream_rq_total;
const RQ_ACTIVE = CLUSTER.index.upstream_rq_active;
const RQ_COMPLETED = CLUSTER.index.upstream_rq_completed;
const RQ_1XX = CLUSTER.index.upstream_rq_1xx;
const RQ_OTHER = CLUSTER.index.upstream_rq_other;
const RQ_CANCELLED = CLUSTER.index.upstream_rq_cancelled;
const RQ_TIMEOUT = CLUSTER.index.upstream_rq_timeout;
const RQ_RX_RESET = CLUSTER.index.upstream_rq_rx_reset;
const RQ_TX_RESET = CLUSTER.index.upstream_rq_tx_reset;
const RQ_RETRY = CLUSTER.index.upstream_rq_retry;
const RQ_RETRY_OVERFLOW = CLUSTER.index.upstream_rq_retry_overflow;
const RQ_OVERFLOW = CLUSTER.index.upstream_rq_pending_overflow;
const NONE_HEALTHY = CLUSTER.index.upstream_cx_none_healthy;
const RQ_TIME = CLUSTER.histograms.indexOf('upstream_rq_time');
const ENDPOINT_TOTAL = ENDPOINT.index.rq_total;
const ENDPOINT_ACTIVE = ENDPOINT.index.rq_active;
const ENDPOINT_SUCCESS = ENDPOINT.index.rq_success;
const ENDPOINT_ERROR = ENDPOINT.index.rq_error;
const ENDPOINT_TIMEOUT = ENDPOINT.index.rq_timeout;

/** Slot of each status that has a counter of its own, by status. */
const STATUS_SLOT = new Int16Array(1000).fill(RQ_OTHER);
for (const [name, index] of Object.entries(CLUSTER.index)) {
  const status = /^upstream_rq_(\d{3})$/.exec(name);
  if (status !== null) STATUS_SLOT[Number(status[1])] = index;
}

export class Cluster {
  record: ClusterRecord;
  readonly context: UpstreamContext;
  readonly cells: SharedCells;
  /** Why the last acquire() gave nothing and will not call the waiter; 0 = the waiter hears. */
  lastFault: FaultCode = 0;
  /** Requests in flight at the endpoint, in the whole process, before the last requestStarted(). */
  lastActive = 0;
  /** The policy asks for a hash of the request. */
  usesHash: boolean;
  /** Null = bytes as they come; connections keep the one that they were dialled with. */
  tls: ClusterTls | null = null;
  /** Connections are for one host each: some of them name it to their endpoint. */
  isForOneHost = false;
  /** By name of the transport socket that endpoints ask for. */
  #socketTls: ReadonlyMap<string, ClusterTls | null> = new Map();
  http1Options: Http1ClientOptions;
  http2Options: Http2Options;
  #balancer: Balancer;
  /** Null: the policy asks nobody. */
  #prober: Prober | null = null;
  readonly #hashTables: HashTables;
  /** Of everybody. */
  readonly pools: PoolSet;
  readonly #clientPools = new Set<PoolSet>();
  /** Made for the first request that names its endpoint. */
  #addresses: AddressIndex | null = null;

  constructor(record: ClusterRecord, context: UpstreamContext) {
    this.record = record;
    this.context = context;
    this.cells = context.cells;
    this.http1Options = http1Options(record);
    this.http2Options = http2Options(record);
    this.pools = new PoolSet(this, null);
    this.usesHash = isHashPolicy(record.lbPolicy);
    this.#hashTables = new HashTables(context.tableFill);
    this.#balancer = this.#newBalancer();
    this.#aimProbes();
  }

  /** own: for endpoints that name no transport socket. */
  setTls(own: ClusterTls | null, byName: ReadonlyMap<string, ClusterTls | null>): void {
    this.tls = own;
    this.#socketTls = byName;
    this.isForOneHost = [own, ...byName.values()].some((each) => each?.isForOneHost === true);
  }

  /** What connections to an endpoint begin with; null = bytes as they come. */
  tlsFor({ transportSocket }: EndpointRecord): ClusterTls | null {
    return transportSocket === '' ? this.tls : (this.#socketTls.get(transportSocket) ?? null);
  }

  /** A new plan for the same name: pools of endpoints that stay live on, the others drain. */
  update(record: ClusterRecord): void {
    if (record === this.record) return;
    const before = this.record;
    this.record = record;
    this.http1Options = http1Options(record);
    this.http2Options = http2Options(record);
    this.usesHash = isHashPolicy(record.lbPolicy);
    this.#balancer = this.#newBalancer();
    this.#placePools(before);
    this.#aimProbes();
  }

  #newBalancer(): Balancer {
    return buildBalancer(this.record, this.cells, this.context.random, this.#hashTables, this);
  }

  #aimProbes(): void {
    const { lbPolicy } = this.record;
    const probe = lbPolicy.name === 'PREQUAL' ? lbPolicy.probe : undefined;
    this.#prober = probe === undefined ? null : new Prober(this, probe);
    this.#prober?.aim(this.#balancer.probes);
  }

  #placePools(before: ClusterRecord): void {
    this.#addresses = null;
    // Connections that began in another way have the wrong beginning.
    const isOther = JSON.stringify(before.proxyProtocol) !== JSON.stringify(this.record.proxyProtocol);
    if (isOther) this.drain();
    this.pools.place();
    for (const pools of this.#clientPools) pools.place();
  }

  /** Connections begin with a PROXY preface, so each client has its own. */
  get isForOneClient(): boolean {
    return this.record.proxyProtocol !== null;
  }

  newClientPools(client: ProxiedAddresses): PoolSet {
    const pools = new PoolSet(this, client);
    this.#clientPools.add(pools);
    return pools;
  }

  dropClientPools(pools: PoolSet): void {
    this.#clientPools.delete(pools);
    pools.drain();
  }

  /** What a connection begins with; client: of whom it speaks, null = a connection of our own. */
  preface(client: ProxiedAddresses | null): Uint8Array | null {
    const { proxyProtocol } = this.record;
    return proxyProtocol === null ? null : writePreface(proxyProtocol.version, client);
  }

  count(index: number, amount: number): void {
    const base = this.record.metrics.counters;
    if (base >= 0) this.context.metrics.add(base + index, amount);
  }

  /** An index for endpoint() and acquire(), -1 when there is none to pick. criteria: see Balancer. */
  pick(hash: RequestHash, tried: number, criteria = 0): number {
    const index = this.#balancer.pick(hash, tried, criteria);
    if (index < 0) this.count(NONE_HEALTHY, 1);
    return index;
  }

  /** The same for a request that names its endpoint: that one, unless it has gone, is unhealthy or was left. */
  pickHost(host: OverrideHost, hash: RequestHash, tried: number, criteria = 0): number {
    if (!host.isLeft) {
      if (this.#addresses === null) this.#addresses = new AddressIndex(this.record.endpoints);
      const index = this.#addresses.find(host.bytes, host.length);
      host.isPicked = index >= 0 && this.endpoint(index).health !== 'UNHEALTHY';
      if (host.isPicked) return index;
    }
    host.isPicked = false;
    if (!host.isStrict) return this.pick(hash, tried, criteria);
    this.count(NONE_HEALTHY, 1);
    return -1;
  }

  /** Is there an endpoint to pick beside those tried and this one? */
  hasOther(tried: number, index: number, criteria = 0): boolean {
    return this.#balancer.hasOther(tried, index, criteria);
  }

  /** Who reads what endpoints report of their load; null for most policies. */
  get loadReports(): LoadReports | null {
    return this.#balancer.loadReports;
  }

  endpoint(index: number): EndpointRecord {
    return this.record.endpoints[index] as EndpointRecord;
  }

  /** Of an index as of now, on connections that speak of no client. */
  pool(index: number): Pool {
    return this.pools.pool(index, 1);
  }

  /**
   * Counts a request and gets it a stream. Null: lastFault says why not, or is 0 and the waiter is called later.
   * isFresh: not on a reused connection.
   */
  acquire(
    pool: Pool,
    sink: MessageSink,
    waiter: StreamWaiter,
    isHigh: boolean,
    isFresh: boolean,
  ): MessageStream | null {
    this.lastFault = 0;
    const stream = pool.acquire(sink, waiter, isHigh, isFresh);
    if (this.#prober !== null) this.#probe(this.#prober, pool);
    return stream;
  }

  /** What the caller still asks of its own stream stays as it was. */
  #probe(prober: Prober, pool: Pool): void {
    const { lastFault } = this;
    const { lastConn } = pool;
    prober.requestSent();
    this.lastFault = lastFault;
    pool.lastConn = lastConn;
  }

  /** False when the request breaker is open: lastFault is set and nothing was counted. */
  requestStarted(pool: Pool, isHigh: boolean): boolean {
    const limit = breakerOf(this.record, isHigh).maxRequests;
    this.lastFault = 0;
    if (!this.cells.tryTake(breakerCell(this.record, CLUSTER_REQUESTS, isHigh), limit)) {
      this.count(RQ_OVERFLOW, 1);
      this.lastFault = UP_OVERFLOW;
      return false;
    }
    this.lastActive = this.cells.add(endpointCell(pool.endpoint.row, ENDPOINT_REQUESTS), 1);
    const base = this.record.metrics.counters;
    if (base >= 0) {
      const metrics = this.context.metrics;
      metrics.add(base + RQ_TOTAL, 1);
      metrics.add(base + RQ_ACTIVE, 1);
    }
    pool.countEndpoint(ENDPOINT_TOTAL, 1);
    pool.countEndpoint(ENDPOINT_ACTIVE, 1);
    return true;
  }

  /**
   * status 0: no response head came. latencyUs counts from the stream, 0 = there was none. activeAtStart: lastActive
   * when it was started. headUs: from the stream to the response head, or to the failure.
   */
  requestFinished(
    pool: Pool,
    isHigh: boolean,
    status: number,
    fault: FaultCode,
    latencyUs: number,
    activeAtStart: number,
    headUs: number,
  ): void {
    this.cells.add(breakerCell(this.record, CLUSTER_REQUESTS, isHigh), -1);
    this.cells.add(endpointCell(pool.endpoint.row, ENDPOINT_REQUESTS), -1);
    pool.countEndpoint(ENDPOINT_ACTIVE, -1);
    const isGood = status !== 0 && status < 500;
    pool.countEndpoint(isGood ? ENDPOINT_SUCCESS : ENDPOINT_ERROR, 1);
    this.#learn(pool.endpoint.row, status, fault, headUs, activeAtStart);
    this.#countFinished(pool, status, fault, latencyUs);
  }

  /** An overloaded or broken endpoint is one that failed; a request that the client gave up says nothing of it. */
  #learn(row: number, status: number, fault: FaultCode, headUs: number, activeAtStart: number): void {
    const feedback = this.#balancer.feedback;
    if (feedback === null) return;
    const isBroken = status === 0 && (FAULTS[fault] as Fault).source === 'upstream';
    if (status === 0 && !isBroken) return;
    feedback.requestEnded(row, headUs, activeAtStart, isBroken || status >= 500 || status === 429);
  }

  #countFinished(pool: Pool, status: number, fault: FaultCode, latencyUs: number): void {
    const scope = this.record.metrics;
    if (scope.counters < 0) return;
    const metrics = this.context.metrics;
    metrics.add(scope.counters + RQ_ACTIVE, -1);
    if (status !== 0) {
      metrics.add(scope.counters + RQ_COMPLETED, 1);
      const hundred = Math.floor(status / 100);
      if (hundred <= 5) metrics.add(scope.counters + RQ_1XX + hundred - 1, 1);
      metrics.add(scope.counters + (STATUS_SLOT[status] as number), 1);
      if (scope.histograms >= 0) metrics.record(scope.histograms + RQ_TIME, latencyUs);
      // An answer that broke off was one, and a reset, too.
      if (fault === 0) return;
    }
    if (fault === UP_TIMEOUT && status === 0) {
      metrics.add(scope.counters + RQ_TIMEOUT, 1);
      pool.countEndpoint(ENDPOINT_TIMEOUT, 1);
    } else if (fault === UP_OVERFLOW || ((FAULTS[fault] as Fault).retry === 'fresh' && fault !== UP_STREAM_REFUSED)) {
      // It never got a connection: counted as overflow or as ejected from the queue.
    } else if (isRemoteReset(fault)) metrics.add(scope.counters + RQ_RX_RESET, 1);
    else metrics.add(scope.counters + (latencyUs > 0 ? RQ_TX_RESET : RQ_CANCELLED), 1);
  }

  /** A retry under a policy: false when max_retries of them are under way, and nothing was counted. */
  retryStarted(isHigh: boolean): boolean {
    const limit = breakerOf(this.record, isHigh).maxRetries;
    const isTaken = this.cells.tryTake(breakerCell(this.record, CLUSTER_RETRIES, isHigh), limit);
    this.count(isTaken ? RQ_RETRY : RQ_RETRY_OVERFLOW, 1);
    return isTaken;
  }

  retryFinished(isHigh: boolean): void {
    this.cells.add(breakerCell(this.record, CLUSTER_RETRIES, isHigh), -1);
  }

  /** A retry of our own, safe and free of limits: the keep-alive race, a refused connection. */
  countRetry(): void {
    this.count(RQ_RETRY, 1);
  }

  drain(): void {
    this.pools.drain();
    for (const pools of this.#clientPools) pools.drain();
  }

  close(): void {
    this.pools.close();
    for (const pools of this.#clientPools) pools.close();
  }
}

/** The upstream ended it; what it broke a rule with, or was too late with, we end. */
function isRemoteReset(fault: FaultCode): boolean {
  const { flag } = FAULTS[fault] as Fault;
  return flag === 'UC' || flag === 'UR';
}

function http1Options(record: ClusterRecord): Http1ClientOptions {
  return {
    maxHeadBytes: record.maxResponseHeadersBytes,
    maxFields: record.maxResponseHeadersCount,
    acceptHttp10: true,
    allowAbsoluteUrl: true,
    underscores: 'ALLOW',
  };
}

function http2Options(record: ClusterRecord): Http2Options {
  return {
    ...record.http2,
    drainTimeoutMs: HTTP2_DEFAULTS.drainTimeoutMs,
    allowExtendedConnect: record.http2.allowConnect,
    maxHeadBytes: record.maxHttp2ResponseHeadersBytes,
    maxFields: record.maxResponseHeadersCount,
    underscores: 'ALLOW',
  };
}
