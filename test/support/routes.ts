/** Route tables and requests for tests: records with everything at its default, heads parsed from text. */
import assert from 'node:assert/strict';
import type { ExchangeView } from '../../engine/format/exchange-view.js';
import type { Head } from '../../engine/http/head.js';
import { parseRequestHead } from '../../engine/http1/head-parser.js';
import type {
  ForwardRecord,
  HeaderMutationsRecord,
  PathMatchRecord,
  RedirectRecord,
  RouteActionRecord,
  RouteConfigRecord,
  RouteMatchRecord,
  RouteRecord,
  VirtualHostRecord,
} from '../../engine/plan/records.js';
import { newHead } from './fake-conn.js';
import { SERVER_OPTIONS } from './server-harness.js';

export const NO_MUTATIONS: HeaderMutationsRecord = {
  requestAdd: [],
  requestRemove: [],
  responseAdd: [],
  responseRemove: [],
};

const DIRECT: RouteActionRecord = { kind: 'direct_response', status: 200, body: new Uint8Array(0) };

export function route(
  path: PathMatchRecord,
  match: Partial<RouteMatchRecord> = {},
  action: RouteActionRecord = DIRECT,
  mutations: Partial<HeaderMutationsRecord> = {},
): RouteRecord {
  return {
    name: `${path.kind} ${'value' in path ? path.value : ''}`,
    match: {
      path,
      caseSensitive: true,
      headers: [],
      queryParameters: [],
      grpc: false,
      runtimeFraction: null,
      ...match,
    },
    action,
    mutations: { ...NO_MUTATIONS, ...mutations },
    typedPerFilterConfig: {},
    statPrefix: '',
  };
}

export function prefix(value: string, match: Partial<RouteMatchRecord> = {}, action = DIRECT): RouteRecord {
  return route({ kind: 'prefix', value }, match, action);
}

export function forward(changes: Partial<ForwardRecord> = {}): ForwardRecord {
  return {
    kind: 'forward',
    cluster: { kind: 'cluster', name: 'origin' },
    criteria: 0,
    clusterNotFoundStatus: 503,
    prefixRewrite: null,
    regexRewrite: null,
    hostRewrite: null,
    appendXForwardedHost: false,
    timeoutMs: 15000,
    idleTimeoutMs: null,
    maxStreamDurationMs: null,
    grpcTimeout: null,
    upgrades: null,
    priority: 'DEFAULT',
    hashPolicies: [],
    ...changes,
  };
}

export function redirect(changes: Partial<RedirectRecord> = {}): RedirectRecord {
  return {
    kind: 'redirect',
    httpsRedirect: false,
    schemeRedirect: null,
    hostRedirect: null,
    portRedirect: null,
    pathRedirect: null,
    prefixRewrite: null,
    regexRewrite: null,
    status: 301,
    stripQuery: false,
    ...changes,
  };
}

export function host(changes: Partial<VirtualHostRecord>): VirtualHostRecord {
  const domains = changes.domains ?? ['*'];
  return {
    name: domains.join(),
    domains,
    routes: [],
    requireTls: 'NONE',
    mutations: NO_MUTATIONS,
    includeRequestAttemptCount: false,
    includeAttemptCountInResponse: false,
    ...changes,
  };
}

export function table(
  hosts: readonly VirtualHostRecord[],
  changes: Partial<RouteConfigRecord> = {},
): RouteConfigRecord {
  return {
    name: '',
    virtualHosts: hosts,
    mutations: NO_MUTATIONS,
    internalOnlyHeaders: [],
    mostSpecificHeaderMutationsWins: false,
    ignorePortInHostMatching: false,
    ...changes,
  };
}

/** A request head as the server codec parses it; fields: whole lines with their ends. */
export function requestHead(target: string, hostName = 'a', fields = '', method = 'GET'): Head {
  const bytes = Buffer.from(`${method} ${target} HTTP/1.1\r\nHost: ${hostName}\r\n${fields}\r\n`, 'latin1');
  const head = newHead();
  assert.ok(parseRequestHead(bytes, 0, bytes.length, head, SERVER_OPTIONS) > 0, target);
  return head;
}

export function requestView(head: Head, changes: Partial<ExchangeView> = {}): ExchangeView {
  return { request: head, response: newHead(), isInternal: false, scheme: 'http', ...changes } as ExchangeView;
}
