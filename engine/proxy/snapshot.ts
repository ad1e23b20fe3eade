/** Snapshot: the runtime objects that a worker builds from one plan; a request keeps the ones it began with. */
import { type FaultCode, NO_UPGRADE } from '../fault/faults.js';
import { FilterChain, type FilterScope } from '../filter/chain.js';
import { FILTER_KINDS } from '../filter/filter-kinds.js';
import { Forwarding } from '../http/forwarded.js';
import { type FieldLine, fieldLine } from '../http/field-line.js';
import { HEAD_EXTENDED_CONNECT, HEAD_UPGRADE } from '../http/head.js';
import { METHOD_CONNECT } from '../http/methods.js';
import { N } from '../http/names.js';
import { Normalization } from '../http/normalize.js';
import { RequestId } from '../http/request-id.js';
import type { Http1ServerOptions } from '../http1/codec-server.js';
import type { Http2Options } from '../http2/options.js';
import { HTTP } from '../metrics/declare.js';
import type { FilterChainRecord } from '../plan/chain-records.js';
import type { AccessLogRecord, ClusterRecord, HttpRecord, ListenerRecord, SnapshotPlan } from '../plan/records.js';
import { ClientCertDetails } from '../tls/client-cert-details.js';
import type { TlsContextsDraft } from '../tls/contexts.js';
import { Router } from '../route/router.js';
import type { Cluster } from '../upstream/cluster.js';
import { ClusterTls } from '../upstream/cluster-tls.js';
import type { AccessLog } from './access-log.js';
import type { Core } from './core.js';
import type { Exchange } from './exchange.js';
import { type ChainRuntime, ListenerChains } from './listener-chains.js';
import { TcpRuntime } from './tcp-runtime.js';
import { fillReply, NO_BODY } from './local-reply.js';
import { ServerTls } from './server-tls.js';

export interface Snapshot {
  readonly version: number;
  /** By the listener's dense number. */
  readonly listeners: ReadonlyMap<number, ListenerChains>;
  /** By the filter chain's dense number. */
  readonly chains: ReadonlyMap<number, ListenerRuntime>;
  readonly clusters: ReadonlyMap<string, Cluster>;
  /** By record as JSON: the same file and format go on over reloads. */
  readonly accessLogs: ReadonlyMap<string, AccessLog>;
}

export const EMPTY_SNAPSHOT: Snapshot = {
  version: 0,
  listeners: new Map(),
  chains: new Map(),
  clusters: new Map(),
  accessLogs: new Map(),
};

/** One filter chain's connection manager as this worker runs it. */
export class ListenerRuntime {
  readonly listener: ListenerRecord;
  readonly chain: FilterChainRecord;
  readonly record: HttpRecord;
  readonly router: Router;
  readonly forwarding: Forwarding;
  readonly normalization: Normalization;
  readonly requestId: RequestId;
  readonly filters: FilterChain;
  readonly http1: Http1ServerOptions;
  readonly http2: Http2Options;
  readonly accessLogs: readonly AccessLog[];
  /** A log is there: the response head is kept until the exchange ends. */
  readonly logsResponse: boolean;
  readonly serverLine: FieldLine;
  readonly via: Uint8Array;
  readonly clientCert: ClientCertDetails;
  /** For HTTP/1.0 requests without Host; empty = they are refused. */
  readonly defaultHost: Uint8Array;
  readonly #clusters: ReadonlyMap<string, Cluster>;
  readonly #upgrades: ReadonlyMap<string, boolean>;

  constructor(
    core: Core,
    listener: ListenerRecord,
    chain: FilterChainRecord,
    http: HttpRecord,
    clusters: ReadonlyMap<string, Cluster>,
    logs: readonly AccessLog[],
  ) {
    this.listener = listener;
    this.chain = chain;
    this.record = http;
    this.router = new Router(http.routeConfig, core.random);
    this.forwarding = new Forwarding(http);
    this.normalization = new Normalization(http, listener.address.port);
    this.requestId = new RequestId(http, core.random);
    this.filters = new FilterChain(http.filters, FILTER_KINDS, scopesOf(http));
    this.http1 = http1ServerOptions(http);
    this.http2 = http2ServerOptions(http);
    this.accessLogs = logs;
    this.logsResponse = logs.length > 0;
    this.serverLine = fieldLine(N.server, http.serverName);
    this.defaultHost = encoder.encode(http.defaultHostForHttp10);
    this.via = encoder.encode(http.via === '' ? '' : `1.1 ${http.via}`);
    this.clientCert = new ClientCertDetails(http.clientCert);
    this.#clusters = clusters;
    this.#upgrades = new Map(http.upgrades.map((upgrade) => [upgrade.type, upgrade.enabled]));
  }

