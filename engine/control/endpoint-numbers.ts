/** EndpointNumbers: row and counters of each endpoint; those of endpoints that left go to others after a rest. */

/** Where an endpoint counts: its row of the shared cells, and its first counter (or UNMEASURED). */
export interface EndpointPlace {
  readonly row: number;
  readonly counters: number;
}

/** The memory behind the places, which is the supervisor's. */
export interface EndpointMemory {
  /** No request and no connection of any worker counts in this row. */
  isRowIdle(row: number): boolean;
  /** Sets the row, and the counters on every worker, to zero. */
  clear(place: EndpointPlace): void;
}

/**
 * So long a place rests before another endpoint gets it. Requests that were under way have ended by then, or still
 * count; what a worker was just adding to the counters has been added.
 */
const REST_MS = 10000;

interface Resting {
  readonly place: EndpointPlace;
  readonly untilMs: number;
}

export class EndpointNumbers {
  /** By key: cluster and address. */
  readonly live = new Map<string, EndpointPlace>();
  /** The longest at rest first. An endpoint that comes back has its own place again. */
  readonly #resting = new Map<string, Resting>();
  readonly #free: EndpointPlace[] = [];

  /** The place of an endpoint; fresh() makes one when none is left over. */
  of(key: string, fresh: () => EndpointPlace): EndpointPlace {
    const known = this.live.get(key);
    if (known !== undefined) return known;
    const place = this.#resting.get(key)?.place ?? this.#free.pop() ?? fresh();
    this.#resting.delete(key);
    this.live.set(key, place);
    return place;
  }

  /** Endpoints with other keys than these have left. nowMs: of a clock that only goes forward. */
  sweep(keys: ReadonlySet<string>, memory: EndpointMemory, nowMs: number): void {
    for (const [key, place] of this.live) {
      if (keys.has(key)) continue;
      this.live.delete(key);
      this.#resting.set(key, { place, untilMs: nowMs + REST_MS });
    }
    for (const [key, { place, untilMs }] of this.#resting) {
      if (untilMs > nowMs) return;
      if (!memory.isRowIdle(place.row)) continue;
      memory.clear(place);
      this.#resting.delete(key);
      this.#free.push(place);
    }
  }
}
