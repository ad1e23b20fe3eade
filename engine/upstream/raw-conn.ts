/** RawConn: a connection to an endpoint for bytes as they are, counted and limited like those of a pool. */
import { type FaultCode, UP_CONNECT_TIMEOUT, UP_OVERFLOW, UP_RESET } from '../fault/faults.js';
import type { Address, Conn, ConnOwner } from '../io/transport.js';
import { CLUSTER, ENDPOINT } from '../metrics/declare.js';
import { Traffic } from '../metrics/traffic.js';
import type { TlsFacts } from '../tls/tls-facts.js';
import { breakerCell, breakerOf } from './breaker.js';
import type { Cluster } from './cluster.js';
import type { ClusterTls } from './cluster-tls.js';
import type { Pool } from './pool.js';
import { CLUSTER_CONNECTIONS, ENDPOINT_CONNECTIONS, ENDPOINT_REQUESTS, endpointCell } from './shared-cells.js';

const CX_TOTAL = CLUSTER.index.upstream_cx_total;
const CX_ACTIVE = CLUSTER.index.upstream_cx_active;
const CX_OVERFLOW = CLUSTER.index.upstream_cx_overflow;
const CONNECT_FAIL = CLUSTER.index.upstream_cx_connect_fail;
const CONNECT_TIMEOUT = CLUSTER.index.upstream_cx_connect_timeout;
const CX_DESTROY = CLUSTER.index.upstream_cx_destroy;
const CX_DESTROY_LOCAL = CLUSTER.index.upstream_cx_destroy_local;
const CX_DESTROY_REMOTE = CLUSTER.index.upstream_cx_destroy_remote;
const CX_RX_BYTES = CLUSTER.index.upstream_cx_rx_bytes_total;
const CX_TX_BYTES = CLUSTER.index.upstream_cx_tx_bytes_total;
const ENDPOINT_CX_TOTAL = ENDPOINT.index.cx_total;
const ENDPOINT_CX_ACTIVE = ENDPOINT.index.cx_active;
const ENDPOINT_CONNECT_FAIL = ENDPOINT.index.cx_connect_fail;
const CONNECT_MS = CLUSTER.histograms.indexOf('upstream_cx_connect_ms');
const LENGTH_MS = CLUSTER.histograms.indexOf('upstream_cx_length_ms');

/** Whose bytes it carries: the calls of a ConnOwner, with the outcome of the dial told apart. */
export interface RawConnOwner {
  /** What a preface tells the endpoint. */
  readonly clientAddress: Address;
  readonly servedAddress: Address;
  onUpstreamOpen(): void;
  onUpstreamBytes(bytes: Uint8Array, start: number, end: number): void;
  onUpstreamWritable(): void;
  onUpstreamEnd(): void;
  /** Last call. wasOpen false: it was never open, and another endpoint may do. */
  onUpstreamClosed(fault: FaultCode, wasOpen: boolean): void;
}

export class RawConn implements ConnOwner {
  readonly #cluster: Cluster;
  readonly #pool: Pool;
  readonly #owner: RawConnOwner;
  readonly #conn: Conn;
  readonly #tls: ClusterTls | null;
  readonly #startUs: number;
  readonly #traffic: Traffic;
  #isOpen = false;
  #hasPeerEnded = false;
  #wasRefused = false;

  /** Null when the cluster has as many connections as it may have. */
  static dial(cluster: Cluster, pool: Pool, owner: RawConnOwner): RawConn | null {
    const cell = breakerCell(cluster.record, CLUSTER_CONNECTIONS, false);
    if (cluster.cells.tryTake(cell, breakerOf(cluster.record, false).maxConnections))
      return new RawConn(cluster, pool, owner);
    cluster.count(CX_OVERFLOW, 1);
    cluster.lastFault = UP_OVERFLOW;
    return null;
  }

  private constructor(cluster: Cluster, pool: Pool, owner: RawConnOwner) {
    this.#cluster = cluster;
    this.#pool = pool;
    this.#owner = owner;
    const { transport, metrics } = cluster.context;
    this.#startUs = transport.nowUs();
    this.#traffic = new Traffic(metrics, cluster.record.metrics.counters, CX_RX_BYTES, CX_TX_BYTES);
    cluster.cells.add(endpointCell(pool.endpoint.row, ENDPOINT_CONNECTIONS), 1);
    // A connection is to balancing what a request is in HTTP.
    cluster.cells.add(endpointCell(pool.endpoint.row, ENDPOINT_REQUESTS), 1);
    cluster.count(CX_TOTAL, 1);
    cluster.count(CX_ACTIVE, 1);
    pool.countEndpoint(ENDPOINT_CX_TOTAL, 1);
    pool.countEndpoint(ENDPOINT_CX_ACTIVE, 1);
    this.#tls = cluster.tlsFor(pool.endpoint);
    const dialTls = this.#tls === null ? null : this.#tls.dial(pool.endpoint, 'RAW', null);
    const preface = cluster.preface({ source: owner.clientAddress, destination: owner.servedAddress });
    this.#conn = transport.dial(pool.endpoint.address, cluster.record.connectTimeoutMs, this, dialTls, preface);
    this.#conn.setHighMark(cluster.record.bufferLimitBytes);
  }

