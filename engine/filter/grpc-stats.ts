/** GrpcStats: calls of a cluster by method and status, messages in both directions, and how long calls took (Envoy). */
import { isGrpc, readGrpcStatus } from '../http/grpc.js';
import { GrpcFrames } from '../http/grpc-frames.js';
import type { Head } from '../http/head.js';
import { GRPC } from '../metrics/declare.js';
import { NameTable, NAMES_MAX } from '../metrics/name-table.js';
import type { GrpcStatsRecord } from '../plan/grpc-stats-record.js';
import type { MetricsBase } from '../plan/records.js';
import { type FilterContext, type FilterKind, type FilterState, NEXT, type Verdict } from './filter.js';
import { GrpcMethod } from './grpc-method.js';

const TOTAL = GRPC.index.total;
const SUCCESS = GRPC.index.success;
const FAILURE = GRPC.index.failure;
const REQUEST_MESSAGES = GRPC.index.request_message_count;
const RESPONSE_MESSAGES = GRPC.index.response_message_count;
const UNIMPLEMENTED = 12;
/** Statuses 0 to 16 follow each other. */
const STATUS_0 = GRPC.index['0'];
const OTHER = GRPC.index.other;
const STATUS_MAX = 16;
const UPSTREAM_RQ_TIME = GRPC.histograms.indexOf('upstream_rq_time');

const encoder = new TextEncoder();
const SLASH = 0x2f;
const QUESTION = 0x3f;

class Counted {
  readonly record: GrpcStatsRecord;
  /** "/service/method" of each. */
  readonly paths: readonly Uint8Array[];
  readonly scopes: ReadonlyMap<string, readonly MetricsBase[]>;
  /** Of methods of any name, by number; null = those have no counters of their own. */
  readonly table: NameTable | null;
  readonly numbered: readonly MetricsBase[];
  /** Names of clusters. */
  readonly clusters: ReadonlyMap<string, Uint8Array>;

  constructor(record: GrpcStatsRecord) {
    this.record = record;
    this.paths = record.methods.map(({ service, method }) => encoder.encode(`/${service}/${method}`));
    this.scopes = new Map(Object.entries(record.scopes));
    const { all } = record;
    this.table = all === null ? null : new NameTable(all.names);
    this.numbered = all === null ? [] : Array.from({ length: NAMES_MAX }, (_, number) => placeOf(all, number));
    this.clusters = new Map(Object.keys(record.scopes).map((name) => [name, encoder.encode(name)]));
  }

  /** Place of the request's scope among its cluster's; -1 = its path is that of no method. */
  placeOf(head: Head): number {
    const bytes = head.pathBytes;
    const start = head.pathFrom;
    let end = start;
    let slashes = 0;
    for (; end < head.pathTo && bytes[end] !== QUESTION; end++) if (bytes[end] === SLASH) slashes++;
    if (slashes !== 2 || bytes[start] !== SLASH || bytes[start + 1] === SLASH || bytes[end - 1] === SLASH) return -1;
    for (let i = 0; i < this.paths.length; i++) {
      const path = this.paths[i] as Uint8Array;
      if (path.length !== end - start) continue;
      let at = 0;
      while (at < path.length && path[at] === bytes[start + at]) at++;
      if (at === path.length) return i + 1;
    }
    return 0;
  }
}

/** Of counters behind each other. */
function placeOf({ counters, histograms }: MetricsBase, number: number): MetricsBase {
  return {
    counters: counters < 0 ? counters : counters + number * GRPC.names.length,
    histograms: histograms < 0 ? -1 : histograms + number * GRPC.histograms.length,
  };
}

class Call implements FilterState {
  place = -1;
  isGrpcResponse = false;
  /** Messages that came before it was known where they count. */
  early = 0;
  readonly method = new GrpcMethod();
  /** Whether its server knows the method is no longer open. */
  isAnswered = false;
  readonly request = new GrpcFrames();
  readonly response = new GrpcFrames();

  reset(): void {
    if (this.place < 0) return;
    this.place = -1;
    this.isGrpcResponse = false;
    this.early = 0;
    this.method.reset();
    this.isAnswered = false;
    this.request.reset();
    this.response.reset();
  }
}

