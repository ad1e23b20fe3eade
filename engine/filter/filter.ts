/** FilterKind, Verdict and FilterContext: the extension point for HTTP filters, with its laws. */
import type { FaultCode } from '../fault/faults.js';
import type { ExchangeView } from '../format/exchange-view.js';
import type { RouteRecord } from '../plan/records.js';

// Laws: 1. Request hooks run in configured order, response hooks in reverse. 2. After WAIT no later hook of that
// direction runs until resume(ticket). 3. A stale ticket is ignored. 4. After DONE the reply given is what is sent.

/** Go on with the next filter. */
export const NEXT = 0;
/** Stop here until resume(): nothing is read from the client meanwhile. */
export const WAIT = 1;
/** The filter answered with reply(): nothing goes upstream. */
export const DONE = 2;
export type Verdict = typeof NEXT | typeof WAIT | typeof DONE;

/** What a filter may do to its exchange, besides reading it. */
export interface FilterContext extends ExchangeView {
  /** Valid for the hook that runs now. */
  ticket(): number;
  /** After WAIT: go on from the filter that waited. Ignored when the exchange ended meanwhile. */
  resume(ticket: number): void;
  /** Answers the request; returns DONE for `return x.reply(...)`. fault 0 = an ordinary answer. */
  reply(status: number, body: Uint8Array, fault: FaultCode): Verdict;
  /** Bits that filters keep from the request to its response, one each; 0 when the exchange begins. */
  marks: number;
  /** What per-route configs are found by; null before there is a route. */
  readonly routeRecord: RouteRecord | null;
  /**
   * The endpoint of this address ("127.0.0.1:80", copied) serves, whatever the policy says, as long as it is in the
   * cluster and not unhealthy; otherwise any does, or none when isStrict.
   */
  overrideHost(address: Uint8Array, start: number, end: number, isStrict: boolean): void;
  /** It is the endpoint so named that this attempt goes to. */
  readonly isAtOverrideHost: boolean;
  /** A random whole number below the bound. */
  draw(bound: number): number;
  /** Adds one to a counter of metrics/slots.ts. */
  count(slot: number): void;
  /**
   * A token of a bucket that all workers take from, or of the one that this client connection has under that number;
   * false when it is empty. See limit/rate-cells.ts.
   */
  takeToken(bucket: number, intervalNs: number, capacityNs: number, perConnection: boolean): boolean;
}

/** A kind of filter: its config is checked on main, the hooks run on workers. Absent hooks cost nothing. */
export interface FilterKind<Config> {
  /** Envoy's type URL without the "type.googleapis.com/" prefix. */
  readonly typeUrl: string;
  /**
   * What the hooks get, from a FilterRecord's config or a route's; once per plan and worker. Null: no hook is called.
   * mark: the filter's bit of FilterContext.marks.
   */
  build(record: unknown, mark: number): Config;
  onRequestHead?(x: FilterContext, config: Config): Verdict;
  /** May change the response head; it can't wait. */
  onResponseHead?(x: FilterContext, config: Config): void;
}
