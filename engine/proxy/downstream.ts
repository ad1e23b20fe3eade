/** Downstream: one client connection: its codec, its idle and age limits, its way through a drain. */
import { Timer } from '../base/timer-wheel.js';
import { type FaultCode, REQUEST_HEADERS_TIMEOUT } from '../fault/faults.js';
import type { CodecHost, MessageSink, MessageStream, StreamAcceptor } from '../http/codec.js';
import { type PeerHost, withoutMapping } from '../http/forwarded.js';
import { Http1ServerCodec } from '../http1/codec-server.js';
import { type Address, type Conn, type ConnOwner, HOLD_CLOSING } from '../io/transport.js';
import { UNKNOWN_ADDRESS } from '../io/unowned.js';
import { HTTP, LISTENER, WORKER } from '../metrics/declare.js';
import type { Client } from './client.js';
import type { Core } from './core.js';
import type { Exchange } from './exchange.js';
import type { ListenerRuntime } from './snapshot.js';

const CX_TOTAL = HTTP.index.downstream_cx_total;
const CX_ACTIVE = HTTP.index.downstream_cx_active;
const CX_HTTP1_TOTAL = HTTP.index.downstream_cx_http1_total;
const CX_HTTP1_ACTIVE = HTTP.index.downstream_cx_http1_active;
const CX_DESTROY = HTTP.index.downstream_cx_destroy;
const CX_DESTROY_LOCAL = HTTP.index.downstream_cx_destroy_local;
const CX_DESTROY_REMOTE = HTTP.index.downstream_cx_destroy_remote;
const CX_DESTROY_ACTIVE_RQ = HTTP.index.downstream_cx_destroy_active_rq;
const CX_DESTROY_LOCAL_ACTIVE_RQ = HTTP.index.downstream_cx_destroy_local_active_rq;
const CX_DESTROY_REMOTE_ACTIVE_RQ = HTTP.index.downstream_cx_destroy_remote_active_rq;
const CX_IDLE_TIMEOUT = HTTP.index.downstream_cx_idle_timeout;
const CX_MAX_DURATION = HTTP.index.downstream_cx_max_duration_reached;
const CX_MAX_REQUESTS = HTTP.index.downstream_cx_max_requests_reached;
const CX_DRAIN_CLOSE = HTTP.index.downstream_cx_drain_close;
const CX_RX_BYTES = HTTP.index.downstream_cx_rx_bytes_total;
const CX_TX_BYTES = HTTP.index.downstream_cx_tx_bytes_total;
const CX_LENGTH = HTTP.histograms.indexOf('downstream_cx_length_ms');
const LISTENER_CX_TOTAL = LISTENER.index.downstream_cx_total;
const LISTENER_CX_ACTIVE = LISTENER.index.downstream_cx_active;
const LISTENER_CX_DESTROY = LISTENER.index.downstream_cx_destroy;
const LISTENER_CX_LENGTH = LISTENER.histograms.indexOf('downstream_cx_length_ms');
const WORKER_CX_TOTAL = WORKER.index.downstream_cx_total;
const WORKER_CX_ACTIVE = WORKER.index.downstream_cx_active;

/**
 * An idle connection that is to be drained may carry a request that is on its way already: closing it at once would
 * lose that. Quiet for so long, it is not in use. Longer delays the exit, shorter loses requests of slow networks.
 */
const DRAIN_IDLE_GRACE_MS = 1000;

export class Downstream extends Timer implements ConnOwner, CodecHost, StreamAcceptor, Client {
  readonly core: Core;
  readonly conn: Conn;
  /** As of accept; requests use the newest runtime of the same listener while there is one. */
  readonly listener: ListenerRuntime;
  readonly #codec: Http1ServerCodec;
  readonly #openedUs: number;
  #exchange: Exchange | null = null;
  #peerHost: PeerHost | null = null;
  #peerAddress: Address = UNKNOWN_ADDRESS;
  #requests = 0;
  /** Due time of what we wait for between requests: idle, or the rest of a head. */
  #waitDeadlineMs: number;
  #isWaitingForHead = false;
  #ageDeadlineMs: number;
  #isClosing = false;

