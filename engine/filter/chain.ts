/** FilterChain: the hooks of one listener's filters as parallel arrays; absent hooks are absent. */
import type { FilterRecord, RouteRecord } from '../plan/records.js';
import { type FilterContext, type FilterKind, NEXT, type Verdict } from './filter.js';

type RequestHook = (x: FilterContext, config: unknown) => Verdict;
type ResponseHook = (x: FilterContext, config: unknown) => void;

export class FilterChain {
  /** How many request hooks there are. */
  readonly requestHooks: number;
  readonly #requestRun: RequestHook[] = [];
  /** Place of each hook's filter in #configs. */
  readonly #requestPlaces: number[] = [];
  readonly #responseRun: ResponseHook[] = [];
  readonly #responsePlaces: number[] = [];
  readonly #configs: readonly unknown[];
  /** Of routes that have configs of their own, by place; null in it = the filter is off there. */
  readonly #routeConfigs: ReadonlyMap<RouteRecord, readonly unknown[]>;

  /** kinds: by type URL; throws for a filter that it lacks (main has refused such a config before). */
  constructor(
    records: readonly FilterRecord[],
    kinds: ReadonlyMap<string, FilterKind<unknown>>,
    routes: readonly RouteRecord[],
  ) {
    const own = records.map((record) => kindOf(record, kinds));
    this.#configs = records.map((record, place) =>
      (own[place] as FilterKind<unknown>).build(record.config, 1 << place),
    );
    own.forEach((kind, place) => {
      if (kind.onRequestHead !== undefined) {
        this.#requestRun.push(kind.onRequestHead);
        this.#requestPlaces.push(place);
      }
      if (kind.onResponseHead !== undefined) {
        // Responses visit the filters in reverse order.
        this.#responseRun.unshift(kind.onResponseHead);
        this.#responsePlaces.unshift(place);
      }
    });
    this.requestHooks = this.#requestRun.length;
    const routeConfigs = new Map<RouteRecord, readonly unknown[]>();
    for (const route of routes) {
      const { typedPerFilterConfig: given } = route;
      if (!records.some(({ name }) => Object.hasOwn(given, name))) continue;
      const configs = records.map(({ name }, place) => {
        if (!Object.hasOwn(given, name)) return this.#configs[place];
        return given[name] === null ? null : (own[place] as FilterKind<unknown>).build(given[name], 1 << place);
      });
      routeConfigs.set(route, configs);
    }
    this.#routeConfigs = routeConfigs;
  }

  runRequestHead(at: number, x: FilterContext): Verdict {
    const config = this.#configOf(this.#requestPlaces[at] as number, x);
    return config === null ? NEXT : (this.#requestRun[at] as RequestHook)(x, config);
  }

  runResponseHead(x: FilterContext): void {
    for (let at = 0; at < this.#responseRun.length; at++) {
      const config = this.#configOf(this.#responsePlaces[at] as number, x);
      if (config !== null) (this.#responseRun[at] as ResponseHook)(x, config);
    }
  }

  #configOf(place: number, x: FilterContext): unknown {
    const route = x.routeRecord;
    const ofRoute = route === null || this.#routeConfigs.size === 0 ? undefined : this.#routeConfigs.get(route);
    return (ofRoute ?? this.#configs)[place];
  }
}

function kindOf(record: FilterRecord, kinds: ReadonlyMap<string, FilterKind<unknown>>): FilterKind<unknown> {
  const kind = kinds.get(record.typeUrl);
  if (kind === undefined) throw new Error(`filter ${record.name}: no kind for ${record.typeUrl}`);
  return kind;
}
