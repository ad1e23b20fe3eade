/** CompiledRoute: one route ready to run: predicates, cluster choice, rewrites, header changes, redirects. */
import { ByteOutput } from '../base/byte-output.js';
import type { Prng } from '../base/prng.js';
import type { ExchangeView } from '../format/exchange-view.js';
import { type FieldLine, fieldLine } from '../http/field-line.js';
import type { Head } from '../http/head.js';
import { N } from '../http/names.js';
import type {
  ForwardRecord,
  RedirectRecord,
  RouteConfigRecord,
  RouteRecord,
  WeightedClusterRecord,
} from '../plan/records.js';
import { HashPolicies } from './hash-policy.js';
import { HeaderMutations } from '../format/header-mutations.js';
import { PathRewrite } from './path-rewrite.js';
import { compilePredicates, type Predicate, type RequestDraw } from './predicate.js';
import { writeLocation } from './redirect.js';
import { RegexRewrite } from '../format/regex.js';
import type { CompiledVirtualHost } from './virtual-host.js';

const encoder = new TextEncoder();
/** Paths, hosts and locations are composed here and copied into the head at once. */
const scratch = new ByteOutput();
const COMMA = 0x2c;
const SPACE = 0x20;
const XFH = N['x-forwarded-host'];
const ORIGINAL_PATH = N['x-envoy-original-path'];

/** What chooseCluster() answers; made once per route (per header value for cluster_header). */
export interface ClusterChoice {
  readonly name: string;
  /** Number of what is asked of endpoints' metadata, 0 = nothing. */
  readonly criteria: number;
  readonly mutations: HeaderMutations | null;
  readonly hostRewriteLiteral: Uint8Array | null;
  /** Null unless it is a weighted cluster. */
  readonly record: WeightedClusterRecord | null;
}

export class CompiledRoute {
  readonly record: RouteRecord;
  readonly virtualHost: CompiledVirtualHost;
  readonly order: number;
  /** There is more to match than the path. */
  readonly isConditional: boolean;
  /** x-envoy-expected-rq-timeout-ms with route.timeout. */
  readonly timeoutLine: FieldLine;
  /** Null: requests have no hash. */
  readonly hashPolicies: HashPolicies | null;
  readonly #predicates: readonly Predicate[];
  readonly #levels: readonly HeaderMutations[];
  readonly #hasRequestMutations: boolean;
  readonly #hasResponseMutations: boolean;
  readonly #choices: readonly ClusterChoice[];
  readonly #weights: readonly number[];
  readonly #totalWeight: number;
  readonly #clusterHeader: Uint8Array | null;
  #headerChoice: ClusterChoice | null = null;
  #headerBytes: Uint8Array | null = null;
  readonly #pathRewrite: PathRewrite | null;
  readonly #hostRegex: RegexRewrite | null;
  readonly #hostHeader: Uint8Array | null;
  readonly #hostLiteral: Uint8Array | null;
  readonly #appendsForwardedHost: boolean;

