/** Acceptor: the listening sockets on main; each connection goes to the worker with the fewest. A sole worker accepts. */
import net from 'node:net';
import { NativeAcceptor } from './io/acceptor-native.js';
import type { Addon } from './io/addon.js';
import { addressText } from './io/addresses.js';
import type { Address } from './io/transport.js';
import type { ListenerRecord } from './plan/records.js';
import type { UwsAcceptor, UwsListening } from './uws/acceptor-uws.js';
import type { WorkerListener } from './worker/mailbox.js';

/** How the acceptor sees the workers. */
export interface WorkerLoads {
  /** How many there are, serving or not. */
  readonly workerCount: number;
  /** Workers that serve, by index. */
  serving(): readonly number[];
  /** Connections that worker has had and has now. */
  connections(worker: number): { readonly total: number; readonly active: number };
}

interface Open {
  readonly record: ListenerRecord;
  address: Address;
  /** What the sole worker accepts from; null where main or a socket of the worker's own does. */
  readonly shared: number | null;
  /** False until the plan with this listener is in force: connections wait. */
  isActive: boolean;
  readonly waiting: number[];
  /** What has to wait for the plan; throws when the address can't be had after all. */
  start(): void;
  close(): void;
}

const RETRY_MS = 10;

export class Acceptor {
  readonly #native: NativeAcceptor | null;
  readonly #loads: WorkerLoads;
  readonly #uws: UwsAcceptor | null;
  readonly #open = new Map<number, Open>();
  /** Handed to each worker, in all: what it has not counted yet is on its way. */
  readonly #handed = new Map<number, number>();
  readonly #homeless: { readonly descriptor: number; readonly listener: number }[] = [];
  #retry: NodeJS.Timeout | null = null;

  /** uws: accepts in the place of everybody else. */
  constructor(addon: Addon | null, loads: WorkerLoads, uws: UwsAcceptor | null = null) {
    this.#uws = uws;
    this.#native = addon === null || uws !== null ? null : new NativeAcceptor(addon);
    this.#loads = loads;
  }

