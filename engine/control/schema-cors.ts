/** Messages of the CORS filter and of the policies that routes give it. */
import { RuntimeFractionalPercent, StringMatcher } from './schema-core.js';
import { bool, fieldValue, list, type Message, message } from './schema.js';

export const Cors: Message = { name: 'Cors', typeUrl: 'envoy.extensions.filters.http.cors.v3.Cors', fields: {} };

const POLICY: Omit<Message, 'typeUrl'> = {
  name: 'CorsPolicy',
  fields: {
    allow_origin_string_match: list(message(() => StringMatcher)),
    allow_methods: fieldValue,
    allow_headers: fieldValue,
    expose_headers: fieldValue,
    max_age: fieldValue,
    allow_credentials: bool,
    filter_enabled: message(() => RuntimeFractionalPercent),
    shadow_enabled: message(() => RuntimeFractionalPercent),
    allow_private_network_access: bool,
    forward_not_matching_preflights: bool,
  },
};

/** Of typed_per_filter_config. */
export const CorsPolicy: Message = { ...POLICY, typeUrl: 'envoy.extensions.filters.http.cors.v3.CorsPolicy' };
/** The older place: `cors` of a route or a virtual host. */
export const RouteCorsPolicy: Message = {
  ...POLICY,
  unsupported: ['allow_origin', 'allow_origin_regex', 'enabled'],
};
