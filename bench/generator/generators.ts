/** Generators: how many threads make a load: as many as were asked for, or one and then more where it is too busy. */
import { availableParallelism } from 'node:os';
import { UsageError } from '../usage-error.js';
import type { LoadReport } from './load-report.js';

/** A thread that works more of its time than this can't keep its times: its own queue would be measured. */
const BUSY_MAX = 0.9;

const GENERATORS_MAX = 64;

/** Throws UsageError. */
export function generatorsOption(text: string | undefined): number | null {
  if (text === undefined) return null;
  const generators = Number(text);
  if (!(Number.isInteger(generators) && generators >= 1 && generators <= GENERATORS_MAX))
    throw new UsageError(`--generators: ${text} is no whole number from 1 to ${GENERATORS_MAX}`);
  return generators;
}

export class Generators {
  #count: number;
  readonly #max: number;

  /** wanted: null = as many as it takes. */
  constructor(wanted: number | null, max = Math.max(2, availableParallelism())) {
    this.#count = wanted ?? 1;
    this.#max = wanted ?? max;
  }

  /** Runs it, and again with twice the threads when one was too busy; those are kept for the next run. */
  async run<T>(
    measure: (generators: number) => Promise<T>,
    loadOf: (result: T) => LoadReport,
    say: (line: string) => void,
  ): Promise<T> {
    for (;;) {
      const result = await measure(this.#count);
      const { busy, kind } = loadOf(result);
      // A closed loop asks again as soon as it is answered: its thread is busy whatever is behind it.
      if (kind === 'closed' || busy <= BUSY_MAX) return result;
      const what = `${this.#count === 1 ? 'one generator thread' : `${this.#count} generator threads`} worked ${Math.round(busy * 100)} % of the time`;
      if (this.#count >= this.#max) {
        say(`${what}: latencies are the generator's own in part`);
        return result;
      }
      this.#count = Math.min(this.#max, this.#count * 2);
      say(`${what}, which is too much for this rate: measured again with ${this.#count}`);
    }
  }
}