  /** Opens what is new. Throws when an address can't be had; then nothing has changed. */
  async open(records: readonly ListenerRecord[]): Promise<void> {
    const opened: number[] = [];
    try {
      for (const record of records) {
        if (this.#open.has(record.index) || (record.reusePort && this.#uws === null)) continue;
        this.#open.set(record.index, await this.#listen(record));
        opened.push(record.index);
      }
    } catch (error) {
      for (const index of opened) this.#close(index);
      throw error;
    }
  }

  /** The plan is in force: connections flow; listeners that it lacks end. */
  activate(records: readonly ListenerRecord[]): void {
    const named = new Set(records.map((record) => record.index));
    for (const index of [...this.#open.keys()]) if (!named.has(index)) this.#close(index);
    for (const [index, open] of this.#open) {
      if (!open.isActive) open.start();
      open.isActive = true;
      for (const descriptor of open.waiting.splice(0)) this.#give(descriptor, index);
    }
  }

  /** What workers listen on themselves. */
  workerListeners(records: readonly ListenerRecord[]): WorkerListener[] {
    return records
      .map(({ index }) => ({ index, shared: this.#open.get(index)?.shared ?? null }))
      .filter(({ shared }, at) => shared !== null || records[at]?.reusePort === true || this.#native === null);
  }

  addresses(): { readonly record: ListenerRecord; readonly address: Address }[] {
    return [...this.#open.values()].map(({ record, address }) => ({ record, address }));
  }

  /** A worker was replaced: its count of handed connections begins anew. */
  forget(worker: number): void {
    this.#handed.delete(worker);
  }

  close(): void {
    for (const index of [...this.#open.keys()]) this.#close(index);
  }

  /** Closes these; the others go on. */
  closeOnly(records: readonly ListenerRecord[]): void {
    for (const { index } of records) this.#close(index);
  }

  #close(index: number): void {
    const open = this.#open.get(index);
    this.#open.delete(index);
    open?.close();
  }

  async #listen(record: ListenerRecord): Promise<Open> {
    const { address, backlog } = record;
    if (this.#uws !== null && address.family === 'unix')
      throw new Error(`${address.host}: --ingress uws listens on IP addresses only`);
    if (this.#uws !== null && (!record.hasOneChainForAll || record.chains[0]?.tls !== null))
      throw new Error(`listener ${record.name || record.key}: --ingress uws has one filter chain, and no TLS`);
    const waiting: number[] = [];
    if (this.#native !== null && this.#loads.workerCount === 1) return openShared(this.#native, record);
    if (this.#native !== null) {
      const onAccepted = (descriptor: number): void => {
        const open = this.#open.get(record.index);
        if (open?.isActive === false) waiting.push(descriptor);
        else this.#give(descriptor, record.index);
      };
      const listening = this.#native.listen({ address, backlog, reusePort: false }, onAccepted);
      return {
        record,
        address: listening.address,
        shared: null,
        isActive: false,
        waiting,
        start: () => {},
        close: () => listening.close(),
      };
    }
    // With the node transport the workers listen themselves; trying the address first gives a clear error here.
    await tryAddress(record);
    return this.#uws === null
      ? { record, address, shared: null, isActive: false, waiting, start: () => {}, close: () => {} }
      : openUws(this.#uws, record);
  }

  // ---- hand-off -------------------------------------------------------------------------------------------

  #give(descriptor: number, listener: number): void {
    for (const worker of this.#byLoad()) {
      // Before it is handed over: the worker may count it at once.
      const handed = this.#handed.get(worker) ?? this.#loads.connections(worker).total;
      if (this.#native?.handOff(worker, descriptor, listener) !== true) continue;
      this.#handed.set(worker, handed + 1);
      return;
    }
    // Every worker is being replaced: the connection waits for one. Nothing accepted is lost.
    this.#homeless.push({ descriptor, listener });
    if (this.#retry === null) this.#retry = setTimeout(() => this.#retryHomeless(), RETRY_MS);
  }

  #retryHomeless(): void {
    this.#retry = null;
    for (const { descriptor, listener } of this.#homeless.splice(0)) this.#give(descriptor, listener);
  }

  /** Workers by connections, those on their way included. */
  #byLoad(): number[] {
    const workers = this.#loads.serving();
    if (workers.length <= 1) return [...workers];
    const load = new Map<number, number>();
    for (const worker of workers) {
      const { total, active } = this.#loads.connections(worker);
      const onTheirWay = Math.max(0, (this.#handed.get(worker) ?? total) - total);
      load.set(worker, active + onTheirWay);
    }
    return [...workers].sort((a, b) => (load.get(a) as number) - (load.get(b) as number));
  }
}

/**
 * With one worker there is nobody to choose: it accepts itself, without a way over main's thread for each connection.
 * The socket is main's all the same, so that those who come while a dead worker is replaced wait in its backlog.
 */
function openShared(native: NativeAcceptor, record: ListenerRecord): Open {
  const { descriptor, address, close } = native.openShared(record.address, record.backlog);
  return { record, address, shared: descriptor, isActive: false, waiting: [], start: () => {}, close };
}

/** Listens once every worker has its app: an accepted socket goes to one of them at once. */
function openUws(uws: UwsAcceptor, record: ListenerRecord): Open {
  const { index, address } = record;
  let listening: UwsListening | null = null;
  const open: Open = {
    record,
    address,
    shared: null,
    isActive: false,
    waiting: [],
    start: () => {
      listening = uws.listen(index, address);
      open.address = listening.address;
    },
    close: () => {
      listening?.close();
      uws.forget(index);
    },
  };
  return open;
}

/** Throws when the address can't be listened on. */
function tryAddress(record: ListenerRecord): Promise<void> {
  return new Promise((resolve, reject) => {
    const { address } = record;
    const server = net.createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(Object.assign(new Error(`listen ${error.code} ${addressText(address)}`), { code: error.code }));
    });
    const target = address.family === 'unix' ? { path: address.host } : { host: address.host, port: address.port };
    server.listen({ ...target, exclusive: true }, () => server.close(() => resolve()));
  });
}
