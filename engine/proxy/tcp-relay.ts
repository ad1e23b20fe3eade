/** TcpRelay: one client connection carried to an endpoint as it is, in both directions, with backpressure. */
import { Timer } from '../base/timer-wheel.js';
import {
  DOWN_GONE,
  type FaultCode,
  MAX_STREAM_DURATION,
  NO_CLUSTER,
  NO_ENDPOINT,
  STREAM_IDLE_RESPONSE,
  UP_RESET,
} from '../fault/faults.js';
import { type Address, type Conn, type ConnOwner, HOLD_CONNECTING, HOLD_PEER_FULL } from '../io/transport.js';
import { CLUSTER, TCP } from '../metrics/declare.js';
import { RequestHash } from '../upstream/balance/request-hash.js';
import { RawConn, type RawConnOwner } from '../upstream/raw-conn.js';
import type { TlsFacts } from '../tls/tls-facts.js';
import type { Core } from './core.js';
import { countClosed, countOpened } from './listener-counts.js';
import { TcpRecord } from './tcp-record.js';
import type { TcpRuntime } from './tcp-runtime.js';

const ATTEMPTS_EXCEEDED = CLUSTER.index.upstream_cx_connect_attempts_exceeded;
const CX_RX_BYTES = TCP.index.downstream_cx_rx_bytes_total;
const CX_TX_BYTES = TCP.index.downstream_cx_tx_bytes_total;

export class TcpRelay extends Timer implements ConnOwner, RawConnOwner {
  readonly #core: Core;
  readonly #record: TcpRecord;
  readonly #down: Conn;
  readonly #hash = new RequestHash();
  #up: RawConn | null = null;
  /** What the client had sent before its filter chain was chosen. */
  #early: Uint8Array | null = null;
  #tried = 0;
  #isUpOpen = false;
  /** The endpoint is full: bytes that were read before may still come. */
  #isDownPaused = false;
  #hasDownEnded = false;
  #hasUpEnded = false;
  #isOver = false;
  #lastActiveMs: number;
  /** Waiting for either peer when the connection last seemed idle. */
  #queuedBytes = 0;
  readonly #ageDeadlineMs: number;

  /** tls: null where the bytes are the client's as they come. serverName: '' where nobody looked, or none was named. */
  constructor(core: Core, conn: Conn, runtime: TcpRuntime, tls: TlsFacts | null, serverName: string) {
    super();
    this.#core = core;
    this.#down = conn;
    this.#record = new TcpRecord(core, conn, runtime, tls, serverName);
    this.#lastActiveMs = core.transport.nowMs();
    const { maxDownstreamConnectionDurationMs: ageMs } = runtime.record;
    this.#ageDeadlineMs = ageMs === 0 ? 0 : this.#lastActiveMs + ageMs;
    this.#countOpen();
    this.#arm();
  }

  get clientAddress(): Address {
    return this.#record.remoteAddress;
  }
  get servedAddress(): Address {
    return this.#record.localAddress;
  }

  /** Call it once the connection is this one's. */
  begin(): void {
    this.#down.hold(HOLD_CONNECTING);
    const cluster = this.#record.runtime.chooseCluster(this.#core.random);
    this.#record.cluster = cluster;
    if (cluster === null) {
      this.#count(TCP.index.downstream_cx_no_route, 1);
      this.#fail(NO_CLUSTER);
      return;
    }
    const { hashPolicies } = this.#record.runtime;
    if (hashPolicies !== null) this.#hash.isSet = hashPolicies.hash(this.#record, this.#hash, this.#core.random);
    this.#connect();
  }

