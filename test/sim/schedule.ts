/** Schedule: the virtual clock and what is to happen on it, in order of time and then of planning. */

interface Task {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

export class Schedule {
  nowMs = 1000;
  readonly #tasks: Task[] = [];
  #order = 0;

  after(delayMs: number, run: () => void): void {
    const task = { atMs: this.nowMs + delayMs, order: this.#order++, run };
    let low = 0;
    let high = this.#tasks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#tasks[middle] as Task).atMs <= task.atMs) low = middle + 1;
      else high = middle;
    }
    this.#tasks.splice(low, 0, task);
  }

  get isEmpty(): boolean {
    return this.#tasks.length === 0;
  }
  /** When the next task is due; Infinity when there is none. */
  get nextMs(): number {
    return this.#tasks[0]?.atMs ?? Number.POSITIVE_INFINITY;
  }

  runDue(): boolean {
    let didRun = false;
    while (this.nextMs <= this.nowMs) {
      (this.#tasks.shift() as Task).run();
      didRun = true;
    }
    return didRun;
  }
}
