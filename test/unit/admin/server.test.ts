/** Admin: what each endpoint answers about real workers and a real plan. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { AdminServer } from '../../../engine/admin/server.js';
import { ENDPOINT } from '../../../engine/metrics/declare.js';
import { Life } from '../../../engine/life.js';
import { Log } from '../../../engine/log.js';
import { parseOptions } from '../../../engine/options.js';
import { ENDPOINT_REQUESTS, endpointCell } from '../../../engine/upstream/shared-cells.js';
import { yaml } from '../../support/config-problems.js';
import { RunningControl } from '../../support/running-control.js';

const directory = mkdtempSync(join(tmpdir(), 'millrace-admin-'));
const path = join(directory, 'admin.sock');
const log = new Log('off', 'text');
let control: RunningControl;
let admin: AdminServer;
let life: Life;

const TEXT = `node: { id: n1, cluster: front, metadata: { a: [ 1 ] }, locality: { zone: z } }\n${yaml({
  cluster:
    `alt_stat_name: "alt:c", circuit_breakers: { thresholds: [ { max_requests: 0 } ] }, load_assignment: { endpoints: [
    { priority: 1, locality: { region: r, zone: z, sub_zone: s }, lb_endpoints: [ { load_balancing_weight: 3, health_status: DEGRADED, endpoint: { hostname: h, address: { socket_address: { address: "::1", port_value: 9002 } } } } ] },
    { lb_endpoints: [ { endpoint: { address: { socket_address: { address: 10.0.0.1, port_value: 9001 } } } }, { health_status: UNHEALTHY, endpoint: { address: { pipe: { path: /run/x } } } } ] } ] }`.replaceAll(
      '\n',
      ' ',
    ),
}).replace('port_value: 8000', 'port_value: 0')}`;

before(async () => {
  control = await RunningControl.start(TEXT, { count: 2 });
  const { registry, supervisor, acceptor, publisher } = control;
  const parsed = parseOptions(['-c', 'x.yaml', '--concurrency', '2'], {});
  assert.ok('options' in parsed);
  const { options } = parsed;
  life = new Life({ options, log, supervisor, acceptor, publisher });
  admin = new AdminServer({ options, log, registry, supervisor, acceptor, publisher, life });
  await admin.listen({ family: 'unix', host: path, port: 0 });
});
after(async () => {
  admin.close();
  await control.stop();
  rmSync(directory, { recursive: true });
});

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}
function ask(target: string, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath: path, path: target, method, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        body += part;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', body }),
      );
    });
    request.on('error', reject).end();
  });
}
async function json(target: string): Promise<never> {
  const answer = await ask(target);
  assert.equal(answer.type, 'application/json', answer.body);
  return JSON.parse(answer.body) as never;
}
/** Adds to a counter as a worker does. */
function count(slot: number, amount: number, worker = 0): void {
  control.supervisor.workers[worker]?.counters.set([amount], slot);
}

test('ready only while it is live and nobody says otherwise', async () => {
  assert.deepEqual(await ask('/ready'), { status: 503, type: 'text/plain; charset=UTF-8', body: 'PRE_INITIALIZING\n' });
  life.state = 'LIVE';
  assert.equal((await ask('/ready')).body, 'LIVE\n');
  assert.equal((await ask('/healthcheck/fail')).status, 405);
  assert.equal((await ask('/ready')).status, 200);
  await ask('/healthcheck/fail', 'POST');
  assert.deepEqual((await ask('/ready')).status, 503);
  await ask('/healthcheck/ok', 'POST');
  assert.equal((await ask('/ready')).status, 200);
});

test('/server_info: state, options and node', async () => {
  const info = (await json('/server_info')) as Record<string, never>;
  assert.equal(info['state'], 'LIVE');
  assert.match(info['version'] as string, /^millrace\/\d+\.\d+\.\d+/);
  assert.deepEqual(info['node'], {
    id: 'n1',
    cluster: 'front',
    metadata: { a: [1] },
    locality: { zone: 'z' },
    user_agent_name: 'millrace',
  });
  assert.equal((info['command_line_options'] as Record<string, unknown>)['concurrency'], 2);
});

