/** Progress: what is being measured, a bar, and how long it will take; on stderr, so that tables can be piped. */
const BAR_WIDTH = 24;
const LOOK_MS = 200;

export class Progress {
  readonly #totalS: number;
  readonly #isShown = process.stderr.isTTY;
  #doneS = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(totalS: number) {
    this.#totalS = totalS;
  }

  /** Runs one step that should take so long. */
  async step<T>(name: string, expectedS: number, run: () => Promise<T>): Promise<T> {
    const startMs = performance.now();
    if (this.#isShown) {
      const draw = (): void => this.#draw(name, Math.min(expectedS, (performance.now() - startMs) / 1000));
      draw();
      this.#timer = setInterval(draw, LOOK_MS);
    } else process.stderr.write(`  ${name}\n`);
    try {
      return await run();
    } finally {
      if (this.#timer !== null) clearInterval(this.#timer);
      this.#timer = null;
      this.#doneS += expectedS;
      this.clear();
    }
  }

  #draw(name: string, stepS: number): void {
    const done = Math.min(1, (this.#doneS + stepS) / this.#totalS);
    const full = Math.round(done * BAR_WIDTH);
    const left = Math.max(0, Math.ceil(this.#totalS - this.#doneS - stepS));
    const bar = `${'█'.repeat(full)}${'░'.repeat(BAR_WIDTH - full)}`;
    const text = `${bar} ${String(Math.floor(done * 100)).padStart(3)} %  ${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')} left  ${name}`;
    process.stderr.write(`\r\x1b[K${text.slice(0, (process.stderr.columns ?? 80) - 1)}`);
  }

  clear(): void {
    if (this.#isShown) process.stderr.write('\r\x1b[K');
  }

  /** A line that stays above the bar. */
  say(line: string): void {
    this.clear();
    process.stderr.write(`${line}\n`);
  }
}