  /**
   * 0, or the fault of a CONNECT that neither the route nor the connection manager allows. An Upgrade that they don't
   * allow is ignored, which RFC 9110 §7.8 lets a server do: the request goes on without it.
   */
  refuseUpgrade(x: Exchange): FaultCode {
    const head = x.request;
    const isConnect = head.method === METHOD_CONNECT;
    if (!isConnect && (head.flags & HEAD_UPGRADE) === 0) return 0;
    const action = (x.route as NonNullable<typeof x.route>).record.action;
    const slot = head.find(N.upgrade);
    // Of several the origin would choose, and it might choose one that is not allowed.
    if (!isConnect && head.find(N.upgrade, slot + 1) >= 0) return this.#ignoreUpgrade(x, false);
    const type = isConnect ? 'connect' : head.valueString(slot).toLowerCase();
    if (action.kind === 'forward' && action.upgrades !== null)
      for (const upgrade of action.upgrades)
        if (upgrade.type === type) return upgrade.enabled ? 0 : this.#ignoreUpgrade(x, isConnect);
    return this.#upgrades.get(type) === true ? 0 : this.#ignoreUpgrade(x, isConnect);
  }

  #ignoreUpgrade(x: Exchange, isConnect: boolean): FaultCode {
    x.core.metrics.add(this.record.metrics.counters + RQ_NO_UPGRADE, 1);
    // An extended CONNECT (RFC 8441) is no request that could go on without it either.
    if (isConnect || (x.request.flags & HEAD_EXTENDED_CONNECT) !== 0) return NO_UPGRADE;
    x.request.flags &= ~HEAD_UPGRADE;
    return 0;
  }

  /** And what the request hashes to, if the cluster asks for that. */
  chosenCluster(x: Exchange): Cluster | null {
    const route = x.route as NonNullable<typeof x.route>;
    const choice = x.choice;
    const cluster = choice === null ? null : (this.#clusters.get(choice.name) ?? null);
    if (cluster?.usesHash === true && route.hashPolicies !== null)
      x.hash.isSet = route.hashPolicies.hash(x, x.hash, x.core.random);
    return cluster;
  }

  /** Redirects and direct responses. */
  answer(x: Exchange): void {
    const route = x.route as NonNullable<typeof x.route>;
    const action = route.record.action;
    if (action.kind === 'redirect') {
      fillReply(x, action.status, NO_BODY, 0);
      route.addLocation(x, x.response);
      x.responseCodeDetails = 'direct_response';
      x.core.metrics.add(this.record.metrics.counters + RQ_REDIRECT, 1);
      x.sendReply(NO_BODY);
    } else if (action.kind === 'direct_response') {
      const body = fillReply(x, action.status, action.body, 0);
      x.responseCodeDetails = 'direct_response';
      x.core.metrics.add(this.record.metrics.counters + RQ_DIRECT, 1);
      x.sendReply(body);
    }
  }

  log(x: Exchange): void {
    for (let i = 0; i < this.accessLogs.length; i++) (this.accessLogs[i] as AccessLog).log(x);
  }
}

const RQ_REDIRECT = HTTP.index.rq_redirect;
const RQ_NO_UPGRADE = HTTP.index.downstream_rq_ws_on_non_ws_route;
const RQ_DIRECT = HTTP.index.rq_direct_response;
const encoder = new TextEncoder();

/** Everything that has a typed_per_filter_config of its own in force. */
function scopesOf(http: HttpRecord): FilterScope[] {
  return http.routeConfig.virtualHosts.flatMap(({ routes }) =>
    routes.flatMap((route) => {
      const choice = route.action.kind === 'forward' ? route.action.cluster : null;
      return choice?.kind === 'weighted' ? [route, ...choice.clusters] : [route];
    }),
  );
}

function http1ServerOptions(http: HttpRecord): Http1ServerOptions {
  return {
    maxHeadBytes: http.maxRequestHeadersBytes,
    maxFields: http.maxHeadersCount,
    acceptHttp10: http.acceptHttp10,
    allowAbsoluteUrl: http.allowAbsoluteUrl,
    underscores: http.headersWithUnderscoresAction,
  };
}

function http2ServerOptions(http: HttpRecord): Http2Options {
  return {
    ...http.http2,
    allowExtendedConnect: http.http2.allowConnect,
    drainTimeoutMs: http.drainTimeoutMs,
    maxHeadBytes: http.maxRequestHeadersBytes,
    maxFields: http.maxHeadersCount,
    underscores: http.headersWithUnderscoresAction,
  };
}

