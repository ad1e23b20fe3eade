/** Interruption: Ctrl-C ends what runs, keeps what was measured, and leaves no process; a second one ends at once. */
import type { ChildProcess } from 'node:child_process';

const REPEAT_MS = 500;

export class Interruption {
  /** [0] becomes 1: what the threads of the load look at. */
  readonly control = new Int32Array(new SharedArrayBuffer(4));
  readonly #children = new Set<ChildProcess>();
  #setMs = 0;

  constructor() {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => {
        // npm passes on the signal that the terminal has sent to everybody already.
        if (this.isSet && performance.now() - this.#setMs > REPEAT_MS) process.exit(130);
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
    if (this.isSet) return;
    this.#setMs = performance.now();
    Atomics.store(this.control, 0, 1);
    Atomics.notify(this.control, 0);
  }

  /** A process that must not outlive this one. */
  watch(child: ChildProcess): void {
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
  }
}