  get id(): number {
    return this.#conn.id;
  }
  /** Null without TLS, and until its handshake is done. */
  get tls(): TlsFacts | null {
    return this.#tls === null ? null : this.#tls.factsOf(this.#conn);
  }
  get tlsFailure(): string {
    return this.#conn.tlsFailure;
  }
  get localAddress(): Address {
    return this.#conn.localAddress;
  }
  write(bytes: Uint8Array, start: number, end: number): boolean {
    const isFull = this.#conn.write(bytes, start, end);
    this.#countBytes();
    return isFull;
  }
  hold(reason: number): void {
    this.#conn.hold(reason);
  }
  release(reason: number): void {
    this.#conn.release(reason);
  }
  shutdownAfterFlush(): void {
    this.#conn.shutdownAfterFlush();
  }
  get queuedBytes(): number {
    return this.#conn.queuedBytes;
  }
  /** stuckMs: as Conn's delayedCloseMs. */
  endAfterFlush(stuckMs: number): void {
    this.#conn.endAfterFlush(stuckMs);
  }
  abort(fault: FaultCode): void {
    this.#conn.abort(fault);
  }

  // ---- ConnOwner -----------------------------------------------------------------------------------------

  onOpen(): void {
    const { transport, metrics } = this.#cluster.context;
    const { histograms } = this.#cluster.record.metrics;
    this.#isOpen = true;
    if (histograms >= 0) metrics.record(histograms + CONNECT_MS, transport.nowUs() - this.#startUs);
    this.#owner.onUpstreamOpen();
  }

  onPeerCertificate(conn: Conn, certificate: Uint8Array): FaultCode {
    const fault = this.#tls === null ? 0 : this.#tls.judgeCertificate(conn, certificate, this.#pool.endpoint, null);
    this.#wasRefused = fault !== 0;
    return fault;
  }
  onHandshake(conn: Conn): FaultCode {
    const fault = this.#tls === null ? 0 : this.#tls.judge(conn, this.#pool.endpoint, null);
    this.#wasRefused = fault !== 0;
    return fault;
  }

  onBytes(_conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    this.#countBytes();
    this.#owner.onUpstreamBytes(bytes, start, end);
  }

  onWritable(): void {
    this.#owner.onUpstreamWritable();
  }

  onPeerEnd(): void {
    this.#hasPeerEnded = true;
    this.#owner.onUpstreamEnd();
  }

  onClosed(conn: Conn, fault: FaultCode): void {
    const cluster = this.#cluster;
    const { transport, metrics } = cluster.context;
    const { row } = this.#pool.endpoint;
    cluster.cells.add(breakerCell(cluster.record, CLUSTER_CONNECTIONS, false), -1);
    cluster.cells.add(endpointCell(row, ENDPOINT_CONNECTIONS), -1);
    cluster.cells.add(endpointCell(row, ENDPOINT_REQUESTS), -1);
    cluster.count(CX_ACTIVE, -1);
    cluster.count(CX_DESTROY, 1);
    cluster.count(this.#hasPeerEnded || fault === UP_RESET ? CX_DESTROY_REMOTE : CX_DESTROY_LOCAL, 1);
    this.#countBytes();
    this.#pool.countEndpoint(ENDPOINT_CX_ACTIVE, -1);
    if (!this.#isOpen) {
      cluster.count(CONNECT_FAIL, 1);
      if (fault === UP_CONNECT_TIMEOUT) cluster.count(CONNECT_TIMEOUT, 1);
      this.#pool.countEndpoint(ENDPOINT_CONNECT_FAIL, 1);
    }
    if (conn.tlsFailure !== '') this.#tls?.countFailure(conn, fault, this.#wasRefused);
    const { histograms } = cluster.record.metrics;
    if (histograms >= 0) metrics.record(histograms + LENGTH_MS, transport.nowUs() - this.#startUs);
    this.#owner.onUpstreamClosed(fault, this.#isOpen);
  }

  #countBytes(): void {
    this.#traffic.count(this.#conn.bytesRead, this.#conn.bytesWritten);
  }
}
