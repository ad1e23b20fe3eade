/** PlanRegistry: the dense numbers of listeners, clusters, endpoints and metrics scopes, stable as long as they are used. */
import {
  CLUSTER,
  ENDPOINT,
  GRPC,
  HTTP,
  HTTP2,
  LISTENER,
  RATE_LIMIT,
  type Scope,
  TCP,
  WORKER,
} from '../metrics/declare.js';
import { RATE_LIMITS_MAX } from '../limit/rate-memory.js';
import { NameTable, NAMES_MAX, newNameMemory } from '../metrics/name-table.js';
import { COUNTERS_MAX, HISTOGRAMS_MAX } from '../metrics/slots.js';
import type { AllMethodsRecord } from '../plan/grpc-stats-record.js';
import type { EndpointRecord, MetricsBase, SnapshotPlan } from '../plan/records.js';
import { CLUSTERS_MAX, ENDPOINT_ROWS_MAX } from '../upstream/shared-cells.js';
import { type EndpointMemory, EndpointNumbers } from './endpoint-numbers.js';

/** http2: below another scope, which its name says: "http.ingress", "cluster.origin". */
export type ScopeKind =
  | 'http'
  | 'http2'
  | 'tcp'
  | 'cluster'
  | 'grpc'
  | 'listener'
  | 'endpoint'
  | 'worker'
  | 'http_local_rate_limit';
const SCOPES: Readonly<Record<ScopeKind, Scope<string>>> = {
  http: HTTP,
  http2: HTTP2,
  tcp: TCP,
  cluster: CLUSTER,
  grpc: GRPC,
  listener: LISTENER,
  endpoint: ENDPOINT,
  worker: WORKER,
  http_local_rate_limit: RATE_LIMIT,
};

export interface MetricsScope {
  readonly kind: ScopeKind;
  readonly name: string;
  readonly base: MetricsBase;
}

/** What routes may ask of endpoints' metadata in a process's life. */
const CRITERIA_MAX = 65535;
/** Counters that endpoints leave to the rest: so many of them may be there that nothing else would be measured. */
const KEPT_COUNTERS = COUNTERS_MAX >> 2;
/** No counter of a scope is in the array when its first one is here: adding to it does nothing, and costs no test. */
export const UNMEASURED = -65536;

export class PlanRegistry {
  readonly #numbers = new Map<string, number>();
  readonly #next = new Map<string, number>();
  readonly #scopes = new Map<string, MetricsScope>();
  readonly #endpoints = new EndpointNumbers();
  #methods: AllMethodsRecord | null = null;
  #counters = 0;
  #histograms = 0;

  listener(key: string): number {
    return this.#number('listener', key, 65536);
  }
  /** key: of the listener and the chain. */
  chain(key: string): number {
    return this.#number('filter chain', key, 1 << 20);
  }
  cluster(name: string): number {
    return this.#number('cluster', name, CLUSTERS_MAX);
  }
  /** A bucket in the memory of engine/limit/rate-memory.ts. */
  rateLimit(key: string): number {
    return this.#number('rate limit', key, RATE_LIMITS_MAX);
  }
  /** Of what a route asks of endpoints' metadata; 0 is for nothing. */
  criteria(key: string): number {
    return this.#number('criteria', key, CRITERIA_MAX) + 1;
  }
  endpoint(key: string): Pick<EndpointRecord, 'row' | 'metrics'> {
    const { row, counters } = this.#endpoints.of(key, () => {
      const fresh = this.#dense('endpoint', ENDPOINT_ROWS_MAX);
      return { row: fresh, counters: this.#takeCounters(ENDPOINT.names.length, COUNTERS_MAX - KEPT_COUNTERS) };
    });
    return { row, metrics: { counters, histograms: -1 } };
  }

  /** The plan is in force on every worker: endpoints that it lacks are gone. nowMs: of a clock that only goes forward. */
  sweep(plan: SnapshotPlan, memory: EndpointMemory, nowMs: number): void {
    const keys = new Set(plan.clusters.flatMap(({ endpoints }) => endpoints.map(({ key }) => key)));
    this.#endpoints.sweep(keys, memory, nowMs);
  }

  /** Negative where there is no room: such a scope is not measured. */
  metrics(kind: Exclude<ScopeKind, 'endpoint'>, name: string): MetricsBase {
    const key = `${kind} ${name}`;
    const known = this.#scopes.get(key);
    if (known !== undefined) return known.base;
    const { names, histograms } = SCOPES[kind];
    const hasHistograms = histograms.length > 0 && this.#histograms + histograms.length <= HISTOGRAMS_MAX;
    const base = {
      counters: this.#takeCounters(names.length, COUNTERS_MAX),
      histograms: hasHistograms ? this.#histograms : -1,
    };
    if (hasHistograms) this.#histograms += histograms.length;
    this.#scopes.set(key, { kind, name, base });
    return base;
  }

  /** Room for methods whose names workers will find; one for the process. */
  grpcMethods(): AllMethodsRecord {
    if (this.#methods === null) {
      const hasHistograms = this.#histograms + NAMES_MAX * GRPC.histograms.length <= HISTOGRAMS_MAX;
      this.#methods = {
        names: newNameMemory(),
        counters: this.#takeCounters(NAMES_MAX * GRPC.names.length, COUNTERS_MAX),
        histograms: hasHistograms ? this.#histograms : -1,
      };
      if (hasHistograms) this.#histograms += NAMES_MAX * GRPC.histograms.length;
    }
    return this.#methods;
  }

  #takeCounters(count: number, max: number): number {
    if (this.#counters + count > max) return UNMEASURED;
    this.#counters += count;
    return this.#counters - count;
  }

  *scopes(): Iterable<MetricsScope> {
    yield* this.#scopes.values();
    if (this.#methods !== null) {
      const { names, counters, histograms } = this.#methods;
      for (const [number, name] of new NameTable(names).names()) {
        const [method = '', service = '', ...cluster] = name.split('/').reverse();
        const base = {
          counters: counters < 0 ? counters : counters + number * GRPC.names.length,
          histograms: histograms < 0 ? -1 : histograms + number * GRPC.histograms.length,
        };
        yield { kind: 'grpc', name: `${cluster.reverse().join('/')}.grpc.${service}.${method}`, base };
      }
    }
    for (const [name, { counters }] of this.#endpoints.live)
      yield { kind: 'endpoint', name, base: { counters, histograms: -1 } };
  }
  static declaration(kind: ScopeKind): Scope<string> {
    return SCOPES[kind];
  }
  get countersUsed(): number {
    return this.#counters;
  }
  get histogramsUsed(): number {
    return this.#histograms;
  }

  #number(space: string, key: string, max: number): number {
    const known = this.#numbers.get(`${space} ${key}`);
    if (known !== undefined) return known;
    const number = this.#dense(space, max);
    this.#numbers.set(`${space} ${key}`, number);
    return number;
  }

  #dense(space: string, max: number): number {
    const number = this.#next.get(space) ?? 0;
    if (number >= max) {
      const when = space === 'endpoint' ? 'at a time' : 'in the life of this process';
      throw new Error(`more than ${max} ${space}s ${when}`);
    }
    this.#next.set(space, number + 1);
    return number;
  }
}
