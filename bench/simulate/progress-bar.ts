/** Progress bar: one line on stderr that is written over while a terminal watches; nothing when none does. */

const WIDTH = 30;
const EVERY_MS = 200;

export class ProgressBar {
  readonly #isWatched = process.stderr.isTTY === true;
  readonly #steps: number;
  readonly #startedMs = performance.now();
  #drawnMs = 0;
  #done = 0;

  /** steps: runs that are to come. */
  constructor(steps: number) {
    this.#steps = steps;
  }

  /** share: of the run under way, 0 to 1. */
  show(label: string, share: number): void {
    const nowMs = performance.now();
    if (!this.#isWatched || nowMs - this.#drawnMs < EVERY_MS) return;
    this.#drawnMs = nowMs;
    const part = (this.#done + share) / this.#steps;
    const filled = Math.round(part * WIDTH);
    const left = part > 0.02 ? `${Math.ceil(((nowMs - this.#startedMs) / 1000) * (1 / part - 1))} s left` : '';
    const bar = `${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)}`;
    process.stderr.write(`\r${bar} ${Math.round(part * 100)} %  ${left}  ${label}\x1b[K`);
  }

  /** A run is over. */
  step(): void {
    this.#done++;
  }

  clear(): void {
    if (this.#isWatched) process.stderr.write('\r\x1b[K');
  }
}
