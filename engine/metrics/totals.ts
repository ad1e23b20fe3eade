/** Totals: counters, gauges and histograms summed over the workers, on main. */
import { build, type Histogram } from 'hdr-histogram-js';
import { bucketLow, BUCKETS } from './histogram.js';
import type { MetricsMemory } from './slots.js';

export class Totals {
  readonly #counters: readonly Float64Array[];
  readonly #histograms: readonly Float64Array[];

  constructor(memories: readonly MetricsMemory[]) {
    this.#counters = memories.map((memory) => new Float64Array(memory.counters));
    this.#histograms = memories.map((memory) => new Float64Array(memory.histograms));
  }

  counter(slot: number): number {
    let sum = 0;
    for (const counters of this.#counters) sum += counters[slot] as number;
    return sum;
  }

  reset(slot: number): void {
    for (const counters of this.#counters) counters[slot] = 0;
  }

  /** Counts per bucket of one histogram, over all workers. */
  buckets(histogram: number): Float64Array {
    const sum = new Float64Array(BUCKETS);
    for (const histograms of this.#histograms) {
      const at = histogram * BUCKETS;
      for (let bucket = 0; bucket < BUCKETS; bucket++)
        sum[bucket] = (sum[bucket] as number) + (histograms[at + bucket] as number);
    }
    return sum;
  }

  /** The same as an HdrHistogram of whole microseconds. */
  histogram(index: number): Histogram {
    const histogram = build({
      lowestDiscernibleValue: 1,
      highestTrackableValue: 2 ** 32,
      numberOfSignificantValueDigits: 2,
    });
    this.buckets(index).forEach((count, bucket) => {
      if (count > 0) histogram.recordValueWithCount(bucketLow(bucket), count);
    });
    return histogram;
  }
}
