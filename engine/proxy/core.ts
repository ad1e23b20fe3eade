/** Core: what one worker runs: transport, pools, timers and the snapshot in force. */
import { Prng } from '../base/prng.js';
import { TICK_MS, TimerWheel } from '../base/timer-wheel.js';
import { DOWN_GONE, type FaultCode, SHUT_DOWN } from '../fault/faults.js';
import { ForwardingResult } from '../http/forwarded.js';
import { HOME_SLOT_INTS, Head } from '../http/head.js';
import { HeadPool } from '../http/head-pool.js';
import { rememberLines } from '../http1/line-memo.js';
import type { Http1Shared } from '../http1/shared.js';
import { Http2Shared } from '../http2/shared.js';
import type { Conn, ConnOwner, Transport } from '../io/transport.js';
import { WORKER } from '../metrics/declare.js';
import type { WorkerMetrics } from '../metrics/slots.js';
import type { RateCells } from '../limit/rate-cells.js';
import type { AccessLogRecord, ClusterRecord, SnapshotPlan } from '../plan/records.js';
import { Cluster } from '../upstream/cluster.js';
import { TlsContexts } from '../tls/contexts.js';
import type { TlsFacts } from '../tls/tls-facts.js';
import { CertificateCache } from '../tls/peer-policy.js';
import type { TableFill } from '../base/table-fill.js';
import type { SharedCells } from '../upstream/shared-cells.js';
import { AccessLog } from './access-log.js';
import { ChainChooser } from './chain-chooser.js';
import { Downstream } from './downstream.js';
import { Exchange } from './exchange.js';
import type { ChainRuntime } from './listener-chains.js';
import { buildSnapshot, EMPTY_SNAPSHOT, type ListenerRuntime, type Prepared, type Snapshot } from './snapshot.js';
import { TcpRelay } from './tcp-relay.js';
import type { TcpRuntime } from './tcp-runtime.js';

/** What --concurrency allows at most. */
const WORKERS_MAX = 1024;

export interface CoreOptions {
  readonly transport: Transport;
  readonly metrics: WorkerMetrics;
  readonly cells: SharedCells;
  /** Four random words: request ids, balancing. */
  readonly seed: readonly [number, number, number, number];
  readonly hostname: string;
  readonly workerIndex: number;
  /** Counters of the WORKER scope. */
  readonly workerBase: number;
  readonly log: (level: string, component: string, message: string) => void;
  /** False: the caller advances `wheel` itself (simulation). */
  readonly hasOwnTimer: boolean;
  readonly tableFill: TableFill;
  /** Over the memory of limit/rate-memory.ts. */
  readonly rateCells: RateCells;
}

/** A client's connection, whatever it carries. */
interface Accepted {
  /** End when what is under way is over. */
  drain(): void;
  cut(fault: FaultCode): void;
}

export class Core {
  readonly options: CoreOptions;
  readonly transport: Transport;
  readonly metrics: WorkerMetrics;
  readonly cells: SharedCells;
  readonly wheel: TimerWheel;
  readonly random: Prng;
  readonly heads: HeadPool;
  readonly http1: Http1Shared;
  readonly http2: Http2Shared;
  /** Stands for the response of an exchange that has none yet. Nobody changes it. */
  readonly noResponse: Head;
  /** 100 (Continue). Nobody changes it. */
  readonly continueHead: Head;
  /** Reused for every request: what Forwarding found out. */
  readonly forwarded = new ForwardingResult();
  readonly hostname: string;
  readonly workerBase: number;
  /** What a vanished client means to an exchange. */
  readonly goneFault: FaultCode = DOWN_GONE;
  snapshot: Snapshot = EMPTY_SNAPSHOT;
  isDraining = false;
  readonly tlsContexts: TlsContexts;
  /** Of peers. */
  readonly peerCertificates = new CertificateCache();
  readonly #connections = new Set<Accepted>();
  readonly #spare: Exchange[] = [];
  readonly #retired: Exchange[] = [];
  #exchanges = 0;
  #date: Uint8Array = new Uint8Array(0);
  #dateSecond = -1;
  readonly #timer: NodeJS.Timeout | null;

  constructor(options: CoreOptions) {
    this.options = options;
    this.transport = options.transport;
    this.metrics = options.metrics;
    this.cells = options.cells;
    this.hostname = options.hostname;
    this.tlsContexts = new TlsContexts(this.transport);
    this.workerBase = options.workerBase;
    this.random = new Prng(...options.seed);
    this.wheel = new TimerWheel(this.transport.nowMs());
    this.heads = new HeadPool(this.transport.arena);
    this.noResponse = new Head(new Uint8Array(0), 0, 0, new Int32Array(HOME_SLOT_INTS), 0);
    this.continueHead = new Head(new Uint8Array(0), 0, 0, new Int32Array(HOME_SLOT_INTS), 0);
    this.continueHead.status = 100;
    rememberLines(this.transport.arena.bytes);
    this.http1 = {
      arena: this.transport.arena,
      requestHead: this.heads.take(),
      responseHead: this.heads.take(),
      trailers: this.heads.take(),
    };
    this.http2 = new Http2Shared(this.transport, this.heads, this.wheel, this.metrics, this.random);
    this.transport.onAccepted = (conn, listenerIndex) => this.#onAccepted(conn, listenerIndex);
    this.transport.onTurnFlushed = () => this.#onTurnFlushed();
    this.#timer = options.hasOwnTimer ? setInterval(() => this.wheel.advance(this.transport.nowMs()), TICK_MS) : null;
  }

