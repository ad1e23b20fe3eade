/** Downstream: one client connection: its codec, its idle and age limits, its way through a drain. */
import { Timer } from '../base/timer-wheel.js';
import { DOWN_RESET, type FaultCode, H2_PING_TIMEOUT, H2_PROTOCOL, REQUEST_HEADERS_TIMEOUT } from '../fault/faults.js';
import type { MessageSink, MessageStream, MultiplexedHost, StreamAcceptor } from '../http/codec.js';
import { type PeerHost, withoutMapping } from '../http/forwarded.js';
import { clientAddress } from '../io/proxied.js';
import { type Address, type Conn, type ConnOwner, HOLD_CLOSING } from '../io/transport.js';
import { UNKNOWN_ADDRESS } from '../io/unowned.js';
import { HTTP } from '../metrics/declare.js';
import { Traffic } from '../metrics/traffic.js';
import type { TlsFacts } from '../tls/tls-facts.js';
import { ClientPools } from '../upstream/client-pools.js';
import type { Client } from './client.js';
import type { Core } from './core.js';
import type { Exchange } from './exchange.js';
import { countClosed, countOpened } from './listener-counts.js';
import { NEITHER, protocolOf, UNDECIDED } from './preface.js';
import { newServerCodec, type ServerCodec } from './server-codec.js';
import type { ListenerRuntime } from './snapshot.js';

const CX_TOTAL = HTTP.index.downstream_cx_total;
const CX_ACTIVE = HTTP.index.downstream_cx_active;
const CX_HTTP1_TOTAL = HTTP.index.downstream_cx_http1_total;
const CX_HTTP1_ACTIVE = HTTP.index.downstream_cx_http1_active;
const CX_HTTP2_TOTAL = HTTP.index.downstream_cx_http2_total;
const CX_HTTP2_ACTIVE = HTTP.index.downstream_cx_http2_active;
const CX_DESTROY = HTTP.index.downstream_cx_destroy;
const CX_DESTROY_LOCAL = HTTP.index.downstream_cx_destroy_local;
const CX_DESTROY_REMOTE = HTTP.index.downstream_cx_destroy_remote;
const CX_DESTROY_ACTIVE_RQ = HTTP.index.downstream_cx_destroy_active_rq;
const CX_DESTROY_LOCAL_ACTIVE_RQ = HTTP.index.downstream_cx_destroy_local_active_rq;
const CX_DESTROY_REMOTE_ACTIVE_RQ = HTTP.index.downstream_cx_destroy_remote_active_rq;
const CX_IDLE_TIMEOUT = HTTP.index.downstream_cx_idle_timeout;
const CX_MAX_DURATION = HTTP.index.downstream_cx_max_duration_reached;
const CX_MAX_REQUESTS = HTTP.index.downstream_cx_max_requests_reached;
const CX_PROTOCOL_ERROR = HTTP.index.downstream_cx_protocol_error;
const CX_DRAIN_CLOSE = HTTP.index.downstream_cx_drain_close;
const CX_RX_BYTES = HTTP.index.downstream_cx_rx_bytes_total;
const CX_TX_BYTES = HTTP.index.downstream_cx_tx_bytes_total;
const CX_LENGTH = HTTP.histograms.indexOf('downstream_cx_length_ms');

/**
 * An idle connection that is to be drained may carry a request that is on its way already: closing it at once would
 * lose that. Quiet for so long, it is not in use. Longer delays the exit, shorter loses requests of slow networks.
 */
const DRAIN_IDLE_GRACE_MS = 1000;