  constructor(core: Core, conn: Conn, listener: ListenerRuntime) {
    super();
    this.core = core;
    this.conn = conn;
    this.listener = listener;
    this.#codec = new Http1ServerCodec(conn, this, this, listener.http1, core.http1);
    this.#openedUs = core.transport.nowUs();
    const http = listener.record;
    const nowMs = core.transport.nowMs();
    this.#waitDeadlineMs = http.idleTimeoutMs === 0 ? 0 : nowMs + http.idleTimeoutMs;
    this.#ageDeadlineMs = http.maxConnectionDurationMs === 0 ? 0 : nowMs + http.maxConnectionDurationMs;
    this.#arm();
    this.#countOpen();
  }

  /** Made on the first request: an idle connection that never asks needs no address. */
  get peerHost(): PeerHost {
    if (this.#peerHost === null) {
      this.#peerAddress = withoutMapping(this.conn.remoteAddress);
      this.#peerHost = this.listener.forwarding.hostOf(this.#peerAddress, this.conn.secure);
    }
    return this.#peerHost;
  }
  /** Known after peerHost. */
  get peerAddress(): Address {
    return this.#peerAddress;
  }

  get isIdle(): boolean {
    return this.#exchange === null && !this.#codec.hasPartialHead;
  }

  // ---- ConnOwner -----------------------------------------------------------------------------------

  onOpen(): void {}
  onHandshake(): FaultCode {
    return 0;
  }