  /** Builds everything new first, then swaps: a plan is in force whole or not at all. Throws with the reason. */
  prepare(plan: SnapshotPlan): Prepared {
    return buildSnapshot(this, plan);
  }

  apply(plan: SnapshotPlan): void {
    this.prepare(plan).commit();
  }

  newCluster(record: ClusterRecord): Cluster {
    const { transport, wheel, metrics, cells, random, http1, http2 } = this;
    const { tableFill } = this.options;
    return new Cluster(record, { transport, wheel, metrics, cells, random, http1, http2, tableFill });
  }

  newAccessLog(record: AccessLogRecord): AccessLog {
    return new AccessLog(record, {
      onTrouble: (message) => this.options.log('warn', 'access_log', message),
      onDropped: (lines) => this.metrics.add(this.workerBase + WORKER.index.access_log_lines_dropped, lines),
    });
  }

  // ---- exchanges and connections ---------------------------------------------------------------------

  takeExchange(): Exchange {
    this.#exchanges++;
    const exchange = this.#spare.pop();
    if (exchange !== undefined) return exchange;
    this.metrics.add(this.workerBase + WORKER.index.exchanges_pooled, 1);
    return new Exchange(this);
  }

  /** The transport may still point into its heads: it is spare once the writes of this turn have left. */
  retire(exchange: Exchange): void {
    this.#exchanges--;
    this.#retired.push(exchange);
  }

  forget(connection: Accepted): void {
    this.#connections.delete(connection);
  }

  /** The newest runtime of a filter chain; the given one when the plan has dropped it. */
  listenerRuntime(runtime: ListenerRuntime): ListenerRuntime {
    return this.snapshot.chains.get(runtime.chain.index) ?? runtime;
  }

  activeConnections(): number {
    return this.#connections.size;
  }

  /** id: of one of this worker's connections; another worker has connections with the same one. */
  processWideId(id: number): number {
    return id * WORKERS_MAX + this.options.workerIndex;
  }

  activeExchanges(): number {
    return this.#exchanges;
  }

  /** IMF-fixdate of this second (RFC 9110 §5.6.7), composed once per second. */
  dateBytes(): Uint8Array {
    const second = Math.floor(this.transport.wallMs() / 1000);
    if (second !== this.#dateSecond) {
      this.#dateSecond = second;
      this.#date = encoder.encode(new Date(second * 1000).toUTCString());
    }
    return this.#date;
  }

  // ---- life ------------------------------------------------------------------------------------------

  /** From now on every response says that its connection closes; connections without a request end soon. */
  startDrain(): void {
    this.isDraining = true;
    for (const connection of this.#connections) connection.drain();
  }

  /** After a reload: connections whose listener or filter chain is no more end as in a drain. */
  drainChainless(): void {
    const { chains } = this.snapshot;
    for (const connection of this.#connections)
      if (connection instanceof Downstream && !chains.has(connection.listener.chain.index)) connection.drain();
  }

  /** Aborts what is left. */
  cut(): void {
    for (const connection of this.#connections) connection.cut(SHUT_DOWN);
  }

  async flushLogs(): Promise<void> {
    for (const log of this.snapshot.accessLogs.values()) await log.flush();
  }

  reopenLogs(): void {
    for (const log of this.snapshot.accessLogs.values()) log.reopen();
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.cut();
    for (const cluster of this.snapshot.clusters.values()) cluster.close();
    this.transport.close();
  }

  #onAccepted(conn: Conn, listenerIndex: number): void {
    const listener = this.snapshot.listeners.get(listenerIndex);
    if (listener === undefined) {
      // The acceptor waits for each that it handed over to be counted.
      this.metrics.add(this.workerBase + WORKER.index.downstream_cx_total, 1);
      conn.abort(SHUT_DOWN);
      return;
    }
    if (listener.direct !== null) this.adopt(conn, listener.direct, null, '');
    else {
      const chooser = new ChainChooser(this, conn, listener);
      conn.owner = chooser;
      this.#connections.add(chooser);
      chooser.begin();
      if (this.isDraining) chooser.drain();
    }
  }

  /** The connection belongs to this chain from now on. serverName: what the client asked for, as far as it is known. */
  adopt(conn: Conn, chain: ChainRuntime, tls: TlsFacts | null, serverName: string): ConnOwner {
    return chain.http === null
      ? this.#adoptRaw(conn, chain.tcp as TcpRuntime, tls, serverName)
      : this.#adopt(conn, chain.http, tls);
  }

  #adopt(conn: Conn, listener: ListenerRuntime, tls: TlsFacts | null): Downstream {
    const downstream = new Downstream(this, conn, listener);
    downstream.tls = tls;
    conn.owner = downstream;
    this.#connections.add(downstream);
    if (this.isDraining) downstream.drain();
    return downstream;
  }

  #adoptRaw(conn: Conn, runtime: TcpRuntime, tls: TlsFacts | null, serverName: string): TcpRelay {
    const relay = new TcpRelay(this, conn, runtime, tls, serverName);
    conn.owner = relay;
    this.#connections.add(relay);
    relay.begin();
    return relay;
  }

  #onTurnFlushed(): void {
    const retired = this.#retired;
    while (retired.length > 0) {
      const exchange = retired.pop() as Exchange;
      exchange.recycle();
      this.#spare.push(exchange);
    }
    this.heads.endTurn();
  }
}

const encoder = new TextEncoder();
