/** ExchangeRecord: everything one request and its answer are known by; what logs, formats and filters read. */
import { Timer } from '../base/timer-wheel.js';
import { type FaultCode, FAULTS } from '../fault/faults.js';
import type { FilterContext, Verdict } from '../filter/filter.js';
import type { FilterRun } from '../filter/filter-run.js';
import { type Direction, REQUEST } from '../filter/way.js';
import { GrpcMessages } from '../format/filter-state-value.js';
import { HEAD_HTTP10, type Head } from '../http/head.js';
import { servedAddress } from '../io/proxied.js';
import type { Address } from '../io/transport.js';
import { CONNECTION_SETS, rateCell } from '../limit/rate-memory.js';
import { requestMethodName } from '../http/methods.js';
import type { ClusterChoice, CompiledRoute } from '../route/compiled-route.js';
import type { HashedRequest } from '../route/hash-policy.js';
import { RequestHash } from '../upstream/balance/request-hash.js';
import type { Cluster } from '../upstream/cluster.js';
import { OverrideHost } from '../upstream/override-host.js';
import type { Pool } from '../upstream/pool.js';
import type { UpstreamConn } from '../upstream/upstream-conn.js';
import type { TlsFacts } from '../tls/tls-facts.js';
import { transportFailureReason } from './transport-failure.js';
import { ACQUIRING, FINISHED, LOCAL_REPLY, RESPONSE_HEAD, UPSTREAM_COUNTED, UPSTREAM_HEAD } from './exchange-state.js';
import type { Core } from './core.js';
import type { Client } from './client.js';
import type { ListenerRuntime } from './snapshot.js';

const NOWHERE: Address = Object.freeze({ family: 4, host: '0.0.0.0', port: 0 });

/**
 * A client that has sent FIN may be waiting for its answer (half-close) or be gone; TCP can't tell them apart. So long
 * the upstream request lives on, and again after every piece of the answer. Shorter cuts `nc -N` users off, longer lets
 * abandoned work run: an event stream whose reader is gone, say.
 */
export const HALF_CLOSE_GRACE_MS = 1000;

export abstract class ExchangeRecord extends Timer implements FilterContext, HashedRequest {
  readonly core: Core;
  downstream: Client | null = null;
  listener: ListenerRuntime | null = null;
  /** Never null: each exchange owns a head for requests and swaps it with those that codecs parse into. */
  request: Head;
  /** core.noResponse until there is one: heads of responses live for a turn mostly, so a few of them do for all. */
  response: Head;
  responseTrailers: Head | null = null;
  route: CompiledRoute | null = null;
  cluster: Cluster | null = null;
  choice: ClusterChoice | null = null;
  /** Pool of the picked endpoint, and its index while the list is the same. */
  pool: Pool | null = null;
  endpointIndex = -1;
  /** What the route's hash policies gave; retries go by it too. */
  readonly hash = new RequestHash();
  newCookies = 0;
  cookieLow = 0;
  cookieHigh = 0;
  /** Bits of endpoint indexes below 31 that were tried. */
  tried = 0;
  marks = 0;
  readonly grpcMessages = new GrpcMessages();
  /** Made for the first request that a filter names an endpoint for, and kept. */
  #host: OverrideHost | null = null;
  state = 0;
  fault: FaultCode = 0;
  responseFlags = '';
  responseCodeDetails = '';
  scheme: 'http' | 'https' = 'http';
  remoteAddress: Address = NOWHERE;
  isInternal = false;
  attemptCount = 0;
  /** Requests in flight at the endpoint, in the whole process, when this attempt began. */
  activeAtStart = 0;
  upstreamConnectionId = 0;
  upstreamIsHttp2 = false;
  upstreamLocalAddress: Address | null = null;
  upstreamTls: TlsFacts | null = null;
  isEdge = false;
  startWallMs = 0;
  startUs = 0;
  requestEndUs = 0;
  upstreamStartUs = 0;
  upstreamRequestEndUs = 0;
  upstreamHeadUs = 0;
  upstreamEndUs = 0;
  responseStartUs = 0;
  endUs = 0;
  bytesReceived = 0;
  bytesSent = 0;
  /** Bytes that were passed on to who is full: their sender may not send as many again yet. */
  uncreditedRequest = 0;
  uncreditedResponse = 0;
  /** Sec-WebSocket-Accept of the answer to an upgrade that goes from one version of HTTP to the other. */
  switchAccept: Uint8Array | null = null;
  /** Of the request's body, as they left the filters. */
  bytesRelayed = 0;
  // Due times on the wheel's clock, 0 = off; deadline.ts knows what each means.
  /** Of the route, or what the request asks for within its limits; 0 = off. */
  routeTimeoutMs = 0;
  routeDeadlineMs = 0;
  idleDeadlineMs = 0;
  requestDeadlineMs = 0;
  durationDeadlineMs = 0;
  goneDeadlineMs = 0;
  idleTimeoutMs = 0;
  /** Null: there are no filters. */
  protected filters: FilterRun | null = null;

