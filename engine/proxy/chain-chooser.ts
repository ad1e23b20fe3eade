/** ChainChooser: a connection until its filter chain is known and its handshake done; it then belongs to the chain. */
import { Timer } from '../base/timer-wheel.js';
import {
  BAD_CLIENT_HELLO,
  BAD_PROXY_PREFACE,
  DOWN_TLS_TIMEOUT,
  type FaultCode,
  LISTENER_FILTER_TIMEOUT,
  NO_FILTER_CHAIN,
  SHUT_DOWN,
} from '../fault/faults.js';
import { ClientHello, HELLO_BROKEN, HELLO_PARTIAL, HELLO_TLS } from '../io/client-hello.js';
import { PREFACE_MORE, PREFACE_NONE, ProxyPreface } from '../io/proxy-protocol.js';
import type { Conn, ConnOwner } from '../io/transport.js';
import { LISTENER, WORKER } from '../metrics/declare.js';
import type { ProxyProtocolRecord } from '../plan/chain-records.js';
import type { Core } from './core.js';
import type { ChainRuntime, ListenerChains } from './listener-chains.js';
import type { TlsFacts } from '../tls/tls-facts.js';
import type { ServerTls } from './server-tls.js';
import type { TcpRuntime } from './tcp-runtime.js';

const PRE_ACTIVE = LISTENER.index.downstream_pre_cx_active;
const PRE_TIMEOUT = LISTENER.index.downstream_pre_cx_timeout;
const HANDSHAKE_TIMEOUT = LISTENER.index.downstream_cx_transport_socket_connect_timeout;
const FILTER_ERROR = LISTENER.index.downstream_listener_filter_error;
const NO_MATCH = LISTENER.index.no_filter_chain_match;
const WORKER_CX_TOTAL = WORKER.index.downstream_cx_total;
const WORKER_CX_ACTIVE = WORKER.index.downstream_cx_active;

const NO_BYTES = new Uint8Array(0);
/** A hello in the smallest records would have six bytes on the wire for each of its own. */
const HELD_MAX_BYTES = 65536;
/** A record with an alert: fatal, unrecognized_name (RFC 6066 §3); its version is that of any first record. */
const MISSING_NAME = Uint8Array.of(21, 3, 1, 0, 2, 2, 112);
const REFUSED_CLOSE_MS = 1000;
/** A connection that has said nothing when a drain begins gets so long. */
const DRAIN_GRACE_MS = 1000;

export class ChainChooser extends Timer implements ConnOwner {
  readonly #core: Core;
  readonly #conn: Conn;
  readonly #listener: ListenerChains;
  #chain: ChainRuntime | null = null;
  #serverName = '';
  #preface: ProxyPreface | null = null;
  #hello: ClientHello | null = null;
  /** What came while the hello was not whole. */
  #held: Uint8Array = NO_BYTES;
  #heldBytes = 0;
  #wasInspected = false;
  #isHandshaking = false;
  /** Which of the chain's TLS contexts. */
  #contextAt = 0;
  #wasRefused = false;
  #isOver = false;

  constructor(core: Core, conn: Conn, listener: ListenerChains) {
    super();
    this.#core = core;
    this.#conn = conn;
    this.#listener = listener;
    core.metrics.add(core.workerBase + WORKER_CX_TOTAL, 1);
    core.metrics.add(core.workerBase + WORKER_CX_ACTIVE, 1);
    this.#count(PRE_ACTIVE, 1);
  }

  /** After the constructor, when the connection has its owner. */
  begin(): void {
    if (this.#listener.record.inspection.proxyProtocol === null) this.#beginInspection(NO_BYTES, 0, 0);
    else {
      this.#preface = new ProxyPreface();
      this.#armTimeout();
    }
  }

  /** bytes: what came behind the preface. */
  #beginInspection(bytes: Uint8Array, start: number, end: number): void {
    if (!this.#listener.record.inspection.isNeeded) this.#choose(false, '', [], bytes, start, end);
    else {
      this.#inspect();
      if (end > start) this.onBytes(this.#conn, bytes, start, end);
    }
  }

  #inspect(): void {
    this.#hello = new ClientHello();
    this.#armTimeout();
  }

  #armTimeout(): void {
    const { timeoutMs } = this.#listener.record.inspection;
    if (timeoutMs !== 0) this.#core.wheel.arm(this, this.#core.transport.nowMs() + timeoutMs);
  }

