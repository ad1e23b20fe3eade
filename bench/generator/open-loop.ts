/** The open loop's thread: sends at times drawn beforehand, whatever comes back, and counts latency from those times. */
import { once } from 'node:events';
import { type MessagePort, Worker } from 'node:worker_threads';
import type { Histogram } from 'hdr-histogram-js';
import { Prng } from '../../engine/base/prng.js';
import { encode, newLatencies, record } from '../latencies.js';
import type { Keys, RequestKind } from '../scenario/scenario.js';
import { arrivalTimes, KeyDraw } from './arrivals.js';
import { ClientConnection } from './client-connection.js';
import type { LoadReport } from './load-report.js';
import { monotonicUs } from './monotonic.js';

export interface OpenLoopTask {
  /** Says when the connections are there; is told the time of the first request. */
  readonly port: MessagePort;
  readonly host: string;
  /** Connections are spread over them. */
  readonly targetPorts: readonly number[];
  /** Of several threads that share the load this one is number `generator`; connections and rate are those of all. */
  readonly generator: number;
  readonly generators: number;
  readonly connections: number;
  readonly rate: number;
  readonly arrivals: 'POISSON' | 'UNIFORM';
  readonly warmUpS: number;
  readonly durationS: number;
  readonly timeoutMs: number;
  readonly mix: readonly RequestKind[];
  readonly keys: Keys | null;
  readonly backends: number;
  readonly seed: number;
  /** [0] becomes 1: stop. */
  readonly control: Int32Array;
}

const TIMEOUT_LOOK_MS = 100;
const RECONNECT_MS = 50;

export default function openLoop(task: OpenLoopTask): Promise<LoadReport> {
  return new OpenLoop(task).run();
}

class OpenLoop {
  readonly #task: OpenLoopTask;
  readonly #arrivals: Float64Array;
  #random: Prng;
  readonly #keyDraw: KeyDraw | null;
  readonly #connections = new Set<ClientConnection>();
  /** Those without a request, longest idle first. */
  readonly #idle: ClientConnection[] = [];
  readonly #latencies: Histogram = newLatencies();
  readonly #overheads: Histogram = newLatencies();
  readonly #lags: Histogram = newLatencies();
  readonly #errors: Record<string, number> = {};
  readonly #byBackend: number[];
  readonly #keyed: number[];
  readonly #moved: number[];
  /** Backend of each key's first answer, -1 = none yet. */
  readonly #homes: Int16Array;
  readonly #requests: readonly string[];
  readonly #totalWeight: number;
  #startUs = 0;
  #opened = 0;
  /** When last a request was due and no connection was free. */
  #starvedUs = 0;
  #next = 0;
  #answered = 0;
  #good = 0;
  #sent = 0;
  #lastUs = 0;
  #onOver: () => void = () => {};
  #isOver = false;

