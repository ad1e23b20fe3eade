/** SharedAverage: a value per endpoint row that all workers feed and that fades with time; it outlives endpoint lists. */
import { averageCell, type SharedCells } from './shared-cells.js';

// Samples are dropped, and false answered, while another worker sleeps with the row in its hands.
// Each sample weighs 1 - exp(-time since the last one / decay), so how often samples come doesn't matter. Reading takes
// no claim: value and time are single 64-bit accesses, and one that is newer than the other is off by what one sample
// changes. (On a 32-bit machine halves of two values may mix: wrong by 2^-20, because the upper half decides.)

const READ_MAX = 0x3fffffff;

export class SharedAverage {
  readonly #cells: SharedCells;
  readonly #average: number;
  readonly #decayUs: number;

  /** average: AVERAGE_LATENCY or AVERAGE_FAILURES. */
  constructor(cells: SharedCells, average: number, decayUs: number) {
    this.#cells = cells;
    this.#average = average;
    this.#decayUs = decayUs;
  }

  /** What to begin with, for a row that nobody knows yet; it fades like the rest. Negative: kept apart from samples. */
  seed(row: number, value: number): void {
    const floats = this.#cells.floats;
    const at = averageCell(row, this.#average);
    const nowUs = this.#cells.clock.nowUs();
    if (!this.#cells.claim(row)) return;
    if (floats[at + 1] === 0) {
      floats[at] = value;
      floats[at + 1] = nowUs;
    }
    this.#cells.release(row);
  }

  /**
   * The value as it has faded until now: down to nearly 0 in time, whatever it was. Whole numbers of 31 bits, because
   * others would be garbage wherever the compiler leaves this a call; 1 at least for what was above 0, because nothing
   * is not the same as very little.
   */
  read(row: number): number {
    const floats = this.#cells.floats;
    const at = averageCell(row, this.#average);
    const value = floats[at] as number;
    const idleUs = this.#cells.clock.nowUs() - (floats[at + 1] as number);
    const now = idleUs <= 0 ? value : value * Math.exp(-idleUs / this.#decayUs);
    if (now > READ_MAX) return READ_MAX;
    const whole = now | 0;
    return whole < now ? whole + 1 : whole;
  }

  /** A sample that takes its share of the average. */
  mix(row: number, sample: number): boolean {
    return this.#blend(row, sample, false);
  }

  /** A sample that, when it is higher than the average, takes its place at once. */
  mixPeak(row: number, sample: number): boolean {
    return this.#blend(row, sample, true);
  }

  #blend(row: number, sample: number, isPeakTaken: boolean): boolean {
    const floats = this.#cells.floats;
    const at = averageCell(row, this.#average);
    const nowUs = this.#cells.clock.nowUs();
    if (!this.#cells.claim(row)) return false;
    const value = floats[at] as number;
    const before = floats[at + 1] as number;
    const idleUs = nowUs > before ? nowUs - before : 0;
    // A seed gives way to the first peak; nothing at all gives way to any sample.
    if (before === 0 || (isPeakTaken && sample > value)) floats[at] = sample;
    else {
      const kept = Math.exp(-idleUs / this.#decayUs);
      floats[at] = Math.abs(value) * kept + sample * (1 - kept);
    }
    floats[at + 1] = nowUs > before ? nowUs : before;
    this.#cells.release(row);
    return true;
  }

  /** Adds to a sum that fades instead of averaging. */
  add(row: number, amount: number): boolean {
    const floats = this.#cells.floats;
    const at = averageCell(row, this.#average);
    const nowUs = this.#cells.clock.nowUs();
    if (!this.#cells.claim(row)) return false;
    const before = floats[at + 1] as number;
    const idleUs = nowUs > before ? nowUs - before : 0;
    floats[at] = (floats[at] as number) * Math.exp(-idleUs / this.#decayUs) + amount;
    floats[at + 1] = nowUs > before ? nowUs : before;
    this.#cells.release(row);
    return true;
  }
}
