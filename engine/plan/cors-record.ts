/** CorsRecord: which origins' pages may use a route, and what of it, as plain data. */
import type { FractionRecord } from './local-rate-limit-record.js';
import type { StringMatchRecord } from './records.js';

export interface CorsRecord {
  /** First counter of its connection manager's scope. */
  readonly counters: number;
  readonly allowOrigins: readonly StringMatchRecord[];
  /** Values of the fields; '' = the field is not sent, "*" = what the request asks for. */
  readonly allowMethods: string;
  readonly allowHeaders: string;
  readonly exposeHeaders: string;
  readonly maxAge: string;
  /** Null: the message around decides; then it is false. */
  readonly allowCredentials: boolean | null;
  readonly allowPrivateNetworkAccess: boolean | null;
  /** Preflights of other origins go to the upstream; null: the message around decides, then it is true. */
  readonly forwardNotMatchingPreflights: boolean | null;
  /** Of all requests, those that it is for. */
  readonly enabled: FractionRecord;
  /** Of the others, those whose origins are counted. */
  readonly shadowed: FractionRecord;
}
