/** FilterKind, Verdict and FilterContext: the extension point for HTTP filters, with its laws. */
import type { FaultCode } from '../fault/faults.js';
import type { ExchangeView } from '../format/exchange-view.js';
import type { Head } from '../http/head.js';

// Laws, tested by test/unit/filter/filter-run.test.ts:
//  1. Request hooks run in configured order, response hooks in reverse.
//  2. After WAIT nothing of that direction goes on until resume(ticket): what comes meanwhile is kept, its source held.
//     A head goes on behind the filter that waited; data and trailers are given to it again.
//  3. A stale ticket is ignored; resume() comes after the hook has returned.
//  4. After DONE the reply given is what is sent. One from a response hook passes no further hooks.
//  5. Data that a filter took (TAKEN) end there. What it emits goes on behind it, in the order of the calls, with `last`
//     once; trailers that it took need such an end.
//  6. After HOLD the head stays until the filter's data or trailers hook lets something go on; an emitted end without
//     bytes makes a response one without a body. A head with `end` can't be held. A client that expects to be asked for
//     the body of a request that is held is asked (100), for no server can be.
//  7. A head that says `end` is followed by no data and no trailers. Bytes are lent for the call.
//  8. Behind the last filter the request waits for its endpoint: what is let go on before is kept, in order.

/** Go on with the next filter. */
export const NEXT = 0;
/** Stop here until resume(). */
export const WAIT = 1;
/** The filter answered with reply(): nothing goes upstream. */
export const DONE = 2;
/** The filter has taken the data or trailers; what goes on instead is given to emit(). */
export const TAKEN = 3;
/** Of a head: it waits for what the filter makes of the body. */
export const HOLD = 4;
export type Verdict = typeof NEXT | typeof WAIT | typeof DONE | typeof TAKEN | typeof HOLD;

/** What a filter may do to its exchange, besides reading it. */
export interface FilterContext extends ExchangeView {
  /** Of the hook that runs now, for resume(). */
  ticket(): number;
  /** After WAIT: go on. Ignored when the exchange ended meanwhile. */
  resume(ticket: number): void;
  /** Answers the request; returns DONE for `return x.reply(...)`. fault 0 = an ordinary answer. */
  reply(status: number, body: Uint8Array, fault: FaultCode): Verdict;
  /** What a reply with fault 0 is called in logs: set before reply(). */
  responseCodeDetails: string;
  /** In a data or trailers hook: bytes for those behind this filter, in the same direction. */
  emit(bytes: Uint8Array, start: number, end: number, last: boolean): void;
  /** Bits that filters keep from the request to its response, one each; 0 when the exchange begins. */
  marks: number;
  /** What per-route configs are found by: the route, or the weighted cluster of it; null before there is a route. */
  readonly filterScope: object | null;
  /**
   * The endpoint of this address ("127.0.0.1:80", copied) serves, whatever the policy says, as long as it is in the
   * cluster and not unhealthy; otherwise any does, or none when isStrict.
   */
  overrideHost(address: Uint8Array, start: number, end: number, isStrict: boolean): void;
  /** It is the endpoint so named that this attempt goes to. */
  readonly isAtOverrideHost: boolean;
  /** A random whole number below the bound. */
  draw(bound: number): number;
  /** To a counter of metrics/slots.ts. */
  addTo(slot: number, amount: number): void;
  /** Microseconds, to a histogram of metrics/slots.ts. */
  record(histogram: number, valueUs: number): void;
  /**
   * A token of a bucket that all workers take from, or of the one that this client connection has under that number;
   * false when it is empty. See limit/rate-cells.ts.
   */
  takeToken(bucket: number, intervalNs: number, capacityNs: number, perConnection: boolean): boolean;
}

/** What a filter keeps of one exchange; pooled. */
export interface FilterState {
  /** As new, for the next exchange. */
  reset(): void;
}

/** The state of filters that keep none. */
export const STATELESS: FilterState = Object.freeze({ reset: () => undefined });

/** A kind of filter: its config is checked on main, the hooks run on workers. Absent hooks cost nothing. */
export interface FilterKind<Config, State extends FilterState = FilterState> {
  /** Envoy's type URL without the "type.googleapis.com/" prefix. */
  readonly typeUrl: string;
  /**
   * What the hooks get, from a FilterRecord's config or a route's; once per plan and worker. Null: no hook is called.
   * mark: the filter's bit of FilterContext.marks.
   */
  build(record: unknown, mark: number): Config;
  newState?(): State;
  onRequestHead?(x: FilterContext, config: Config, state: State, end: boolean): Verdict;
  onRequestData?: DataHook<Config, State>;
  onRequestTrailers?: TrailersHook<Config, State>;
  /** x.response may be changed. */
  onResponseHead?(x: FilterContext, config: Config, state: State, end: boolean): Verdict;
  onResponseData?: DataHook<Config, State>;
  onResponseTrailers?: TrailersHook<Config, State>;
}

type DataHook<Config, State> = (
  x: FilterContext,
  config: Config,
  state: State,
  bytes: Uint8Array,
  start: number,
  end: number,
  last: boolean,
) => Verdict;
type TrailersHook<Config, State> = (x: FilterContext, config: Config, state: State, trailers: Head) => Verdict;
