/** Publisher: a config becomes the plan in force on every worker, whole or not at all. */
import type { Acceptor } from '../acceptor.js';
import { DnsDiscovery, type DnsQuestion, type Lookup } from '../discovery/dns.js';
import { renderProblems } from '../fault/problem.js';
import { CLUSTER } from '../metrics/declare.js';
import type { ConfigSource } from '../options.js';
import type { ClusterRecord, SnapshotPlan } from '../plan/records.js';
import { Subsets } from '../upstream/balance/subsets.js';
import type { Compiled } from './compile.js';
import { type DnsTarget, dnsKey } from './compile-clusters.js';
import { type LoadedConfig, loadConfig, planOf, renewConfig, renewInParts } from './load.js';
import type { PlanRegistry } from './registry.js';
import type { CertificateRecord } from '../plan/tls-records.js';
import type { Supervisor, WorkerHandle } from './supervise.js';
import { TlsCare } from './tls-care.js';

export interface PublisherOptions {
  readonly source: ConfigSource;
  readonly registry: PlanRegistry;
  readonly supervisor: Supervisor;
  readonly acceptor: Acceptor;
  readonly log: (level: string, component: string, message: string) => void;
  /** The system's when it is not given. */
  readonly lookUp?: Lookup;
}

/** A worker that could not take the plan in force tries again after so long. */
const REVIVE_AGAIN_MS = 1000;
const LOOKUP_COUNTERS = {
  attempt: CLUSTER.index.update_attempt,
  success: CLUSTER.index.update_success,
  failure: CLUSTER.index.update_failure,
  empty: CLUSTER.index.update_empty,
} as const;
const MEMBERSHIP_CHANGE = CLUSTER.index.membership_change;
const SUBSETS_CREATED = CLUSTER.index.lb_subsets_created;
const SUBSETS_REMOVED = CLUSTER.index.lb_subsets_removed;

export class Publisher {
  readonly #options: PublisherOptions;
  readonly #dns: DnsDiscovery;
  readonly #care: TlsCare;
  #config: LoadedConfig;
  #current: Compiled | null = null;
  #version = 0;
  /** One change at a time: the next begins when the one before is in force. */
  #queue: Promise<unknown> = Promise.resolve();
  /** A change of DNS is waiting for its turn: others go with it. */
  #hasNews = false;
  #isStopped = false;
  /** Clusters that ask for each name: where their first counters are. */
  #askers: ReadonlyMap<string, readonly number[]> = new Map();
  reloads = { success: 0, failure: 0 };
  /** Of certificate files. */
  renewals = { success: 0, failure: 0 };
  lastUpdate = new Date();