/** A plan that is built: either of the two is called, once. */
export interface Prepared {
  /** Puts it in force. */
  commit(): void;
  /** It will never be in force: what was opened for it is closed. */
  discard(): void;
}

/**
 * Builds everything that the plan needs beside what is in force. Clusters keep their pools by name, logs their file by
 * record, TLS contexts their sessions by options. Throws when something can't be built, with nothing left open.
 */
export function buildSnapshot(core: Core, plan: SnapshotPlan): Prepared {
  const build = new SnapshotBuild(core, plan);
  try {
    return { commit: build.make(), discard: () => build.discard() };
  } catch (error) {
    build.discard();
    throw error;
  }
}

class SnapshotBuild {
  readonly #core: Core;
  readonly #plan: SnapshotPlan;
  readonly #clusters = new Map<string, Cluster>();
  /** By cluster and name of the transport socket; '' = the cluster's own. */
  readonly #clusterTls = new Map<string, Map<string, ClusterTls | null>>();
  readonly #chains = new Map<number, ListenerRuntime>();
  readonly #accessLogs = new Map<string, AccessLog>();
  readonly #contexts: TlsContextsDraft;
  /** Logs that were not open before. */
  readonly #opened: AccessLog[] = [];

  constructor(core: Core, plan: SnapshotPlan) {
    this.#core = core;
    this.#plan = plan;
    this.#contexts = core.tlsContexts.draft();
  }

  /** Answers what puts it in force. */
  make(): () => void {
    const before = this.#core.snapshot;
    for (const record of this.#plan.clusters) {
      this.#clusters.set(record.name, before.clusters.get(record.name) ?? this.#core.newCluster(record));
      const sockets = new Map([['', this.#tlsOf(record, record.tls)]]);
      for (const { name, tls } of record.socketMatches) sockets.set(name, this.#tlsOf(record, tls));
      this.#clusterTls.set(record.name, sockets);
    }
    const listeners = new Map<number, ListenerChains>();
    for (const record of this.#plan.listeners) {
      const chains = record.chains.map((chain) => this.#chain(record, chain));
      const fallback = record.defaultChain === null ? null : this.#chain(record, record.defaultChain);
      listeners.set(record.index, new ListenerChains(record, chains, fallback));
    }
    return () => this.#commit(listeners);
  }

  #commit(listeners: ReadonlyMap<number, ListenerChains>): void {
    const core = this.#core;
    const before = core.snapshot;
    const clusters = this.#clusters;
    const accessLogs = this.#accessLogs;
    for (const record of this.#plan.clusters) {
      const cluster = clusters.get(record.name) as Cluster;
      const sockets = this.#clusterTls.get(record.name) as Map<string, ClusterTls | null>;
      cluster.setTls(sockets.get('') ?? null, sockets);
      cluster.update(record);
    }
    core.snapshot = { version: this.#plan.version, listeners, chains: this.#chains, clusters, accessLogs };
    this.#contexts.commit();
    for (const [name, cluster] of before.clusters) if (!clusters.has(name)) cluster.drain();
    for (const [key, log] of before.accessLogs) if (!accessLogs.has(key)) log.close();
    core.drainChainless();
  }

  #tlsOf(cluster: ClusterRecord, tls: ClusterRecord['tls']): ClusterTls | null {
    if (tls === null) return null;
    const { metrics, peerCertificates } = this.#core;
    return new ClusterTls(cluster, tls, this.#contexts.get(tls.context), metrics, peerCertificates);
  }

  #chain(listener: ListenerRecord, record: FilterChainRecord): ChainRuntime {
    const core = this.#core;
    const { filter } = record;
    const logs = (filter.kind === 'http' ? filter.http : filter.tcp).accessLogs.map((log) => this.#log(log));
    let http: ListenerRuntime | null = null;
    let tcp: TcpRuntime | null = null;
    if (filter.kind === 'http') {
      http = new ListenerRuntime(core, listener, record, filter.http, this.#clusters, logs);
      this.#chains.set(record.index, http);
    } else tcp = new TcpRuntime(listener, filter.tcp, this.#clusters, logs);
    const tls =
      record.tls === null
        ? null
        : new ServerTls(record.tls, listener, this.#contexts, core.metrics, core.peerCertificates);
    return { record, tls, http, tcp };
  }

  #log(record: AccessLogRecord): AccessLog {
    const key = JSON.stringify(record);
    let open = this.#accessLogs.get(key) ?? this.#core.snapshot.accessLogs.get(key);
    if (open === undefined) {
      open = this.#core.newAccessLog(record);
      this.#opened.push(open);
    }
    this.#accessLogs.set(key, open);
    return open;
  }

  discard(): void {
    for (const log of this.#opened.splice(0)) log.close();
    this.#contexts.discard();
  }
}
