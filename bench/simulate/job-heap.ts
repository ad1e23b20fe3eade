/** JobHeap: the jobs that a server works on, the one that is finished first on top. */
import type { Jobs } from './jobs.js';

export class JobHeap {
  size = 0;
  readonly #jobs: Jobs;
  #items = new Int32Array(16);
  #finishes = new Float64Array(16);

  constructor(jobs: Jobs) {
    this.#jobs = jobs;
  }

  /** size must not be 0. */
  get top(): number {
    return this.#items[0] as number;
  }
  get topFinish(): number {
    return this.#finishes[0] as number;
  }

  /** finish: what the server must have given to each of its jobs until this one is done. */
  push(job: number, finish: number): void {
    if (this.size === this.#items.length) this.#grow();
    this.#rise(job, finish, this.size++);
  }

  removeTop(): number {
    const top = this.top;
    this.removeAt(0);
    return top;
  }

  removeAt(place: number): void {
    const last = --this.size;
    if (place === last) return;
    const job = this.#items[last] as number;
    const finish = this.#finishes[last] as number;
    this.#rise(job, finish, place);
    this.#sink(job, finish, this.#jobs.place[job] as number);
  }

  #rise(job: number, finish: number, from: number): void {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if ((this.#finishes[parent] as number) <= finish) break;
      this.#put(this.#items[parent] as number, this.#finishes[parent] as number, place);
      place = parent;
    }
    this.#put(job, finish, place);
  }

  #sink(job: number, finish: number, from: number): void {
    let place = from;
    for (let child = 2 * place + 1; child < this.size; child = 2 * place + 1) {
      if (child + 1 < this.size && (this.#finishes[child + 1] as number) < (this.#finishes[child] as number)) child++;
      if (finish <= (this.#finishes[child] as number)) break;
      this.#put(this.#items[child] as number, this.#finishes[child] as number, place);
      place = child;
    }
    this.#put(job, finish, place);
  }

  #put(job: number, finish: number, place: number): void {
    this.#items[place] = job;
    this.#finishes[place] = finish;
    this.#jobs.place[job] = place;
  }

  #grow(): void {
    const items = new Int32Array(2 * this.size);
    items.set(this.#items);
    this.#items = items;
    const finishes = new Float64Array(2 * this.size);
    finishes.set(this.#finishes);
    this.#finishes = finishes;
  }
}
