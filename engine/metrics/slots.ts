/** One worker's counters and histograms in shared memory: the worker is the only writer, main sums over workers. */
import { bucketOf, BUCKETS } from './histogram.js';

// Plain stores, no Atomics: one writer per array, and an aligned 8-byte store is never torn on the platforms that Node
// runs on, so main at worst reads a value that is one turn old. Sizes are reservations: the kernel commits pages when
// they are first touched, so an unused slot costs address space only.

/** Counter slots per worker: about 10,000 clusters with an endpoint each. More and new scopes stay unmetered, said once. */
export const COUNTERS_MAX = 1 << 20;
/** Histograms per worker, 26 KiB of address space each. */
export const HISTOGRAMS_MAX = 1 << 12;

export interface MetricsMemory {
  readonly counters: SharedArrayBuffer;
  readonly histograms: SharedArrayBuffer;
}

export function newMetricsMemory(): MetricsMemory {
  return {
    counters: new SharedArrayBuffer(COUNTERS_MAX * 8),
    histograms: new SharedArrayBuffer(HISTOGRAMS_MAX * BUCKETS * 8),
  };
}

export class WorkerMetrics {
  readonly counters: Float64Array;
  readonly histograms: Float64Array;

  constructor(memory: MetricsMemory) {
    this.counters = new Float64Array(memory.counters);
    this.histograms = new Float64Array(memory.histograms);
  }

  /** slot: a scope's base plus the index of the name, e.g. base.counters + CLUSTER.index.upstream_rq_total. */
  add(slot: number, amount: number): void {
    this.counters[slot] = (this.counters[slot] as number) + amount;
  }

  /** histogram: a scope's base plus the histogram's position; value in microseconds. -1 = unmetered. */
  record(histogram: number, valueUs: number): void {
    if (histogram < 0) return;
    const at = histogram * BUCKETS + bucketOf(valueUs);
    this.histograms[at] = (this.histograms[at] as number) + 1;
  }
}