export class Downstream extends Timer implements ConnOwner, MultiplexedHost, StreamAcceptor, Client {
  readonly core: Core;
  readonly conn: Conn;
  /** As of accept; requests use the newest runtime of the same listener while there is one. */
  readonly listener: ListenerRuntime;
  readonly pools: ClientPools;
  /** Null until the first bytes have told the protocol. */
  #codec: ServerCodec | null = null;
  /** The first bytes while they are too few to tell. */
  #firstBytes: Uint8Array | null = null;
  readonly #openedUs: number;
  readonly #traffic: Traffic;
  /** Null without TLS; set by who made the handshake. */
  tls: TlsFacts | null = null;
  /** Exchanges under way, and the newest: HTTP/1 has one at a time. */
  #active = 0;
  #exchange: Exchange | null = null;
  #peerHost: PeerHost | null = null;
  #peerAddress: Address = UNKNOWN_ADDRESS;
  #requests = 0;
  /** Due time of what we wait for between requests: idle, or the rest of a head. */
  #waitDeadlineMs: number;
  #isWaitingForHead = false;
  #isDrainCounted = false;
  #ageDeadlineMs: number;
  #isClosing = false;

  constructor(core: Core, conn: Conn, listener: ListenerRuntime) {
    super();
    this.core = core;
    this.conn = conn;
    this.listener = listener;
    this.pools = new ClientPools(conn);
    this.#openedUs = core.transport.nowUs();
    const http = listener.record;
    this.#traffic = new Traffic(core.metrics, http.metrics.counters, CX_RX_BYTES, CX_TX_BYTES);
    const nowMs = core.transport.nowMs();
    this.#waitDeadlineMs = http.idleTimeoutMs === 0 ? 0 : nowMs + http.idleTimeoutMs;
    this.#ageDeadlineMs = http.maxConnectionDurationMs === 0 ? 0 : nowMs + http.maxConnectionDurationMs;
    this.#arm();
    this.#countOpen();
  }

  /** Made on the first request: an idle connection that never asks needs no address. */
  get peerHost(): PeerHost {
    if (this.#peerHost === null) {
      this.#peerAddress = withoutMapping(clientAddress(this.conn));
      this.#peerHost = this.listener.forwarding.hostOf(this.#peerAddress, this.conn.secure);
    }
    return this.#peerHost;
  }
  /** Known after peerHost. */
  get peerAddress(): Address {
    return this.#peerAddress;
  }

  readonly hasTrailers = true;

  /** Of the requests on this connection. */
  get protocol(): 1 | 2 {
    return this.#codec === null ? 1 : this.#codec.protocol;
  }

  // ---- ConnOwner -----------------------------------------------------------------------------------

  onOpen(): void {}
  onHandshake(): FaultCode {
    return 0;
  }

  onBytes(_conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    if (this.#isClosing) return;
    if (this.#codec === null) {
      this.#begin(bytes, start, end);
      return;
    }
    // A request alone is counted when it ends.
    if (this.#active > 0) this.#countBytes();
    this.#feed(this.#codec, bytes, start, end);
  }

  #feed(codec: ServerCodec, bytes: Uint8Array, start: number, end: number): void {
    const fault = codec.feed(bytes, start, end);
    if (codec.protocol === 1) {
      if (this.#active === 0) this.#awaitRest(codec);
      return;
    }
    // What HTTP/2 has to say of it has been written (GOAWAY); other streams can't go on behind it.
    if (fault !== 0) this.onFailed(fault);
    else this.#awaitRest(codec);
  }

  /** The first bytes: by them, by ALPN or by the config it is known which protocol this is. */
  #begin(bytes: Uint8Array, start: number, end: number): void {
    const first = this.#firstBytes;
    const kept = first === null ? 0 : first.length;
    let all = bytes;
    let from = start;
    let to = end;
    if (first !== null) {
      all = new Uint8Array(kept + end - start);
      all.set(first);
      all.set(bytes.subarray(start, end), kept);
      from = 0;
      to = all.length;
    }
    const protocol = this.#protocolOf(all, from, to);
    if (protocol === UNDECIDED) {
      this.#firstBytes = all.slice(from, to);
      this.#awaitHead();
      return;
    }
    this.#firstBytes = null;
    // RFC 9113 §3.4: GOAWAY may be left out, the peer doesn't speak HTTP/2.
    if (protocol === NEITHER) this.onFailed(H2_PROTOCOL);
    else this.#feed(this.#use(protocol), all, from, to);
  }

  #use(protocol: 1 | 2): ServerCodec {
    const codec = newServerCodec(protocol, this.core, this.listener, this.conn, this);
    this.#codec = codec;
    this.#count(protocol === 1 ? CX_HTTP1_TOTAL : CX_HTTP2_TOTAL, 1);
    this.#count(protocol === 1 ? CX_HTTP1_ACTIVE : CX_HTTP2_ACTIVE, 1);
    if (this.core.isDraining) codec.drain();
    return codec;
  }

