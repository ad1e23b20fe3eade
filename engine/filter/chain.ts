/** FilterChain: the hooks of one listener's filters as parallel arrays; absent hooks are absent. */
import type { FilterRecord } from '../plan/records.js';
import type { FilterContext, FilterKind, Verdict } from './filter.js';

type RequestHook = (x: FilterContext, config: unknown) => Verdict;
type ResponseHook = (x: FilterContext, config: unknown) => void;

export class FilterChain {
  /** How many request hooks there are. */
  readonly requestHooks: number;
  readonly #requestRun: RequestHook[] = [];
  readonly #requestConfigs: unknown[] = [];
  readonly #responseRun: ResponseHook[] = [];
  readonly #responseConfigs: unknown[] = [];

  /** kinds: by type URL; throws for a filter that it lacks (main has refused such a config before). */
  constructor(records: readonly FilterRecord[], kinds: ReadonlyMap<string, FilterKind<unknown>>) {
    for (const record of records) {
      const kind = kinds.get(record.typeUrl);
      if (kind === undefined) throw new Error(`filter ${record.name}: no kind for ${record.typeUrl}`);
      if (kind.onRequestHead !== undefined) {
        this.#requestRun.push(kind.onRequestHead);
        this.#requestConfigs.push(record.config);
      }
      if (kind.onResponseHead !== undefined) {
        // Responses visit the filters in reverse order.
        this.#responseRun.unshift(kind.onResponseHead);
        this.#responseConfigs.unshift(record.config);
      }
    }
    this.requestHooks = this.#requestRun.length;
  }

  runRequestHead(at: number, x: FilterContext): Verdict {
    return (this.#requestRun[at] as RequestHook)(x, this.#requestConfigs[at]);
  }

  runResponseHead(x: FilterContext): void {
    for (let at = 0; at < this.#responseRun.length; at++)
      (this.#responseRun[at] as ResponseHook)(x, this.#responseConfigs[at]);
  }
}
