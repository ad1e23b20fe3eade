/** StallWatch: notices that the machine has stopped this process for a while, and has the measurement made again. */
const LOOK_MS = 50;
/** No work of the bench's own holds its main thread for so long. */
const STALL_MS = 1000;
const REPEATS_MAX = 2;

class StallWatch {
  longestMs = 0;
  #lastMs = performance.now();
  readonly #timer: NodeJS.Timeout;

  constructor() {
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  #look(): void {
    const nowMs = performance.now();
    this.longestMs = Math.max(this.longestMs, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
  }

  stop(): void {
    this.#look();
    clearInterval(this.#timer);
  }
}

/** What was measured while the machine did something else says nothing of a proxy. */
export async function undisturbed<T>(run: () => Promise<T>, say: (line: string) => void): Promise<T> {
  for (let repeats = 0; ; repeats++) {
    const watch = new StallWatch();
    let result: T;
    try {
      result = await run();
    } finally {
      watch.stop();
    }
    if (watch.longestMs < STALL_MS) return result;
    const stopped = `the machine stopped this process for ${(watch.longestMs / 1000).toFixed(1)} s`;
    if (repeats === REPEATS_MAX) {
      say(`${stopped}, again and again: the figures suffer from it`);
      return result;
    }
    say(`${stopped}: measured again`);
  }
}