  #protocolOf(bytes: Uint8Array, start: number, end: number): 0 | 1 | 2 | 3 {
    const codecType = this.listener.record.codecType;
    if (codecType !== 'AUTO') return codecType === 'HTTP1' ? 1 : 2;
    if (this.conn.alpn !== '') return this.conn.alpn === 'h2' ? 2 : 1;
    return protocolOf(bytes, start, end);
  }

  onWritable(): void {
    this.#countBytes();
    this.#codec?.onWritable();
  }

  onPeerEnd(): void {
    const codec = this.#codec;
    if (codec === null) {
      this.#end();
      return;
    }
    codec.feedEnd();
    // Nobody who speaks HTTP/2 ends one direction of a connection alone: what is under way is over.
    if (codec.protocol === 2) codec.close(this.core.goneFault);
    if (codec.protocol === 1 && this.#exchange !== null) this.#exchange.onClientEnd();
    else this.#end();
  }

  onClosed(_conn: Conn, fault: FaultCode): void {
    const hadExchange = this.#active > 0;
    this.core.wheel.forget(this);
    // A reset of the connection, too, is a client that went away; what clients reset are streams.
    this.#codec?.close(fault === 0 || fault === DOWN_RESET ? this.core.goneFault : fault);
    this.pools.leave();
    this.#countClosed(hadExchange);
    this.core.forget(this);
  }

  // ---- CodecHost and StreamAcceptor ------------------------------------------------------------------

  onStream(stream: MessageStream): MessageSink {
    const listener = this.core.listenerRuntime(this.listener);
    this.#requests++;
    this.#isWaitingForHead = false;
    const codec = this.#codec as ServerCodec;
    const limit = listener.record.maxRequestsPerConnection;
    if (limit !== 0 && this.#requests >= limit) {
      if (this.#requests === limit) this.#count(CX_MAX_REQUESTS, 1);
      codec.drain();
    }
    if (this.core.isDraining) {
      if (!this.#isDrainCounted) this.#count(CX_DRAIN_CLOSE, 1);
      this.#isDrainCounted = true;
      codec.drain();
    }
    const exchange = this.core.takeExchange();
    this.#active++;
    this.#exchange = exchange;
    exchange.begin(this, stream, listener);
    return exchange;
  }

  /** A head that began behind a pipelined request has its time too: else it could wait for ever (slowloris). */
  onIdle(): void {
    const codec = this.#codec as ServerCodec;
    if (this.#active === 0 && codec.hasPartialHead) this.#awaitRest(codec);
  }

  onFinished(): void {
    this.#end();
  }

  onFailed(fault: FaultCode): void {
    if (fault !== H2_PING_TIMEOUT) this.#count(CX_PROTOCOL_ERROR, 1);
    this.#end();
  }

  // A server opens no streams.
  onStreamsFree(): void {}
  onDraining(): void {}

  /** The exchange is over; the codec decides about the connection. */
  onExchangeEnd(): void {
    this.#exchange = null;
    this.#countBytes();
    if (--this.#active > 0) return;
    if ((this.#codec as ServerCodec).isDraining) {
      this.#startDrainGrace();
      return;
    }
    this.#awaitRequest();
  }

  #awaitRequest(): void {
    const idleMs = this.listener.record.idleTimeoutMs;
    this.#waitDeadlineMs = idleMs === 0 ? 0 : this.core.transport.nowMs() + idleMs;
  }

  // ---- limits and drain ------------------------------------------------------------------------------

  onTimer(nowMs: number): void {
    if (this.#isClosing) return;
    if (this.#ageDeadlineMs !== 0 && this.#ageDeadlineMs <= nowMs) {
      this.#ageDeadlineMs = 0;
      this.#count(CX_MAX_DURATION, 1);
      this.drain();
    } else if (
      (this.#active === 0 || this.#isWaitingForHead) &&
      this.#waitDeadlineMs !== 0 &&
      this.#waitDeadlineMs <= nowMs
    ) {
      if (this.#isWaitingForHead) {
        this.#refuseHead();
        return;
      }
      this.#count(CX_IDLE_TIMEOUT, 1);
      this.#leave();
      this.#end();
    }
    this.#arm();
  }

  #refuseHead(): void {
    let codec = this.#codec;
    if (codec === null) {
      codec = this.#use(1);
      const first = this.#firstBytes as Uint8Array;
      codec.feed(first, 0, first.length);
    }
    codec.refuse(REQUEST_HEADERS_TIMEOUT);
    if (codec.protocol === 2) this.#end();
  }

  /** The next response says that the connection closes; without a request it ends after a grace. */
  drain(): void {
    this.#codec?.drain();
    if (this.#active === 0) this.#startDrainGrace();
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

  /** A request may be on its way on an idle connection: GOAWAY says that it was not looked at, so it may go elsewhere. */
  #leave(): void {
    const codec = this.#codec;
    if (codec?.protocol !== 2) return;
    codec.drain();
    codec.onDrainDue();
  }

  #end(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.conn.hold(HOLD_CLOSING);
    this.conn.endAfterFlush(this.listener.record.delayedCloseTimeoutMs);
  }

  /** Bytes came but no whole head: the time for the head runs from its first byte. */
  #awaitRest(codec: ServerCodec): void {
    if (codec.hasPartialHead) this.#awaitHead();
    else if (this.#isWaitingForHead) {
      this.#isWaitingForHead = false;
      this.#awaitRequest();
    }
  }

  #awaitHead(): void {
    const limitMs = this.listener.record.requestHeadersTimeoutMs;
    if (this.#isWaitingForHead || limitMs === 0) return;
    this.#isWaitingForHead = true;
    this.#waitDeadlineMs = this.core.transport.nowMs() + limitMs;
    this.#arm();
  }

  #arm(): void {
    let next = this.#active === 0 || this.#isWaitingForHead ? this.#waitDeadlineMs : 0;
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

  #countBytes(): void {
    this.#traffic.count(this.conn.bytesRead, this.conn.bytesWritten);
  }

  #countOpen(): void {
    this.#count(CX_TOTAL, 1);
    this.#count(CX_ACTIVE, 1);
    countOpened(this.core, this.listener.listener);
  }

  #countClosed(hadExchange: boolean): void {
    const { metrics, transport } = this.core;
    const isLocal = this.#isClosing;
    this.#count(CX_ACTIVE, -1);
    if (this.#codec !== null) this.#count(this.#codec.protocol === 1 ? CX_HTTP1_ACTIVE : CX_HTTP2_ACTIVE, -1);
    this.#count(CX_DESTROY, 1);
    this.#count(isLocal ? CX_DESTROY_LOCAL : CX_DESTROY_REMOTE, 1);
    if (hadExchange) {
      this.#count(CX_DESTROY_ACTIVE_RQ, 1);
      this.#count(isLocal ? CX_DESTROY_LOCAL_ACTIVE_RQ : CX_DESTROY_REMOTE_ACTIVE_RQ, 1);
    }
    this.#countBytes();
    const lengthUs = transport.nowUs() - this.#openedUs;
    const { histograms } = this.listener.record.metrics;
    if (histograms >= 0) metrics.record(histograms + CX_LENGTH, lengthUs);
    countClosed(this.core, this.listener.listener, lengthUs);
  }
}