test('/clusters: every endpoint with what it is and what it counted on all workers', async () => {
  const endpoint = control.publisher.plan?.clusters[0]?.endpoints.find(({ address }) => address.host === '10.0.0.1');
  assert.ok(endpoint !== undefined);
  for (const worker of [0, 1]) count(endpoint.metrics.counters + ENDPOINT.index.rq_total, 5, worker);
  const { body } = await ask('/clusters');
  for (const line of [
    'c::observability_name::alt:c',
    'c::default_priority::max_requests::0',
    'c::high_priority::max_requests::1024',
    'c::10.0.0.1:9001::rq_total::10',
    'c::10.0.0.1:9001::health_flags::healthy',
    'c::[::1]:9002::hostname::h',
    'c::[::1]:9002::weight::3',
    'c::[::1]:9002::priority::1',
    'c::[::1]:9002::zone::z',
    'c::[::1]:9002::health_flags::/degraded_eds_health',
    'c::/run/x::health_flags::/failed_eds_health',
  ])
    assert.ok(body.split('\n').includes(line), `${line}\n${body}`);
  const { cluster_statuses: statuses } = (await json('/clusters?format=json')) as {
    cluster_statuses: { name: string; host_statuses: { address: unknown; stats: unknown[] }[] }[];
  };
  assert.deepEqual(
    statuses[0]?.host_statuses.map(({ address }) => address),
    [
      { socket_address: { address: '::1', port_value: 9002 } },
      { socket_address: { address: '10.0.0.1', port_value: 9001 } },
      { pipe: { path: '/run/x' } },
    ],
  );
  assert.deepEqual(
    statuses[0]?.host_statuses[1]?.stats.find((each) => (each as { name: string }).name === 'rq_total'),
    { name: 'rq_total', value: '10' },
  );
});

test('/stats: text, used ones only, by type and by expression', async () => {
  const lines = async (query: string): Promise<string[]> => (await ask(`/stats${query}`)).body.split('\n').slice(0, -1);
  const all = await lines('');
  assert.ok(all.includes('cluster.alt_c.membership_total: 3'), all.join('\n'));
  assert.ok(all.includes('cluster.alt_c.membership_healthy: 1'));
  assert.ok(all.includes('cluster.alt_c.membership_degraded: 1'));
  assert.ok(all.includes('cluster.alt_c.circuit_breakers.default.rq_open: 1'), 'nothing gets through a limit of 0');
  assert.ok(all.includes('cluster.alt_c.circuit_breakers.high.rq_open: 0'));
  assert.ok(all.includes('cluster.alt_c.membership_change: 1'));
  assert.ok(all.includes('http.s.downstream_rq_time: No recorded values'));
  const names = all.filter((line) => !line.includes('No recorded')).map((line) => line.split(':')[0] as string);
  assert.deepEqual(names, [...names].sort());
  assert.deepEqual(await lines('?filter=^cluster.*membership_t'), ['cluster.alt_c.membership_total: 3']);
  assert.ok((await lines('?usedonly')).every((line) => !/: 0$|No recorded/.test(line)));
  const gauges = await lines('?type=Gauges');
  assert.ok(gauges.includes('server.live: 1') && !gauges.some((line) => line.includes('upstream_rq_total')));
  const counters = await lines('?type=Counters');
  assert.ok(
    counters.includes('cluster.alt_c.upstream_rq_total: 0') &&
      !counters.some((line) => /server\.live|[cr][xq]_active:/.test(line)),
  );
});

