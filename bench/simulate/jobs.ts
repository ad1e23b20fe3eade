/** Jobs: the requests that are under way in a simulation, as columns; a number is reused once its job has ended. */

export class Jobs {
  startedUs = new Float64Array(1024);
  /** Service it needs. */
  demandUs = new Float64Array(1024);
  server = new Int32Array(1024);
  worker = new Int32Array(1024);
  /** Requests in flight there that its worker knew of when it sent this one. */
  activeAtStart = new Int32Array(1024);
  /** Requests in flight at the server when it came: what its latency is tagged with. */
  activeAtServer = new Int32Array(1024);
  /** Place in its server's heap of jobs in service; -1 = it waits. */
  place = new Int32Array(1024);
  /** How many jobs had this number: tells whether a note about one is out of date. */
  generation = new Int32Array(1024);
  isMeasured = new Uint8Array(1024);
  isFailure = new Uint8Array(1024);
  /** Under way now. */
  count = 0;
  #free = new Int32Array(1024);
  #freeCount = 0;
  #used = 0;

  add(): number {
    this.count++;
    if (this.#freeCount > 0) return this.#free[--this.#freeCount] as number;
    if (this.#used === this.server.length) this.#grow();
    return this.#used++;
  }

  remove(job: number): void {
    this.count--;
    this.generation[job] = (this.generation[job] as number) + 1;
    this.#free[this.#freeCount++] = job;
  }

  #grow(): void {
    const length = 2 * this.server.length;
    const floats = (before: Float64Array): Float64Array<ArrayBuffer> => {
      const after = new Float64Array(length);
      after.set(before);
      return after;
    };
    const integers = (before: Int32Array): Int32Array<ArrayBuffer> => {
      const after = new Int32Array(length);
      after.set(before);
      return after;
    };
    const bytes = (before: Uint8Array): Uint8Array<ArrayBuffer> => {
      const after = new Uint8Array(length);
      after.set(before);
      return after;
    };
    this.startedUs = floats(this.startedUs);
    this.demandUs = floats(this.demandUs);
    this.server = integers(this.server);
    this.worker = integers(this.worker);
    this.activeAtStart = integers(this.activeAtStart);
    this.activeAtServer = integers(this.activeAtServer);
    this.place = integers(this.place);
    this.generation = integers(this.generation);
    this.isMeasured = bytes(this.isMeasured);
    this.isFailure = bytes(this.isFailure);
    this.#free = integers(this.#free);
  }
}
