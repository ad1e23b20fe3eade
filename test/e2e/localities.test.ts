/** Localities and subsets end to end: real processes, shares over two workers, counters, a reload that moves both. */
import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, afterEach, before, test } from 'node:test';
import { bootstrap } from '../support/bootstrap.js';
import { ProxyProcess } from '../support/proxy-process.js';

/** By origin: its version and where it is. */
const ORIGINS = [
  { zone: 'a', version: '1' },
  { zone: 'a', version: '2' },
  { zone: 'b', version: '1' },
  { zone: 'b', version: '2' },
] as const;
let servers: http.Server[] = [];
let ports: number[] = [];
let proxy: ProxyProcess | null = null;

before(async () => {
  servers = await Promise.all(
    ORIGINS.map(async () => {
      const server = http.createServer((_request, response) => {
        response.end(String((server.address() as AddressInfo).port));
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  ports = servers.map((server) => (server.address() as AddressInfo).port);
});
afterEach(async () => {
  await proxy?.stop();
  proxy = null;
});
after(() => {
  for (const server of servers) server.close();
});

function endpoint(at: number): unknown {
  const address = { socket_address: { address: '127.0.0.1', port_value: ports[at] } };
  return { endpoint: { address }, metadata: { filter_metadata: { 'envoy.lb': { version: ORIGINS[at]?.version } } } };
}
function zone(name: string, weight: number | null, ...origins: number[]): unknown {
  return {
    locality: { zone: name },
    lb_endpoints: origins.map(endpoint),
    ...(weight === null ? {} : { load_balancing_weight: weight }),
  };
}
type Fields = Readonly<Record<string, unknown>>;
function config(endpoints: readonly unknown[], cluster: Fields, routes?: readonly unknown[], top: Fields = {}) {
  const text = bootstrap({
    origins: ports,
    cluster: { ...cluster, load_assignment: { cluster_name: 'origin', endpoints } },
    ...(routes === undefined ? {} : { routes }),
  });
  return (port: number, adminPort: number): string =>
    JSON.stringify({ ...(JSON.parse(text(port, adminPort)) as Fields), ...top });
}

/** Each on a connection of its own, so that both workers get some; 0 = refused. */
function ask(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: '127.0.0.1', port: proxy?.port, path, agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString()));
      response.on('end', () => resolve(response.statusCode === 200 ? Number(body) : 0));
    });
    request.on('error', reject);
  });
}
/** Answers by origin. */
async function counts(path: string, requests: number): Promise<number[]> {
  const found = ports.map(() => 0);
  for (let i = 0; i < requests; i++) {
    const at = ports.indexOf(await ask(path));
    assert.ok(at >= 0, `${path} was refused`);
    found[at] = (found[at] as number) + 1;
  }
  return found;
}
async function counter(name: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${proxy?.adminPort}/stats?filter=^cluster.origin.${name}$`);
  return Number(/: (\d+)/.exec(await response.text())?.[1]);
}

const WEIGHTED = { common_lb_config: { locality_weighted_lb_config: {} } };

test('locality weights are kept exactly over two workers, and a reload changes them', async () => {
  proxy = await ProxyProcess.start(config([zone('a', 3, 0, 1), zone('b', 1, 2, 3)], WEIGHTED));
  const first = await counts('/', 160);
  [60, 60, 20, 20].forEach((share, at) => {
    assert.ok(Math.abs((first[at] as number) - share) <= 2, first.join());
  });
  proxy.writeConfig(config([zone('a', 1, 0, 1), zone('b', 1000, 2, 3)], WEIGHTED)(proxy.port, proxy.adminPort));
  proxy.child.kill('SIGHUP');
  const running = proxy;
  await running.until(async () => {
    const some = await counts('/', 12);
    return some[0] === 0 && some[1] === 0;
  });
});

test('routes and weighted clusters lead to their subsets; what no endpoint has is refused or falls back', async () => {
  const match = (version: string): Fields => ({ metadata_match: { filter_metadata: { 'envoy.lb': { version } } } });
  const weighted = { clusters: [{ name: 'origin', weight: 1, ...match('2') }] };
  const routes = [
    { match: { prefix: '/one' }, route: { cluster: 'origin', ...match('1') } },
    { match: { prefix: '/two' }, route: { weighted_clusters: weighted, ...match('1') } },
    { match: { prefix: '/three' }, route: { cluster: 'origin', ...match('3') } },
    { match: { prefix: '/' }, route: { cluster: 'origin' } },
  ];
  const subsets = (fallback_policy: string): Fields => ({
    lb_subset_config: { fallback_policy, subset_selectors: [{ keys: ['version'] }] },
  });
  const endpoints = [zone('a', null, 0, 1), zone('b', null, 2, 3)];
  proxy = await ProxyProcess.start(config(endpoints, subsets('NO_FALLBACK'), routes));
  assert.deepEqual(await counts('/one', 20), [10, 0, 10, 0]);
  assert.deepEqual(await counts('/two', 20), [0, 10, 0, 10]);
  assert.deepEqual(await Promise.all([ask('/three'), ask('/')]), [0, 0]);
  assert.equal(await counter('lb_subsets_selected'), 40);
  assert.equal(await counter('lb_subsets_active'), 2);
  assert.equal(await counter('lb_subsets_created'), 2);
  proxy.writeConfig(config(endpoints, subsets('ANY_ENDPOINT'), routes)(proxy.port, proxy.adminPort));
  proxy.child.kill('SIGHUP');
  await proxy.until(async () => (await ask('/three')) > 0);
  assert.ok((await counts('/', 12)).every((count) => count > 0));
  assert.deepEqual(await counts('/one', 20), [10, 0, 10, 0]);
  assert.ok((await counter('lb_subsets_fallback')) >= 13);
});

test('requests stay in the zone of the proxy', async () => {
  const proxies = {
    name: 'proxies',
    type: 'STATIC',
    load_assignment: { cluster_name: 'proxies', endpoints: [zone('a', null, 0), zone('b', null, 2)] },
  };
  const zones = { common_lb_config: { zone_aware_lb_config: { min_cluster_size: 2 } } };
  const make = config([zone('a', null, 0, 1), zone('b', null, 2, 3)], zones, undefined, {
    node: { id: 'n', cluster: 'c', locality: { zone: 'b' } },
    cluster_manager: { local_cluster_name: 'proxies' },
  });
  proxy = await ProxyProcess.start((port, adminPort) => {
    const text = JSON.parse(make(port, adminPort)) as { static_resources: { clusters: unknown[] } };
    text.static_resources.clusters.push(proxies);
    return JSON.stringify(text);
  });
  assert.deepEqual(await counts('/', 40), [0, 0, 20, 20]);
  assert.equal(await counter('lb_zone_routing_all_directly'), 40);
});
