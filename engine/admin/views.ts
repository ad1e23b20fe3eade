/** Views: what the admin endpoints show of the plan, the workers and the process. */
import { PlanRegistry } from '../control/registry.js';
import { packageVersion } from '../control/version.js';
import { addressText } from '../io/addresses.js';
import type { Address } from '../io/transport.js';
import { ENDPOINT } from '../metrics/declare.js';
import type { Totals } from '../metrics/totals.js';
import type { ClusterRecord, EndpointRecord } from '../plan/records.js';
import { Subsets } from '../upstream/balance/subsets.js';
import { certificateReadings, redacted } from './certificates.js';
import { redactedText } from './redacted-text.js';
import { openBreakers } from '../upstream/breaker.js';
import type { AdminParts } from './server.js';
import type { Reading } from './stats.js';

const VERSION = packageVersion();

function addressJson(address: Address): unknown {
  if (address.family === 'unix') return { pipe: { path: address.host } };
  return { socket_address: { address: address.host, port_value: address.port } };
}

/** Gauges that nobody counts: they are read off what there is when somebody asks. */
export function readings(parts: AdminParts): Reading[] {
  const { supervisor, publisher, life, options } = parts;
  const found: Reading[] = [];
  const add = (scope: string, name: string, value: number): void => {
    found.push({ kind: null, scope, name, value });
  };
  add('server', 'live', life.state === 'LIVE' ? 1 : 0);
  add('server', 'state', life.state === 'LIVE' ? 0 : life.state === 'DRAINING' ? 1 : 2);
  add('server', 'uptime', Math.floor((Date.now() - life.startedAt) / 1000));
  add('server', 'concurrency', options.concurrency);
  add('server', 'memory_allocated', process.memoryUsage.rss());
  add(
    'server',
    'total_connections',
    supervisor.workers.reduce((sum, worker) => sum + worker.connections.active, 0),
  );
  add(
    'server',
    'worker_restarts',
    supervisor.workers.reduce((sum, worker) => sum + worker.restarts, 0),
  );
  add('server', 'config_reload_success', publisher.reloads.success);
  add('server', 'config_reload_failure', publisher.reloads.failure);
  add('server', 'tls_files_renewal_success', publisher.renewals.success);
  add('server', 'tls_files_renewal_failure', publisher.renewals.failure);
  found.push(...certificateReadings(publisher.certificates, Date.now()));
  add('listener_manager', 'total_listeners_active', publisher.plan?.listeners.length ?? 0);
  add('cluster_manager', 'active_clusters', publisher.plan?.clusters.length ?? 0);
  const cells = new Int32Array(supervisor.sharedCells);
  for (const cluster of publisher.plan?.clusters ?? []) found.push(...clusterReadings(cells, cluster));
  return found;
}

function clusterReadings(cells: Int32Array, cluster: ClusterRecord): Reading[] {
  const count = (health: EndpointRecord['health']): number =>
    cluster.endpoints.filter((endpoint) => endpoint.health === health).length;
  const gauges: [string, number][] = [
    ['membership_total', cluster.endpoints.length],
    ['membership_healthy', count('HEALTHY')],
    ['membership_degraded', count('DEGRADED')],
    ['membership_excluded', 0],
    ...openBreakers(cells, cluster),
    ...subsetGauges(cluster),
  ];
  const scope = cluster.altStatName || cluster.name;
  return gauges.map(([name, value]) => ({ kind: 'cluster', scope, name, value }));
}

/** By record: what is counted of its subsets; a list that stays needs that once. */
const SUBSET_GAUGES = new WeakMap<ClusterRecord, [string, number][]>();

function subsetGauges(cluster: ClusterRecord): [string, number][] {
  if (cluster.subsets === null) return [];
  let gauges = SUBSET_GAUGES.get(cluster);
  if (gauges === undefined) {
    const subsets = new Subsets(cluster.subsets, cluster.endpoints);
    gauges = [
      ['lb_subsets_active', [...subsets.keys].length],
      ['lb_subsets_single_host_per_subset_duplicate', subsets.duplicates],
    ];
    SUBSET_GAUGES.set(cluster, gauges);
  }
  return gauges;
}

