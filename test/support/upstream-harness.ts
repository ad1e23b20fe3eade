/** UpstreamHarness: a cluster over a fake transport, and requests that write down what becomes of them. */
import { Prng } from '../../engine/base/prng.js';
import { TimerWheel } from '../../engine/base/timer-wheel.js';
import { FAULTS, type FaultCode } from '../../engine/fault/faults.js';
import type { MessageStream } from '../../engine/http/codec.js';
import { HeadPool } from '../../engine/http/head-pool.js';
import { Http2Shared } from '../../engine/http2/shared.js';
import { HTTP2_DEFAULTS } from '../../engine/http2/options.js';
import { CLUSTER, ENDPOINT } from '../../engine/metrics/declare.js';
import { PORTABLE_FILL } from '../../engine/upstream/balance/portable-fill.js';
import { newMetricsMemory, WorkerMetrics } from '../../engine/metrics/slots.js';
import type { ClusterRecord, EndpointRecord } from '../../engine/plan/records.js';
import { Cluster, type StreamWaiter } from '../../engine/upstream/cluster.js';
import type { Pool } from '../../engine/upstream/pool.js';
import { newSharedCellsMemory, SharedCells } from '../../engine/upstream/shared-cells.js';
import { newHead, newShared } from './fake-conn.js';
import { FakeTransport } from './fake-transport.js';
import { RecordingSink } from './recording-sink.js';

const PATH = Buffer.from('/');
const HOST = Buffer.from('a');
const GET = 1;
export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

export function endpointRecord(row: number, overrides: Partial<EndpointRecord> = {}): EndpointRecord {
  return {
    key: `c|${row}`,
    row,
    address: { family: 4, host: '127.0.0.1', port: 1 + row },
    hostname: '',
    weight: 1,
    priority: 0,
    region: '',
    zone: '',
    subZone: '',
    localityWeight: 0,
    health: 'HEALTHY',
    metadata: {},
    transportSocket: '',
    metrics: { counters: CLUSTER.names.length + row * ENDPOINT.names.length, histograms: -1 },
    ...overrides,
  };
}

const UNLIMITED = { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024, maxRetries: 3 };

export function clusterRecord(overrides: Partial<ClusterRecord> = {}): ClusterRecord {
  return {
    name: 'c',
    altStatName: '',
    index: 0,
    metrics: { counters: 0, histograms: 0 },
    type: 'STATIC',
    connectTimeoutMs: 5000,
    bufferLimitBytes: 1 << 20,
    lbPolicy: { name: 'ROUND_ROBIN' },
    locality: { kind: 'NONE' },
    subsets: null,
    overprovisioningPercent: 140,
    panicPercent: 50,
    breakers: { default: UNLIMITED, high: UNLIMITED },
    protocol: 'HTTP1',
    http2: { ...HTTP2_DEFAULTS, allowConnect: false },
    idleTimeoutMs: 3600000,
    maxConnectionDurationMs: 0,
    maxRequestsPerConnection: 0,
    maxResponseHeadersBytes: 81920,
    maxHttp2ResponseHeadersBytes: 61440,
    maxResponseHeadersCount: 100,
    tls: null,
    proxyProtocol: null,
    socketMatches: [],
    endpoints: [endpointRecord(0)],
    dnsFailed: false,
    ...overrides,
  };
}

/** Default limits with these instead. */
export function breakers(overrides: Partial<typeof UNLIMITED>): ClusterRecord['breakers'] {
  return { default: { ...UNLIMITED, ...overrides }, high: UNLIMITED };
}

export class UpstreamHarness {
  readonly transport = new FakeTransport();
  readonly metrics = new WorkerMetrics(newMetricsMemory());
  readonly wheel: TimerWheel;
  readonly cells: SharedCells;
  readonly cluster: Cluster;

  constructor(overrides: Partial<ClusterRecord> = {}, shared = newSharedCellsMemory(), own = newSharedCellsMemory()) {
    this.cells = new SharedCells(shared, own);
    this.wheel = new TimerWheel(this.transport.nowMs());
    const random = Prng.fromSeed(1);
    this.cluster = new Cluster(clusterRecord(overrides), {
      transport: this.transport,
      wheel: this.wheel,
      metrics: this.metrics,
      cells: this.cells,
      random,
      http1: newShared(this.transport.arena),
      http2: new Http2Shared(this.transport, new HeadPool(this.transport.arena), this.wheel, this.metrics, random),
      tableFill: PORTABLE_FILL,
    });
  }

  request(options: RequestOptions = {}): TestRequest {
    return new TestRequest(this, options);
  }

  /** Lets time pass in the steps of the wheel. */
  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += 20) {
      this.transport.timeUs += 20000;
      this.wheel.advance(this.transport.nowMs());
    }
    this.transport.settle();
  }

  count(name: keyof typeof CLUSTER.index): number {
    return this.metrics.counters[CLUSTER.index[name]] as number;
  }
  countEndpoint(row: number, name: keyof typeof ENDPOINT.index): number {
    return this.metrics.counters[CLUSTER.names.length + row * ENDPOINT.names.length + ENDPOINT.index[name]] as number;
  }
}

export interface RequestOptions {
  readonly index?: number;
  /** Instead of the index's. */
  readonly pool?: Pool;
  readonly isHigh?: boolean;
  readonly isFresh?: boolean;
  /** False: the body is still to come. */
  readonly isWhole?: boolean;
}

export class TestRequest extends RecordingSink implements StreamWaiter {
  readonly pool: Pool;
  stream: MessageStream | null = null;
  /** Reason of the fault that acquire() or the wait ended with. */
  fault = '';
  readonly #isWhole: boolean;

  constructor(harness: UpstreamHarness, options: RequestOptions) {
    super();
    const { cluster } = harness;
    this.#isWhole = options.isWhole ?? true;
    this.pool = options.pool ?? cluster.pool(options.index ?? 0);
    const stream = cluster.acquire(this.pool, this, this, options.isHigh ?? false, options.isFresh ?? false);
    if (stream !== null) this.onStreamReady(stream);
    else if (cluster.lastFault !== 0) this.fault = FAULTS[cluster.lastFault]?.reason ?? '';
  }

  onStreamReady(stream: MessageStream): void {
    this.stream = stream;
    const head = newHead();
    head.method = GET;
    head.setPath(PATH, 0, 1);
    head.setAuthority(HOST, 0, 1);
    if (!this.#isWhole) head.contentLength = 4;
    stream.sendHead(head, this.#isWhole);
  }
  onStreamFault(fault: FaultCode): void {
    this.fault = FAULTS[fault]?.reason ?? '';
  }

  get isWaiting(): boolean {
    return this.stream === null && this.fault === '';
  }
  get isAnswered(): boolean {
    return this.ended === 1 && this.faults.length === 0;
  }
}