export const GRPC_STATS: FilterKind<Counted, Call> = {
  typeUrl: 'envoy.extensions.filters.http.grpc_stats.v3.FilterConfig',
  build: (record) => new Counted(record as GrpcStatsRecord),
  newState: () => new Call(),

  onRequestHead(x: FilterContext, config: Counted, call: Call): Verdict {
    if (isGrpc(x.request)) call.place = config.placeOf(x.request);
    if (call.place >= 0 && config.table !== null) call.method.take(x.request, config.record.replacesDots);
    return NEXT;
  },

  onRequestData(x, config, call, bytes, start, end): Verdict {
    if (call.place < 0) return NEXT;
    const begun = call.request.countIn(bytes, start, end);
    if (config.record.emitsState) x.grpcMessages.requests += begun;
    const scope = scopeOf(x, config, call);
    if (scope === null) call.early += begun;
    else if (begun > 0) x.addTo(scope.counters + REQUEST_MESSAGES, begun);
    return NEXT;
  },

  onResponseHead(x: FilterContext, config: Counted, call: Call, end: boolean): Verdict {
    if (call.place < 0) return NEXT;
    const isGrpcAnswer = x.response.status === 200 && isGrpc(x.response);
    call.isGrpcResponse = !end && isGrpcAnswer;
    call.isAnswered = true;
    if (config.table !== null && isGrpcAnswer && x.responseCodeDetails === 'via_upstream')
      giveNumber(x, config, call, !end || readGrpcStatus(x.response) !== UNIMPLEMENTED);
    charge(x, config, call, x.response);
    return NEXT;
  },

  onResponseData(x, config, call, bytes, start, end): Verdict {
    if (!call.isGrpcResponse) return NEXT;
    const begun = call.response.countIn(bytes, start, end);
    if (config.record.emitsState) x.grpcMessages.responses += begun;
    const scope = begun === 0 ? null : scopeOf(x, config, call);
    if (scope !== null) x.addTo(scope.counters + RESPONSE_MESSAGES, begun);
    return NEXT;
  },

  onResponseTrailers(x, config, call, trailers): Verdict {
    if (call.place >= 0) charge(x, config, call, trailers);
    return NEXT;
  },
};

/** Names that no server knows get none: clients invent them (and there is a bound on those that servers know). */
function giveNumber(x: FilterContext, config: Counted, call: Call, isKnown: boolean): boolean {
  const cluster = config.clusters.get(x.clusterName);
  return cluster !== undefined && call.method.find(config.table as NameTable, cluster, isKnown);
}

/** Null before a cluster was chosen and its server is known to have the method, and for one that no config knew. */
function scopeOf(x: FilterContext, config: Counted, call: Call): MetricsBase | null {
  let scope = config.scopes.get(x.clusterName)?.[call.place] ?? null;
  if (config.table !== null && scope !== null) {
    if (call.method.number >= 0 || (!call.isAnswered && giveNumber(x, config, call, false)))
      scope = config.numbered[call.method.number] as MetricsBase;
    else if (!call.isAnswered) return null;
  }
  if (scope !== null && call.early > 0) {
    x.addTo(scope.counters + REQUEST_MESSAGES, call.early);
    call.early = 0;
  }
  return scope;
}

/** Counts the call once its status is known: from the head of a response of trailers only, or from the trailers. */
function charge(x: FilterContext, config: Counted, call: Call, fields: Head): void {
  const status = readGrpcStatus(fields);
  if (status < 0) return;
  const scope = scopeOf(x, config, call);
  if (scope === null) return;
  x.addTo(scope.counters + TOTAL, 1);
  x.addTo(scope.counters + (status === 0 ? SUCCESS : FAILURE), 1);
  x.addTo(scope.counters + (status <= STATUS_MAX ? STATUS_0 + status : OTHER), 1);
  if (config.record.timesUpstream && scope.histograms >= 0 && x.upstreamRequestEndUs !== 0)
    x.record(scope.histograms + UPSTREAM_RQ_TIME, x.nowUs - x.upstreamRequestEndUs);
}
