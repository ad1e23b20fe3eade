/** Supervisor: the worker threads under Piscina: started, spoken to, replaced when they die. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { newRateMemory } from '../limit/rate-memory.js';
import { ENDPOINT, WORKER } from '../metrics/declare.js';
import { type MetricsMemory, newMetricsMemory, WorkerMetrics } from '../metrics/slots.js';
import {
  clearEndpoint,
  giveBack,
  isEndpointIdle,
  newOwnCellsMemory,
  newSharedCellsMemory,
} from '../upstream/shared-cells.js';
import type { UwsAcceptor } from '../uws/acceptor-uws.js';
import type { ToMain, ToWorker, WorkerMemory } from '../worker/mailbox.js';
import type { EndpointMemory, EndpointPlace } from './endpoint-numbers.js';
import { PlanRegistry } from './registry.js';

/** A worker that computes can't answer; whoever asks is told so rather than kept waiting. */
const MEMORY_WAIT_MS = 1000;

export interface SupervisorOptions {
  readonly count: number;
  readonly transport: 'native' | 'node';
  /** Where uWebSockets.js accepts. */
  readonly ingress?: UwsAcceptor;
  readonly registry: PlanRegistry;
  readonly log: (level: string, component: string, message: string) => void;
  /** A replacement is there and has to be given the plan in force. */
  readonly onReplaced: (worker: WorkerHandle) => void;
}

export class WorkerHandle {
  readonly index: number;
  readonly metrics: MetricsMemory;
  readonly counters: Float64Array;
  readonly ownCells: SharedArrayBuffer;
  readonly base: number;
  port: MessagePort | null = null;
  isReady = false;
  /** It has a plan and takes connections. */
  isServing = false;
  restarts = 0;
  isDrained = false;
  #waiting: ((message: ToMain) => boolean)[] = [];

  constructor(index: number, base: number) {
    this.index = index;
    this.base = base;
    this.metrics = newMetricsMemory();
    this.counters = new Float64Array(this.metrics.counters);
    this.ownCells = newOwnCellsMemory();
  }

  send(message: ToWorker): void {
    this.port?.postMessage(message);
  }

  /** The first message that fits; null when the worker dies before. */
  answer<K extends ToMain['kind']>(kind: K, version: number | null): Promise<Extract<ToMain, { kind: K }> | null> {
    return new Promise((resolve) => {
      this.#waiting.push((message) => {
        const isOurs =
          message.kind === kind && (version === null || (message as { version?: number }).version === version);
        if (isOurs) resolve(message as Extract<ToMain, { kind: K }>);
        else if (message.kind === 'gone') resolve(null);
        return isOurs || message.kind === 'gone';
      });
    });
  }

  /** What the thread holds now; null when it is not there, or too busy to say. */
  async memory(): Promise<WorkerMemory | null> {
    const tooLong = new Promise<null>((resolve) => setTimeout(resolve, MEMORY_WAIT_MS, null).unref());
    this.send({ kind: 'memory' });
    return (await Promise.race([this.answer('memory', null), tooLong]))?.memory ?? null;
  }

  heard(message: ToMain): void {
    this.#waiting = this.#waiting.filter((takes) => !takes(message));
  }

  get connections(): { readonly total: number; readonly active: number } {
    return {
      total: this.counters[this.base + WORKER.index.downstream_cx_total] as number,
      active: this.counters[this.base + WORKER.index.downstream_cx_active] as number,
    };
  }
}

const QUICK_RESTARTS = 20;
const SLOW_RESTART_MS = 1000;

