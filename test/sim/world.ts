/** World: one seeded run of a whole worker between scripted clients and origins, and what must hold at its end. */
import { PortableRateCells } from '../../engine/limit/rate-cells.js';
import { newRateMemory } from '../../engine/limit/rate-memory.js';
import { Prng } from '../../engine/base/prng.js';
import { TICK_MS } from '../../engine/base/timer-wheel.js';
import { loadConfig, planOf } from '../../engine/control/load.js';
import { PlanRegistry } from '../../engine/control/registry.js';
import { UP_CONNECT_REFUSED, UP_CONNECT_TIMEOUT } from '../../engine/fault/faults.js';
import { newMetricsMemory, WorkerMetrics } from '../../engine/metrics/slots.js';
import type { SnapshotPlan } from '../../engine/plan/records.js';
import { Core } from '../../engine/proxy/core.js';
import type { Exchange } from '../../engine/proxy/exchange.js';
import { PORTABLE_FILL } from '../../engine/upstream/balance/portable-fill.js';
import { newSharedCellsMemory, SharedCells } from '../../engine/upstream/shared-cells.js';
import { bootstrap } from '../support/bootstrap.js';
import { Client, type Manners, newManners } from './client.js';
import { Http2Client } from './client-http2.js';
import { checkNothingLeft } from './leaks.js';
import { Origin } from './origin.js';
import { Http2Origin } from './origin-http2.js';
import { Schedule } from './schedule.js';
import { failureAt, newScript, type Script, type Weather } from './script.js';
import { SimTransport } from './sim-transport.js';

/** Long enough for every timeout that a run can meet. */
const RUN_MS = 400_000;
const ORIGINS = 3;
const BAD_PORT = 9;

export interface Climate extends Weather {
  readonly hasTimeouts: boolean;
  /** One endpoint of the cluster refuses, or never answers a dial. */
  readonly badEndpoint: 'none' | 'refuses' | 'silent';
  readonly reloads: boolean;
  readonly drains: boolean;
  /** No delay is long. */
  readonly isQuick: boolean;
  readonly bufferBytes: number;
  /** What clients speak, and origins. */
  readonly hasHttp2Clients: boolean;
  readonly hasHttp2Origins: boolean;
  /** Requests go on when they are here whole: the filter buffer. */
  readonly keepsRequests: boolean;
}

/** No failures, no limits, no changes. */
export const CALM: Climate = {
  hasFailures: false,
  hasRaces: false,
  hasTimeouts: false,
  badEndpoint: 'none',
  reloads: false,
  drains: false,
  isQuick: true,
  bufferBytes: 1048576,
  hasHttp2Clients: false,
  hasHttp2Origins: false,
  keepsRequests: false,
};

export class World {
  readonly scripts = new Map<number, Script>();
  readonly violations: string[] = [];
  /** When the drain begins, where the climate has one; null: at random. */
  drainAtMs: number | null = null;
  /** Hears what happens. */
  onTrace: ((line: string) => void) | null = null;
  readonly climate: Climate;
  readonly core: Core;
  readonly transport: SimTransport;
  readonly metrics: WorkerMetrics;
  readonly registry = new PlanRegistry();
  readonly cells: SharedArrayBuffer;
  readonly #schedule = new Schedule();
  readonly #random: Prng;
  readonly clients: (Client | Http2Client)[] = [];
  readonly #arrivals = new Map<number, number>();
  readonly #whole = new Map<number, number>();
  readonly #active = new Set<Exchange>();
  #exchanges = 0;

  constructor(seed: number, climate?: Climate) {
    this.#random = Prng.fromSeed(seed);
    this.climate = climate ?? newClimate(this.#random, Prng.fromSeed(seed ^ 0x4832));
    this.cells = newSharedCellsMemory();
    this.metrics = new WorkerMetrics(memory);
    this.metrics.counters.fill(0, 0, 8192);
    this.transport = new SimTransport(this.#schedule, Prng.fromSeed(seed ^ 0x5eed), (address) => {
      if (address.port !== BAD_PORT) return this.climate.hasHttp2Origins ? new Http2Origin(this) : new Origin(this);
      return this.climate.badEndpoint === 'refuses'
        ? { fault: UP_CONNECT_REFUSED, afterMs: 1 }
        : { fault: UP_CONNECT_TIMEOUT, afterMs: 60_000 };
    });
    this.transport.isQuick = this.climate.isQuick;
    this.core = new Core({
      transport: this.transport,
      metrics: this.metrics,
      cells: new SharedCells(this.cells, newSharedCellsMemory()),
      seed: [seed, 2, 3, 4],
      hostname: 'sim',
      workerIndex: 0,
      workerBase: this.registry.metrics('worker', 'sim').counters,
      log: () => {},
      hasOwnTimer: false,
      tableFill: PORTABLE_FILL,
      rateCells: new PortableRateCells(new BigInt64Array(newRateMemory())),
    });
    this.#watchExchanges();
  }

