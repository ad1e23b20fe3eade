/** local_ratelimit to its record: the bucket in nanoseconds, its place in shared memory, and what it tells. */
import { STATUS_CODES } from 'node:http';
import type { FractionRecord, LocalRateLimitRecord } from '../plan/local-rate-limit-record.js';
import { compileFraction } from './compile-match.js';
import { compileMutations, fieldOf, fieldsOf, flagOf, numberOf, textOf } from './compile-values.js';
import type { DocumentReader, Value } from './document.js';
import type { PlanRegistry } from './registry.js';
import type { Runtime } from './runtime.js';

export interface RateLimitContext {
  readonly reader: DocumentReader;
  readonly registry: PlanRegistry;
  readonly runtime: Runtime;
}

/** Times of the cells are whole numbers of nanoseconds below 2^53, from the start of the machine. */
const CAPACITY_MAX_NS = 2 ** 52;
const TOO_MANY_REQUESTS = 429;
const NOBODY: FractionRecord = { numerator: 0, denominator: 100 };

/** Null: there is no bucket, so nothing is limited. */
export function compileRateLimit(context: RateLimitContext, value: Value): LocalRateLimitRecord | null {
  const { reader, registry } = context;
  const bucket = fieldOf(value, 'token_bucket');
  if (bucket === undefined) {
    for (const field of ['filter_enabled', 'filter_enforced', 'status'])
      if (value[field] !== undefined)
        reader.report('warning', value, field, 'has no effect without a token_bucket beside it');
    return null;
  }
  for (const field of ['filter_enabled', 'filter_enforced'])
    if (value[field] === undefined)
      reader.report(
        'warning',
        value,
        'token_bucket',
        `refuses nobody: without ${field} it is 0 %; for all requests write ${field}: { default_value: { numerator: 100 } }`,
      );
  const perFill = numberOf(bucket, 'tokens_per_fill', 1);
  const maxTokens = numberOf(bucket, 'max_tokens', 1);
  // Upwards: never more than the rate that was written.
  const intervalNs = Math.ceil((numberOf(bucket, 'fill_interval', 0) * 1e6) / perFill);
  const capacityNs = maxTokens * intervalNs;
  if (capacityNs > CAPACITY_MAX_NS)
    reader.report('error', bucket, 'max_tokens', 'an empty bucket would need more than 52 days to be full again');
  const perConnection = flagOf(value, 'local_rate_limit_per_downstream_connection');
  const statPrefix = textOf(value, 'stat_prefix');
  return {
    counters: registry.metrics('http_local_rate_limit', statPrefix).counters,
    // The same limit in the same place goes on over a reload; a changed one begins full.
    bucket: registry.rateLimit(`${reader.pathOf(value)} ${intervalNs} ${capacityNs} ${perConnection}`),
    intervalNs,
    capacityNs,
    perConnection,
    enabled: fractionOf(context, value, 'filter_enabled'),
    enforced: fractionOf(context, value, 'filter_enforced'),
    status: statusOf(reader, value),
    saysExhausted: flagOf(value, 'rate_limited_as_resource_exhausted'),
    mutations: compileMutations(reader, {
      request_headers_to_add: fieldsOf(value, 'request_headers_to_add_when_not_enforced'),
      response_headers_to_add: fieldsOf(value, 'response_headers_to_add'),
    }),
  };
}

function fractionOf({ runtime }: RateLimitContext, value: Value, field: string): FractionRecord {
  const percent = fieldOf(value, field);
  return percent === undefined ? NOBODY : compileFraction(runtime, percent);
}

/** By number or by the name of Envoy's enum (TooManyRequests); below 400 it is 429, as in Envoy. */
function statusOf(reader: DocumentReader, value: Value): number {
  const status = fieldOf(value, 'status');
  if (status === undefined) return TOO_MANY_REQUESTS;
  const written = status['code'];
  const named = Object.entries(STATUS_CODES).find(([, name]) => name?.replace(/[^A-Za-z]/g, '') === written);
  const code = named === undefined ? Number(written) : Number(named[0]);
  if (!Number.isInteger(code) || code < 100 || code > 599)
    reader.report('error', status, 'code', `${JSON.stringify(written)} is no status: give a number such as 429`);
  else if (code < 400)
    reader.report('warning', status, 'code', `${code} is no status to refuse with: ${TOO_MANY_REQUESTS} is sent`);
  return code >= 400 && code <= 599 ? code : TOO_MANY_REQUESTS;
}
