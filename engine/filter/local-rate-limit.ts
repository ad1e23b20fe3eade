/** LocalRateLimit: requests without a token of the process's bucket are refused; exact over all workers (Envoy). */
import { RATE_LIMITED, RATE_LIMITED_EXHAUSTED } from '../fault/faults.js';
import { HeaderMutations } from '../format/header-mutations.js';
import { N } from '../http/names.js';
import { RATE_LIMIT } from '../metrics/declare.js';
import type { LocalRateLimitRecord } from '../plan/local-rate-limit-record.js';
import { type FilterContext, type FilterKind, NEXT, type Verdict } from './filter.js';
import { isDrawn } from './fraction.js';

const ENABLED = RATE_LIMIT.index.enabled;
const OK = RATE_LIMIT.index.ok;
const LIMITED = RATE_LIMIT.index.rate_limited;
const ENFORCED = RATE_LIMIT.index.enforced;
const ENVOY_RATELIMITED = N['x-envoy-ratelimited'];
const encoder = new TextEncoder();
const TRUE = encoder.encode('true');
const BODY = encoder.encode('local_rate_limited');

class LocalRateLimit {
  readonly record: LocalRateLimitRecord;
  readonly mutations: HeaderMutations;
  /** Set while the request is one that is refused here. */
  readonly mark: number;

  constructor(record: LocalRateLimitRecord, mark: number) {
    this.record = record;
    this.mutations = new HeaderMutations(record.mutations);
    this.mark = mark;
  }
}

/** Its config is null where there is no bucket. */
export const LOCAL_RATE_LIMIT: FilterKind<LocalRateLimit | null> = {
  typeUrl: 'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit',
  build: (record, mark) => (record === null ? null : new LocalRateLimit(record as LocalRateLimitRecord, mark)),
  onRequestHead(x: FilterContext, config: LocalRateLimit | null): Verdict {
    const { record, mark, mutations } = config as LocalRateLimit;
    if (!isDrawn(x, record.enabled)) return NEXT;
    x.addTo(record.counters + ENABLED, 1);
    if (x.takeToken(record.bucket, record.intervalNs, record.capacityNs, record.perConnection)) {
      x.addTo(record.counters + OK, 1);
      return NEXT;
    }
    x.addTo(record.counters + LIMITED, 1);
    if (!isDrawn(x, record.enforced)) {
      mutations.applyToRequest(x.request, x);
      return NEXT;
    }
    x.addTo(record.counters + ENFORCED, 1);
    x.marks |= mark;
    return x.reply(record.status, BODY, record.saysExhausted ? RATE_LIMITED_EXHAUSTED : RATE_LIMITED);
  },
  onResponseHead(x: FilterContext, config: LocalRateLimit | null): Verdict {
    const { mark, mutations } = config as LocalRateLimit;
    if ((x.marks & mark) === 0) return NEXT;
    x.response.removeAll(ENVOY_RATELIMITED);
    x.response.add(ENVOY_RATELIMITED, TRUE, 0, TRUE.length);
    mutations.applyToResponse(x.response, x);
    return NEXT;
  },
};
