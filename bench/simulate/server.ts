/** Server: a backend of a simulation: cores that its jobs share equally, or that serve them one after another. */
import { JobHeap } from './job-heap.js';
import type { Jobs } from './jobs.js';
import { QueueRing } from './queue-ring.js';

/** Processor sharing: n jobs on c cores get min(1, c / n) of a core each. FIFO: c in service, the others wait. */
export type Discipline = 'sharing' | 'fifo';

/** What whoever asks a server is told. */
export interface ServerView {
  readonly inFlight: number;
}

// Every job in service gets the same rate, so one running sum of what each got so far is enough: a job is done when the
// sum has grown by its demand since it began. A change of rate then costs nothing per job.

export class Server implements ServerView {
  /** In service and waiting. */
  inFlight = 0;
  /** Core time in use until the last change. */
  busyUs = 0;
  finished = 0;
  /** Of these. */
  failed = 0;
  readonly cores: number;
  readonly #jobs: Jobs;
  readonly #isSharing: boolean;
  readonly #serving: JobHeap;
  readonly #waiting = new QueueRing();
  #speed: number;
  /** What a job that has been here from the beginning would have got, microseconds of a core at speed 1. */
  #given = 0;
  #givenAtUs = 0;

  constructor(jobs: Jobs, discipline: Discipline, cores: number, speed: number) {
    this.#jobs = jobs;
    this.#isSharing = discipline === 'sharing';
    this.cores = cores;
    this.#speed = speed;
    this.#serving = new JobHeap(jobs);
  }

  join(job: number, nowUs: number): void {
    this.#advance(nowUs);
    this.inFlight++;
    if (this.#isSharing || this.#serving.size < this.cores) this.#serve(job);
    else {
      this.#jobs.place[job] = -1;
      this.#waiting.push(job);
    }
  }

  /** The job that is finished now leaves. */
  finish(nowUs: number): number {
    this.#advance(nowUs);
    const job = this.#serving.removeTop();
    this.finished++;
    if (this.#jobs.isFailure[job] === 1) this.failed++;
    this.#left();
    return job;
  }

  /** A job that nobody waits for any more leaves unfinished. */
  cancel(job: number, nowUs: number): void {
    this.#advance(nowUs);
    const place = this.#jobs.place[job] as number;
    if (place < 0) {
      this.#waiting.remove(job);
      this.inFlight--;
      return;
    }
    this.#serving.removeAt(place);
    this.#left();
  }

  setSpeed(speed: number, nowUs: number): void {
    this.#advance(nowUs);
    this.#speed = speed;
  }

  /** When the next job is finished if nothing changes; Infinity when there is none. */
  nextFinishUs(): number {
    if (this.#serving.size === 0) return Number.POSITIVE_INFINITY;
    // Rounding must not take time backwards.
    const left = Math.max(0, this.#serving.topFinish - this.#given);
    return this.#givenAtUs + left / this.#rate();
  }

  #serve(job: number): void {
    this.#serving.push(job, this.#given + (this.#jobs.demandUs[job] as number));
  }

  #left(): void {
    this.inFlight--;
    if (this.#waiting.size > 0) this.#serve(this.#waiting.shift());
  }

  #advance(nowUs: number): void {
    this.busyUs += (nowUs - this.#givenAtUs) * Math.min(this.#serving.size, this.cores);
    this.#given += (nowUs - this.#givenAtUs) * this.#rate();
    this.#givenAtUs = nowUs;
  }

  #rate(): number {
    const count = this.#serving.size;
    return count <= this.cores ? this.#speed : (this.#speed * this.cores) / count;
  }
}