  onBytes(_conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    if (this.#isClosing) return;
    this.#codec.feed(bytes, start, end);
    if (this.#exchange === null) this.#awaitRest();
  }

  onWritable(): void {
    this.#codec.onWritable();
  }

  onPeerEnd(): void {
    this.#codec.feedEnd();
    if (this.#exchange !== null) this.#exchange.onClientEnd();
    else this.#end();
  }

  onClosed(_conn: Conn, fault: FaultCode): void {
    const hadExchange = this.#exchange !== null;
    this.core.wheel.forget(this);
    this.#codec.close(fault === 0 ? this.core.goneFault : fault);
    this.#countClosed(hadExchange);
    this.core.forget(this);
  }

  // ---- CodecHost and StreamAcceptor ------------------------------------------------------------------

  onStream(stream: MessageStream): MessageSink {
    const listener = this.core.listenerRuntime(this.listener);
    this.#requests++;
    this.#isWaitingForHead = false;
    const limit = listener.record.maxRequestsPerConnection;
    if (limit !== 0 && this.#requests >= limit) {
      if (this.#requests === limit) this.#count(CX_MAX_REQUESTS, 1);
      this.#codec.drain();
    }
    if (this.core.isDraining) {
      if (this.#requests > 0) this.#count(CX_DRAIN_CLOSE, 1);
      this.#codec.drain();
    }
    const exchange = this.core.takeExchange();
    this.#exchange = exchange;
    exchange.begin(this, stream, listener);
    return exchange;
  }

  /** A head that began behind a pipelined request has its time too: else it could wait for ever (slowloris). */
  onIdle(): void {
    if (this.#exchange === null && this.#codec.hasPartialHead) this.#awaitRest();
  }

  onFinished(): void {
    this.#end();
  }

  /** The exchange is over; the codec decides about the connection. */
  onExchangeEnd(): void {
    this.#exchange = null;
    if (this.#codec.isDraining) {
      this.#startDrainGrace();
      return;
    }
    const idleMs = this.listener.record.idleTimeoutMs;
    if (idleMs !== 0) this.#waitDeadlineMs = this.core.transport.nowMs() + idleMs;
  }

  // ---- limits and drain ------------------------------------------------------------------------------

  onTimer(nowMs: number): void {
    if (this.#isClosing) return;
    if (this.#ageDeadlineMs !== 0 && this.#ageDeadlineMs <= nowMs) {
      this.#ageDeadlineMs = 0;
      this.#count(CX_MAX_DURATION, 1);
      this.drain();
    } else if (this.#exchange === null && this.#waitDeadlineMs !== 0 && this.#waitDeadlineMs <= nowMs) {
      if (this.#isWaitingForHead) {
        this.#codec.refuse(REQUEST_HEADERS_TIMEOUT);
        return;
      }
      this.#count(CX_IDLE_TIMEOUT, 1);
      this.#end();
    }
    this.#arm();
  }

  /** The next response says that the connection closes; without a request it ends after a grace. */
  drain(): void {
    this.#codec.drain();
    if (this.#exchange === null) this.#startDrainGrace();
  }

  #startDrainGrace(): void {
    const graceMs = Math.min(DRAIN_IDLE_GRACE_MS, this.listener.record.drainTimeoutMs);
    this.#waitDeadlineMs = this.core.transport.nowMs() + graceMs;
    this.#arm();
  }

  cut(fault: FaultCode): void {
    this.#isClosing = true;
    this.conn.abort(fault);
  }

  #end(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.conn.hold(HOLD_CLOSING);
    this.conn.endAfterFlush(this.listener.record.delayedCloseTimeoutMs);
  }

  /** Bytes came but no whole head: the time for the head runs from its first byte. */
  #awaitRest(): void {
    if (!this.#codec.hasPartialHead) {
      this.#isWaitingForHead = false;
      return;
    }
    const limitMs = this.listener.record.requestHeadersTimeoutMs;
    if (this.#isWaitingForHead || limitMs === 0) return;
    this.#isWaitingForHead = true;
    this.#waitDeadlineMs = this.core.transport.nowMs() + limitMs;
    this.#arm();
  }

  #arm(): void {
    let next = this.#exchange === null ? this.#waitDeadlineMs : 0;
    // While an exchange runs the entry stays linked at some later time: it costs nothing and needs no re-arming.
    if (next === 0 && this.#waitDeadlineMs !== 0)
      next = this.core.transport.nowMs() + this.listener.record.idleTimeoutMs;
    if (this.#ageDeadlineMs !== 0 && (next === 0 || this.#ageDeadlineMs < next)) next = this.#ageDeadlineMs;
    if (next !== 0) this.core.wheel.arm(this, next);
  }

  // ---- counters ----------------------------------------------------------------------------------------

  #count(index: number, amount: number): void {
    this.core.metrics.add(this.listener.record.metrics.counters + index, amount);
  }

  #countOpen(): void {
    this.#count(CX_TOTAL, 1);
    this.#count(CX_ACTIVE, 1);
    this.#count(CX_HTTP1_TOTAL, 1);
    this.#count(CX_HTTP1_ACTIVE, 1);
    const metrics = this.core.metrics;
    const listenerBase = this.listener.listener.metrics.counters;
    metrics.add(listenerBase + LISTENER_CX_TOTAL, 1);
    metrics.add(listenerBase + LISTENER_CX_ACTIVE, 1);
    metrics.add(this.core.workerBase + WORKER_CX_TOTAL, 1);
    metrics.add(this.core.workerBase + WORKER_CX_ACTIVE, 1);
  }

  #countClosed(hadExchange: boolean): void {
    const isLocal = this.#isClosing;
    this.#count(CX_ACTIVE, -1);
    this.#count(CX_HTTP1_ACTIVE, -1);
    this.#count(CX_DESTROY, 1);
    this.#count(isLocal ? CX_DESTROY_LOCAL : CX_DESTROY_REMOTE, 1);
    if (hadExchange) {
      this.#count(CX_DESTROY_ACTIVE_RQ, 1);
      this.#count(isLocal ? CX_DESTROY_LOCAL_ACTIVE_RQ : CX_DESTROY_REMOTE_ACTIVE_RQ, 1);
    }
    this.#count(CX_RX_BYTES, this.conn.bytesRead);
    this.#count(CX_TX_BYTES, this.conn.bytesWritten);
    const metrics = this.core.metrics;
    const listenerScope = this.listener.listener.metrics;
    const lengthUs = this.core.transport.nowUs() - this.#openedUs;
    metrics.add(listenerScope.counters + LISTENER_CX_ACTIVE, -1);
    metrics.add(listenerScope.counters + LISTENER_CX_DESTROY, 1);
    if (listenerScope.histograms >= 0) metrics.record(listenerScope.histograms + LISTENER_CX_LENGTH, lengthUs);
    const scope = this.listener.record.metrics;
    if (scope.histograms >= 0) metrics.record(scope.histograms + CX_LENGTH, lengthUs);
    metrics.add(this.core.workerBase + WORKER_CX_ACTIVE, -1);
  }
}
