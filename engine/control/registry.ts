/** PlanRegistry: the dense numbers of listeners, clusters, endpoints and metrics scopes, stable for the process's life. */
import { CLUSTER, ENDPOINT, HTTP, LISTENER, type Scope, WORKER } from '../metrics/declare.js';
import { COUNTERS_MAX, HISTOGRAMS_MAX } from '../metrics/slots.js';
import type { MetricsBase } from '../plan/records.js';
import { CLUSTERS_MAX, ENDPOINT_ROWS_MAX } from '../upstream/shared-cells.js';

export type ScopeKind = 'http' | 'cluster' | 'listener' | 'endpoint' | 'worker';
const SCOPES: Readonly<Record<ScopeKind, Scope<string>>> = {
  http: HTTP,
  cluster: CLUSTER,
  listener: LISTENER,
  endpoint: ENDPOINT,
  worker: WORKER,
};

export interface MetricsScope {
  readonly kind: ScopeKind;
  readonly name: string;
  readonly base: MetricsBase;
}

/** Counters that endpoints leave to the rest: they come and go with DNS, and would use up everything in time. */
const KEPT_COUNTERS = COUNTERS_MAX >> 2;
/** The same for histograms, though endpoints have none now. */
const KEPT_HISTOGRAMS = HISTOGRAMS_MAX >> 2;
/** No counter of a scope is in the array when its first one is here: adding to it does nothing, and costs no test. */
export const UNMEASURED = -65536;

export class PlanRegistry {
  readonly #numbers = new Map<string, number>();
  readonly #next = new Map<string, number>();
  readonly #scopes = new Map<string, MetricsScope>();
  #counters = 0;
  #histograms = 0;

  listener(key: string): number {
    return this.#number('listener', key, 65536);
  }
  cluster(name: string): number {
    return this.#number('cluster', name, CLUSTERS_MAX);
  }
  endpoint(key: string): number {
    return this.#number('endpoint', key, ENDPOINT_ROWS_MAX);
  }

  /** Negative where there is no room: such a scope is not measured. */
  metrics(kind: ScopeKind, name: string): MetricsBase {
    const key = `${kind} ${name}`;
    const known = this.#scopes.get(key);
    if (known !== undefined) return known.base;
    const { names, histograms } = SCOPES[kind];
    const isPassing = kind === 'endpoint';
    const countersMax = COUNTERS_MAX - (isPassing ? KEPT_COUNTERS : 0);
    const histogramsMax = HISTOGRAMS_MAX - (isPassing ? KEPT_HISTOGRAMS : 0);
    const hasRoom = this.#counters + names.length <= countersMax;
    const hasHistograms = histograms.length > 0 && this.#histograms + histograms.length <= histogramsMax;
    const base = { counters: hasRoom ? this.#counters : UNMEASURED, histograms: hasHistograms ? this.#histograms : -1 };
    if (hasRoom) this.#counters += names.length;
    if (hasHistograms) this.#histograms += histograms.length;
    this.#scopes.set(key, { kind, name, base });
    return base;
  }

  scopes(): Iterable<MetricsScope> {
    return this.#scopes.values();
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
    const number = this.#next.get(space) ?? 0;
    if (number >= max) throw new Error(`more than ${max} ${space}s in the life of this process`);
    this.#next.set(space, number + 1);
    this.#numbers.set(`${space} ${key}`, number);
    return number;
  }
}