  /** Every exchange that begins is retired, once. */
  #watchExchanges(): void {
    const { core } = this;
    const take = core.takeExchange.bind(core);
    const retire = core.retire.bind(core);
    core.takeExchange = () => {
      const exchange = take();
      if (this.#active.has(exchange)) this.violation('an exchange was taken that is in use');
      this.#active.add(exchange);
      this.#exchanges++;
      return exchange;
    };
    core.retire = (exchange) => {
      if (!this.#active.delete(exchange)) this.violation('an exchange ended twice');
      retire(exchange);
    };
  }

  // ---- for scripts ------------------------------------------------------------------------------------

  violation(what: string): void {
    if (this.violations.length < 20) this.violations.push(`${this.#schedule.nowMs} ms: ${what}`);
  }
  trace(what: string, id: number | undefined): void {
    this.onTrace?.(`${this.#schedule.nowMs} ms: ${id}: ${what}`);
  }
  after(delayMs: number, run: () => void): void {
    this.#schedule.after(this.isQuick ? Math.min(delayMs, 5) : delayMs, run);
  }
  get isQuick(): boolean {
    return this.climate.isQuick;
  }
  get exchanges(): number {
    return this.#exchanges;
  }

  /** A request head has come to an origin: how many came before it. */
  arrived(script: Script): number {
    const before = this.#arrivals.get(script.id) ?? 0;
    this.#arrivals.set(script.id, before + 1);
    return before;
  }

  receivedWhole(script: Script): void {
    const times = (this.#whole.get(script.id) ?? 0) + 1;
    this.#whole.set(script.id, times);
    const isIdempotent = script.method !== 'POST';
    if (times > 1 && !isIdempotent) this.violation(`POST ${script.id} came to an origin ${times} times`);
  }

  /** May the proxy have had to answer for itself, or to cut? */
  mayFail(script: Script): boolean {
    const { hasTimeouts, hasRaces, badEndpoint } = this.climate;
    if (hasTimeouts) return true;
    if (failureAt(script, 0) !== 'none' || failureAt(script, 1) !== 'none') return true;
    // A request whose kept-alive connection dies under it is repeated when it is idempotent; its body is kept for that.
    if (hasRaces && (script.method === 'POST' || script.requestLength > 65536 || script.isTunnel)) return true;
    return badEndpoint === 'silent' && script.isTunnel;
  }

  // ---- the run ----------------------------------------------------------------------------------------

  async run(): Promise<void> {
    const { core, climate } = this;
    core.apply(this.#plan(1));
    if (this.clients.length === 0) this.#inviteClients();
    if (climate.reloads)
      for (let version = 2; version < 8; version++)
        this.after(this.#random.below(1500), () => core.apply(this.#plan(version)));
    const drainAtMs = this.drainAtMs ?? this.#random.below(2000);
    if (climate.drains) this.#schedule.after(drainAtMs, () => core.startDrain());
    const tick = (nowMs: number): void => core.wheel.advance(nowMs);
    await this.transport.run(this.#schedule.nowMs + RUN_MS, tick, TICK_MS);
    for (const client of this.clients) {
      const before = this.violations.length;
      client.judge();
      if (this.violations.length > before) this.trace(client.describe(), client.scripts[0]?.id);
    }
    if (core.activeExchanges() !== 0 || this.#active.size !== 0)
      this.violation(`${core.activeExchanges()} exchanges are left`);
    if (core.activeConnections() !== 0) this.violation(`${core.activeConnections()} client connections are left`);
    core.close();
    await this.transport.run(this.#schedule.nowMs + 1000, tick, TICK_MS);
    checkNothingLeft(this);
  }

  /** A client of the test's own; run() then invites no others. */
  invite(scripts: readonly Script[], manners: Manners, afterMs: number): Client {
    for (const script of scripts) this.scripts.set(script.id, script);
    const client = new Client(this, scripts, manners);
    this.clients.push(client);
    this.#schedule.after(afterMs, () => this.transport.connect(0, client));
    return client;
  }

  /** The same, as streams of one HTTP/2 connection. */
  inviteHttp2(scripts: readonly Script[], manners: Manners, afterMs: number): Http2Client {
    for (const script of scripts) this.scripts.set(script.id, script);
    const client = new Http2Client(this, scripts, manners);
    this.clients.push(client);
    this.#schedule.after(afterMs, () => this.transport.connect(0, client));
    return client;
  }

  #inviteClients(): void {
    const random = this.#random;
    let id = 1;
    for (let clients = 1 + random.below(10); clients > 0; clients--) {
      const scripts: Script[] = [];
      for (let requests = 1 + random.below(7); requests > 0; requests--) {
        const script = newScript(id++, this.climate, requests === 1, random);
        const isConnect = script.isTunnel && this.climate.hasHttp2Clients && script.id % 2 === 0;
        scripts.push({ ...script, isConnect });
      }
      const manners = newManners(scripts, random);
      const afterMs = random.below(this.isQuick ? 5 : 500);
      if (this.climate.hasHttp2Clients) this.inviteHttp2(scripts, manners, afterMs);
      else this.invite(scripts, manners, afterMs);
    }
  }

  #plan(version: number): SnapshotPlan {
    const { climate } = this;
    const ports = Array.from({ length: ORIGINS }, (_, i) => 100 + i + (climate.reloads && version % 2 === 0 ? 1 : 0));
    if (climate.badEndpoint !== 'none') ports[0] = BAD_PORT;
    const times = climate.hasTimeouts
      ? { idle_timeout: '0.15s', request_timeout: '0.3s', stream_idle_timeout: '0.5s', request_headers_timeout: '0.1s' }
      : { idle_timeout: '300s', stream_idle_timeout: '0s' };
    const { idle_timeout, ...manager } = times;
    // Origins that never answer need a limit; without failures nothing may need one.
    const timeout = climate.hasTimeouts ? '0.2s' : climate.hasFailures ? '30s' : '0s';
    const text = bootstrap({
      origins: ports,
      routes: [
        { match: { prefix: '/' }, route: { cluster: 'origin', timeout } },
        { match: { connect_matcher: {} }, route: { cluster: 'origin', timeout } },
      ],
      manager: {
        ...manager,
        common_http_protocol_options: { idle_timeout, max_requests_per_connection: 1 + (version % 3 === 0 ? 2 : 99) },
        upgrade_configs: [{ upgrade_type: 'websocket' }, { upgrade_type: 'CONNECT' }],
        http2_protocol_options: { allow_connect: true },
        server_name: `v${version}`,
        http_filters: [...(climate.keepsRequests ? [BUFFER] : []), filter('router.v3.Router')],
      },
      listener: { per_connection_buffer_limit_bytes: climate.bufferBytes },
      cluster: {
        lb_policy: (['ROUND_ROBIN', 'RANDOM', 'LEAST_REQUEST'] as const)[version % 3],
        per_connection_buffer_limit_bytes: climate.bufferBytes,
        ...upstreamProtocol(climate.hasHttp2Origins, { idle_timeout: climate.hasTimeouts ? '0.05s' : '3s' }),
      },
    })(8080, 9901);
    const source = { path: null, text, name: 'sim', allowsUnknownFields: false, environment: {} };
    const loaded = loadConfig(source);
    if ('problems' in loaded) throw new Error(JSON.stringify(loaded.problems));
    return planOf(loaded, this.registry, new Map(), version).plan;
  }
}

function filter(message: string, fields: object = {}): object {
  return {
    name: message,
    typed_config: { '@type': `type.googleapis.com/envoy.extensions.filters.http.${message}`, ...fields },
  };
}
/** As much as any script sends. */
const BUFFER = filter('buffer.v3.Buffer', { max_request_bytes: 1 << 30 });

/** Reserved once: a gigabyte of address space per run would be too much. */
const memory = newMetricsMemory();

function upstreamProtocol(isHttp2: boolean, options: unknown): Record<string, unknown> {
  if (!isHttp2) return { common_http_protocol_options: options };
  return {
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        common_http_protocol_options: options,
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
  };
}

/** protocols: a source of its own, so that the rest of a seed's run does not depend on them. */
function newClimate(random: Prng, protocols: Prng): Climate {
  const chance = (percent: number): boolean => random.below(100) < percent;
  return {
    hasFailures: chance(40),
    hasRaces: chance(40),
    hasTimeouts: chance(15),
    badEndpoint: chance(20) ? 'refuses' : chance(8) ? 'silent' : 'none',
    reloads: chance(25),
    drains: chance(15),
    isQuick: chance(40),
    bufferBytes: [1024, 16384, 1048576][random.below(3)] as number,
    hasHttp2Clients: protocols.below(100) < 40,
    hasHttp2Origins: protocols.below(100) < 40,
    keepsRequests: protocols.below(100) < 30,
  };
}
