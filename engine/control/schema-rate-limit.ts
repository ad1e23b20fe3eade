/** Messages of envoy.filters.http.local_ratelimit. */
import { LIST_OF_HEADERS, RuntimeFractionalPercent } from './schema-core.js';
import { bool, duration, type Field, type Message, message, only, text } from './schema.js';

/** As Envoy's buckets are, which are filled by a timer that doesn't go faster. */
const FILL_MIN_MS = 50;
const tokens: Field = { kind: 'uint', min: 1 };

const TokenBucket: Message = {
  name: 'TokenBucket',
  fields: { max_tokens: tokens, tokens_per_fill: tokens, fill_interval: { ...duration, min: FILL_MIN_MS } as Field },
  required: ['max_tokens', 'fill_interval'],
};

const HttpStatus: Message = {
  name: 'HttpStatus',
  fields: { code: { kind: 'free' } },
  required: ['code'],
};

export const LocalRateLimit: Message = {
  name: 'LocalRateLimit',
  typeUrl: 'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit',
  fields: {
    stat_prefix: text,
    status: message(() => HttpStatus),
    token_bucket: message(() => TokenBucket),
    filter_enabled: message(() => RuntimeFractionalPercent),
    filter_enforced: message(() => RuntimeFractionalPercent),
    response_headers_to_add: LIST_OF_HEADERS,
    request_headers_to_add_when_not_enforced: LIST_OF_HEADERS,
    local_rate_limit_per_downstream_connection: bool,
    rate_limited_as_resource_exhausted: bool,
    always_consume_default_token_bucket: only('there are no descriptors here yet, so it is all there is', true),
    enable_x_ratelimit_headers: only('X-RateLimit-* fields are not written yet', 'OFF'),
    vh_rate_limits: only('it is about descriptors, which are not supported yet', 'OVERRIDE'),
  },
  unsupported: ['descriptors', 'stage', 'rate_limits', 'max_dynamic_descriptors', 'local_cluster_rate_limit'],
  required: ['stat_prefix'],
};
