/** checkUws: what a config asks of listeners that uWebSockets.js can't do, where that is the ingress. */
import type { Problem } from '../fault/problem.js';
import { compileProxyPreface } from './compile-proxy-protocol.js';
import { fieldOf, fieldsOf } from './compile-values.js';
import type { DocumentReader, Value } from './document.js';

// It shows no request's connection, so whatever counts or times one connection can't be kept; what somebody may rely on
// to be safe is an error, the rest a warning. README.md lists the differences that no config speaks of.

interface Check {
  readonly field: string;
  /** Of the message's path; other messages may have a field of that name. */
  readonly where?: RegExp;
  readonly severity: Problem['severity'];
  /** What is wrong with this value; null = nothing. */
  readonly problem: (value: unknown) => string | null;
}

/** Idle connections, and heads that don't come to an end; it looks every four seconds. */
const QUIET_MS = 12000;
const FIELDS_MAX = 97;
const COMMON = /\.common_http_protocol_options$/;
const MANAGER = /\.typed_config$/;

const unless =
  (allowed: unknown, text: string) =>
  (value: unknown): string | null =>
    value === allowed ? null : text;
const always = (text: string) => (): string => text;
const NO_CONNECTION = 'can not be kept with --ingress uws, which does not show the connection of a request';
const ONE_CHAIN = 'with --ingress uws a listener has one filter chain, for every connection';
const idle = (value: unknown): string | null =>
  value === QUIET_MS ? null : `with --ingress uws connections end after ${QUIET_MS / 1000} s without a request`;
const isShort = (value: unknown): boolean => typeof value === 'number' && value > 0 && value < QUIET_MS;

const CHECKS: readonly Check[] = [
  { field: 'max_connection_duration', where: COMMON, severity: 'error', problem: unless(0, NO_CONNECTION) },
  {
    field: 'max_requests_per_connection',
    where: COMMON,
    severity: 'error',
    problem: (value) => (value === 0 || value === 1 ? null : `${NO_CONNECTION}; only 1 can`),
  },
  {
    field: 'max_headers_count',
    where: COMMON,
    severity: 'warning',
    problem: (value) =>
      (value as number) > FIELDS_MAX ? `with --ingress uws a head has at most ${FIELDS_MAX} fields` : null,
  },
  ...[COMMON, MANAGER].flatMap((where): Check[] => [
    {
      field: 'idle_timeout',
      where,
      severity: 'error',
      problem: (value) => (isShort(value) ? idle(value) : null),
    },
    {
      field: 'idle_timeout',
      where,
      severity: 'warning',
      problem: (value) => (isShort(value) ? null : idle(value)),
    },
  ]),
  {
    field: 'request_headers_timeout',
    severity: 'error',
    problem: (value) =>
      isShort(value) ? `with --ingress uws a head has ${QUIET_MS / 1000} s, and no less can be asked for` : null,
  },
  {
    field: 'local_rate_limit_per_downstream_connection',
    severity: 'error',
    problem: unless(false, NO_CONNECTION),
  },
  {
    field: 'upgrade_configs',
    severity: 'warning',
    problem: (value) =>
      (value as readonly Value[]).some(({ enabled }) => enabled !== false)
        ? 'with --ingress uws there are no tunnels: requests for an upgrade go on without it'
        : null,
  },
  {
    field: 'codec_type',
    severity: 'error',
    problem: (value) => (value === 'HTTP2' ? '--ingress uws speaks HTTP/1.1 alone' : null),
  },
  {
    field: 'http2_protocol_options',
    where: MANAGER,
    severity: 'warning',
    problem: always('has no effect with --ingress uws, which speaks HTTP/1.1 alone'),
  },
  {
    field: 'accept_http_10',
    severity: 'warning',
    problem: unless(false, 'with --ingress uws HTTP/1.0 is answered with 505'),
  },
  {
    field: 'pipe',
    where: /listeners\[\d+\]\.address$/,
    severity: 'error',
    problem: always('--ingress uws takes IP addresses alone'),
  },
  {
    field: 'transport_socket',
    severity: 'error',
    problem: always('with --ingress uws there is no TLS: leave out --ingress uws, or end TLS before'),
  },
  {
    field: 'listener_filters',
    severity: 'error',
    problem: always('--ingress uws reads HTTP from the first byte'),
  },
  {
    field: 'filter_chains',
    severity: 'error',
    problem: (value) => ((value as readonly Value[]).length > 1 ? ONE_CHAIN : null),
  },
  { field: 'filter_chain_match', severity: 'error', problem: always(ONE_CHAIN) },
  { field: 'default_filter_chain', severity: 'error', problem: always(ONE_CHAIN) },
  {
    field: '@type',
    where: /\.filter_chains\[\d+\]\.filters\[\d+\]\.typed_config$/,
    severity: 'error',
    problem: (value) =>
      String(value).endsWith('HttpConnectionManager') ? null : 'with --ingress uws there is HTTP alone',
  },
  ...['enable_reuse_port', 'tcp_backlog_size', 'per_connection_buffer_limit_bytes', 'delayed_close_timeout'].map(
    (field): Check => ({
      field,
      severity: 'warning',
      problem: unless(false, 'has no effect with --ingress uws'),
    }),
  ),
];

export function checkUws(reader: DocumentReader, bootstrap: Value): void {
  const resources = fieldOf(bootstrap, 'static_resources') ?? {};
  visit(reader, resources['listeners']);
  for (const cluster of fieldsOf(resources, 'clusters'))
    if (compileProxyPreface(cluster) !== null) reader.report('error', cluster, 'transport_socket', NO_CONNECTION);
}

function visit(reader: DocumentReader, value: unknown): void {
  if (Array.isArray(value)) for (const each of value) visit(reader, each);
  else if (typeof value === 'object' && value !== null) {
    checkMessage(reader, value as Value);
    for (const each of Object.values(value)) visit(reader, each);
  }
}

function checkMessage(reader: DocumentReader, message: Value): void {
  for (const { field, where, severity, problem } of CHECKS) {
    const value = message[field];
    if (value === undefined || where?.test(reader.pathOf(message)) === false) continue;
    const text = problem(value);
    if (text !== null) reader.report(severity, message, field, text);
  }
}
