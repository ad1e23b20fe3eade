/** LocalRateLimitRecord: a token bucket, whom it holds for and what the refused are told, as plain data. */
import type { HeaderMutationsRecord } from './records.js';

/** Out of a hundred, ten thousand or a million requests. */
export interface FractionRecord {
  readonly numerator: number;
  readonly denominator: number;
}

export interface LocalRateLimitRecord {
  /** First counter of its RATE_LIMIT scope. */
  readonly counters: number;
  /** Dense number of the bucket, and its place in shared memory. */
  readonly bucket: number;
  /** One token comes back in so many nanoseconds. */
  readonly intervalNs: number;
  /** Tokens of a full bucket x intervalNs. */
  readonly capacityNs: number;
  /** Each client connection has a bucket of its own. */
  readonly perConnection: boolean;
  /** Of all requests, those that are counted at all. */
  readonly enabled: FractionRecord;
  /** Of requests without a token, those that are refused. */
  readonly enforced: FractionRecord;
  readonly status: number;
  /** What gRPC calls are told: RESOURCE_EXHAUSTED instead of UNAVAILABLE. */
  readonly saysExhausted: boolean;
  /** Response: of the refused. Request: of those that had no token and pass all the same. */
  readonly mutations: HeaderMutationsRecord;
}