  constructor(config: LoadedConfig, options: PublisherOptions) {
    this.#config = config;
    this.#options = options;
    this.#care = new TlsCare({
      onTicketKeys: (ticketKeys) => {
        for (const worker of options.supervisor.workers) worker.send({ kind: 'ticketKeys', ticketKeys });
      },
      onFiles: () => void this.renew(),
      log: options.log,
    });
    this.#dns = new DnsDiscovery(() => this.#onNews(), {
      ...(options.lookUp === undefined ? {} : { lookUp: options.lookUp }),
      onTrouble: (message) => options.log('warning', 'dns', message),
      onLookup: (key, what) => {
        for (const counters of this.#askers.get(key) ?? []) this.#count(counters, LOOKUP_COUNTERS[what]);
      },
    });
  }

  /** Certificate files hold something else by now: the same config is put in force with that. False: it is refused. */
  renew(): Promise<boolean> {
    return this.#inTurn(async () => {
      const { log, source } = this.#options;
      if (this.#isStopped || !this.#config.files.hasChanged()) return true;
      const whole = renewConfig(source, this.#config);
      const { config, refused } =
        'problems' in whole ? renewInParts(source, this.#config) : { config: whole, refused: [] };
      for (const { paths, problems } of refused) this.#refuseFiles(paths, renderProblems(problems));
      if (config === null) {
        // Each alone would do, and all together don't.
        if (refused.length === 0 && 'problems' in whole)
          this.#refuseFiles(this.#config.files.paths, renderProblems(whole.problems));
        return false;
      }
      try {
        await this.#apply(config);
      } catch (error) {
        this.#refuseFiles(config.files.paths, textOf(error));
        return false;
      }
      this.renewals.success++;
      if (config.warnings.length > 0) log('warning', 'tls', renderProblems(config.warnings));
      log('info', 'tls', `files renewed: version ${this.#version}`);
      return refused.length === 0;
    });
  }

  #refuseFiles(paths: readonly string[], reason: string): void {
    this.renewals.failure++;
    this.#options.log('warning', 'tls', `files not taken, those in force stay: ${paths.join(', ')}\n${reason}`);
  }

  /** Certificates in force. */
  get certificates(): readonly CertificateRecord[] {
    return this.#current?.certificates ?? [];
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
      const { log, source } = this.#options;
      const loaded = loadConfig(source);
      if ('problems' in loaded) return this.#refuse(why, renderProblems(loaded.problems));
      try {
        await this.#apply(loaded);
      } catch (error) {
        return this.#refuse(why, textOf(error));
      }
      this.reloads.success++;
      this.lastUpdate = new Date();
      if (loaded.warnings.length > 0) log('warning', 'config', renderProblems(loaded.warnings));
      log('info', 'config', `reloaded (${why}): version ${this.#version}`);
      return true;
    });
  }

  #refuse(why: string, reason: string): false {
    this.reloads.failure++;
    this.#options.log('error', 'config', `reload refused (${why}), the last good config stays:\n${reason}`);
    return false;
  }

  #onNews(): void {
    if (this.#hasNews) return;
    this.#hasNews = true;
    const isApplied = this.#inTurn(() => {
      this.#hasNews = false;
      return this.#isStopped ? Promise.resolve() : this.#apply(this.#config);
    });
    isApplied.catch((error: unknown) =>
      this.#options.log('error', 'config', `endpoints from DNS not put in force: ${textOf(error)}`),
    );
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
    // Until the new plan is in force the names of the old one are watched too: it may have to stay.
    await this.#ask([...draft.dnsTargets, ...(this.#current?.dnsTargets ?? [])]);
    const compiled = draft.dnsTargets.length === 0 ? draft : planOf(config, registry, this.#dns.answers, version);
    const { plan } = compiled;
    try {
      // Everything that can fail comes first: building on every worker, binding every socket.
      await this.#prepare(supervisor.workers, plan);
      await acceptor.open(plan.listeners);
      this.#version = version;
      await this.#commit(supervisor.workers, plan);
    } catch (error) {
      await this.#takeBack();
      throw error;
    }
    this.#countChanges(plan);
    this.#config = config;
    this.#current = compiled;
    acceptor.activate(plan.listeners);
    this.#care.attend(config.files.paths, config.files.directories, compiled.certificates);
    await this.#ask(compiled.dnsTargets);
    registry.sweep(plan, supervisor, performance.now());
  }

  /** What was in force is so again, wherever it no longer is; a first plan has nothing behind it. */
  async #takeBack(): Promise<void> {
    const { supervisor, acceptor, log } = this.#options;
    const before = this.#current;
    if (before === null) return;
    acceptor.activate(before.plan.listeners);
    await this.#ask(before.dnsTargets);
    if (this.#version === before.plan.version) return;
    this.#current = { ...before, plan: { ...before.plan, version: ++this.#version } };
    try {
      await this.#prepare(supervisor.workers, this.#current.plan);
      await this.#commit(supervisor.workers, this.#current.plan);
    } catch (error) {
      log('error', 'config', `the last good config is not in force everywhere: ${textOf(error)}`);
    }
  }

  // ---- DNS ------------------------------------------------------------------------------------------------

  /** Watches these names. Of two that want the same one more or less often, the more often counts. */
  async #ask(targets: readonly DnsTarget[]): Promise<void> {
    const questions = new Map<string, DnsQuestion>();
    const askers = new Map<string, number[]>();
    for (const target of targets) {
      const key = dnsKey(target);
      const other = questions.get(key);
      if (other === undefined || other.refreshMs > target.refreshMs) questions.set(key, target);
      const counters = askers.get(key) ?? [];
      if (!counters.includes(target.counters)) askers.set(key, [...counters, target.counters]);
    }
    this.#askers = askers;
    await this.#dns.watch(questions);
  }

  #count(counters: number, index: number): void {
    this.#options.supervisor.metrics.add(counters + index, 1);
  }

  #countSubsets(cluster: ClusterRecord, before: ClusterRecord | undefined): void {
    const keysOf = (each: ClusterRecord | undefined): Set<string> =>
      new Set(each?.subsets == null ? [] : new Subsets(each.subsets, each.endpoints).keys);
    const { metrics } = this.#options.supervisor;
    const [now, earlier] = [keysOf(cluster), keysOf(before)];
    const { counters } = cluster.metrics;
    metrics.add(counters + SUBSETS_CREATED, [...now].filter((key) => !earlier.has(key)).length);
    metrics.add(counters + SUBSETS_REMOVED, [...earlier].filter((key) => !now.has(key)).length);
  }

  #countChanges(plan: SnapshotPlan): void {
    const keysOf = (each: SnapshotPlan['clusters'][number] | undefined): string =>
      (each?.endpoints ?? []).map(({ key }) => key).join();
    const before = new Map(this.plan?.clusters.map((cluster) => [cluster.name, cluster]));
    for (const cluster of plan.clusters) {
      const earlier = before.get(cluster.name);
      if (keysOf(earlier) !== keysOf(cluster)) this.#count(cluster.metrics.counters, MEMBERSHIP_CHANGE);
      if (cluster.subsets !== null || earlier?.subsets != null) this.#countSubsets(cluster, earlier);
    }
  }

  // ---- workers --------------------------------------------------------------------------------------------

  async #prepare(workers: readonly WorkerHandle[], plan: SnapshotPlan): Promise<void> {
    const answers = workers
      .filter((worker) => worker.isReady)
      .map((worker) => {
        const answer = worker.answer('prepared', plan.version);
        worker.send({ kind: 'prepare', plan, ticketKeys: this.#care.ticketKeys });
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

  /** A replacement of a dead worker gets the plan in force; tried again as long as it can't take it. */
  revive(worker: WorkerHandle): Promise<void> {
    return this.#inTurn(async () => {
      const plan = this.plan;
      if (plan === null || this.#isStopped) return;
      this.#options.acceptor.forget(worker.index);
      try {
        await this.#prepare([worker], plan);
        await this.#commit([worker], plan);
      } catch (error) {
        this.#options.log('error', 'worker', `worker ${worker.index} can't take the plan in force: ${textOf(error)}`);
        setTimeout(() => void this.revive(worker), REVIVE_AGAIN_MS).unref();
      }
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#dns.stop();
    this.#care.stop();
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