  constructor(core: Core) {
    super();
    this.core = core;
    this.request = core.heads.take();
    this.response = core.noResponse;
  }

  /** Back to the state after construction, apart from the heads, which their next use resets. */
  protected clear(): void {
    this.downstream = null;
    this.listener = null;
    this.responseTrailers = null;
    this.route = null;
    this.cluster = null;
    this.choice = null;
    this.pool = null;
    this.endpointIndex = -1;
    this.hash.isSet = false;
    this.newCookies = 0;
    this.tried = 0;
    this.marks = 0;
    this.grpcMessages.reset();
    if (this.#host !== null) this.#host.clear();
    this.state = 0;
    this.fault = 0;
    this.responseFlags = '';
    this.responseCodeDetails = '';
    this.scheme = 'http';
    this.remoteAddress = NOWHERE;
    this.isInternal = false;
    this.attemptCount = 0;
    this.activeAtStart = 0;
    this.upstreamConnectionId = 0;
    this.upstreamIsHttp2 = false;
    this.upstreamLocalAddress = null;
    this.upstreamTls = null;
    this.isEdge = false;
    this.startWallMs = 0;
    this.startUs = 0;
    this.requestEndUs = 0;
    this.upstreamStartUs = 0;
    this.upstreamRequestEndUs = 0;
    this.upstreamHeadUs = 0;
    this.upstreamEndUs = 0;
    this.responseStartUs = 0;
    this.endUs = 0;
    this.bytesReceived = 0;
    this.bytesSent = 0;
    this.uncreditedRequest = 0;
    this.uncreditedResponse = 0;
    this.switchAccept = null;
    this.bytesRelayed = 0;
    this.routeTimeoutMs = 0;
    this.routeDeadlineMs = 0;
    this.idleDeadlineMs = 0;
    this.requestDeadlineMs = 0;
    this.durationDeadlineMs = 0;
    this.goneDeadlineMs = 0;
    this.idleTimeoutMs = 0;
    if (this.filters !== null) this.filters.end();
    this.filters = null;
  }

  /** Of the connection that this attempt goes on; its address only where a format asks, for it costs a system call. */
  protected noteConnection(conn: UpstreamConn): void {
    this.upstreamIsHttp2 = conn.protocol === 2;
    this.upstreamConnectionId = this.core.processWideId(conn.id);
    if (this.listener?.record.asksUpstreamAddress === true) this.upstreamLocalAddress = conn.localAddress;
    this.upstreamTls = conn.tls;
  }

  /** A head for an answer of our own. */
  ownResponse(): Head {
    if (this.response === this.core.noResponse) this.response = this.core.heads.take();
    return this.response;
  }

  isHighPriority(): boolean {
    const action = this.route?.record.action;
    return action !== undefined && action.kind === 'forward' && action.priority === 'HIGH';
  }

  /** Of the cluster, by its policy or as a filter wants it; -1 = none. */
  protected pickEndpoint(cluster: Cluster): number {
    const host = this.#host;
    const criteria = this.choice === null ? 0 : this.choice.criteria;
    if (host === null || host.length === 0) return cluster.pick(this.hash, this.tried, criteria);
    return cluster.pickHost(host, this.hash, this.tried, criteria);
  }

  /** The next attempt goes to another endpoint. */
  protected leaveEndpoint(): void {
    if (this.endpointIndex < 31) this.tried |= 1 << this.endpointIndex;
    if (this.#host !== null) this.#host.isLeft = true;
  }

  /** Another endpoint would do, and there is one. */
  protected hasOther(): boolean {
    const host = this.#host;
    if (host !== null && host.length > 0 && host.isStrict) return false;
    return this.cluster?.hasOther(this.tried, this.endpointIndex, this.choice?.criteria ?? 0) === true;
  }

  overrideHost(address: Uint8Array, start: number, end: number, isStrict: boolean): void {
    if (this.#host === null) this.#host = new OverrideHost();
    this.#host.set(address, start, end, isStrict);
  }

  get isAtOverrideHost(): boolean {
    return this.#host?.isPicked === true;
  }

  draw(bound: number): number {
    return this.core.random.below(bound);
  }

  addTo(slot: number, amount: number): void {
    this.core.metrics.add(slot, amount);
  }

  record(histogram: number, valueUs: number): void {
    this.core.metrics.record(histogram, valueUs);
  }

  takeToken(bucket: number, intervalNs: number, capacityNs: number, perConnection: boolean): boolean {
    const { rateCells } = this.core.options;
    const nowNs = Math.floor(this.core.cells.clock.nowUs()) * 1000;
    if (!perConnection) return rateCells.takeToken(rateCell(bucket), nowNs, intervalNs, capacityNs) === 0;
    const id = this.connectionId;
    const high = (bucket << 16) | (Math.floor(id / 2 ** 32) & 0xffff);
    // Both steps can be undone, so that no two connections have one key; the low bits say which set it goes to.
    const low = Math.imul((id | 0) ^ high, 0x9e3779b1);
    return rateCells.takeKeyed(CONNECTION_SETS, low ^ (low >>> 15), high, nowNs, intervalNs, capacityNs) === 0;
  }

  get filterScope(): object | null {
    if (this.route === null) return null;
    return this.choice === null || this.choice.record === null ? this.route.record : this.choice.record;
  }

  is(bits: number): boolean {
    return (this.state & bits) !== 0;
  }

  /** Notes a fault; the first one names details, flags add up in order (UF,URX). */
  protected note(fault: FaultCode): void {
    const row = FAULTS[fault];
    if (row === undefined || fault === 0) return;
    this.fault = fault;
    const details = this.downstream?.protocol === 2 ? row.http2Details : row.details;
    this.responseCodeDetails = this.is(UPSTREAM_HEAD)
      ? details.replace('before_response_started', 'after_response_started')
      : details;
    if (row.flag === '') return;
    if (this.responseFlags === '') this.responseFlags = row.flag;
    else if (!this.responseFlags.includes(row.flag)) this.responseFlags = `${this.responseFlags},${row.flag}`;
  }

  get isAcquiring(): boolean {
    return this.is(ACQUIRING);
  }

  ticket(): number {
    return this.filters === null ? 0 : this.filters.ticket();
  }

  resume(ticket: number): void {
    if (this.filters !== null && !this.is(FINISHED)) this.filters.resume(ticket);
  }

  emit(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    if (this.filters !== null) this.filters.emit(bytes, start, end, last);
  }

  keepHead(direction: Direction): void {
    (direction === REQUEST ? this.request : this.response).retain();
  }

  keepTrailers(trailers: Head): Head {
    const copy = this.core.heads.take();
    copy.copyFrom(trailers);
    return copy;
  }

  dropTrailers(trailers: Head): void {
    this.core.heads.give(trailers);
  }

  /** Something moved: the idle timeout begins anew. */
  touch(): void {
    if (this.idleTimeoutMs !== 0) this.idleDeadlineMs = this.core.transport.nowMs() + this.idleTimeoutMs;
    if (this.goneDeadlineMs !== 0) this.goneDeadlineMs = this.core.transport.nowMs() + HALF_CLOSE_GRACE_MS;
  }

  /** The upstream's part is over: cells and counters of the attempt are given back, once. */
  protected endUpstream(fault: FaultCode): void {
    this.upstreamEndUs = this.core.transport.nowUs();
    if (!this.is(UPSTREAM_COUNTED)) return;
    this.state &= ~UPSTREAM_COUNTED;
    const status = this.is(UPSTREAM_HEAD) && !this.is(LOCAL_REPLY) ? this.response.status : 0;
    const latencyUs = this.upstreamStartUs === 0 ? 0 : this.upstreamEndUs - this.upstreamStartUs;
    const headUs = status === 0 ? latencyUs : this.upstreamHeadUs - this.upstreamStartUs;
    const { pool, activeAtStart } = this;
    this.cluster?.requestFinished(pool as Pool, this.isHighPriority(), status, fault, latencyUs, activeAtStart, headUs);
  }

  abstract reply(status: number, body: Uint8Array, fault: FaultCode): Verdict;

  // ---- ExchangeView ----------------------------------------------------------------------------

  get protocol(): 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2' {
    if (this.downstream?.protocol === 2) return 'HTTP/2';
    return (this.request.flags & HEAD_HTTP10) !== 0 ? 'HTTP/1.0' : 'HTTP/1.1';
  }
  get upstreamProtocol(): 'HTTP/1.1' | 'HTTP/2' | '' {
    if (this.upstreamStartUs === 0) return '';
    return this.upstreamIsHttp2 ? 'HTTP/2' : 'HTTP/1.1';
  }
  get directRemoteAddress(): Address {
    return this.downstream === null ? NOWHERE : this.downstream.conn.remoteAddress;
  }
  get localAddress(): Address {
    return this.downstream === null ? NOWHERE : servedAddress(this.downstream.conn);
  }
  get connectionId(): number {
    return this.downstream === null ? 0 : this.core.processWideId(this.downstream.conn.id);
  }
  get nowUs(): number {
    return this.core.transport.nowUs();
  }
  get requestHeadBytes(): number {
    return this.request.length;
  }
  get responseHeadBytes(): number {
    return this.response.length;
  }
  get responseStatus(): number {
    return this.is(RESPONSE_HEAD) ? this.response.status : 0;
  }
  get routeName(): string {
    return this.route === null ? '' : this.route.record.name;
  }
  get virtualHostName(): string {
    return this.route === null ? '' : this.route.virtualHost.name;
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
    return transportFailureReason(this.fault, this.pool);
  }
  get downstreamTls(): TlsFacts | null {
    return this.downstream === null ? null : this.downstream.tls;
  }
  get downstreamTlsFailure(): string {
    return this.downstream === null ? '' : this.downstream.conn.tlsFailure;
  }
  get methodName(): string {
    return requestMethodName(this.request);
  }
  get hostname(): string {
    return this.core.hostname;
  }
}
