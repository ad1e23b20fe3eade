/** Router: request to route: virtual host by authority, then the first route in listed order that matches. */
import { isDigit, lowerCase } from '../base/ascii.js';
import type { Prng } from '../base/prng.js';
import type { ExchangeView } from '../format/exchange-view.js';
import { HEAD_ASTERISK } from '../http/head.js';
import { METHOD_CONNECT } from '../http/methods.js';
import type { RouteConfigRecord, VirtualHostRecord } from '../plan/records.js';
import { CompiledRoute } from './compiled-route.js';
import { HeaderMutations } from './header-mutations.js';
import { HostTable } from './host-table.js';
import { PathTrie } from './path-trie.js';
import { compileRegex, matchesWhole, type Regex } from './regex.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder('latin1');
const NO_LIMIT = Number.MAX_SAFE_INTEGER;

/** A route whose path the trie can't hold: regular expression, or a comparison without case. */
interface SideRoute {
  readonly order: number;
  readonly route: CompiledRoute;
  readonly regex: Regex | null;
  readonly folded: Uint8Array;
  readonly kind: 'prefix' | 'path' | 'path_separated_prefix' | 'safe_regex';
}

export class CompiledVirtualHost {
  readonly record: VirtualHostRecord;
  readonly name: string;
  readonly mutations: HeaderMutations;
  readonly #trie = new PathTrie();
  readonly #side: SideRoute[] = [];
  readonly #connect: CompiledRoute[] = [];

  constructor(record: VirtualHostRecord, config: RouteConfigRecord, configMutations: HeaderMutations, random: Prng) {
    this.record = record;
    this.name = record.name;
    this.mutations = new HeaderMutations(record.mutations);
    record.routes.forEach((route, order) => {
      const compiled = new CompiledRoute(route, order, this, config, configMutations, random);
      const { path, caseSensitive } = route.match;
      if (path.kind === 'connect') this.#connect.push(compiled);
      else if (path.kind === 'safe_regex' || !caseSensitive)
        this.#side.push({
          order,
          route: compiled,
          regex: path.kind === 'safe_regex' ? compileRegex(path.value) : null,
          folded: encoder.encode(path.value.toLowerCase()),
          kind: path.kind,
        });
      else {
        const kind = path.kind === 'path_separated_prefix' ? 'separated' : path.kind;
        this.#trie.add(encoder.encode(path.value), kind, order, compiled);
      }
    });
  }

  find(x: ExchangeView): CompiledRoute | null {
    const head = x.request;
    if (head.method === METHOD_CONNECT) {
      for (const route of this.#connect) if (route.matches(x)) return route;
      return null;
    }
    let bytes = head.pathBytes;
    let start = head.pathFrom;
    let end = head.pathTo;
    if ((head.flags & HEAD_ASTERISK) !== 0) {
      // "OPTIONS *" asks about the server as a whole: it goes where "/" goes.
      bytes = ROOT;
      start = 0;
      end = 1;
    }
    let pathEnd = start;
    while (pathEnd < end && bytes[pathEnd] !== 0x3f) pathEnd++;
    if (this.#side.length === 0) return this.#trie.find(x, bytes, start, pathEnd, end, NO_LIMIT);
    return this.#findWithSide(x, bytes, start, pathEnd, end);
  }

  /** Side routes in order; the trie is asked only for what comes before the one that matches. */
  #findWithSide(x: ExchangeView, bytes: Uint8Array, start: number, pathEnd: number, end: number): CompiledRoute | null {
    const best = this.#trie.find(x, bytes, start, pathEnd, end, NO_LIMIT);
    const bestOrder = best === null ? NO_LIMIT : best.order;
    let text: string | null = null;
    for (const side of this.#side) {
      if (side.order >= bestOrder) break;
      if (side.regex !== null) {
        text ??= decoder.decode(bytes.subarray(start, pathEnd));
        if (matchesWhole(side.regex, text) && side.route.matches(x)) return side.route;
      } else if (matchesFolded(side, bytes, start, pathEnd, end) && side.route.matches(x)) return side.route;
    }
    return best;
  }
}

const ROOT = encoder.encode('/');

function matchesFolded(side: SideRoute, bytes: Uint8Array, start: number, pathEnd: number, end: number): boolean {
  const folded = side.folded;
  const limit = side.kind === 'prefix' ? end : pathEnd;
  if (limit - start < folded.length) return false;
  for (let i = 0; i < folded.length; i++) if (lowerCase(bytes[start + i] as number) !== folded[i]) return false;
  if (side.kind === 'prefix') return true;
  const after = start + folded.length;
  return after === pathEnd || (side.kind === 'path_separated_prefix' && bytes[after] === 0x2f);
}

export class Router {
  readonly #hosts = new HostTable<CompiledVirtualHost>();
  readonly #ignoresPort: boolean;

  constructor(record: RouteConfigRecord, random: Prng) {
    this.#ignoresPort = record.ignorePortInHostMatching;
    const mutations = new HeaderMutations(record.mutations);
    for (const host of record.virtualHosts) {
      const compiled = new CompiledVirtualHost(host, record, mutations, random);
      for (const domain of host.domains) this.#hosts.add(domain, compiled);
    }
  }

  /** Null: no virtual host, or none of its routes. */
  route(x: ExchangeView): CompiledRoute | null {
    const head = x.request;
    const bytes = head.authorityBytes;
    const start = head.authorityFrom;
    let end = head.authorityTo;
    if (this.#ignoresPort) end = withoutPort(bytes, start, end);
    const host = this.#hosts.find(bytes, start, end);
    return host === null ? null : host.find(x);
  }
}

function withoutPort(bytes: Uint8Array, start: number, end: number): number {
  let at = end;
  while (at > start && isDigit(bytes[at - 1] as number)) at--;
  return at > start && bytes[at - 1] === 0x3a ? at - 1 : end;
}
