/** UpstreamConn: one connection to an endpoint: dial, codec, room for requests, idle and age limits. */
import { Timer } from '../base/timer-wheel.js';
import {
  type FaultCode,
  UP_CLOSED,
  UP_CONNECT_TIMEOUT,
  UP_DRAINED,
  UP_H2_PING_TIMEOUT,
  UP_RESET,
} from '../fault/faults.js';
import type { MessageSink, MessageStream, MultiplexedHost } from '../http/codec.js';
import { type ClientCodec, newClientCodec } from './client-codec.js';
import type { Address, Conn, ConnOwner } from '../io/transport.js';
import type { TlsFacts } from '../tls/tls-facts.js';
import type { ClusterTls } from './cluster-tls.js';
import { CLUSTER, ENDPOINT } from '../metrics/declare.js';
import { Traffic } from '../metrics/traffic.js';
import type { Pool } from './pool.js';

const CONNECT_FAIL = CLUSTER.index.upstream_cx_connect_fail;
const CONNECT_TIMEOUT = CLUSTER.index.upstream_cx_connect_timeout;
const CX_IDLE_TIMEOUT = CLUSTER.index.upstream_cx_idle_timeout;
const CX_CLOSE_NOTIFY = CLUSTER.index.upstream_cx_close_notify;
const CX_MAX_DURATION = CLUSTER.index.upstream_cx_max_duration_reached;
const CX_MAX_REQUESTS = CLUSTER.index.upstream_cx_max_requests;
const CX_HTTP1 = CLUSTER.index.upstream_cx_http1_total;
const CX_HTTP2 = CLUSTER.index.upstream_cx_http2_total;
const CX_PROTOCOL_ERROR = CLUSTER.index.upstream_cx_protocol_error;
const CX_DESTROY = CLUSTER.index.upstream_cx_destroy;
const CX_DESTROY_LOCAL = CLUSTER.index.upstream_cx_destroy_local;
const CX_DESTROY_REMOTE = CLUSTER.index.upstream_cx_destroy_remote;
const CX_DESTROY_ACTIVE = CLUSTER.index.upstream_cx_destroy_with_active_rq;
const CX_DESTROY_LOCAL_ACTIVE = CLUSTER.index.upstream_cx_destroy_local_with_active_rq;
const CX_DESTROY_REMOTE_ACTIVE = CLUSTER.index.upstream_cx_destroy_remote_with_active_rq;
const CX_RX_BYTES = CLUSTER.index.upstream_cx_rx_bytes_total;
const CX_TX_BYTES = CLUSTER.index.upstream_cx_tx_bytes_total;
const ENDPOINT_CONNECT_FAIL = ENDPOINT.index.cx_connect_fail;
const CONNECT_MS = CLUSTER.histograms.indexOf('upstream_cx_connect_ms');
const LENGTH_MS = CLUSTER.histograms.indexOf('upstream_cx_length_ms');

/** Taken off a learnt Keep-Alive timeout: the peer's clock began earlier than ours. */
const KEEP_ALIVE_MARGIN_MS = 1000;
/** However soon the peer closes, a connection may be used again at once. */
const KEEP_ALIVE_MIN_MS = 100;
/** For the last words of a connection that is ended: a peer that doesn't read would keep it for ever. */
const LAST_FLUSH_MS = 1000;
const HOLD_ALL = -1;

export class UpstreamConn extends Timer implements ConnOwner, MultiplexedHost {
  /** On the pool's stack; the pool's to change. */
  isReady = false;
  /** A request is on it. */
  isBusy = false;
  /** Requests that it took at once when it was new. */
  roomAtFirst = 1;
  readonly #pool: Pool;
  readonly #conn: Conn;
  /** Null until it is open where TLS negotiates the protocol. */
  #codec: ClientCodec | null = null;
  /** As of the dial. */
  readonly #tls: ClusterTls | null;
  #tlsFacts: TlsFacts | null = null;
  #wasRefused = false;
  readonly #connectionCell: number;
  readonly #startUs: number;
  #requests = 0;
  #isOpen = false;
  /** Open, and it is known how many streams it takes. */
  #isSettled = false;
  #isEnding = false;
  #hasPeerEnded = false;
  #ageDeadlineMs = 0;
  #settleDeadlineMs = 0;
  #idleDeadlineMs = 0;
  /** On the stack without a request. */
  #isIdle = false;
  /** Inside the codec's feed(). */
  #isFeeding = false;
  /** The codec became idle inside feed(). */
  #isIdleNext = false;
  readonly #traffic: Traffic;

