/** Messages of a route's hash_policy. */
import { RegexMatchAndSubstitute } from './schema-core.js';
import { bool, duration, fieldValue, list, type Message, message, text } from './schema.js';

const Header: Message = {
  name: 'Header',
  fields: { header_name: text, regex_rewrite: message(() => RegexMatchAndSubstitute) },
  required: ['header_name'],
};
const CookieAttribute: Message = {
  name: 'CookieAttribute',
  fields: { name: text, value: fieldValue },
  required: ['name'],
};
/** envoy.type.http.v3.Cookie, and the cookie of a hash policy, which has the same fields. */
export const Cookie: Message = {
  name: 'Cookie',
  fields: { name: text, ttl: duration, path: fieldValue, attributes: list(message(() => CookieAttribute)) },
  required: ['name'],
};
const ConnectionProperties: Message = { name: 'ConnectionProperties', fields: { source_ip: bool } };
const QueryParameter: Message = { name: 'QueryParameter', fields: { name: text }, required: ['name'] };

export const HashPolicy: Message = {
  name: 'HashPolicy',
  fields: {
    header: message(() => Header),
    cookie: message(() => Cookie),
    connection_properties: message(() => ConnectionProperties),
    query_parameter: message(() => QueryParameter),
    terminal: bool,
  },
  unsupported: ['filter_state'],
  oneof: [['header', 'cookie', 'connection_properties', 'query_parameter', 'filter_state']],
};
