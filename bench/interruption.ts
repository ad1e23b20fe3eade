/** Interruption: Ctrl-C ends what runs, keeps what was measured, and leaves no process; a second one ends at once. */
import type { ChildProcess } from 'node:child_process';

export class Interruption {
  /** [0] becomes 1: what the threads of the load look at. */
  readonly control = new Int32Array(new SharedArrayBuffer(4));
  readonly #children = new Set<ChildProcess>();
  #onSet: (() => void)[] = [];

  constructor() {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => {
        if (this.isSet) process.exit(130);
        this.set();
      });
    // Also when something throws.
    process.on('exit', () => {
      for (const child of this.#children) child.kill('SIGKILL');
    });
  }

  get isSet(): boolean {
    return Atomics.load(this.control, 0) === 1;
  }

  set(): void {
    Atomics.store(this.control, 0, 1);
    Atomics.notify(this.control, 0);
    for (const call of this.#onSet) call();
    this.#onSet = [];
  }

  /** A process that must not outlive this one. */
  watch(child: ChildProcess): void {
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
  }

  /** Resolves after so long, or at once when interrupted. */
  sleep(ms: number): Promise<void> {
    if (this.isSet) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#onSet.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
