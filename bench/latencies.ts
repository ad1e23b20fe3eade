/** Latencies: HdrHistograms of whole microseconds with three digits, as text between threads and in files. */
import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js';

/** A minute: no timeout of a scenario that one would wait for is longer. */
const HIGHEST_US = 60_000_000;
export const PERCENTILES = [50, 90, 99, 99.9, 100] as const;

export function newLatencies(): Histogram {
  return build({ lowestDiscernibleValue: 1, highestTrackableValue: HIGHEST_US, numberOfSignificantValueDigits: 3 });
}

export function record(histogram: Histogram, us: number): void {
  histogram.recordValue(us < 0 ? 0 : us > HIGHEST_US ? HIGHEST_US : Math.round(us));
}

export function encode(histogram: Histogram): string {
  return encodeIntoCompressedBase64(histogram);
}

/** Of several texts the sum. */
export function decode(...texts: readonly string[]): Histogram {
  const sum = newLatencies();
  for (const text of texts) sum.add(decodeFromCompressedBase64(text));
  return sum;
}

/** Milliseconds. */
export function percentileMs(histogram: Histogram, percentile: number): number {
  if (histogram.totalCount === 0) return 0;
  return (percentile === 100 ? histogram.maxValue : histogram.getValueAtPercentile(percentile)) / 1000;
}

export interface PercentilePoint {
  readonly percentile: number;
  readonly ms: number;
}

/** The curve of a histogram up to its resolution: twenty points for every nine. */
export function percentileCurve(histogram: Histogram): PercentilePoint[] {
  const points: PercentilePoint[] = [];
  const count = histogram.totalCount;
  if (count === 0) return points;
  for (let nines = 0; nines <= Math.log10(count); nines += 0.05) {
    const percentile = 100 * (1 - 10 ** -nines);
    points.push({ percentile, ms: percentileMs(histogram, percentile) });
  }
  points.push({ percentile: 100 * (1 - 1 / count), ms: percentileMs(histogram, 100) });
  return points;
}

/** The text that HdrHistogram's plotters read (.hgrm), in milliseconds. */
export function hgrm(histogram: Histogram): string {
  return histogram.outputPercentileDistribution(5, 1000);
}
