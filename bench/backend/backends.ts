/** Backends: a scenario's backends in a thread of their own, changed while they run. */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { ChangeEffect } from '../scenario/scenario.js';
import type { BackendReport, BackendsListening, BackendTask, ToBackends } from './backend-thread.js';
import type { BackendSettings } from './behaviour.js';

export class Backends {
  readonly ports: readonly number[];
  readonly listening: BackendsListening;
  readonly #pool: Piscina;
  readonly #port: MessagePort;
  readonly #report: Promise<BackendReport>;

  private constructor(
    ports: readonly number[],
    listening: BackendsListening,
    pool: Piscina,
    port: MessagePort,
    report: Promise<BackendReport>,
  ) {
    this.ports = ports;
    this.listening = listening;
    this.#pool = pool;
    this.#port = port;
    this.#report = report;
  }

  static async start(
    settings: readonly BackendSettings[],
    ports: readonly number[],
    seed: number,
    server: 'auto' | 'node' = 'auto',
  ): Promise<Backends> {
    const pool = new Piscina({
      filename: new URL('./backend-thread.js', import.meta.url).href,
      minThreads: 1,
      maxThreads: 1,
      atomics: 'disabled',
    });
    const { port1, port2 } = new MessageChannel();
    const backends = settings.map((each, at) => ({ settings: each, port: ports[at] as number }));
    const task: BackendTask = { port: port2, backends, seed, server };
    const report = pool.run(task, { transferList: [port2] }) as Promise<BackendReport>;
    const listening = new Promise<BackendsListening>((resolve) => port1.once('message', resolve));
    // A task that ends before it listens has failed, and rejects.
    const first = await Promise.race([listening, report]);
    return new Backends(ports, first as BackendsListening, pool, port1, report);
  }

  change(backend: number, effect: ChangeEffect): void {
    this.#port.postMessage({ kind: 'change', backend, effect } satisfies ToBackends);
  }

  async stop(): Promise<BackendReport> {
    this.#port.postMessage({ kind: 'stop' } satisfies ToBackends);
    const report = await this.#report;
    await this.#pool.destroy();
    return report;
  }
}
