/** ProbePool: what a client knows of servers from probes: a few recent answers, each good for a few requests. */
import type { Prng } from '../../base/prng.js';
import { HotCold } from './hot-cold.js';

// Prequal's asynchronous mode: a request never waits for probes. Each request asks a few random servers for their
// requests in flight (RIF) and latency, and is sent by the answers to earlier ones. An answer leaves when it is too
// old, when its reuses are spent, when a newer one of the same server comes, or when the pool is full; and each request
// removes one, the oldest and the worst in turn, lest the pool fill up with answers that nobody wants.
// It knows neither proxies nor clocks: the simulator runs this very file.

export interface ProbePoolConfig {
  /** Q of hot-cold.ts. */
  readonly quantile: number;
  /** Answers kept, m of the paper (16). */
  readonly size: number;
  /** An answer is void after this (1 s). */
  readonly maxAgeUs: number;
  /** r_probe: probes per request, may be a fraction (3). Who owns the pool sends them. */
  readonly probesPerRequest: number;
  /** r_remove: answers removed per request, may be a fraction (1). */
  readonly removalsPerRequest: number;
  /** Most requests that one answer may be used for, where the formula has no bound (16). */
  readonly maxReuse: number;
}

export const PROBE_POOL_DEFAULTS: ProbePoolConfig = {
  quantile: 0.6,
  size: 16,
  maxAgeUs: 1_000_000,
  probesPerRequest: 3,
  removalsPerRequest: 1,
  maxReuse: 16,
};

/** Which of two answers is to be preferred; HotCold is Prequal's. */
export interface ProbeRule {
  /** A RIF that a probe has found. */
  saw(rif: number): void;
  /** Is the first to be preferred? latencyUs 0 = unknown. */
  isBetter(rif: number, latencyUs: number, otherRif: number, otherLatencyUs: number): boolean;
}

/** Chance in whole numbers, because a fraction that a call answers is garbage. */
const FRACTIONS = 1 << 20;
/** With fewer answers a request goes to a random server. */
const LEAST_ANSWERS = 2;

export class ProbePool {
  readonly rule: ProbeRule;
  /** b_reuse: mean number of requests that an answer is used for. */
  readonly reuse: number;
  size = 0;
  readonly #config: ProbePoolConfig;
  readonly #random: Prng;
  // Columns of the answers, in no order.
  readonly #servers: Int32Array;
  readonly #rifs: Int32Array;
  readonly #latenciesUs: Float64Array;
  readonly #takenUs: Float64Array;
  readonly #usesLeft: Int32Array;
  #removals = 0;
  #isWorstNext = false;

  /** servers: how many there are to probe. */
  constructor(config: ProbePoolConfig, servers: number, random: Prng, rule: ProbeRule = new HotCold(config.quantile)) {
    this.#config = config;
    this.#random = random;
    this.rule = rule;
    this.reuse = reuseBudget(config, servers);
    this.#servers = new Int32Array(config.size);
    this.#rifs = new Int32Array(config.size);
    this.#latenciesUs = new Float64Array(config.size);
    this.#takenUs = new Float64Array(config.size);
    this.#usesLeft = new Int32Array(config.size);
  }

  /** The answer to a probe. latencyUs 0 = the server has not answered anybody yet. */
  add(server: number, rif: number, latencyUs: number, nowUs: number): void {
    this.rule.saw(rif);
    let at = this.#indexOf(server);
    if (at < 0 && this.size === this.#config.size) at = this.#oldest();
    if (at < 0) at = this.size++;
    this.#servers[at] = server;
    this.#rifs[at] = rif;
    this.#latenciesUs[at] = latencyUs;
    this.#takenUs[at] = nowUs;
    // The fraction of the budget by chance, so that it is kept on average.
    const whole = Math.floor(this.reuse);
    this.#usesLeft[at] = whole + (this.#random.below(FRACTIONS) < (this.reuse - whole) * FRACTIONS ? 1 : 0);
  }

  /** The server for a request, -1 = too few answers: take a random one. */
  pick(nowUs: number): number {
    this.#dropOld(nowUs);
    if (this.size < LEAST_ANSWERS) return -1;
    let best = 0;
    for (let at = 1; at < this.size; at++) if (this.#isBetter(at, best)) best = at;
    const server = this.#servers[best] as number;
    // It will have one more, and the answer doesn't know.
    this.#rifs[best] = (this.#rifs[best] as number) + 1;
    this.#usesLeft[best] = (this.#usesLeft[best] as number) - 1;
    if ((this.#usesLeft[best] as number) <= 0) this.#remove(best);
    this.#removals += this.#config.removalsPerRequest;
    for (; this.#removals >= 1; this.#removals--) this.#removeOne();
    return server;
  }

  /** A request to the server has failed: what its probes say is worth nothing (it would draw all for being idle). */
  forget(server: number): void {
    const at = this.#indexOf(server);
    if (at >= 0) this.#remove(at);
  }

  #isBetter(at: number, other: number): boolean {
    return this.rule.isBetter(
      this.#rifs[at] as number,
      this.#latenciesUs[at] as number,
      this.#rifs[other] as number,
      this.#latenciesUs[other] as number,
    );
  }

  #indexOf(server: number): number {
    for (let at = 0; at < this.size; at++) if (this.#servers[at] === server) return at;
    return -1;
  }

  #oldest(): number {
    let oldest = 0;
    for (let at = 1; at < this.size; at++)
      if ((this.#takenUs[at] as number) < (this.#takenUs[oldest] as number)) oldest = at;
    return oldest;
  }

  #dropOld(nowUs: number): void {
    for (let at = this.size - 1; at >= 0; at--)
      if (nowUs - (this.#takenUs[at] as number) > this.#config.maxAgeUs) this.#remove(at);
  }

  /** The oldest and the worst in turn: the hot one with the most in flight, else the slowest. */
  #removeOne(): void {
    if (this.size === 0) return;
    let at = this.#oldest();
    if (this.#isWorstNext) {
      at = 0;
      for (let other = 1; other < this.size; other++) if (this.#isBetter(at, other)) at = other;
    }
    this.#isWorstNext = !this.#isWorstNext;
    this.#remove(at);
  }

  #remove(at: number): void {
    const last = --this.size;
    this.#servers[at] = this.#servers[last] as number;
    this.#rifs[at] = this.#rifs[last] as number;
    this.#latenciesUs[at] = this.#latenciesUs[last] as number;
    this.#takenUs[at] = this.#takenUs[last] as number;
    this.#usesLeft[at] = this.#usesLeft[last] as number;
  }
}

/** max(1, (1 + delta) / ((1 - m / n) r_probe - r_remove)) with delta 1; bounded where few servers make it infinite. */
export function reuseBudget(config: ProbePoolConfig, servers: number): number {
  const rate = (1 - config.size / servers) * config.probesPerRequest - config.removalsPerRequest;
  return rate <= 0 ? config.maxReuse : Math.min(config.maxReuse, Math.max(1, 2 / rate));
}
