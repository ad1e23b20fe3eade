/** Queueing: processor-sharing servers on virtual time, for what only shows under load; one dispatcher decides. */
import { Prng } from '../../engine/base/prng.js';

/** Mean demand of a request on a server of speed 1, microseconds. */
export const SERVICE_US = 1000;

export interface QueueingModel {
  /** One per server: 1 = a request alone takes its demand. */
  readonly speeds: readonly number[];
  /** Requests that a server works on at full speed each. */
  readonly cores: number;
  /** Offered work over capacity. */
  readonly load: number;
  readonly requests: number;
  readonly seed: number;
}

/** Who decides, and hears what became of it. */
export interface Dispatcher {
  /** Answers the server for a request. */
  pick(nowUs: number): number;
  ended(server: number, latencyUs: number, rifAtStart: number, nowUs: number): void;
}

export interface Job {
  readonly startUs: number;
  readonly rifAtStart: number;
  /** Progress of its server at which it is done. */
  readonly doneAt: number;
}

export class QueueServer {
  readonly speed: number;
  readonly cores: number;
  /** Work that a request which was there from the beginning would have got. */
  progress = 0;
  sinceUs = 0;
  endsUs = Number.POSITIVE_INFINITY;
  /** Sorted by doneAt. */
  readonly jobs: Job[] = [];

  constructor(speed: number, cores: number) {
    this.speed = speed;
    this.cores = cores;
  }

  get #rate(): number {
    return this.speed * Math.min(1, this.cores / this.jobs.length);
  }

  advance(nowUs: number): void {
    if (this.jobs.length > 0) this.progress += (nowUs - this.sinceUs) * this.#rate;
    this.sinceUs = nowUs;
  }

  schedule(): void {
    const first = this.jobs[0];
    this.endsUs =
      first === undefined ? Number.POSITIVE_INFINITY : this.sinceUs + (first.doneAt - this.progress) / this.#rate;
  }

  add(nowUs: number, demandUs: number): void {
    this.advance(nowUs);
    const job = { startUs: nowUs, rifAtStart: this.jobs.length, doneAt: this.progress + demandUs };
    let at = this.jobs.length;
    while (at > 0 && (this.jobs[at - 1] as Job).doneAt > job.doneAt) at--;
    this.jobs.splice(at, 0, job);
    this.schedule();
  }

  endFirst(): Job {
    this.advance(this.endsUs);
    const job = this.jobs.shift() as Job;
    this.schedule();
    return job;
  }
}

/** Runs requests with exponential gaps and demands; answers their latencies in service times, sorted. */
export function runQueueing(
  model: QueueingModel,
  dispatcherOf: (servers: readonly QueueServer[]) => Dispatcher,
): Float64Array {
  const random = Prng.fromSeed(model.seed);
  const exponential = (mean: number): number => -mean * Math.log(1 - random.float());
  const servers = model.speeds.map((speed) => new QueueServer(speed, model.cores));
  const dispatcher = dispatcherOf(servers);
  const capacity = model.cores * model.speeds.reduce((sum, speed) => sum + speed, 0);
  const gapUs = SERVICE_US / (capacity * model.load);
  const latencies: number[] = [];
  let arrivalUs = 1_000_000;
  for (let started = 0; started < model.requests; ) {
    let first = servers[0] as QueueServer;
    for (const server of servers) if (server.endsUs < first.endsUs) first = server;
    if (first.endsUs < arrivalUs) {
      const nowUs = first.endsUs;
      const job = first.endFirst();
      latencies.push((nowUs - job.startUs) / SERVICE_US);
      dispatcher.ended(servers.indexOf(first), nowUs - job.startUs, job.rifAtStart, nowUs);
    } else {
      (servers[dispatcher.pick(arrivalUs)] as QueueServer).add(arrivalUs, exponential(SERVICE_US));
      started++;
      arrivalUs += exponential(gapUs);
    }
  }
  return Float64Array.from(latencies).sort();
}

/** share: 0.99 for p99. */
export function quantileOf(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] as number;
}