  constructor(task: OpenLoopTask) {
    this.#task = task;
    this.#random = Prng.fromSeed(task.seed);
    const all = arrivalTimes(task.rate, task.warmUpS + task.durationS, task.arrivals, this.#random);
    this.#arrivals = everyNth(all, task.generators, task.generator);
    // The same times however many share them, but not the same keys for each.
    if (task.generator > 0) this.#random = Prng.fromSeed(task.seed ^ (task.generator << 24));
    this.#keyDraw = task.keys === null ? null : new KeyDraw(task.keys, this.#random);
    this.#homes = new Int16Array(task.keys?.count ?? 0).fill(-1);
    const zeroes = (): number[] => Array.from({ length: task.backends }, () => 0);
    this.#byBackend = zeroes();
    this.#keyed = zeroes();
    this.#moved = zeroes();
    this.#requests = task.mix.map(headOf);
    this.#totalWeight = task.mix.reduce((sum, { weight }) => sum + weight, 0);
  }

  async run(): Promise<LoadReport> {
    const task = this.#task;
    const own = Math.ceil((task.connections - task.generator) / task.generators);
    await Promise.all(Array.from({ length: own }, () => this.#connect()));
    task.port.postMessage({ isReady: true });
    const [{ startUs }] = (await once(task.port, 'message')) as [{ readonly startUs: number }];
    this.#startUs = startUs;
    const idle = performance.eventLoopUtilization();
    const workerData = { arrivals: this.#arrivals, startUs: this.#startUs, control: task.control };
    const pacer = new Worker(new URL('./pacer.js', import.meta.url), { workerData });
    pacer.on('message', () => this.#sendDue());
    const timer = setInterval(() => this.#look(), TIMEOUT_LOOK_MS);
    await new Promise<void>((resolve) => {
      this.#onOver = resolve;
    });
    clearInterval(timer);
    this.#isOver = true;
    for (const connection of this.#connections) connection.destroy();
    const { utilization } = performance.eventLoopUtilization(idle);
    await pacer.terminate();
    task.port.close();
    return this.#report(utilization);
  }

  #report(busy: number): LoadReport {
    return {
      kind: 'open',
      sent: this.#sent,
      good: this.#good,
      errors: this.#errors,
      latencies: encode(this.#latencies),
      overheads: encode(this.#overheads),
      lags: encode(this.#lags),
      byBackend: this.#byBackend,
      keyed: this.#keyed,
      moved: this.#moved,
      seconds: this.#lastUs / 1e6,
      busy,
      generators: 1,
    };
  }

  #connect(): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    return new Promise((resolve) => {
      const { host, targetPorts } = this.#task;
      const port = targetPorts[this.#opened++ % targetPorts.length] as number;
      const connection = new ClientConnection(host, port, this, () => {
        this.#idle.push(connection);
        this.#sendDue();
        resolve();
      });
      this.#connections.add(connection);
      // One that can't be opened is no reason to wait; the requests will say so.
      setTimeout(resolve, this.#task.timeoutMs).unref();
    });
  }

  /** Sends what is due, as long as a connection is free; the rest waits, and its time runs. */
  #sendDue(): void {
    if (this.#startUs === 0) return;
    const nowUs = monotonicUs();
    while (this.#next < this.#arrivals.length) {
      const intendedUs = this.#startUs + (this.#arrivals[this.#next] as number);
      if (intendedUs > nowUs) return;
      const connection = this.#idle.shift();
      if (connection === undefined) {
        this.#starvedUs = nowUs;
        return;
      }
      if (connection.isClosed) continue;
      this.#next++;
      this.#send(connection, intendedUs);
    }
  }

  #send(connection: ClientConnection, intendedUs: number): void {
    const nowUs = monotonicUs();
    connection.intendedUs = intendedUs;
    connection.sentUs = nowUs;
    connection.key = this.#keyDraw?.next() ?? -1;
    if (this.#isMeasured(intendedUs) && intendedUs > this.#starvedUs) record(this.#lags, nowUs - intendedUs);
    this.#sent++;
    this.#lastUs = intendedUs - this.#startUs;
    const kind = this.#drawKind();
    const key = connection.key < 0 ? '' : `${this.#task.keys?.header}: key-${connection.key}\r\n`;
    const { bodyBytes } = this.#task.mix[kind] as RequestKind;
    connection.send(Buffer.from(`${this.#requests[kind]}${key}\r\n${'x'.repeat(bodyBytes)}`, 'latin1'));
  }

  #drawKind(): number {
    if (this.#requests.length === 1) return 0;
    let left = this.#random.below(this.#totalWeight);
    return this.#task.mix.findIndex(({ weight }) => (left -= weight) < 0);
  }

  #isMeasured(intendedUs: number): boolean {
    return intendedUs - this.#startUs >= this.#task.warmUpS * 1e6;
  }

  answered(connection: ClientConnection, status: number, backend: number, serviceUs: number): void {
    if (this.#isOver) return;
    const nowUs = monotonicUs();
    if (backend >= 0) {
      this.#byBackend[backend] = (this.#byBackend[backend] as number) + 1;
      if (connection.key >= 0) this.#countKey(connection.key, backend);
    }
    if (status >= 400) this.#countError(String(status));
    else {
      this.#good++;
      if (this.#isMeasured(connection.intendedUs)) {
        record(this.#latencies, nowUs - connection.intendedUs);
        if (serviceUs >= 0) record(this.#overheads, nowUs - connection.sentUs - serviceUs);
      }
    }
    if (!connection.isClosed) this.#idle.push(connection);
    this.#countAnswer();
    this.#sendDue();
  }

  #countKey(key: number, backend: number): void {
    const home = this.#homes[key] as number;
    if (home < 0) this.#homes[key] = backend;
    else {
      this.#keyed[home] = (this.#keyed[home] as number) + 1;
      if (home !== backend) this.#moved[home] = (this.#moved[home] as number) + 1;
    }
  }

  closed(connection: ClientConnection, wasBusy: boolean): void {
    this.#connections.delete(connection);
    if (this.#isOver) return;
    // What refuses connections is asked again, but not in a spin.
    setTimeout(() => void this.#connect(), connection.wasOpen ? 0 : RECONNECT_MS).unref();
    if (!wasBusy) return;
    const tookUs = monotonicUs() - connection.intendedUs;
    const isTimeout = tookUs >= this.#task.timeoutMs * 1000;
    this.#countError(isTimeout ? 'timeout' : 'reset');
    // Left out, a server that never answers would have fine percentiles.
    if (isTimeout && this.#isMeasured(connection.intendedUs)) record(this.#latencies, tookUs);
    this.#countAnswer();
  }

  #countError(name: string): void {
    this.#errors[name] = (this.#errors[name] ?? 0) + 1;
  }

  #countAnswer(): void {
    this.#answered++;
    if (this.#next === this.#arrivals.length && this.#answered === this.#sent) this.#onOver();
  }

  /** Gives up what is too old, and ends when told to. */
  #look(): void {
    const nowUs = monotonicUs();
    const timeoutUs = this.#task.timeoutMs * 1000;
    for (const connection of this.#connections)
      if (connection.isBusy && nowUs - connection.intendedUs >= timeoutUs) connection.destroy();
    // Refused connections are tried again; requests that found none in time were not even sent.
    const endUs = this.#startUs + (this.#task.warmUpS + this.#task.durationS) * 1e6;
    const isStopped = Atomics.load(this.#task.control, 0) === 1;
    const isLate = nowUs > endUs + 2 * timeoutUs;
    if (!isStopped && !isLate) return;
    const unsent = isStopped ? 0 : this.#arrivals.length - this.#next;
    // They were meant to be sent.
    this.#sent += unsent;
    if (unsent > 0) this.#errors['unanswered'] = unsent;
    this.#onOver();
  }
}

/** The head of a request up to where a key's field can stand. */
function headOf({ method, path, bodyBytes }: RequestKind): string {
  const length = bodyBytes > 0 ? `content-length: ${bodyBytes}\r\n` : '';
  return `${method} ${path} HTTP/1.1\r\nhost: bench.example\r\naccept: */*\r\n${length}`;
}

/** In memory that the pacer shares. */
function everyNth(times: Float64Array, count: number, first: number): Float64Array {
  if (count === 1) return times;
  const own = times.filter((_, at) => at % count === first);
  const shared = new Float64Array(new SharedArrayBuffer(own.byteLength));
  shared.set(own);
  return shared;
}
