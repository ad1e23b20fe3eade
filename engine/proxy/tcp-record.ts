/** TcpRecord: what logs and hash policies may read of a connection that is carried as it is; there is no message. */
import { type FaultCode, FAULTS, MAX_STREAM_DURATION } from '../fault/faults.js';
import { GrpcMessages } from '../format/filter-state-value.js';
import type { HashedRequest } from '../route/hash-policy.js';
import type { Head } from '../http/head.js';
import { clientAddress, servedAddress } from '../io/proxied.js';
import type { Address, Conn } from '../io/transport.js';
import type { TlsFacts } from '../tls/tls-facts.js';
import type { Core } from './core.js';
import type { TcpRuntime } from './tcp-runtime.js';
import type { Cluster } from '../upstream/cluster.js';
import type { Pool } from '../upstream/pool.js';

export class TcpRecord implements HashedRequest {
  readonly core: Core;
  readonly conn: Conn;
  readonly runtime: TcpRuntime;
  readonly remoteAddress: Address;
  readonly localAddress: Address;
  readonly request: Head;
  readonly response: Head;
  readonly responseTrailers = null;
  readonly protocol = '';
  readonly upstreamProtocol = '';
  readonly scheme = 'http';
  readonly isInternal = false;
  readonly startWallMs: number;
  readonly startUs: number;
  readonly requestEndUs = 0;
  upstreamStartUs = 0;
  readonly upstreamRequestEndUs = 0;
  readonly upstreamHeadUs = 0;
  readonly upstreamEndUs = 0;
  readonly responseStartUs = 0;
  endUs = 0;
  bytesReceived = 0;
  bytesSent = 0;
  readonly requestHeadBytes = 0;
  readonly responseHeadBytes = 0;
  readonly responseStatus = 0;
  fault: FaultCode = 0;
  responseCodeDetails = '';
  responseFlags = '';
  readonly grpcMessages = new GrpcMessages();
  readonly routeName = '';
  readonly virtualHostName = '';
  readonly methodName = '';
  cluster: Cluster | null = null;
  pool: Pool | null = null;
  upstreamLocalAddress: Address | null = null;
  upstreamConnectionId = 0;
  attemptCount = 0;
  readonly accessLogType = 'TcpConnectionEnd';
  readonly downstreamTls: TlsFacts | null;
  readonly passedServerName: string | null;
  upstreamTls: TlsFacts | null = null;
  upstreamTlsFailure = '';
  newCookies = 0;
  cookieLow = 0;
  cookieHigh = 0;

  constructor(core: Core, conn: Conn, runtime: TcpRuntime, tls: TlsFacts | null, serverName: string) {
    this.core = core;
    this.conn = conn;
    this.runtime = runtime;
    this.downstreamTls = tls;
    this.passedServerName = serverName === '' ? null : serverName;
    this.remoteAddress = clientAddress(conn);
    this.localAddress = servedAddress(conn);
    this.request = core.noResponse;
    this.response = core.noResponse;
    this.startUs = core.transport.nowUs();
    this.startWallMs = core.transport.wallMs();
  }

  note(fault: FaultCode): void {
    const row = FAULTS[fault];
    if (row === undefined || fault === 0 || this.fault !== 0) return;
    this.fault = fault;
    // Of a connection Envoy says so by another flag than of a stream.
    this.responseFlags = fault === MAX_STREAM_DURATION ? 'DT' : row.flag;
    this.responseCodeDetails = row.details;
  }

  /** No endpoint of those that were tried took the connection. */
  noteAttemptsExceeded(): void {
    this.responseFlags = this.responseFlags === '' ? 'URX' : `${this.responseFlags},URX`;
  }

  get directRemoteAddress(): Address {
    return this.conn.remoteAddress;
  }
  get connectionId(): number {
    return this.core.processWideId(this.conn.id);
  }
  get nowUs(): number {
    return this.core.transport.nowUs();
  }
  get clusterName(): string {
    return this.cluster === null ? '' : this.cluster.record.name;
  }
  get upstreamAddress(): Address | null {
    return this.pool === null ? null : this.pool.endpoint.address;
  }
  get upstreamHostname(): string {
    return this.pool === null ? '' : this.pool.endpoint.hostname;
  }
  get transportFailureReason(): string {
    if (this.upstreamTlsFailure !== '') return this.upstreamTlsFailure;
    const known = FAULTS[this.fault];
    return known?.source === 'upstream' ? known.reason : '';
  }
  get downstreamTlsFailure(): string {
    return this.conn.tlsFailure;
  }
  get hostname(): string {
    return this.core.hostname;
  }
}
