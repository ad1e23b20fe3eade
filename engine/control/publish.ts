/** Publisher: a config becomes the plan in force on every worker, whole or not at all. */
import type { Acceptor } from '../acceptor.js';
import { DnsDiscovery, type DnsQuestion } from '../discovery/dns.js';
import { renderProblems } from '../fault/problem.js';
import type { ConfigSource } from '../options.js';
import type { SnapshotPlan } from '../plan/records.js';
import type { Compiled } from './compile.js';
import { dnsKey } from './compile-clusters.js';
import { type LoadedConfig, loadConfig, planOf } from './load.js';
import type { PlanRegistry } from './registry.js';
import type { Supervisor, WorkerHandle } from './supervise.js';

export interface PublisherOptions {
  readonly source: ConfigSource;
  readonly registry: PlanRegistry;
  readonly supervisor: Supervisor;
  readonly acceptor: Acceptor;
  readonly log: (level: string, component: string, message: string) => void;
}

export class Publisher {
  readonly #options: PublisherOptions;
  readonly #dns: DnsDiscovery;
  #config: LoadedConfig;
  #current: Compiled | null = null;
  #version = 0;
  /** One change at a time: the next begins when the one before is in force. */
  #queue: Promise<unknown> = Promise.resolve();
  reloads = { success: 0, failure: 0 };
  lastUpdate = new Date();

  constructor(config: LoadedConfig, options: PublisherOptions) {
    this.#config = config;
    this.#options = options;
    this.#dns = new DnsDiscovery(() => void this.#inTurn(() => this.#apply(this.#config)));
  }

  get plan(): SnapshotPlan | null {
    return this.#current?.plan ?? null;
  }
  get configText(): string {
    return this.#config.text;
  }

  /** Throws when the first plan can't be put in force. */
  start(): Promise<void> {
    return this.#inTurn(() => this.#apply(this.#config));
  }

  /** Reads the source anew. False: the last good config stays, and the log says why. */
  reload(why: string): Promise<boolean> {
    return this.#inTurn(async () => {
      const loaded = loadConfig(this.#options.source);
      if ('problems' in loaded) return this.#refuse(why, renderProblems(loaded.problems));
      try {
        await this.#apply(loaded);
      } catch (error) {
        return this.#refuse(why, error instanceof Error ? error.message : String(error));
      }
      this.reloads.success++;
      this.lastUpdate = new Date();
      this.#options.log('info', 'config', `reloaded (${why}): version ${this.#version}`);
      return true;
    });
  }

  #refuse(why: string, reason: string): false {
    this.reloads.failure++;
    this.#options.log('error', 'config', `reload refused (${why}), the last good config stays:\n${reason}`);
    return false;
  }

  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(step);
    this.#queue = result.catch(() => {});
    return result;
  }

  async #apply(config: LoadedConfig): Promise<void> {
    const { registry, supervisor, acceptor } = this.#options;
    const version = this.#version + 1;
    const draft = planOf(config, registry, this.#dns.answers, version);
    const questions = new Map<string, DnsQuestion>(draft.dnsTargets.map((target) => [dnsKey(target), target]));
    await this.#dns.watch(questions);
    const compiled = questions.size === 0 ? draft : planOf(config, registry, this.#dns.answers, version);
    const { plan } = compiled;
    // Everything that can fail comes first: building on every worker, binding every socket.
    await this.#prepare(supervisor.workers, plan);
    await acceptor.open(plan.listeners);
    this.#version = version;
    this.#config = config;
    this.#current = compiled;
    await this.#commit(supervisor.workers, plan);
    acceptor.activate(plan.listeners);
  }

  async #prepare(workers: readonly WorkerHandle[], plan: SnapshotPlan): Promise<void> {
    const answers = workers
      .filter((worker) => worker.isReady)
      .map((worker) => {
        const answer = worker.answer('prepared', plan.version);
        worker.send({ kind: 'prepare', plan });
        return answer;
      });
    for (const answer of await Promise.all(answers)) if (answer?.problem != null) throw new Error(answer.problem);
  }

  async #commit(workers: readonly WorkerHandle[], plan: SnapshotPlan): Promise<void> {
    const listeners = this.#options.acceptor.workerListeners(plan.listeners);
    const answers = workers
      .filter((worker) => worker.isReady)
      .map(async (worker) => {
        const answer = worker.answer('committed', plan.version);
        worker.send({ kind: 'commit', version: plan.version, listeners });
        const committed = await answer;
        if (committed !== null) worker.isServing = true;
        return committed;
      });
    for (const answer of await Promise.all(answers)) if (answer?.problem != null) throw new Error(answer.problem);
  }

  /** A replacement of a dead worker gets the plan in force. */
  revive(worker: WorkerHandle): Promise<void> {
    return this.#inTurn(async () => {
      const plan = this.plan;
      if (plan === null) return;
      this.#options.acceptor.forget(worker.index);
      await this.#prepare([worker], plan);
      await this.#commit([worker], plan);
    });
  }

  stop(): void {
    this.#dns.stop();
  }
}