export class Supervisor implements EndpointMemory {
  readonly workers: readonly WorkerHandle[];
  readonly sharedCells: SharedArrayBuffer;
  readonly #rateMemory = newRateMemory();
  /** What main counts itself. */
  readonly #ownMemory = newMetricsMemory();
  readonly metrics = new WorkerMetrics(this.#ownMemory);
  readonly #options: SupervisorOptions;
  readonly #pool: Piscina;
  #isStopping = false;
  #hasStarted = false;
  #startError: Error | null = null;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.sharedCells = newSharedCellsMemory();
    this.workers = Array.from(
      { length: options.count },
      (_, index) => new WorkerHandle(index, options.registry.metrics('worker', String(index)).counters),
    );
    this.#pool = new Piscina({
      filename: new URL('../worker/worker.js', import.meta.url).href,
      minThreads: options.count,
      maxThreads: options.count,
      concurrentTasksPerWorker: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      // One endless task per thread: nobody ever waits for the next one.
      atomics: 'disabled',
    });
    // A thread that dies between tasks is said here; its task, if any, has been rejected as well.
    this.#pool.on('error', (error: Error) => options.log('error', 'worker', `thread died: ${error.message}`));
  }

  /** Resolves when every worker is there; throws when one can't start. */
  async start(): Promise<void> {
    await Promise.all(this.workers.map((worker) => this.#run(worker)));
    if (this.#startError !== null) throw this.#startError;
    this.#hasStarted = true;
  }

  /** Of everybody who counts. */
  get metricsMemories(): readonly MetricsMemory[] {
    return [...this.workers.map(({ metrics }) => metrics), this.#ownMemory];
  }

  isRowIdle(row: number): boolean {
    return isEndpointIdle(new Int32Array(this.sharedCells), row);
  }

  clear({ row, counters }: EndpointPlace): void {
    clearEndpoint(new Int32Array(this.sharedCells), row);
    if (counters < 0) return;
    for (const worker of this.workers) worker.counters.fill(0, counters, counters + ENDPOINT.names.length);
  }

  get workerCount(): number {
    return this.workers.length;
  }

  serving(): readonly number[] {
    return this.workers.filter((worker) => worker.isServing).map((worker) => worker.index);
  }
  connections(index: number): { readonly total: number; readonly active: number } {
    return (this.workers[index] as WorkerHandle).connections;
  }

  #run(worker: WorkerHandle): Promise<void> {
    const { port1, port2 } = new MessageChannel();
    worker.port = port1;
    port1.on('message', (message: ToMain) => {
      if (message.kind === 'log') this.#options.log(message.level, message.component, message.message);
      else if (message.kind === 'drained') worker.isDrained = true;
      else if (message.kind === 'ingress')
        this.#options.ingress?.addChild(worker.index, message.listener, message.descriptor);
      else if (message.kind === 'dying') this.#letDie(worker);
      worker.heard(message);
    });
    const random = randomBytes(16);
    const init = {
      index: worker.index,
      workers: this.workers.length,
      transport: this.#options.transport,
      ingress: this.#options.ingress === undefined ? 'native' : 'uws',
      port: port2,
      metrics: worker.metrics,
      sharedCells: this.sharedCells,
      ownCells: worker.ownCells,
      rateMemory: this.#rateMemory,
      workerBase: worker.base,
      seed: [0, 4, 8, 12].map((at) => random.readInt32LE(at)),
      hostname: hostname(),
    };
    const ready = worker.answer('ready', null).then(() => {
      worker.isReady = true;
    });
    this.#pool.run(init, { transferList: [port2] }).then(
      () => this.#ended(worker, null),
      (error: unknown) => this.#ended(worker, error instanceof Error ? error : new Error(String(error))),
    );
    return ready;
  }

  #letDie(worker: WorkerHandle): void {
    this.#options.ingress?.removeWorker(worker.index);
    worker.send({ kind: 'dead' });
  }

  #ended(worker: WorkerHandle, error: Error | null): void {
    worker.isReady = false;
    worker.isServing = false;
    worker.isDrained = true;
    worker.port?.close();
    worker.port = null;
    worker.heard({ kind: 'gone' });
    if (this.#isStopping) return;
    if (!this.#hasStarted) {
      this.#startError = error ?? new Error(`worker ${worker.index} ended before it began`);
      return;
    }
    const why = error === null ? 'ended' : (error.stack ?? error.message);
    this.#options.log(
      'error',
      'worker',
      `worker ${worker.index} died and is replaced; its connections are lost: ${why}`,
    );
    giveBack(this.sharedCells, worker.ownCells);
    this.#zeroGauges(worker);
    worker.restarts++;
    worker.isDrained = false;
    // At once, unless it dies again and again: then it would only burn CPU.
    const wait = worker.restarts <= QUICK_RESTARTS ? 0 : SLOW_RESTART_MS;
    setTimeout(() => void this.#run(worker).then(() => this.#options.onReplaced(worker)), wait);
  }

  /** What the dead worker had open is closed; its counters stay. */
  #zeroGauges(worker: WorkerHandle): void {
    for (const { kind, base } of this.#options.registry.scopes()) {
      if (base.counters < 0) continue;
      PlanRegistry.declaration(kind).kinds.forEach((each, at) => {
        if (each === 'gauge') worker.counters[base.counters + at] = 0;
      });
    }
  }

  /** Ends every thread. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const gone = this.workers.map((worker) => (worker.port === null ? null : worker.answer('ready', -1)));
    for (const worker of this.workers) worker.send({ kind: 'stop' });
    await Promise.race([Promise.all(gone), new Promise((resolve) => setTimeout(resolve, 3000).unref())]);
    await this.#pool.destroy();
  }
}