  /** Each attempt goes to an endpoint that was not tried, as long as there is one. */
  #connect(): void {
    const record = this.#record;
    const cluster = record.cluster as NonNullable<typeof record.cluster>;
    const index = cluster.pick(this.#hash, this.#tried);
    if (index < 0) {
      this.#fail(NO_ENDPOINT);
      return;
    }
    if (index < 31) this.#tried |= 1 << index;
    record.attemptCount++;
    record.pool = cluster.pool(index);
    this.#up = RawConn.dial(cluster, record.pool, this);
    if (this.#up === null) this.#fail(cluster.lastFault);
  }

  // ---- from the client -------------------------------------------------------------------------------

  onOpen(): void {}

  onHandshake(): FaultCode {
    return 0;
  }

  onBytes(_conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    this.#touch();
    this.#record.bytesReceived += end - start;
    this.#count(CX_RX_BYTES, end - start);
    if (!this.#isUpOpen) this.#keepEarly(bytes.slice(start, end));
    else if (this.#up?.write(bytes, start, end) === true && !this.#isDownPaused) {
      this.#isDownPaused = true;
      this.#count(TCP.index.downstream_flow_control_paused_reading_total, 1);
      this.#down.hold(HOLD_PEER_FULL);
    }
  }

  /** At most what one read brings, for reading is held until the endpoint is there. */
  #keepEarly(bytes: Uint8Array): void {
    this.#early = this.#early === null ? bytes : Buffer.concat([this.#early, bytes]);
  }

  onWritable(): void {
    this.#touch();
    this.#up?.release(HOLD_PEER_FULL);
  }

  onPeerEnd(): void {
    this.#hasDownEnded = true;
    if (this.#isUpOpen) this.#up?.shutdownAfterFlush();
    this.#endIfBothEnded();
  }

  onClosed(_conn: Conn, fault: FaultCode): void {
    this.#core.wheel.forget(this);
    this.#core.forget(this);
    const record = this.#record;
    if (!this.#isOver && fault !== 0) record.note(DOWN_GONE);
    this.#isOver = true;
    const up = this.#up;
    // What it sent before is accepted, and still goes.
    if (up !== null && this.#isUpOpen) up.endAfterFlush(this.#stuckMs(up));
    else up?.abort(DOWN_GONE);
    record.endUs = this.#core.transport.nowUs();
    this.#countClosed();
    record.runtime.log(record);
  }

  // ---- from the endpoint -----------------------------------------------------------------------------

  onUpstreamOpen(): void {
    const up = this.#up as RawConn;
    this.#isUpOpen = true;
    this.#record.upstreamStartUs = this.#core.transport.nowUs();
    this.#record.upstreamConnectionId = this.#core.processWideId(up.id);
    if (this.#record.runtime.accessLogs.length > 0) {
      this.#record.upstreamLocalAddress = up.localAddress;
      this.#record.upstreamTls = up.tls;
    }
    const early = this.#early;
    this.#early = null;
    if (early !== null) up.write(early, 0, early.length);
    if (this.#hasDownEnded) up.shutdownAfterFlush();
    this.#down.release(HOLD_CONNECTING);
  }

  onUpstreamBytes(bytes: Uint8Array, start: number, end: number): void {
    this.#touch();
    this.#record.bytesSent += end - start;
    this.#count(CX_TX_BYTES, end - start);
    if (this.#down.write(bytes, start, end)) this.#up?.hold(HOLD_PEER_FULL);
  }

  onUpstreamWritable(): void {
    this.#touch();
    if (!this.#isDownPaused) return;
    this.#isDownPaused = false;
    this.#count(TCP.index.downstream_flow_control_resumed_reading_total, 1);
    this.#down.release(HOLD_PEER_FULL);
  }

  onUpstreamEnd(): void {
    this.#hasUpEnded = true;
    this.#down.shutdownAfterFlush();
    this.#endIfBothEnded();
  }

  onUpstreamClosed(fault: FaultCode, wasOpen: boolean): void {
    this.#record.upstreamTlsFailure = this.#up?.tlsFailure ?? '';
    this.#up = null;
    this.#isUpOpen = false;
    if (this.#isOver) return;
    if (!wasOpen) {
      this.#dialFailed(fault);
      return;
    }
    // A client must be able to tell a broken answer from a whole one; what is on its way to it goes first.
    if (fault !== 0) this.#record.note(fault);
    this.#isOver = true;
    if (fault === UP_RESET && this.#down.queuedBytes === 0) this.#down.abort(fault);
    else this.#down.endAfterFlush(this.#stuckMs(this.#down));
  }

  #dialFailed(fault: FaultCode): void {
    const { cluster, runtime, attemptCount } = this.#record;
    if (attemptCount < runtime.record.maxConnectAttempts) {
      this.#connect();
      return;
    }
    cluster?.count(ATTEMPTS_EXCEEDED, 1);
    this.#record.note(fault);
    this.#record.noteAttemptsExceeded();
    this.#fail(fault);
  }

  // ---- the end -----------------------------------------------------------------------------------------

  #endIfBothEnded(): void {
    if (!this.#hasDownEnded || !this.#hasUpEnded) return;
    this.#isOver = true;
    this.#up?.endAfterFlush(this.#stuckMs(this.#up));
    this.#down.endAfterFlush(this.#stuckMs(this.#down));
  }

  /** What is left to send has as long as an idle connection, and so long again whenever some of it is taken. */
  #stuckMs(peer: { readonly queuedBytes: number }): number {
    // Of what was written in this turn nobody knows yet.
    const hasAll = peer.queuedBytes === 0 && this.#lastActiveMs !== this.#core.transport.nowMs();
    return hasAll ? 0 : this.#record.runtime.record.idleTimeoutMs;
  }

  #fail(fault: FaultCode): void {
    this.#record.note(fault);
    this.#isOver = true;
    this.#up?.abort(fault);
    this.#down.endAfterFlush(0);
  }

  /** Its time is up: whoever has not taken everything is told so by a reset, and is not waited for. */
  #expire(fault: FaultCode): void {
    this.#record.note(fault);
    this.#isOver = true;
    const up = this.#up;
    if (up !== null && this.#isUpOpen && up.queuedBytes === 0) up.endAfterFlush(0);
    else up?.abort(fault);
    if (this.#down.queuedBytes === 0) this.#down.endAfterFlush(0);
    else this.#down.abort(fault);
  }

  /** Nothing tells the peers of a raw connection that it will end: it is left alone until the drain's time is up. */
  drain(): void {}

  cut(fault: FaultCode): void {
    this.#record.note(fault);
    this.#isOver = true;
    this.#down.abort(fault);
  }

  // ---- time --------------------------------------------------------------------------------------------

  #touch(): void {
    this.#lastActiveMs = this.#core.transport.nowMs();
  }

  /** A peer that reads slowly took something since this was last asked, or was not yet asked. */
  #isFlushing(): boolean {
    const queuedBytes = this.#down.queuedBytes + (this.#up?.queuedBytes ?? 0);
    const hasMoved = queuedBytes !== this.#queuedBytes;
    this.#queuedBytes = queuedBytes;
    return hasMoved && queuedBytes !== 0;
  }

  #idleDeadlineMs(): number {
    const { idleTimeoutMs } = this.#record.runtime.record;
    return idleTimeoutMs === 0 ? 0 : this.#lastActiveMs + idleTimeoutMs;
  }

  #arm(): void {
    const idleMs = this.#idleDeadlineMs();
    const next =
      idleMs === 0 || (this.#ageDeadlineMs !== 0 && this.#ageDeadlineMs < idleMs) ? this.#ageDeadlineMs : idleMs;
    if (next !== 0) this.#core.wheel.arm(this, next);
  }

  onTimer(nowMs: number): void {
    if (this.#isOver) return;
    if (this.#ageDeadlineMs !== 0 && this.#ageDeadlineMs <= nowMs) {
      this.#count(TCP.index.max_downstream_connection_duration, 1);
      this.#expire(MAX_STREAM_DURATION);
      return;
    }
    let idleMs = this.#idleDeadlineMs();
    if (idleMs !== 0 && idleMs <= nowMs && this.#isFlushing()) {
      this.#touch();
      idleMs = this.#idleDeadlineMs();
    }
    if (idleMs !== 0 && idleMs <= nowMs) {
      this.#count(TCP.index.idle_timeout, 1);
      this.#expire(STREAM_IDLE_RESPONSE);
      return;
    }
    this.#arm();
  }

  // ---- counters ----------------------------------------------------------------------------------------

  #countOpen(): void {
    this.#count(TCP.index.downstream_cx_total, 1);
    this.#count(TCP.index.downstream_cx_active, 1);
    countOpened(this.#core, this.#record.runtime.listener);
  }

  #countClosed(): void {
    const { runtime, startUs, endUs } = this.#record;
    this.#count(TCP.index.downstream_cx_active, -1);
    countClosed(this.#core, runtime.listener, endUs - startUs);
  }

  #count(index: number, amount: number): void {
    this.#core.metrics.add(this.#record.runtime.record.metrics.counters + index, amount);
  }
}
