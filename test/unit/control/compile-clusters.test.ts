/** Clusters to records: what each field becomes, its default, and what names in DNS stand for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dnsKey } from '../../../engine/control/compile-clusters.js';
import { PlanRegistry } from '../../../engine/control/registry.js';
import type { ClusterRecord } from '../../../engine/plan/records.js';
import { clusterWith, compiled, yaml } from '../../support/config-problems.js';

function cluster(
  fields: string,
  ...rest: Parameters<typeof compiled> extends [string, ...infer R] ? R : never
): ClusterRecord {
  return compiled(yaml({ cluster: fields }), ...rest).plan.clusters[0] as ClusterRecord;
}

const ENDPOINT = (address: string, port: number, more = ''): string =>
  `{ endpoint: { address: { socket_address: { address: "${address}", port_value: ${port} } } }${more} }`;
const NAMED = (type: string, ...endpoints: string[]): string =>
  `type: ${type}, load_assignment: { endpoints: [ { lb_endpoints: [ ${endpoints.join(', ')} ] } ] }`;

test("a cluster of defaults has Envoy's", () => {
  const { endpoints, metrics, index, http2: _, ...record } = cluster(clusterWith('connect_timeout: 2s'));
  assert.deepEqual(record, {
    name: 'c',
    altStatName: '',
    type: 'STATIC',
    connectTimeoutMs: 2000,
    bufferLimitBytes: 1 << 20,
    lbPolicy: { name: 'ROUND_ROBIN' },
    locality: { kind: 'NONE' },
    subsets: null,
    overprovisioningPercent: 140,
    panicPercent: 50,
    breakers: {
      default: { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024, maxRetries: 3 },
      high: { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024, maxRetries: 3 },
    },
    protocol: 'HTTP1',
    tls: null,
    socketMatches: [],
    proxyProtocol: null,
    idleTimeoutMs: 3600000,
    maxConnectionDurationMs: 0,
    maxRequestsPerConnection: 0,
    maxResponseHeadersBytes: 80 * 1024,
    maxHttp2ResponseHeadersBytes: 60 * 1024,
    maxResponseHeadersCount: 100,
    dnsFailed: false,
  });
  assert.equal(index, 0);
  assert.ok(metrics.counters >= 0 && metrics.histograms >= 0);
  assert.deepEqual(
    endpoints.map(({ key, row, address, weight, priority, health }) => ({
      key,
      row,
      address,
      weight,
      priority,
      health,
    })),
    [
      {
        key: 'c|127.0.0.1:9001',
        row: 0,
        address: { family: 4, host: '127.0.0.1', port: 9001 },
        weight: 1,
        priority: 0,
        health: 'HEALTHY',
      },
    ],
  );
});

test('balancing under the old and the new spelling is the same', () => {
  const typed = (name: string, more = ''): string =>
    `load_balancing_policy: { policies: [ { typed_extension_config: { name: x, typed_config: { "@type": type.googleapis.com/envoy.extensions.load_balancing_policies.${name}${more} } } } ] }`;
  const policy = (more: string): unknown => cluster(clusterWith(more)).lbPolicy;
  assert.deepEqual(policy('lb_policy: RANDOM'), { name: 'RANDOM' });
  assert.deepEqual(policy(typed('random.v3.Random')), { name: 'RANDOM' });
  assert.deepEqual(policy(typed('round_robin.v3.RoundRobin')), { name: 'ROUND_ROBIN' });
  const least = { name: 'LEAST_REQUEST', choiceCount: 2, fullScan: false, activeRequestBias: 1 };
  assert.deepEqual(policy('lb_policy: LEAST_REQUEST'), least);
  assert.deepEqual(policy(typed('least_request.v3.LeastRequest')), least);
  assert.deepEqual(
    policy(
      'lb_policy: LEAST_REQUEST, least_request_lb_config: { choice_count: 5, active_request_bias: { default_value: 0 } }',
    ),
    { ...least, choiceCount: 5, activeRequestBias: 0 },
  );
  assert.deepEqual(policy(typed('least_request.v3.LeastRequest', ', selection_method: FULL_SCAN')), {
    ...least,
    fullScan: true,
  });
});

test('of breakers the first entry of a priority counts, and it changes nothing of the other', () => {
  const { breakers } = cluster(
    clusterWith(
      'circuit_breakers: { thresholds: [ { max_requests: 5 }, { max_requests: 6 }, { priority: HIGH, max_connections: 7, max_retries: 0 } ] }',
    ),
  );
  assert.deepEqual(breakers.default, { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 5, maxRetries: 3 });
  assert.deepEqual(breakers.high, { maxConnections: 7, maxPendingRequests: 1024, maxRequests: 1024, maxRetries: 0 });
});

test('protocol options: on the cluster, or typed; limits of heads and connections', () => {
  const options =
    'common_http_protocol_options: { idle_timeout: 0s, max_connection_duration: 9s, max_requests_per_connection: 3, max_response_headers_kb: 8, max_headers_count: 7 }';
  const typed = `typed_extension_protocol_options: { envoy.extensions.upstreams.http.v3.HttpProtocolOptions: { "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, ${options}, explicit_http_config: { http_protocol_options: {} } } }`;
  for (const form of [options, typed]) {
    const record = cluster(clusterWith(form));
    assert.deepEqual(
      [
        record.idleTimeoutMs,
        record.maxConnectionDurationMs,
        record.maxRequestsPerConnection,
        record.maxResponseHeadersBytes,
        record.maxHttp2ResponseHeadersBytes,
        record.maxResponseHeadersCount,
      ],
      [0, 9000, 3, 8192, 8192, 7],
    );
  }
  assert.equal(cluster(clusterWith('max_requests_per_connection: 4')).maxRequestsPerConnection, 4);
});

test('weights, priorities, localities, health and metadata of endpoints', () => {
  const fields = `load_assignment: { endpoints: [
    { priority: 1, locality: { region: r, zone: z, sub_zone: s }, lb_endpoints: [ ${ENDPOINT('10.0.0.1', 1, ', load_balancing_weight: 3, health_status: DRAINING, metadata: { filter_metadata: { envoy.lb: { a: 1 } } }')} ] },
    { lb_endpoints: [ ${ENDPOINT('::1', 2, ', health_status: DEGRADED')}, { endpoint: { hostname: h, address: { pipe: { path: /run/x } } } } ] } ] }`.replaceAll(
    '\n',
    ' ',
  );
  const { endpoints } = cluster(fields);
  const [first, second, third] = endpoints;
  assert.deepEqual(
    [first?.priority, first?.region, first?.zone, first?.subZone, first?.weight, first?.health, first?.metadata],
    [1, 'r', 'z', 's', 3, 'UNHEALTHY', { 'envoy.lb': { a: 1 } }],
  );
  assert.deepEqual([second?.key, second?.health, second?.address.family], ['c|[::1]:2', 'DEGRADED', 6]);
  assert.deepEqual([third?.key, third?.hostname, third?.address.family], ['c|unix:/run/x', 'h', 'unix']);
});

test('an address twice is one row with the weights of both', () => {
  const { endpoints } = cluster(
    NAMED('STATIC', ENDPOINT('10.0.0.1', 1), ENDPOINT('10.0.0.1', 1, ', load_balancing_weight: 4')),
  );
  assert.deepEqual(
    endpoints.map(({ weight }) => weight),
    [5],
  );
});

test('names are asked for, and their answers become endpoints in order', () => {
  const fields = NAMED('STRICT_DNS', ENDPOINT('a.example', 80), ENDPOINT('10.0.0.9', 81), ENDPOINT('b.example', 82));
  const none = compiled(yaml({ cluster: fields }));
  assert.deepEqual(
    none.dnsTargets.map(({ host, family, refreshMs }) => ({ host, family, refreshMs })),
    [
      { host: 'a.example', family: 'AUTO', refreshMs: 5000 },
      { host: 'b.example', family: 'AUTO', refreshMs: 5000 },
    ],
  );
  const [a, b] = none.dnsTargets.map(dnsKey) as [string, string];
  const resolved = new Map([
    [a, { addresses: ['10.0.0.1', '::5'], failed: false }],
    [b, { addresses: [], failed: true }],
  ]);
  const record = cluster(fields, resolved);
  assert.deepEqual(
    record.endpoints.map(({ key, hostname }) => `${key} ${hostname}`),
    ['c|10.0.0.1:80 a.example', 'c|[::5]:80 a.example', 'c|10.0.0.9:81 '],
  );
  assert.equal(record.dnsFailed, false, 'others are there');
});

test('a cluster that goes by times to live asks for itself', () => {
  const target = (more: string): Parameters<typeof dnsKey>[0] & { refreshMs: number } =>
    compiled(yaml({ cluster: `${more}, ${NAMED('STRICT_DNS', ENDPOINT('a.example', 80))}` })).dnsTargets[0] as never;
  const plain = target('dns_refresh_rate: 2s');
  const ttl = target('respect_dns_ttl: true');
  assert.deepEqual([plain.refreshMs, plain.respectsTtl, ttl.respectsTtl], [2000, false, true]);
  assert.notEqual(dnsKey(plain), dnsKey(ttl));
});

test('LOGICAL_DNS uses the first address alone; a name that is not known is told from one without endpoints', () => {
  const fields = NAMED('LOGICAL_DNS', ENDPOINT('a.example', 80));
  const key = dnsKey(compiled(yaml({ cluster: fields })).dnsTargets[0] as Parameters<typeof dnsKey>[0]);
  const record = cluster(fields, new Map([[key, { addresses: ['10.0.0.2', '10.0.0.1'], failed: false }]]));
  assert.deepEqual(
    record.endpoints.map((each) => each.key),
    ['c|10.0.0.2:80'],
  );
  assert.equal(cluster(fields, new Map([[key, { addresses: [], failed: true }]])).dnsFailed, true);
  assert.equal(cluster(fields).dnsFailed, false, 'not asked yet');
});

test('rows and numbers are stable over plans of one registry', () => {
  const registry = new PlanRegistry();
  const two = NAMED('STATIC', ENDPOINT('10.0.0.1', 1), ENDPOINT('10.0.0.2', 1));
  const before = cluster(two, new Map(), registry);
  const after = cluster(NAMED('STATIC', ENDPOINT('10.0.0.2', 1)), new Map(), registry);
  assert.equal(after.index, before.index);
  assert.equal(after.endpoints[0]?.row, before.endpoints[1]?.row);
  assert.deepEqual(after.metrics, before.metrics);
});

test('overprovisioning and panic: as written, in whole percent', () => {
  const found = cluster(
    'load_assignment: { policy: { overprovisioning_factor: 200 }, endpoints: [] }, common_lb_config: { healthy_panic_threshold: { value: 12.7 } }',
  );
  assert.deepEqual([found.overprovisioningPercent, found.panicPercent], [200, 12]);
  assert.equal(cluster('common_lb_config: { healthy_panic_threshold: { value: 0 } }').panicPercent, 0);
});