test('an expression that would never end elsewhere ends here; one that is none is refused', async () => {
  assert.equal((await ask('/stats?filter=(')).status, 400);
  assert.equal((await ask(`/stats?filter=${encodeURIComponent('(([a-z_.]+)+)+$')}`)).status, 200);
});

test('/stats?format=json and histograms', async () => {
  const http1 = control.registry.metrics('http', 's');
  const metrics = control.supervisor.workers[1]?.metrics;
  const slots = new Float64Array(metrics?.histograms as SharedArrayBuffer);
  const { BUCKETS, bucketOf } = await import('../../../engine/metrics/histogram.js');
  slots[http1.histograms * BUCKETS + bucketOf(2000)] = 10;
  const { stats } = (await json('/stats?format=json&filter=downstream_rq_time')) as {
    stats: { histograms: { computed_quantiles: { name: string; values: { cumulative: number }[] }[] } }[];
  };
  const [{ name, values } = { name: '', values: [] }] = stats.at(-1)?.histograms.computed_quantiles ?? [];
  assert.equal(name, 'http.s.downstream_rq_time');
  // Two digits: within a percent of 2 ms.
  for (const { cumulative } of values) assert.ok(Math.abs(cumulative - 2) <= 0.02, String(cumulative));
});

test('/stats/prometheus: every line is of the format, no series comes twice, scopes are labels', async () => {
  const { body } = await ask('/stats/prometheus');
  const series = new Set<string>();
  const types = new Set<string>();
  for (const line of body.split('\n').slice(0, -1)) {
    const type = /^# TYPE (\w+) (counter|gauge|histogram)$/.exec(line);
    if (type !== null) {
      assert.ok(!types.has(type[1] as string), `two types of ${type[1]}`);
      types.add(type[1] as string);
      continue;
    }
    const found = /^(\w+\{(?:\w+="(?:[^"\\\n]|\\.)*"(?:,(?=\w))?)*\}) (\d+(?:\.\d+)?)$/.exec(line);
    assert.ok(found !== null, line);
    assert.ok(!series.has(found[1] as string), `twice: ${line}`);
    series.add(found[1] as string);
    const family = (found[1] as string).split('{')[0] as string;
    assert.ok(types.has(family) || types.has(family.replace(/_(bucket|sum|count)$/, '')), line);
  }
  for (const line of [
    'envoy_cluster_membership_total{envoy_cluster_name="alt:c"} 3',
    'envoy_cluster_circuit_breakers_default_rq_open{envoy_cluster_name="alt:c"} 1',
    'envoy_http_downstream_rq_xx{envoy_response_code_class="5",envoy_http_conn_manager_prefix="s"} 0',
    'envoy_http_downstream_rq_time_bucket{envoy_http_conn_manager_prefix="s",le="1"} 0',
    'envoy_http_downstream_rq_time_bucket{envoy_http_conn_manager_prefix="s",le="5"} 10',
    'envoy_http_downstream_rq_time_count{envoy_http_conn_manager_prefix="s"} 10',
    'envoy_server_live{} 1',
  ])
    assert.ok(body.split('\n').includes(line), `${line}\n${body}`);
  const used = (await ask('/stats/prometheus?usedonly')).body;
  assert.doesNotMatch(used, /^(?!#)(?!.*_bucket).* 0$/m);
});

test('/reset_counters leaves gauges as they are', async () => {
  const { counters } = control.registry.metrics('worker', '0');
  count(counters, 7);
  count(counters + 1, 3);
  await ask('/reset_counters', 'POST');
  const { body } = await ask('/stats?filter=server.worker_0');
  assert.match(body, /downstream_cx_total: 0\n/);
  assert.match(body, /downstream_cx_active: 3\n/);
  count(counters + 1, 0);
});

test('/listeners names the port that was given for 0; /config_dump and /workers say what is there', async () => {
  const { body } = await ask('/listeners');
  assert.match(body, /^l::127\.0\.0\.1:\d+\n$/);
  assert.doesNotMatch(body, /:0\n/);
  const { listener_statuses: statuses } = (await json('/listeners?format=json')) as { listener_statuses: unknown[] };
  assert.equal(statuses.length, 1);
  const { configs } = (await json('/config_dump')) as { configs: Record<string, unknown>[] };
  assert.equal(configs[0]?.['bootstrap_text'], TEXT);
  assert.equal((configs[1]?.['static_clusters'] as unknown[]).length, 1);
  const { workers } = (await json('/workers')) as { workers: { index: number; serving: boolean; heap_used: number }[] };
  assert.deepEqual(
    workers.map(({ index, serving }) => [index, serving]),
    [
      [0, true],
      [1, true],
    ],
  );
  assert.ok(workers.every((worker) => worker.heap_used > 0));
});

test('/logging, paths that are none, and the index', async () => {
  assert.equal((await ask('/logging?level=off', 'POST')).body, 'active loggers:\n  main: off\n');
  assert.equal((await ask('/logging?level=loud', 'POST')).status, 400);
  assert.equal((await ask('/logging', 'POST')).status, 200);
  for (const target of ['/nonsense', '/toString', '/__proto__', '/test/kill_worker', '//'])
    assert.equal((await ask(target)).status, 404, target);
  const help = (await ask('/help')).body;
  const index = (await ask('/')).body;
  for (const [, each] of help.matchAll(/^ {2}(\/\S+)/gm)) {
    assert.ok(index.includes(`"${each}"`), each);
    assert.notEqual((await ask(each as string)).status, 404, each);
  }
});

test('/drain_listeners?inboundonly closes those alone, whoever listens', async () => {
  const listener = (name: string, direction: string, reuse: boolean): string =>
    `{ name: ${name}, traffic_direction: ${direction}, enable_reuse_port: ${reuse}, address: { pipe: { path: ${join(directory, name)} } }, filter_chains: [ { filters: [ { name: h, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: s, route_config: { virtual_hosts: [ { name: v, domains: ["*"], routes: [ { match: { prefix: "/" }, direct_response: { status: 200 } } ] } ] }, http_filters: [ { name: r, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } } ] } } ] } ] }`;
  const all = [
    listener('in', 'INBOUND', false),
    listener('out', 'OUTBOUND', false),
    listener('any', 'UNSPECIFIED', false),
  ];
  assert.equal(await control.reload(`static_resources: { listeners: [ ${all.join(', ')} ] }`), true);
  const isOpen = (name: string): Promise<boolean> =>
    new Promise((resolve) => {
      const request = http.get({ socketPath: join(directory, name), path: '/', agent: false }, (response) => {
        response.resume();
        resolve(true);
      });
      request.on('error', () => resolve(false));
    });
  assert.equal((await ask('/drain_listeners?graceful&inboundonly', 'POST')).status, 400);
  assert.deepEqual(await Promise.all(['in', 'out', 'any'].map(isOpen)), [true, true, true]);
  assert.equal((await ask('/drain_listeners?inboundonly', 'POST')).body, 'OK\n');
  assert.deepEqual(await Promise.all(['in', 'out', 'any'].map(isOpen)), [false, true, true]);
  assert.equal(await control.reload(TEXT), true);
});

test('endpoints that left are gone from what admin shows', async () => {
  const row = control.publisher.plan?.clusters[0]?.endpoints[1]?.row as number;
  Atomics.store(new Int32Array(control.supervisor.sharedCells), endpointCell(row, ENDPOINT_REQUESTS), 1);
  assert.equal(await control.reload(TEXT.replace('10.0.0.1', '10.0.0.7')), true);
  const { body } = await ask('/stats/prometheus');
  assert.match(body, /envoy_endpoint="c\|10\.0\.0\.7:9001"/);
  assert.doesNotMatch(body, /10\.0\.0\.1/);
  assert.doesNotMatch((await ask('/clusters')).body, /10\.0\.0\.1/);
});
