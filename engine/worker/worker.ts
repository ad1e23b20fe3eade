/** Thread entry: builds the worker's core, does what main's messages say, until told to stop. */
import type { Listening } from '../io/transport.js';
import { loadAddon } from '../io/addon.js';
import { openTransport } from '../io/choose-transport.js';
import { PortableRateCells } from '../limit/rate-cells.js';
import { WorkerMetrics } from '../metrics/slots.js';
import { internalize } from '../plan/internalize.js';
import type { ListenerRecord, SnapshotPlan } from '../plan/records.js';
import { Core } from '../proxy/core.js';
import type { Prepared } from '../proxy/snapshot.js';
import { PORTABLE_FILL } from '../upstream/balance/portable-fill.js';
import { SharedCells } from '../upstream/shared-cells.js';
import { UwsIngress } from '../uws/ingress.js';
import { loadUws, type Uws } from '../uws/load-uws.js';
import type { ToMain, ToWorker, WorkerInit, WorkerListener } from './mailbox.js';
import { ProcessTime } from './process-time.js';

/** How often a draining worker looks whether it is done. */
const DRAIN_LOOK_MS = 20;
/** A worker that stops waits so long for the ends of connections that it has cut: their exchanges' lines go to the logs. */
const CUT_WAIT_MS = 1000;

class Worker {
  readonly #init: WorkerInit;
  readonly #core: Core;
  readonly #ingress: UwsIngress | null;
  readonly #listening = new Map<number, Listening>();
  #prepared: { readonly plan: SnapshotPlan; readonly built: Prepared } | null = null;
  #death: Error | null = null;
  #resolveStopped: () => void = () => {};
  readonly stopped: Promise<void>;

