/** Bars: a latency histogram in one line of text, on a scale that several lines share. */
import type { Histogram } from 'hdr-histogram-js';

const LEVELS = ' ▁▂▃▄▅▆▇█';
const COLUMNS = 48;

/** Columns whose widths grow alike: from the fastest to the slowest of all. */
export class BarScale {
  readonly #lowUs: number;
  readonly #highUs: number;

  constructor(histograms: readonly Histogram[]) {
    const filled = histograms.filter(({ totalCount }) => totalCount > 0);
    this.#lowUs = Math.max(1, Math.min(...filled.map(({ minNonZeroValue }) => minNonZeroValue)));
    this.#highUs = Math.max(this.#lowUs * 2, ...filled.map(({ maxValue }) => maxValue));
  }

  #edgeUs(column: number): number {
    return this.#lowUs * (this.#highUs / this.#lowUs) ** (column / COLUMNS);
  }

  /** Height is the square root of the share: a tail of one in a thousand still shows. */
  line(histogram: Histogram): string {
    const counts = this.#counts(histogram);
    const most = Math.max(1, ...counts);
    return counts
      .map((count) => LEVELS[count === 0 ? 0 : Math.max(1, Math.round(Math.sqrt(count / most) * (LEVELS.length - 1)))])
      .join('');
  }

  #counts(histogram: Histogram): number[] {
    const total = histogram.totalCount;
    const counts: number[] = [];
    let before = 0;
    for (let column = 1; column <= COLUMNS; column++) {
      const upTo = column === COLUMNS ? total : countUpTo(histogram, this.#edgeUs(column));
      counts.push(upTo - before);
      before = upTo;
    }
    return counts;
  }

  /** A few edges in milliseconds, under the columns that they begin. */
  axis(): string {
    let text = '';
    for (let column = 0; column < COLUMNS; column += 12) {
      const ms = this.#edgeUs(column) / 1000;
      text = text.padEnd(column) + `|${ms >= 10 ? ms.toFixed(0) : ms.toFixed(ms >= 1 ? 1 : 2)}`;
    }
    return `${text.padEnd(COLUMNS)}|${(this.#highUs / 1000).toFixed(0)} ms`;
  }
}

/** How many values are at most so large: by halves over the percentiles, which is all that every kind of histogram tells. */
function countUpTo(histogram: Histogram, us: number): number {
  const total = histogram.totalCount;
  let low = 0;
  let high = total;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (histogram.getValueAtPercentile((100 * middle) / total) <= us) low = middle;
    else high = middle - 1;
  }
  return low;
}
