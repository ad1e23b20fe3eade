/** Messages that others are made of: addresses, strings, headers, data sources, percentages. */
import {
  bool,
  duration,
  type Field,
  fieldValue,
  free,
  list,
  type Message,
  message,
  oneOf,
  string,
  struct,
  text,
  uint,
} from './schema.js';

export const SocketAddress: Message = {
  name: 'SocketAddress',
  fields: {
    protocol: { kind: 'enum', values: ['TCP'], unsupported: ['UDP'], numbers: ['TCP', 'UDP'] },
    address: text,
    port_value: { kind: 'uint', max: 65535 },
    ipv4_compat: { kind: 'only', values: [false], why: 'listen on an IPv4 and an IPv6 address instead' },
  },
  unsupported: ['named_port', 'resolver_name', 'network_namespace_filepath'],
  required: ['address', 'port_value'],
};

export const Pipe: Message = { name: 'Pipe', fields: { path: text }, unsupported: ['mode'], required: ['path'] };

export const Address: Message = {
  name: 'Address',
  fields: { socket_address: message(() => SocketAddress), pipe: message(() => Pipe) },
  unsupported: ['envoy_internal_address'],
  oneof: [['socket_address', 'pipe']],
};

export const CidrRange: Message = {
  name: 'CidrRange',
  fields: { address_prefix: text, prefix_len: { kind: 'uint', max: 128 } },
  required: ['address_prefix'],
};

export const FractionalPercent: Message = {
  name: 'FractionalPercent',
  fields: { numerator: uint, denominator: oneOf('HUNDRED', 'TEN_THOUSAND', 'MILLION') },
};

export const RuntimeFractionalPercent: Message = {
  name: 'RuntimeFractionalPercent',
  fields: { default_value: message(() => FractionalPercent), runtime_key: string },
  required: ['default_value'],
};

export const GoogleRe2: Message = { name: 'GoogleRE2', fields: { max_program_size: uint } };

export const RegexMatcher: Message = {
  name: 'RegexMatcher',
  fields: { regex: text, google_re2: message(() => GoogleRe2) },
  required: ['regex'],
};

export const RegexMatchAndSubstitute: Message = {
  name: 'RegexMatchAndSubstitute',
  fields: { pattern: message(() => RegexMatcher), substitution: string },
  required: ['pattern'],
};

export const StringMatcher: Message = {
  name: 'StringMatcher',
  fields: {
    exact: string,
    prefix: text,
    suffix: text,
    contains: text,
    safe_regex: message(() => RegexMatcher),
    ignore_case: bool,
  },
  unsupported: ['custom'],
  oneof: [['exact', 'prefix', 'suffix', 'contains', 'safe_regex']],
};

export const Int64Range: Message = { name: 'Int64Range', fields: { start: { kind: 'int' }, end: { kind: 'int' } } };

export const HeaderMatcher: Message = {
  name: 'HeaderMatcher',
  fields: {
    name: text,
    exact_match: string,
    safe_regex_match: message(() => RegexMatcher),
    range_match: message(() => Int64Range),
    present_match: bool,
    prefix_match: text,
    suffix_match: text,
    contains_match: text,
    string_match: message(() => StringMatcher),
    invert_match: bool,
    treat_missing_header_as_empty: bool,
  },
  required: ['name'],
  oneof: [
    [
      '?',
      'exact_match',
      'safe_regex_match',
      'range_match',
      'present_match',
      'prefix_match',
      'suffix_match',
      'contains_match',
      'string_match',
    ],
  ],
};

/** Envoy takes false for true. */
const PRESENT: Field = { kind: 'only', values: [true], why: 'a parameter that is not there can not be asked for' };

export const QueryParameterMatcher: Message = {
  name: 'QueryParameterMatcher',
  fields: { name: text, string_match: message(() => StringMatcher), present_match: PRESENT },
  required: ['name'],
  oneof: [['?', 'string_match', 'present_match']],
};

export const HeaderValue: Message = {
  name: 'HeaderValue',
  fields: { key: text, value: fieldValue },
  unsupported: ['raw_value'],
  required: ['key'],
};

export const HeaderValueOption: Message = {
  name: 'HeaderValueOption',
  fields: {
    header: message(() => HeaderValue),
    append: bool,
    append_action: oneOf(
      'APPEND_IF_EXISTS_OR_ADD',
      'ADD_IF_ABSENT',
      'OVERWRITE_IF_EXISTS_OR_ADD',
      'OVERWRITE_IF_EXISTS',
    ),
    keep_empty_value: bool,
  },
  required: ['header'],
};

export const DataSource: Message = {
  name: 'DataSource',
  fields: { filename: text, inline_bytes: { kind: 'bytes' }, inline_string: string, environment_variable: text },
  unsupported: ['watched_directory'],
  oneof: [['filename', 'inline_bytes', 'inline_string', 'environment_variable']],
};

export const Locality: Message = { name: 'Locality', fields: { region: string, zone: string, sub_zone: string } };

export const Metadata: Message = {
  name: 'Metadata',
  fields: { filter_metadata: { kind: 'map', of: free } },
  unsupported: ['typed_filter_metadata'],
};

const PROTOCOL_FIELDS: Readonly<Record<string, Field>> = {
  idle_timeout: duration,
  max_connection_duration: duration,
  max_headers_count: { kind: 'uint', min: 1 },
  max_requests_per_connection: uint,
};

/** Of a connection manager. */
export const DownstreamProtocolOptions: Message = {
  name: 'HttpProtocolOptions',
  fields: {
    ...PROTOCOL_FIELDS,
    max_stream_duration: duration,
    headers_with_underscores_action: oneOf('ALLOW', 'REJECT_REQUEST', 'DROP_HEADER'),
    max_response_headers_kb: { kind: 'only', values: [], why: 'it is a limit of clusters' },
  },
};

/** Of a cluster. */
export const UpstreamProtocolOptions: Message = {
  name: 'HttpProtocolOptions',
  fields: {
    ...PROTOCOL_FIELDS,
    max_response_headers_kb: { kind: 'uint', min: 1, max: 8192 },
    headers_with_underscores_action: { kind: 'only', values: ['ALLOW'], why: 'it is for requests of clients' },
  },
  unsupported: ['max_stream_duration'],
};

export const SubstitutionFormatString: Message = {
  name: 'SubstitutionFormatString',
  fields: {
    text_format: string,
    json_format: struct,
    text_format_source: message(() => DataSource),
    omit_empty_values: bool,
    content_type: { kind: 'only', values: [], why: 'access logs have none' },
  },
  unsupported: ['formatters', 'json_format_options'],
  oneof: [['text_format', 'json_format', 'text_format_source']],
};

export const LIST_OF_HEADERS = list(message(() => HeaderValueOption));

export const Percent: Message = {
  name: 'Percent',
  fields: { value: { kind: 'number', min: 0, max: 100 } },
};
export const RuntimeDouble: Message = {
  name: 'RuntimeDouble',
  fields: { default_value: { kind: 'number', min: 0 }, runtime_key: string },
};
