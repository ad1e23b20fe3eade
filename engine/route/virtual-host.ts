/** CompiledVirtualHost: one virtual host's routes, compiled so that the first match in listed order is found by the path. */
import type { ExchangeView } from '../format/exchange-view.js';
import { HEAD_ASTERISK } from '../http/head.js';
import { METHOD_CONNECT } from '../http/methods.js';
import type { RouteConfigRecord, RouteRecord, VirtualHostRecord } from '../plan/records.js';
import { CompiledRoute } from './compiled-route.js';
import { HeaderMutations } from '../format/header-mutations.js';
import { PathTrie } from './path-trie.js';
import type { RequestDraw } from './predicate.js';
import { compileRegex, literalPrefix } from '../format/regex.js';

const encoder = new TextEncoder();
const ROOT = encoder.encode('/');
const SLASH = 0x2f;
const NO_LIMIT = Number.MAX_SAFE_INTEGER;
const NO_MUTATIONS = { requestAdd: [], requestRemove: [], responseAdd: [], responseRemove: [] };

export class CompiledVirtualHost {
  readonly record: VirtualHostRecord;
  readonly name: string;
  readonly mutations: HeaderMutations;
  readonly #trie = new PathTrie(false);
  readonly #folded = new PathTrie(true);
  readonly #connect: CompiledRoute[] = [];
  /** The first route when it takes every path: then nothing has to be looked up. */
  readonly #catchAll: CompiledRoute | null;
  /** Answers what came without TLS where require_tls asks for it. */
  readonly #tlsRedirect: CompiledRoute | null;
  readonly #exemptsInternal: boolean;

  constructor(
    record: VirtualHostRecord,
    config: RouteConfigRecord,
    configMutations: HeaderMutations,
    draw: RequestDraw,
  ) {
    this.record = record;
    this.name = record.name;
    this.mutations = new HeaderMutations(record.mutations);
    const routes = record.routes.map((each, at) => new CompiledRoute(each, at, this, config, configMutations, draw));
    for (const route of routes) this.#add(route);
    this.#catchAll = routes[0] !== undefined && takesEverything(routes[0]) ? routes[0] : null;
    this.#exemptsInternal = record.requireTls === 'EXTERNAL_ONLY';
    this.#tlsRedirect =
      record.requireTls === 'NONE'
        ? null
        : new CompiledRoute(TLS_REDIRECT, -1, this, config, new HeaderMutations(NO_MUTATIONS), draw);
  }

  #add(route: CompiledRoute): void {
    const { path, caseSensitive } = route.record.match;
    const order = route.order;
    if (path.kind === 'connect') this.#connect.push(route);
    else if (path.kind === 'safe_regex')
      this.#trie.addExpression(encoder.encode(literalPrefix(path.value)), compileRegex(path.value), order, route);
    // A whole path is compared without the query: one that holds "?" is never met.
    else if (path.kind === 'prefix' || !path.value.includes('?')) {
      const kind = path.kind === 'path_separated_prefix' ? 'separated' : path.kind;
      if (caseSensitive) this.#trie.add(encoder.encode(path.value), kind, order, route);
      else this.#folded.add(encoder.encode(path.value).map(lowerCased), kind, order, route);
    }
  }

  find(x: ExchangeView): CompiledRoute | null {
    if (this.#tlsRedirect !== null && x.scheme !== 'https' && !(this.#exemptsInternal && x.isInternal))
      return this.#tlsRedirect;
    const head = x.request;
    if (head.method === METHOD_CONNECT) return this.#findConnect(x);
    const bytes = head.pathBytes;
    const start = head.pathFrom;
    if (this.#catchAll !== null && bytes[start] === SLASH) return this.#catchAll;
    // "OPTIONS *" asks about the server as a whole: it goes where "/" goes.
    if ((head.flags & HEAD_ASTERISK) !== 0) return this.#findPath(x, ROOT, 0, 1);
    return this.#findPath(x, bytes, start, head.pathTo);
  }

  #findPath(x: ExchangeView, bytes: Uint8Array, start: number, end: number): CompiledRoute | null {
    const found = this.#trie.find(x, bytes, start, end, NO_LIMIT);
    if (this.#folded.isEmpty) return found;
    return this.#folded.find(x, bytes, start, end, found === null ? NO_LIMIT : found.order) ?? found;
  }

  #findConnect(x: ExchangeView): CompiledRoute | null {
    for (let i = 0; i < this.#connect.length; i++) {
      const route = this.#connect[i] as CompiledRoute;
      if (route.matches(x)) return route;
    }
    return null;
  }
}

/** 301 to the same place over TLS. */
const TLS_REDIRECT: RouteRecord = {
  name: '',
  match: {
    path: { kind: 'prefix', value: '' },
    caseSensitive: true,
    headers: [],
    queryParameters: [],
    grpc: false,
    runtimeFraction: null,
  },
  action: {
    kind: 'redirect',
    httpsRedirect: true,
    schemeRedirect: null,
    hostRedirect: null,
    portRedirect: null,
    pathRedirect: null,
    prefixRewrite: null,
    regexRewrite: null,
    status: 301,
    stripQuery: false,
  },
  mutations: NO_MUTATIONS,
  typedPerFilterConfig: {},
  statPrefix: '',
};

function takesEverything(route: CompiledRoute): boolean {
  const { path } = route.record.match;
  return path.kind === 'prefix' && (path.value === '/' || path.value === '') && !route.isConditional;
}

function lowerCased(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}
