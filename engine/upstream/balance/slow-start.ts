/** SlowStart: an endpoint that has just joined, or come back to health, begins with a part of its weight. */
import type { EndpointTable } from '../endpoint-table.js';
import { REPORT_JOINED, reportCell } from '../shared-cells.js';

// Envoy's slow_start_config: weight x max(min_weight_percent, (time since / window)^(1 / aggression)), the time being a
// second at least. When an endpoint joined is kept in the shared cells, so that all workers and lists know the same.

export interface SlowStartConfig {
  readonly windowUs: number;
  /** Above 1 the weight grows fast at first, below 1 slowly. */
  readonly aggression: number;
  /** Least part of the weight, 0 to 1. */
  readonly minWeight: number;
}

const LEAST_US = 1_000_000;

export class SlowStart {
  /** By index, as of refresh(). */
  readonly factors: Float64Array;
  readonly #table: EndpointTable;
  readonly #config: SlowStartConfig;
  /** The last of the windows ends then. */
  readonly #untilUs: number;

  constructor(table: EndpointTable, config: SlowStartConfig) {
    this.#table = table;
    this.factors = new Float64Array(table.size);
    this.#config = config;
    const { reports, clock } = table.cells;
    const nowUs = clock.nowUs();
    for (const { row, health } of table.records) {
      const at = reportCell(row) + REPORT_JOINED;
      // Who is not well joins when it is.
      if (health === 'UNHEALTHY') reports[at] = 0;
      else if (reports[at] === 0) reports[at] = nowUs;
    }
    // In panic those that are not well are picked too, as if they had long been there.
    this.#untilUs = table.pickable.reduce((untilUs, index) => {
      const joinedUs = reports[reportCell(table.rows[index] as number) + REPORT_JOINED] as number;
      return Math.max(untilUs, joinedUs === 0 ? 0 : joinedUs + config.windowUs);
    }, 0);
  }

  /** Is any endpoint still in its window? */
  isActive(): boolean {
    return this.#table.cells.clock.nowUs() < this.#untilUs;
  }

  /** The part of its weight that an endpoint has now, above 0 to 1. */
  factor(index: number): number {
    this.refresh(index);
    return this.factors[index] as number;
  }

  /** The same, into `factors`: a fraction that a call answers is garbage wherever the compiler leaves it a call. */
  refresh(index: number): void {
    const { reports, clock } = this.#table.cells;
    const joinedUs = reports[reportCell(this.#table.rows[index] as number) + REPORT_JOINED] as number;
    const { windowUs, aggression, minWeight } = this.#config;
    const sinceUs = Math.max(clock.nowUs() - joinedUs, LEAST_US);
    const share = sinceUs < windowUs ? sinceUs / windowUs : 1;
    const grown = aggression === 1 ? share : share ** (1 / aggression);
    this.factors[index] = grown > minWeight ? grown : minWeight;
  }
}