  // ---- ConnOwner -----------------------------------------------------------------------------------------

  onOpen(): void {}

  onBytes(_conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    if (this.#preface !== null) {
      this.#readPreface(this.#preface, bytes, start, end);
      return;
    }
    const hello = this.#hello;
    if (hello === null || this.#isOver) return;
    const state = hello.feed(bytes, start, end);
    if (state === HELLO_PARTIAL && this.#heldBytes + end - start <= HELD_MAX_BYTES) {
      this.#hold(bytes, start, end);
      return;
    }
    if (state === HELLO_BROKEN || state === HELLO_PARTIAL) {
      this.#count(FILTER_ERROR, 1);
      this.cut(BAD_CLIENT_HELLO);
      return;
    }
    if (this.#heldBytes === 0) this.#onInspected(hello, bytes, start, end);
    else {
      this.#hold(bytes, start, end);
      this.#onInspected(hello, this.#held, 0, this.#heldBytes);
    }
  }

  /** Reads from the beginning each time: a preface comes in one piece, but for those who mean no good. */
  #readPreface(preface: ProxyPreface, bytes: Uint8Array, start: number, end: number): void {
    this.#hold(bytes, start, end);
    const held = this.#held;
    const heldBytes = this.#heldBytes;
    const consumed = preface.read(held, 0, heldBytes);
    if (consumed === PREFACE_MORE) return;
    const { allowsOthers, versions } = this.#listener.record.inspection.proxyProtocol as ProxyProtocolRecord;
    const isGood = consumed === PREFACE_NONE ? allowsOthers : consumed > 0 && versions.includes(preface.version);
    if (!isGood) {
      this.#count(FILTER_ERROR, 1);
      this.cut(BAD_PROXY_PREFACE);
      return;
    }
    const { source, destination } = preface;
    if (source !== null && destination !== null) this.#conn.proxied = { source, destination };
    this.#preface = null;
    this.#held = NO_BYTES;
    this.#heldBytes = 0;
    this.#core.wheel.forget(this);
    this.#beginInspection(held, Math.max(consumed, 0), heldBytes);
  }

  #hold(bytes: Uint8Array, start: number, end: number): void {
    const heldBytes = this.#heldBytes + end - start;
    if (heldBytes > this.#held.length) {
      // Twice as much: bytes that trickle are not copied again with each of them.
      const larger = new Uint8Array(Math.max(heldBytes, this.#held.length * 2));
      larger.set(this.#held.subarray(0, this.#heldBytes));
      this.#held = larger;
    }
    this.#held.set(bytes.subarray(start, end), this.#heldBytes);
    this.#heldBytes = heldBytes;
  }

  #onInspected(hello: ClientHello, bytes: Uint8Array, start: number, end: number): void {
    this.#core.wheel.forget(this);
    this.#hello = null;
    this.#wasInspected = true;
    this.#serverName = hello.serverName;
    const isTls = hello.state === HELLO_TLS;
    if (this.#chain === null) this.#choose(isTls, hello.serverName, hello.alpn, bytes, start, end);
    else this.#begin(this.#chain, hello.serverName, bytes, start, end);
  }

  #choose(
    isTls: boolean,
    serverName: string,
    alpn: readonly string[],
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const chain = this.#listener.choose(this.#conn, isTls, serverName, alpn);
    if (chain === null) {
      this.#count(NO_MATCH, 1);
      this.cut(NO_FILTER_CHAIN);
      return;
    }
    this.#chain = chain;
    // The chain is chosen without a look at the bytes, but its certificate is not.
    if (!this.#wasInspected && chain.tls?.needsName === true) {
      this.#inspect();
      // Behind a PROXY preface some may have come.
      if (end > start) this.onBytes(this.#conn, bytes, start, end);
    } else this.#begin(chain, serverName, bytes, start, end);
  }

  #begin(chain: ChainRuntime, serverName: string, bytes: Uint8Array, start: number, end: number): void {
    const { tls } = chain;
    if (tls === null) {
      const owner = this.#handOver(chain, null);
      if (end > start) owner.onBytes(this.#conn, bytes, start, end);
      return;
    }
    if (tls.requiresName && serverName === '') {
      tls.countNameless();
      this.#refuseNameless();
      return;
    }
    this.#isHandshaking = true;
    this.#contextAt = tls.indexFor(serverName);
    this.#conn.startTls(tls.contextAt(this.#contextAt), bytes, start, end, chain.record.handshakeTimeoutMs);
    this.#held = NO_BYTES;
  }

  /** Nothing is encrypted yet: the alert is all that is said. */
  #refuseNameless(): void {
    this.#conn.tlsFailure = 'TLS_error:the client names no server (require_sni)';
    this.#conn.write(MISSING_NAME, 0, MISSING_NAME.length);
    this.#conn.endAfterFlush(REFUSED_CLOSE_MS);
  }

  onPeerCertificate(conn: Conn, certificate: Uint8Array): FaultCode {
    const fault = (this.#chain?.tls as ServerTls).judgeCertificate(conn, certificate);
    this.#wasRefused = fault !== 0;
    return fault;
  }

  onHandshake(conn: Conn): FaultCode {
    const chain = this.#chain as ChainRuntime;
    const fault = (chain.tls as ServerTls).judge(conn);
    this.#wasRefused = fault !== 0;
    if (fault === 0) this.#handOver(chain, this.#factsOf(conn, chain));
    return fault;
  }

  #factsOf(conn: Conn, chain: ChainRuntime): TlsFacts {
    const facts = (chain.tls as ServerTls).factsOf(conn, this.#contextAt);
    const isAsked =
      chain.http === null
        ? (chain.tcp as TcpRuntime).accessLogs.length > 0
        : chain.http.record.asksTls || chain.http.record.clientCert.forward !== 'SANITIZE';
    if (isAsked) facts.keep();
    return facts;
  }

  #handOver(chain: ChainRuntime, tls: TlsFacts | null): ConnOwner {
    this.#leave();
    // The chain's connection counts itself.
    this.#core.metrics.add(this.#core.workerBase + WORKER_CX_TOTAL, -1);
    return this.#core.adopt(this.#conn, chain, tls, this.#serverName);
  }

  #leave(): void {
    const { metrics, workerBase, wheel } = this.#core;
    this.#isOver = true;
    wheel.forget(this);
    metrics.add(workerBase + WORKER_CX_ACTIVE, -1);
    this.#count(PRE_ACTIVE, -1);
    this.#core.forget(this);
  }

  onWritable(): void {}

  onPeerEnd(): void {
    if (!this.#isHandshaking && !this.#isOver) this.#conn.endAfterFlush(0);
  }

  onClosed(conn: Conn, fault: FaultCode): void {
    if (this.#isOver) return;
    if (fault === DOWN_TLS_TIMEOUT && this.#isHandshaking) this.#count(HANDSHAKE_TIMEOUT, 1);
    if (this.#isHandshaking) this.#chain?.tls?.countFailure(conn, fault, this.#wasRefused);
    this.#leave();
  }

  // ---- time and drain ------------------------------------------------------------------------------------

  onTimer(): void {
    if ((this.#hello === null && this.#preface === null) || this.#isOver) return;
    this.#count(PRE_TIMEOUT, 1);
    const { continuesOnTimeout, proxyProtocol } = this.#listener.record.inspection;
    let hello = this.#hello;
    // Who has yet to say for whom it speaks can't go on as if it spoke for itself; who may do that waits to be greeted.
    if (this.#preface !== null && proxyProtocol?.allowsOthers === true && this.#heldBytes === 0)
      hello = new ClientHello();
    if (hello !== null && continuesOnTimeout && !this.#core.isDraining) {
      this.#preface = null;
      this.#onInspected(hello, this.#held, 0, this.#heldBytes);
    } else this.cut(LISTENER_FILTER_TIMEOUT);
  }

  /** Who is about to speak may; the chain is told when it has the connection. */
  drain(): void {
    if (this.#hello !== null || this.#preface !== null)
      this.#core.wheel.arm(this, this.#core.transport.nowMs() + DRAIN_GRACE_MS);
  }

  cut(fault: FaultCode = SHUT_DOWN): void {
    this.#hello = null;
    this.#preface = null;
    this.#conn.abort(fault);
  }

  #count(index: number, amount: number): void {
    this.#core.metrics.add(this.#listener.record.metrics.counters + index, amount);
  }
}