  constructor(pool: Pool, connectionCell: number) {
    super();
    this.#pool = pool;
    this.#connectionCell = connectionCell;
    const { transport, metrics } = pool.cluster.context;
    this.#traffic = new Traffic(metrics, pool.cluster.record.metrics.counters, CX_RX_BYTES, CX_TX_BYTES);
    this.#startUs = transport.nowUs();
    this.#tls = pool.cluster.tlsFor(pool.endpoint);
    const dialTls = this.#tls === null ? null : this.#tls.dial(pool.endpoint, pool.protocol, pool.host);
    const { connectTimeoutMs } = pool.cluster.record;
    const preface = pool.cluster.preface(pool.client);
    this.#conn = transport.dial(pool.endpoint.address, connectTimeoutMs, this, dialTls, preface);
    this.#conn.setHighMark(pool.cluster.record.bufferLimitBytes);
    if (pool.protocol !== 'AUTO') this.#useProtocol(pool.protocol === 'HTTP2' ? 2 : 1);
  }

  #useProtocol(protocol: 1 | 2): void {
    const { cluster } = this.#pool;
    this.#codec = newClientCodec(protocol, cluster, this.#conn, this);
    this.#count(protocol === 1 ? CX_HTTP1 : CX_HTTP2);
  }

  get id(): number {
    return this.#conn.id;
  }
  get localAddress(): Address {
    return this.#conn.localAddress;
  }
  /** Null without TLS. */
  get tls(): TlsFacts | null {
    if (this.#tlsFacts === null && this.#tls !== null) this.#tlsFacts = this.#tls.factsOf(this.#conn);
    return this.#tlsFacts;
  }
  /** 1 while it is not known. */
  get protocol(): 1 | 2 {
    return this.#codec === null ? 1 : this.#codec.protocol;
  }
  /** The peer takes no streams at all for now (RFC 9113 §6.5.2); it may take some again. */
  get isPaused(): boolean {
    const codec = this.#codec;
    if (!this.#isSettled || this.#isEnding || codec === null || codec.protocol === 1) return false;
    return !codec.isDraining && codec.streamsMax === 0;
  }
  get hasRoom(): boolean {
    return this.#isSettled && !this.#isEnding && (this.#codec as ClientCodec).streamsFree() > 0;
  }

  /** Null when the connection turned out not to take any more. */
  openStream(sink: MessageSink): MessageStream | null {
    if (this.#isEnding) return null;
    const codec = this.#codec as ClientCodec;
    const stream = codec.openStream(sink);
    if (stream === null) return null;
    this.#isIdle = false;
    this.#isIdleNext = false;
    this.isBusy = true;
    const limit = this.#pool.cluster.record.maxRequestsPerConnection;
    if (limit !== 0 && ++this.#requests >= limit) {
      this.#count(CX_MAX_REQUESTS);
      codec.drain();
    }
    return stream;
  }

  /** On the stack without a request from now on. */
  startIdle(): void {
    const { transport } = this.#pool.cluster.context;
    const codec = this.#codec as ClientCodec;
    const learntMs = codec.protocol === 1 ? codec.keepAliveTimeoutMs : 0;
    let idleMs = this.#pool.cluster.record.idleTimeoutMs;
    if (learntMs !== 0) {
      const usableMs = Math.max(learntMs - KEEP_ALIVE_MARGIN_MS, KEEP_ALIVE_MIN_MS);
      if (idleMs === 0 || usableMs < idleMs) idleMs = usableMs;
    }
    this.#isIdle = true;
    this.#idleDeadlineMs = idleMs === 0 ? 0 : transport.nowMs() + idleMs;
    this.#armNext(this.#idleDeadlineMs);
  }

  onTimer(nowMs: number): void {
    if (this.#isEnding) {
      this.abort(UP_DRAINED);
      return;
    }
    if (this.#settleDeadlineMs !== 0 && this.#settleDeadlineMs <= nowMs) {
      this.abort(UP_CONNECT_TIMEOUT);
      return;
    }
    const isOld = this.#ageDeadlineMs !== 0 && this.#ageDeadlineMs <= nowMs;
    if (isOld) {
      this.#count(CX_MAX_DURATION);
      this.#ageDeadlineMs = 0;
      this.#retire();
    }
    if (this.#isIdle && (isOld || (this.#idleDeadlineMs !== 0 && this.#idleDeadlineMs <= nowMs))) {
      if (!isOld) this.#count(CX_IDLE_TIMEOUT);
      this.#pool.leaveReady(this);
      this.end();
    } else this.#armNext(this.#isIdle ? this.#idleDeadlineMs : 0);
  }

  /** idleMs: when it has been idle for long enough, 0 = never. Its age counts in any case. */
  #armNext(idleMs: number): void {
    let next = idleMs;
    if (this.#ageDeadlineMs !== 0 && (next === 0 || this.#ageDeadlineMs < next)) next = this.#ageDeadlineMs;
    if (next !== 0) this.#pool.cluster.context.wheel.arm(this, next);
  }

  /** No further request after those under way; one that is still dialled gets to serve whom it is dialled for. */
  drain(): void {
    if (!this.#isSettled) return;
    this.#retire();
    if (!this.isBusy) this.end();
  }

  #retire(): void {
    this.#pool.leaveReady(this);
    this.#codec?.drain();
  }

  end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#conn.endAfterFlush(0);
    const { transport, wheel } = this.#pool.cluster.context;
    wheel.arm(this, transport.nowMs() + LAST_FLUSH_MS);
  }

  abort(fault: FaultCode): void {
    this.#isEnding = true;
    this.#conn.abort(fault);
  }

  // ---- ConnOwner -----------------------------------------------------------------------------------------

  onPeerCertificate(conn: Conn, certificate: Uint8Array): FaultCode {
    const fault =
      this.#tls === null ? 0 : this.#tls.judgeCertificate(conn, certificate, this.#pool.endpoint, this.#pool.host);
    this.#wasRefused = fault !== 0;
    return fault;
  }
  onHandshake(conn: Conn): FaultCode {
    const fault = this.#tls === null ? 0 : this.#tls.judge(conn, this.#pool.endpoint, this.#pool.host);
    this.#wasRefused = fault !== 0;
    return fault;
  }
  onOpen(): void {
    const { transport, metrics, wheel } = this.#pool.cluster.context;
    this.#isOpen = true;
    const record = this.#pool.cluster.record;
    if (record.maxConnectionDurationMs !== 0) this.#ageDeadlineMs = transport.nowMs() + record.maxConnectionDurationMs;
    if (record.metrics.histograms >= 0)
      metrics.record(record.metrics.histograms + CONNECT_MS, transport.nowUs() - this.#startUs);
    if (this.#codec === null) this.#useProtocol(this.#conn.alpn === 'h2' ? 2 : 1);
    const codec = this.#codec as ClientCodec | null;
    if (codec?.protocol === 2) {
      codec.start();
      this.#settleDeadlineMs = transport.nowMs() + record.connectTimeoutMs;
      wheel.arm(this, this.#settleDeadlineMs);
    } else this.#settle(1);
  }

  /**
   * It takes requests from now on. HTTP/2 is waited for until the peer's SETTINGS have come: what is above a limit that is
   * not known would be refused, extended CONNECT may not be sent before (RFC 8441 §3), and whoever speaks another
   * protocol has got nothing yet.
   */
  #settle(room: number): void {
    this.#isSettled = true;
    this.#settleDeadlineMs = 0;
    if (this.#ageDeadlineMs !== 0) this.#pool.cluster.context.wheel.arm(this, this.#ageDeadlineMs);
    this.roomAtFirst = Math.max(1, room);
    this.#pool.onSettled(this);
  }

  onBytes(_conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    this.#countBytes();
    this.#isFeeding = true;
    const fault = (this.#codec as ClientCodec).feed(bytes, start, end);
    this.#isFeeding = false;
    if (fault !== 0) this.#fail(fault);
    else if (this.#isIdleNext) {
      this.#isIdleNext = false;
      this.onIdle();
    }
  }

  /** HTTP/2 has written why (GOAWAY); with HTTP/1 nothing that the peer sends can be understood any more. */
  #fail(fault: FaultCode): void {
    // Silence is counted as http2.keepalive_timeout.
    if (fault !== UP_H2_PING_TIMEOUT) this.#count(CX_PROTOCOL_ERROR);
    this.#pool.leaveReady(this);
    if (this.protocol === 2) this.end();
    else this.abort(fault);
  }

  onWritable(): void {
    this.#countBytes();
    this.#codec?.onWritable();
  }

  onPeerEnd(): void {
    this.#hasPeerEnded = true;
    this.#retire();
    const codec = this.#codec as ClientCodec;
    const fault = codec.feedEnd();
    // A tunnel goes on in the other direction; everything else is over.
    if (fault !== 0 || codec.protocol === 2 || codec.isIdleOrDone) this.end();
  }

  onClosed(conn: Conn, fault: FaultCode): void {
    const { transport, metrics, wheel } = this.#pool.cluster.context;
    wheel.forget(this);
    const record = this.#pool.cluster.record;
    if (conn.tlsFailure !== '') {
      this.#pool.tlsFailure = conn.tlsFailure;
      this.#tls?.countFailure(conn, fault, this.#wasRefused);
    }
    if (!this.#isSettled) {
      this.#count(fault === UP_CONNECT_TIMEOUT ? CONNECT_TIMEOUT : CONNECT_FAIL);
      if (fault === UP_CONNECT_TIMEOUT) this.#count(CONNECT_FAIL);
      this.#pool.countEndpoint(ENDPOINT_CONNECT_FAIL, 1);
    }
    // We close in order, or abort with a reason of our own; what the peer does arrives as 0 or UP_RESET.
    const isOurs = this.#isOpen ? fault !== 0 && fault !== UP_RESET : fault === UP_CONNECT_TIMEOUT;
    const isLocal = !this.#hasPeerEnded && (this.#isEnding || isOurs);
    this.#count(CX_DESTROY);
    this.#count(isLocal ? CX_DESTROY_LOCAL : CX_DESTROY_REMOTE);
    if (this.isBusy) {
      this.#count(CX_DESTROY_ACTIVE);
      this.#count(isLocal ? CX_DESTROY_LOCAL_ACTIVE : CX_DESTROY_REMOTE_ACTIVE);
    }
    this.#countBytes();
    if (record.metrics.histograms >= 0)
      metrics.record(record.metrics.histograms + LENGTH_MS, transport.nowUs() - this.#startUs);
    this.#isEnding = true;
    this.#pool.leaveReady(this);
    this.#codec?.close(this.#isOpen ? fault : UP_RESET);
    // Before it is settled no request was on it.
    const told = this.#isSettled || !this.#isOpen ? UP_RESET : UP_CLOSED;
    this.#pool.onClosed(this, fault === 0 || fault === UP_RESET ? told : fault, this.#isSettled, this.#connectionCell);
  }

  // ---- CodecHost -----------------------------------------------------------------------------------------

  onIdle(): void {
    // Not before feed() is through: bytes behind the response would be read as the answer to the next request, one that
    // has not even been sent (response splitting by an origin that writes more than it announced).
    if (this.#isFeeding) {
      this.#isIdleNext = true;
      return;
    }
    this.isBusy = false;
    if (this.#isEnding) return;
    // A response whose last bytes came while its client was full leaves the hold behind; nobody else would lift it.
    this.#conn.release(HOLD_ALL);
    this.#pool.onRoom(this);
  }

  /** HTTP/2: a stream ended, or the peer allows more of them. */
  onStreamsFree(): void {
    const codec = this.#codec as ClientCodec;
    if (this.#isSettled) {
      if (!this.#isEnding) this.#pool.onRoom(this);
    } else if (codec.protocol === 2 && codec.isSettled) this.#settle(codec.streamsMax);
  }

  onDraining(): void {
    this.#count(CX_CLOSE_NOTIFY);
    this.#pool.leaveReady(this);
  }

  onFailed(fault: FaultCode): void {
    this.#fail(fault);
  }

  onFinished(): void {
    this.isBusy = false;
    const codec = this.#codec;
    if (codec?.protocol === 1 && codec.hasCloseNotice) this.#count(CX_CLOSE_NOTIFY);
    this.end();
  }

  #count(index: number): void {
    this.#pool.cluster.count(index, 1);
  }

  #countBytes(): void {
    this.#traffic.count(this.#conn.bytesRead, this.#conn.bytesWritten);
  }
}
