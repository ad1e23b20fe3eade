/** CompiledRoute: one route ready to run: predicates, cluster choice, rewrites, header changes, redirects. */
import type { Prng } from '../base/prng.js';
import type { ExchangeView } from '../format/exchange-view.js';
import { type FieldLine, fieldLine, type Head } from '../http/head.js';
import { N, nameIdOf } from '../http/names.js';
import type { ForwardRecord, RedirectRecord, RouteConfigRecord, RouteRecord } from '../plan/records.js';
import { HeaderMutations } from './header-mutations.js';
import { compilePredicates, type Predicate } from './predicate.js';
import { RegexRewrite } from './regex.js';
import type { CompiledVirtualHost } from './router.js';

const encoder = new TextEncoder();

/** What chooseCluster() answers; made once per route (per header value for cluster_header). */
export interface ClusterChoice {
  readonly name: string;
  readonly mutations: HeaderMutations | null;
  readonly hostRewriteLiteral: Uint8Array | null;
}

export class CompiledRoute {
  readonly record: RouteRecord;
  readonly virtualHost: CompiledVirtualHost;
  readonly order: number;
  /** x-envoy-expected-rq-timeout-ms with route.timeout. */
  readonly timeoutLine: FieldLine;
  readonly #predicates: readonly Predicate[];
  readonly #levels: readonly HeaderMutations[];
  readonly #hasRequestMutations: boolean;
  readonly #hasResponseMutations: boolean;
  readonly #choices: readonly ClusterChoice[];
  readonly #weights: readonly number[];
  readonly #totalWeight: number;
  readonly #clusterHeader: Uint8Array | null;
  #headerChoice: ClusterChoice | null = null;
  readonly #pathRegex: RegexRewrite | null;
  readonly #hostRegex: RegexRewrite | null;
  readonly #hostLiteral: Uint8Array | null;
  readonly #prefixRewrite: Uint8Array | null;
  readonly #matchedLength: number;
  readonly #internalOnly: readonly Uint8Array[];

  constructor(
    record: RouteRecord,
    order: number,
    virtualHost: CompiledVirtualHost,
    config: RouteConfigRecord,
    configMutations: HeaderMutations,
    random: Prng,
  ) {
    this.record = record;
    this.virtualHost = virtualHost;
    this.order = order;
    const timeoutMs = record.action.kind === 'forward' ? record.action.timeoutMs : 0;
    this.timeoutLine = fieldLine(N['x-envoy-expected-rq-timeout-ms'], String(timeoutMs));
    this.#predicates = compilePredicates(record.match, random);
    const own = new HeaderMutations(record.mutations);
    // Envoy's order: route, virtual host, route table; the other way round when the most specific is to win.
    const levels = [own, virtualHost.mutations, configMutations];
    this.#levels = config.mostSpecificHeaderMutationsWins ? levels.reverse() : levels;
    const action = record.action;
    const weighted = action.kind === 'forward' && action.cluster.kind === 'weighted' ? action.cluster : null;
    this.#choices = action.kind === 'forward' ? choicesOf(action) : [];
    this.#weights = weighted === null ? [] : weighted.clusters.map((cluster) => cluster.weight);
    this.#totalWeight = weighted === null ? 0 : weighted.totalWeight;
    this.#hasRequestMutations =
      this.#levels.some((level) => level.hasRequest) || this.#choices.some((choice) => choice.mutations?.hasRequest);
    this.#hasResponseMutations =
      this.#levels.some((level) => level.hasResponse) || this.#choices.some((choice) => choice.mutations?.hasResponse);
    this.#clusterHeader =
      action.kind === 'forward' && action.cluster.kind === 'cluster_header'
        ? encoder.encode(action.cluster.header)
        : null;
    const rewrite = action.kind === 'direct_response' ? null : action.regexRewrite;
    this.#pathRegex = rewrite === null ? null : new RegexRewrite(rewrite);
    const host = action.kind === 'forward' ? action.hostRewrite : null;
    this.#hostRegex = host !== null && host.kind === 'path_regex' ? new RegexRewrite(host.rewrite) : null;
    this.#hostLiteral = host !== null && host.kind === 'literal' ? encoder.encode(host.value) : null;
    this.#prefixRewrite =
      action.kind === 'direct_response' || action.prefixRewrite === null ? null : encoder.encode(action.prefixRewrite);
    const path = record.match.path;
    this.#matchedLength = path.kind === 'connect' || path.kind === 'safe_regex' ? 0 : encoder.encode(path.value).length;
    this.#internalOnly = config.internalOnlyHeaders.map((name) => encoder.encode(name.toLowerCase()));
  }

  /** Everything but the path. */
  matches(x: ExchangeView): boolean {
    const predicates = this.#predicates;
    for (let i = 0; i < predicates.length; i++) if (!(predicates[i] as Predicate).matches(x)) return false;
    return true;
  }