  /** uws: null where the transport accepts. */
  constructor(init: WorkerInit, uws: Uws | null) {
    this.#init = init;
    this.stopped = new Promise((resolve) => {
      this.#resolveStopped = resolve;
    });
    const transport = openTransport(init.transport, init.index);
    this.#core = new Core({
      transport,
      metrics: new WorkerMetrics(init.metrics),
      cells: new SharedCells(init.sharedCells, init.ownCells, new ProcessTime(transport), init.workers === 1),
      seed: init.seed,
      hostname: init.hostname,
      workerIndex: init.index,
      workerBase: init.workerBase,
      log: (level, component, message) => this.#say({ kind: 'log', level, component, message }),
      hasOwnTimer: true,
      tableFill: (init.transport === 'native' ? loadAddon().addon : null) ?? PORTABLE_FILL,
      // Not the addon's twin: the way there costs more than it saves (bench/micro).
      rateCells: new PortableRateCells(new BigInt64Array(init.rateMemory)),
    });
    this.#ingress = uws === null ? null : new UwsIngress(uws, this.#core);
    if (uws !== null) process.once('uncaughtException', (error) => this.#die(error));
    init.port.on('message', (message: ToWorker) => this.#onMessage(message));
    this.#say({ kind: 'ready' });
  }

  #say(message: ToMain): void {
    this.#init.port.postMessage(message);
  }

  #onMessage(message: ToWorker): void {
    switch (message.kind) {
      case 'prepare':
        this.#core.tlsContexts.setTicketKeys(message.ticketKeys);
        this.#prepare(message.plan);
        break;
      case 'ticketKeys':
        this.#core.tlsContexts.setTicketKeys(message.ticketKeys);
        break;
      case 'commit':
        void this.#commit(message.version, message.listeners);
        break;
      case 'drain':
        this.#drain();
        break;
      case 'stopListening':
        this.#listenOnly(this.#without(message.only));
        break;
      case 'reopenLogs':
        this.#core.reopenLogs();
        break;
      case 'memory': {
        const { heapUsed, heapTotal, external } = process.memoryUsage();
        this.#say({ kind: 'memory', memory: { heapUsed, heapTotal, external } });
        break;
      }
      case 'dead':
        setImmediate(() => {
          throw this.#death;
        });
        break;
      case 'stop':
        void this.#stop();
        break;
      case 'die':
        // Outside of this callback, where nothing catches it.
        setImmediate(() => {
          throw new Error('test hook: worker told to die');
        });
        break;
    }
  }

  #prepare(plan: SnapshotPlan): void {
    // The one before was refused, by another worker or by main.
    this.#prepared?.built.discard();
    this.#prepared = null;
    try {
      internalize(plan);
      this.#prepared = { plan, built: this.#core.prepare(plan) };
      this.#say({ kind: 'prepared', version: plan.version, problem: null });
    } catch (error) {
      this.#say({
        kind: 'prepared',
        version: plan.version,
        problem: error instanceof Error ? error.message : String(error),
      });
    }
  }

  /** Committed means that connections can come. */
  async #commit(version: number, listeners: readonly WorkerListener[]): Promise<void> {
    let problem: string | null = null;
    if (this.#prepared?.plan.version !== version) problem = `plan ${version} was not prepared`;
    else {
      this.#prepared.built.commit();
      this.#prepared = null;
      try {
        await Promise.all(this.#listenOnly(listeners).map(opened));
      } catch (error) {
        problem = error instanceof Error ? error.message : String(error);
      }
    }
    this.#say({ kind: 'committed', version, problem });
  }

  /** Closes what is not named, opens what is new and answers with that; throws with the reason. */
  #listenOnly(listeners: readonly WorkerListener[]): Listening[] {
    const named = new Set(listeners.map((listener) => listener.index));
    for (const [index, listening] of this.#listening)
      if (!named.has(index)) {
        listening.close();
        this.#listening.delete(index);
      }
    const fresh: Listening[] = [];
    for (const { index, shared } of listeners) {
      if (this.#listening.has(index)) continue;
      const runtime = this.#core.snapshot.listeners.get(index);
      if (runtime === undefined) continue;
      const listening = this.#listen(runtime.record, shared);
      this.#listening.set(index, listening);
      fresh.push(listening);
    }
    return fresh;
  }

  #listen(record: ListenerRecord, shared: number | null): Listening {
    const { address, backlog, index, reusePort } = record;
    if (this.#ingress === null) return this.#core.transport.listen({ address, backlog, reusePort, shared }, index);
    const { listening, descriptor } = this.#ingress.listen(index);
    this.#say({ kind: 'ingress', listener: index, descriptor });
    return listening;
  }

  #activeConnections(): number {
    return this.#core.activeConnections() + (this.#ingress?.activeConnections() ?? 0);
  }

  /** What is listened on now, apart from these; null = apart from all. */
  #without(only: readonly number[] | null): WorkerListener[] {
    return only === null
      ? []
      : [...this.#listening.keys()].filter((index) => !only.includes(index)).map((index) => ({ index, shared: null }));
  }

  #drain(): void {
    this.#listenOnly([]);
    this.#core.startDrain();
    const look = setInterval(() => {
      if (this.#activeConnections() > 0) return;
      clearInterval(look);
      this.#say({ kind: 'drained' });
    }, DRAIN_LOOK_MS);
  }

  /** With uWebSockets.js: its sockets come without a question, so main has to know before the thread is gone. */
  #die(error: Error): void {
    this.#death = error;
    this.#ingress?.close();
    this.#say({ kind: 'dying' });
  }

  /** The transport reports the ends in a turn of its own. */
  async #cut(): Promise<void> {
    this.#core.cut();
    for (let waitedMs = 0; this.#core.activeConnections() > 0 && waitedMs < CUT_WAIT_MS; waitedMs += DRAIN_LOOK_MS)
      await new Promise((resolve) => setTimeout(resolve, DRAIN_LOOK_MS));
  }

  async #stop(): Promise<void> {
    this.#listenOnly([]);
    this.#ingress?.close();
    await this.#cut();
    await this.#core.flushLogs();
    this.#core.close();
    this.#init.port.close();
    this.#resolveStopped();
  }
}

function opened(listening: Listening): Promise<void> {
  return new Promise((resolve, reject) => {
    listening.whenOpen((problem) => (problem === null ? resolve() : reject(problem)));
  });
}

/** Runs until `stop`; an exception ends the thread, and main starts another. */
export default async function run(init: WorkerInit): Promise<void> {
  await new Worker(init, init.ingress === 'uws' ? await loadUws() : null).stopped;
}