export function serverInfo(parts: AdminParts): unknown {
  const { options, life, publisher } = parts;
  const seconds = Math.floor((Date.now() - life.startedAt) / 1000);
  return {
    version: `millrace/${VERSION}/node-${process.version}`,
    state: life.state,
    uptime_current_epoch: `${seconds}s`,
    uptime_all_epochs: `${seconds}s`,
    hot_restart_version: 'disabled',
    command_line_options: {
      concurrency: options.concurrency,
      config_path: options.config.path ?? '',
      config_yaml: options.config.path === null ? redactedText(options.config.text ?? '') : '',
      mode: 'Serve',
      log_level: parts.log.level,
      drain_time: `${options.drainTimeMs / 1000}s`,
      allow_unknown_static_fields: options.config.allowsUnknownFields,
    },
    node: {
      id: publisher.plan?.nodeId ?? '',
      cluster: publisher.plan?.nodeCluster ?? '',
      metadata: publisher.plan?.nodeMetadata ?? {},
      locality: publisher.plan?.nodeLocality ?? {},
      user_agent_name: 'millrace',
    },
  };
}

export function configDump(parts: AdminParts): unknown {
  const { plan, configText, lastUpdate } = parts.publisher;
  return {
    configs: [
      {
        '@type': 'type.googleapis.com/envoy.admin.v3.BootstrapConfigDump',
        bootstrap_text: redactedText(configText),
        last_updated: lastUpdate.toISOString(),
      },
      {
        '@type': 'type.googleapis.com/envoy.admin.v3.ClustersConfigDump',
        version_info: String(plan?.version ?? 0),
        static_clusters: plan?.clusters.map((cluster) => ({ cluster: redacted(cluster) })) ?? [],
      },
      {
        '@type': 'type.googleapis.com/envoy.admin.v3.ListenersConfigDump',
        version_info: String(plan?.version ?? 0),
        static_listeners: plan?.listeners.map((listener) => ({ listener: redacted(listener) })) ?? [],
      },
    ],
  };
}

// ---- clusters -----------------------------------------------------------------------------------------------

function endpointStats(endpoint: EndpointRecord, totals: Totals): [string, number, string][] {
  return ENDPOINT.names.map((name, at) => [
    name,
    endpoint.metrics.counters < 0 ? 0 : totals.counter(endpoint.metrics.counters + at),
    ENDPOINT.kinds[at] as string,
  ]);
}

function healthFlags(endpoint: EndpointRecord): string {
  if (endpoint.health === 'HEALTHY') return 'healthy';
  return endpoint.health === 'DEGRADED' ? '/degraded_eds_health' : '/failed_eds_health';
}

export function clustersText(parts: AdminParts, totals: Totals): string {
  const lines: string[] = [];
  for (const cluster of parts.publisher.plan?.clusters ?? []) {
    lines.push(`${cluster.name}::observability_name::${cluster.altStatName || cluster.name}`);
    for (const [priority, breaker] of [
      ['default', cluster.breakers.default],
      ['high', cluster.breakers.high],
    ] as const) {
      lines.push(`${cluster.name}::${priority}_priority::max_connections::${breaker.maxConnections}`);
      lines.push(`${cluster.name}::${priority}_priority::max_pending_requests::${breaker.maxPendingRequests}`);
      lines.push(`${cluster.name}::${priority}_priority::max_requests::${breaker.maxRequests}`);
      lines.push(`${cluster.name}::${priority}_priority::max_retries::${breaker.maxRetries}`);
    }
    lines.push(`${cluster.name}::added_via_api::false`);
    for (const endpoint of cluster.endpoints) lines.push(...endpointLines(cluster, endpoint, totals));
  }
  return lines.map((line) => `${line}\n`).join('');
}