  /** Null when cluster_header names none. */
  chooseCluster(x: ExchangeView, random: Prng): ClusterChoice | null {
    if (this.#clusterHeader !== null) return this.#chooseByHeader(x.request);
    if (this.#choices.length === 1) return this.#choices[0] as ClusterChoice;
    let at = random.below(this.#totalWeight);
    for (let i = 0; i < this.#weights.length; i++) {
      at -= this.#weights[i] as number;
      if (at < 0) return this.#choices[i] as ClusterChoice;
    }
    return null;
  }

  #chooseByHeader(head: Head): ClusterChoice | null {
    const slot = head.findByName(this.#clusterHeader as Uint8Array);
    if (slot < 0) return null;
    const name = head.valueString(slot);
    if (this.#headerChoice === null || this.#headerChoice.name !== name)
      this.#headerChoice = { name, mutations: null, hostRewriteLiteral: null };
    return this.#headerChoice;
  }

  // ---- header changes ------------------------------------------------------------------------------------

  mutateRequest(head: Head, x: ExchangeView, choice: ClusterChoice | null): void {
    if (!x.isInternal) for (const name of this.#internalOnly) head.removeAllByName(name);
    if (!this.#hasRequestMutations) return;
    choice?.mutations?.applyToRequest(head, x);
    for (const level of this.#levels) if (level.hasRequest) level.applyToRequest(head, x);
  }

  mutateResponse(head: Head, x: ExchangeView, choice: ClusterChoice | null): void {
    if (!this.#hasResponseMutations) return;
    choice?.mutations?.applyToResponse(head, x);
    for (const level of this.#levels) if (level.hasResponse) level.applyToResponse(head, x);
  }

  // ---- rewrites --------------------------------------------------------------------------------------------

  rewriteRequest(head: Head, _x: ExchangeView, choice: ClusterChoice | null): void {
    const action = this.record.action;
    if (action.kind !== 'forward') return;
    const literal = choice?.hostRewriteLiteral ?? this.#hostLiteral;
    if (literal !== null) this.#setHost(head, literal, action);
    else if (action.hostRewrite !== null) this.#rewriteHost(head, action);
    if (this.#prefixRewrite === null && this.#pathRegex === null) return;
    const original = encoder.encode(head.pathString());
    const rewritten = Buffer.from(this.#newPath(head), 'latin1');
    head.removeAll(N['x-envoy-original-path']);
    head.add(N['x-envoy-original-path'], original, 0, original.length);
    head.setPath(rewritten, 0, rewritten.length);
  }

  /** prefix_rewrite replaces what the route matched; regex_rewrite acts on the path without its query. */
  #newPath(head: Head): string {
    const whole = head.pathString();
    if (this.#prefixRewrite !== null)
      return Buffer.from(this.#prefixRewrite).toString('latin1') + whole.slice(this.#matchedLength);
    const query = whole.indexOf('?');
    const path = query < 0 ? whole : whole.slice(0, query);
    return (this.#pathRegex as RegexRewrite).apply(path) + (query < 0 ? '' : whole.slice(query));
  }

  #rewriteHost(head: Head, action: ForwardRecord): void {
    const rewrite = action.hostRewrite as NonNullable<typeof action.hostRewrite>;
    if (rewrite.kind === 'header') {
      const id = nameIdOf(rewrite.name);
      const slot = id === 0 ? head.findByName(encoder.encode(rewrite.name)) : head.find(id);
      if (slot >= 0) this.#setHost(head, encoder.encode(head.valueString(slot)), action);
    } else if (rewrite.kind === 'path_regex') {
      const path = head.pathString().split('?')[0] as string;
      this.#setHost(head, encoder.encode((this.#hostRegex as RegexRewrite).apply(path)), action);
    }
  }

  /** For host_rewrite "auto" the caller gives the endpoint's hostname. */
  setHost(head: Head, host: Uint8Array): void {
    if (this.record.action.kind === 'forward') this.#setHost(head, host, this.record.action);
  }

  #setHost(head: Head, host: Uint8Array, action: ForwardRecord): void {
    if (host.length === 0) return;
    if (action.appendXForwardedHost)
      head.add(N['x-forwarded-host'], head.authorityBytes, head.authorityFrom, head.authorityTo);
    head.setAuthority(host, 0, host.length);
  }

  // ---- redirects -------------------------------------------------------------------------------------------

  /** Adds Location to a redirect's head. */
  addLocation(x: ExchangeView, head: Head): void {
    const location = Buffer.from(this.#location(x, this.record.action as RedirectRecord), 'latin1');
    head.add(N.location, location, 0, location.length);
  }

  #location(x: ExchangeView, action: RedirectRecord): string {
    const scheme = action.httpsRedirect ? 'https' : (action.schemeRedirect ?? x.scheme);
    const authority = x.request.authorityString();
    const portAt = authority.search(/:\d+$/);
    let host = portAt < 0 ? authority : authority.slice(0, portAt);
    let port = portAt < 0 ? '' : authority.slice(portAt);
    if (action.hostRedirect !== null) {
      host = action.hostRedirect;
      port = '';
    }
    // The default port of the scheme that was left makes no sense with the new one.
    if (scheme !== x.scheme && (port === ':80' || port === ':443')) port = '';
    if (action.portRedirect !== null) port = `:${action.portRedirect}`;
    return `${scheme}://${host}${port}${this.#redirectPath(x.request, action)}`;
  }

  #redirectPath(head: Head, action: RedirectRecord): string {
    const whole = head.pathString();
    const query = whole.indexOf('?');
    if (action.pathRedirect !== null) {
      const keepsQuery = !action.stripQuery && query >= 0 && !action.pathRedirect.includes('?');
      return action.pathRedirect + (keepsQuery ? whole.slice(query) : '');
    }
    const path = action.prefixRewrite !== null || action.regexRewrite !== null ? this.#newPath(head) : whole;
    return action.stripQuery ? (path.split('?')[0] as string) : path;
  }
}

function choicesOf(action: ForwardRecord): ClusterChoice[] {
  const cluster = action.cluster;
  if (cluster.kind === 'cluster') return [{ name: cluster.name, mutations: null, hostRewriteLiteral: null }];
  if (cluster.kind === 'cluster_header') return [];
  return cluster.clusters.map((each) => ({
    name: each.name,
    mutations: new HeaderMutations(each.mutations),
    hostRewriteLiteral: each.hostRewriteLiteral === null ? null : encoder.encode(each.hostRewriteLiteral),
  }));
}
