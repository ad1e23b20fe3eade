/** RunningControl: real workers, acceptor and publisher without a process of their own; DNS answers from a table. */
import { Acceptor } from '../../engine/acceptor.js';
import { loadConfig } from '../../engine/control/load.js';
import { Publisher } from '../../engine/control/publish.js';
import { PlanRegistry } from '../../engine/control/registry.js';
import { Supervisor } from '../../engine/control/supervise.js';
import { renderProblems } from '../../engine/fault/problem.js';
import { chooseTransport } from '../../engine/io/choose-transport.js';
import { CLUSTER } from '../../engine/metrics/declare.js';
import { Totals } from '../../engine/metrics/totals.js';
import type { ConfigSource } from '../../engine/options.js';

export class RunningControl {
  readonly registry = new PlanRegistry();
  readonly supervisor: Supervisor;
  readonly acceptor: Acceptor;
  readonly publisher: Publisher;
  readonly totals: Totals;
  readonly log: string[] = [];
  /** Changed by tests; what reload() reads. */
  readonly source: ConfigSource & { text: string };
  /** Addresses by name: a name that is not here does not exist, null is a resolver that fails. */
  readonly names = new Map<string, readonly string[] | null>();
  lookups = 0;

  private constructor(text: string, count: number) {
    this.source = { path: null, text, name: 'x.yaml', allowsUnknownFields: false, environment: {} };
    const transport = chooseTransport('auto');
    const write = (level: string, component: string, message: string): void => {
      this.log.push(`${level} ${component}: ${message}`);
    };
    this.supervisor = new Supervisor({
      count: Math.min(count, transport.workersMax),
      transport: transport.name,
      registry: this.registry,
      log: write,
      onReplaced: (worker) => void this.publisher.revive(worker),
    });
    this.acceptor = new Acceptor(transport.addon, this.supervisor);
    const config = loadConfig(this.source);
    if ('problems' in config) throw new Error(renderProblems(config.problems));
    this.publisher = new Publisher(config, {
      source: this.source,
      registry: this.registry,
      supervisor: this.supervisor,
      acceptor: this.acceptor,
      log: write,
      lookUp: (host) => {
        this.lookups++;
        const found = this.names.get(host);
        if (found === undefined) return Promise.reject(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }));
        if (found === null) return Promise.reject(Object.assign(new Error('resolver is down'), { code: 'EAI_AGAIN' }));
        return Promise.resolve(found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })));
      },
    });
    this.totals = new Totals(this.supervisor.metricsMemories);
  }

  static async start(
    text: string,
    options: { count?: number; names?: Record<string, readonly string[]> } = {},
  ): Promise<RunningControl> {
    const control = new RunningControl(text, options.count ?? 1);
    for (const [name, addresses] of Object.entries(options.names ?? {})) control.names.set(name, addresses);
    try {
      await control.supervisor.start();
      await control.publisher.start();
    } catch (error) {
      await control.stop();
      throw error;
    }
    return control;
  }

  reload(text: string): Promise<boolean> {
    this.source.text = text;
    return this.publisher.reload('test');
  }

  /** One counter of a cluster, over everybody who counts. */
  clusterCounter(cluster: string, name: keyof typeof CLUSTER.index): number {
    return this.totals.counter(this.registry.metrics('cluster', cluster).counters + CLUSTER.index[name]);
  }

  /** Endpoints in force. */
  endpoints(cluster: string): readonly string[] {
    const found = this.publisher.plan?.clusters.find(({ name }) => name === cluster);
    return (found?.endpoints ?? []).map(({ address }) => `${address.host}:${address.port}`);
  }

  /** Waits for a condition; the limit only keeps a broken test from hanging. */
  async until(condition: () => boolean, limitMs = 20000): Promise<void> {
    const deadline = Date.now() + limitMs;
    while (!condition()) {
      if (Date.now() > deadline) throw new Error(`condition not met; log:\n${this.log.join('\n')}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async stop(): Promise<void> {
    this.publisher.stop();
    this.acceptor.close();
    await this.supervisor.stop();
  }
}