function endpointLines(cluster: ClusterRecord, endpoint: EndpointRecord, totals: Totals): string[] {
  const prefix = `${cluster.name}::${addressText(endpoint.address)}`;
  const values: [string, unknown][] = endpointStats(endpoint, totals).map(([name, value]) => [name, value]);
  values.push(['hostname', endpoint.hostname], ['health_flags', healthFlags(endpoint)], ['weight', endpoint.weight]);
  values.push(['region', endpoint.region], ['zone', endpoint.zone], ['sub_zone', endpoint.subZone], ['canary', false]);
  values.push(['priority', endpoint.priority], ['success_rate', -1], ['local_origin_success_rate', -1]);
  return values.map(([name, value]) => `${prefix}::${name}::${String(value)}`);
}

export function clustersJson(parts: AdminParts, totals: Totals): unknown {
  const clusters = parts.publisher.plan?.clusters ?? [];
  return {
    cluster_statuses: clusters.map((cluster) => ({
      name: cluster.name,
      observability_name: cluster.altStatName || cluster.name,
      circuit_breakers: {
        thresholds: [thresholds('DEFAULT', cluster.breakers.default), thresholds('HIGH', cluster.breakers.high)],
      },
      host_statuses: cluster.endpoints.map((endpoint) => ({
        address: addressJson(endpoint.address),
        hostname: endpoint.hostname,
        weight: endpoint.weight,
        priority: endpoint.priority,
        locality: { region: endpoint.region, zone: endpoint.zone, sub_zone: endpoint.subZone },
        health_status: { eds_health_status: endpoint.health },
        stats: endpointStats(endpoint, totals).map(([name, value, kind]) => ({
          name,
          value: String(value),
          ...(kind === 'gauge' ? { type: 'GAUGE' } : {}),
        })),
      })),
    })),
  };
}

function thresholds(priority: string, breaker: ClusterRecord['breakers']['default']): unknown {
  return {
    priority,
    max_connections: breaker.maxConnections,
    max_pending_requests: breaker.maxPendingRequests,
    max_requests: breaker.maxRequests,
    max_retries: breaker.maxRetries,
  };
}

// ---- listeners, workers, memory -------------------------------------------------------------------------------

function listeners(parts: AdminParts): { name: string; address: Address }[] {
  const open = new Map(parts.acceptor.addresses().map(({ record, address }) => [record.index, address]));
  return (parts.publisher.plan?.listeners ?? []).map((record) => ({
    name: record.name || record.key,
    address: open.get(record.index) ?? record.address,
  }));
}
export function listenersText(parts: AdminParts): string {
  return listeners(parts)
    .map(({ name, address }) => `${name}::${addressText(address)}\n`)
    .join('');
}
export function listenersJson(parts: AdminParts): unknown {
  return {
    listener_statuses: listeners(parts).map(({ name, address }) => ({ name, local_address: addressJson(address) })),
  };
}

export async function workers(parts: AdminParts): Promise<unknown> {
  const memories = await Promise.all(parts.supervisor.workers.map((worker) => worker.memory()));
  return {
    workers: parts.supervisor.workers.map((worker, at) => ({
      index: worker.index,
      serving: worker.isServing,
      restarts: worker.restarts,
      connections_active: worker.connections.active,
      connections_total: worker.connections.total,
      heap_used: memories[at]?.heapUsed ?? null,
      heap_total: memories[at]?.heapTotal ?? null,
      external: memories[at]?.external ?? null,
    })),
  };
}

export function memory(): unknown {
  const { rss, heapTotal, heapUsed, external, arrayBuffers } = process.memoryUsage();
  return {
    allocated: String(heapUsed),
    heap_size: String(heapTotal),
    external: String(external),
    array_buffers: String(arrayBuffers),
    rss: String(rss),
  };
}

/** A worker that counts at the same moment may keep its one. */
export function resetCounters(registry: PlanRegistry, totals: Totals): void {
  for (const { kind, base } of registry.scopes()) {
    if (base.counters < 0) continue;
    PlanRegistry.declaration(kind).kinds.forEach((each, at) => {
      if (each === 'counter') totals.reset(base.counters + at);
    });
  }
}