  constructor(
    record: RouteRecord,
    order: number,
    virtualHost: CompiledVirtualHost,
    config: RouteConfigRecord,
    configMutations: HeaderMutations,
    draw: RequestDraw,
  ) {
    this.record = record;
    this.virtualHost = virtualHost;
    this.order = order;
    const action = record.action;
    const forward = action.kind === 'forward' ? action : null;
    this.timeoutLine = fieldLine(N['x-envoy-expected-rq-timeout-ms'], String(forward?.timeoutMs ?? 0));
    const policies = forward?.hashPolicies ?? [];
    this.hashPolicies = policies.length === 0 ? null : new HashPolicies(policies);
    this.#predicates = compilePredicates(record.match, draw);
    this.isConditional = this.#predicates.length > 0;
    // Envoy's order: route, virtual host, route table; the other way round when the most specific is to win.
    const levels = [new HeaderMutations(record.mutations), virtualHost.mutations, configMutations];
    this.#levels = config.mostSpecificHeaderMutationsWins ? levels.reverse() : levels;
    const weighted = forward?.cluster.kind === 'weighted' ? forward.cluster : null;
    this.#choices = forward === null ? [] : choicesOf(forward);
    this.#weights = weighted === null ? [] : weighted.clusters.map((cluster) => cluster.weight);
    this.#totalWeight = weighted === null ? 0 : weighted.totalWeight;
    const all = [...this.#levels, ...this.#choices.map((choice) => choice.mutations)];
    this.#hasRequestMutations = all.some((level) => level?.hasRequest === true);
    this.#hasResponseMutations = all.some((level) => level?.hasResponse === true);
    this.#clusterHeader = forward?.cluster.kind === 'cluster_header' ? encoder.encode(forward.cluster.header) : null;
    this.#pathRewrite = action.kind === 'direct_response' ? null : PathRewrite.of(record.match.path, action);
    const host = forward?.hostRewrite ?? null;
    this.#hostRegex = host?.kind === 'path_regex' ? new RegexRewrite(host.rewrite) : null;
    this.#hostHeader = host?.kind === 'header' ? encoder.encode(host.name.toLowerCase()) : null;
    this.#hostLiteral = host?.kind === 'literal' ? encoder.encode(host.value) : null;
    this.#appendsForwardedHost = forward?.appendXForwardedHost ?? false;
  }

  /** Everything but the path. */
  matches(x: ExchangeView): boolean {
    const predicates = this.#predicates;
    for (let i = 0; i < predicates.length; i++) if (!(predicates[i] as Predicate).matches(x)) return false;
    return true;
  }

  /** Null when cluster_header names none, and where nothing is forwarded. */
  chooseCluster(x: ExchangeView, random: Prng): ClusterChoice | null {
    if (this.#clusterHeader !== null) return this.#chooseByHeader(x.request, this.#clusterHeader);
    if (this.#choices.length <= 1) return this.#choices[0] ?? null;
    let at = random.below(this.#totalWeight);
    for (let i = 0; i < this.#weights.length; i++) {
      at -= this.#weights[i] as number;
      if (at < 0) return this.#choices[i] as ClusterChoice;
    }
    return null;
  }

  /** The first value counts: the header may come from anyone. The last choice is kept: callers tend to repeat it. */
  #chooseByHeader(head: Head, header: Uint8Array): ClusterChoice | null {
    const slot = head.findByName(header);
    if (slot < 0) return null;
    const bytes = head.fieldBytes(slot);
    const start = head.valueStart(slot);
    const end = head.valueEnd(slot);
    const last = this.#headerBytes;
    if (last !== null && last.length === end - start) {
      let i = 0;
      while (i < last.length && bytes[start + i] === last[i]) i++;
      if (i === last.length) return this.#headerChoice;
    }
    this.#headerBytes = bytes.slice(start, end);
    const name = Buffer.from(this.#headerBytes).toString('utf8');
    const criteria = (this.record.action as ForwardRecord).criteria;
    this.#headerChoice = { name, criteria, mutations: null, hostRewriteLiteral: null, record: null };
    return this.#headerChoice;
  }

  // ---- header changes ------------------------------------------------------------------------------------

  mutateRequest(head: Head, x: ExchangeView, choice: ClusterChoice | null): void {
    if (!this.#hasRequestMutations) return;
    choice?.mutations?.applyToRequest(head, x);
    for (let i = 0; i < this.#levels.length; i++) (this.#levels[i] as HeaderMutations).applyToRequest(head, x);
  }

  mutateResponse(head: Head, x: ExchangeView, choice: ClusterChoice | null): void {
    if (!this.#hasResponseMutations) return;
    choice?.mutations?.applyToResponse(head, x);
    for (let i = 0; i < this.#levels.length; i++) (this.#levels[i] as HeaderMutations).applyToResponse(head, x);
  }

  // ---- rewrites --------------------------------------------------------------------------------------------

  /** notesOriginal: x-envoy-original-path is added (off where the router suppresses such headers). */
  rewriteRequest(head: Head, _x: ExchangeView, choice: ClusterChoice | null, notesOriginal = true): void {
    if (this.record.action.kind !== 'forward') return;
    this.#rewriteHost(head, choice);
    const rewrite = this.#pathRewrite;
    if (rewrite === null) return;
    scratch.length = 0;
    rewrite.write(scratch, head);
    if (notesOriginal) {
      head.removeAll(ORIGINAL_PATH);
      head.add(ORIGINAL_PATH, head.pathBytes, head.pathFrom, head.pathTo);
    }
    head.setPath(scratch.bytes, 0, scratch.length);
  }

  #rewriteHost(head: Head, choice: ClusterChoice | null): void {
    const literal =
      choice === null || choice.hostRewriteLiteral === null ? this.#hostLiteral : choice.hostRewriteLiteral;
    if (literal !== null) this.setHost(head, literal);
    else if (this.#hostHeader !== null) {
      const slot = head.findByName(this.#hostHeader);
      if (slot < 0) return;
      scratch.length = 0;
      scratch.range(head.fieldBytes(slot), head.valueStart(slot), head.valueEnd(slot));
      this.#setHost(head, scratch.bytes, scratch.length);
    } else if (this.#hostRegex !== null) {
      scratch.length = 0;
      scratch.text(this.#hostRegex.apply(head.pathString().split('?')[0] as string));
      this.#setHost(head, scratch.bytes, scratch.length);
    }
  }

  /** For host_rewrite "auto" the caller gives the endpoint's hostname. */
  setHost(head: Head, host: Uint8Array): void {
    this.#setHost(head, host, host.length);
  }

  /** An empty result leaves the host alone. */
  #setHost(head: Head, host: Uint8Array, length: number): void {
    if (length === 0 || !isHostText(host, length)) return;
    if (this.#appendsForwardedHost) appendForwardedHost(head);
    head.setAuthority(host, 0, length);
  }

  // ---- redirects -------------------------------------------------------------------------------------------

  /** Adds Location to a redirect's head. */
  addLocation(x: ExchangeView, head: Head): void {
    scratch.length = 0;
    writeLocation(scratch, x, this.record.action as RedirectRecord, this.#pathRewrite);
    head.add(N.location, scratch.bytes, 0, scratch.length);
  }
}

/** A header decides the host: spaces and commas in it would make the request ambiguous for whoever gets it. */
function isHostText(host: Uint8Array, length: number): boolean {
  for (let i = 0; i < length; i++) {
    const byte = host[i] as number;
    if (byte <= SPACE || byte >= 0x7f || byte === COMMA || byte === 0x2f || byte === 0x40) return false;
  }
  return true;
}

/** Appended unless it is the last one there already (Envoy). */
function appendForwardedHost(head: Head): void {
  const host = head.authorityBytes;
  const from = head.authorityFrom;
  const length = head.authorityTo - from;
  if (length === 0) return;
  let last = -1;
  for (let slot = head.find(XFH); slot >= 0; slot = head.find(XFH, slot + 1)) last = slot;
  if (last >= 0) {
    const bytes = head.fieldBytes(last);
    const end = head.valueEnd(last);
    let start = end;
    while (start > head.valueStart(last) && bytes[start - 1] !== COMMA && bytes[start - 1] !== SPACE) start--;
    let i = 0;
    if (end - start === length) while (i < length && bytes[start + i] === host[from + i]) i++;
    if (i === length) return;
  }
  head.add(XFH, host, from, from + length);
}

function choicesOf(action: ForwardRecord): ClusterChoice[] {
  const { cluster, criteria } = action;
  if (cluster.kind === 'cluster')
    return [{ name: cluster.name, criteria, mutations: null, hostRewriteLiteral: null, record: null }];
  if (cluster.kind === 'cluster_header') return [];
  return cluster.clusters.map((each) => ({
    name: each.name,
    criteria: each.criteria,
    mutations: new HeaderMutations(each.mutations),
    hostRewriteLiteral: each.hostRewriteLiteral === null ? null : encoder.encode(each.hostRewriteLiteral),
    record: each,
  }));
}
