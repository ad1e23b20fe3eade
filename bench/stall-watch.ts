/** StallWatch: notices that the machine had no time for the bench, and has the measurement made again. */
import { decode, percentileMs } from './latencies.js';
import { figure } from './terminal/table.js';

const LOOK_MS = 50;
/** No work of the bench's own holds its main thread for so long. */
const STALL_MS = 400;
/** A generator that has its CPU sends within a few milliseconds. */
const LAG_P99_MS = 40;
const REPEATS_MAX = 1;

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

/**
 * What was measured while the machine did something else says nothing of a proxy. lagsOf: the generator's histogram, null
 * = there is none.
 */
export async function undisturbed<T>(
  run: () => Promise<T>,
  lagsOf: (result: T) => string | null,
  say: (line: string) => void,
): Promise<T> {
  for (let repeats = 0; ; repeats++) {
    const watch = new StallWatch();
    let result: T;
    try {
      result = await run();
    } finally {
      watch.stop();
    }
    const lags = lagsOf(result);
    const disturbance = disturbanceOf(watch.longestMs, lags === null ? 0 : percentileMs(decode(lags), 99));
    if (disturbance === null) return result;
    if (repeats === REPEATS_MAX) {
      say(`${disturbance}, again: the figures suffer from it`);
      return result;
    }
    say(`${disturbance}: measured again`);
  }
}

function disturbanceOf(stallMs: number, lagMs: number): string | null {
  if (stallMs > STALL_MS) return `the machine stopped this process for ${(stallMs / 1000).toFixed(1)} s`;
  if (lagMs > LAG_P99_MS)
    return `the machine was busy: one request in a hundred was sent ${figure(lagMs)} ms late or more`;
  return null;
}
