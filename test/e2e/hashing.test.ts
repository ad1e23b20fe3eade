/** Hashing end to end: requests stick to one of several real origins, and only those of a dead one move. */
import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, afterEach, before, test } from 'node:test';
import { bootstrap } from '../support/bootstrap.js';
import { ProxyProcess } from '../support/proxy-process.js';

const ORIGINS = 6;
const KEYS = Array.from({ length: 120 }, (_, i) => `user-${i}`);
let origins: http.Server[] = [];
let proxy: ProxyProcess | null = null;

/** Answers to /held wait until there are so many of them. */
const HELD = 12;
let held: (() => void)[] = [];

/** Says by its port who answers. */
async function origin(port = 0): Promise<http.Server> {
  const server = http.createServer((request, response) => {
    const answer = (): unknown => response.end(String((server.address() as AddressInfo).port));
    if (request.url !== '/held') {
      answer();
      return;
    }
    held.push(answer);
    if (held.length < HELD) return;
    for (const each of held) each();
    held = [];
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return server;
}
const ports = (): number[] => origins.map((server) => (server.address() as AddressInfo).port);

function close(server: http.Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

before(async () => {
  origins = await Promise.all(Array.from({ length: ORIGINS }, () => origin()));
});
afterEach(async () => {
  await proxy?.stop();
  proxy = null;
});
after(() => Promise.all(origins.map(close)));

async function start(cluster: Record<string, unknown>, hashPolicy: readonly unknown[]): Promise<ProxyProcess> {
  const routes = [{ match: { prefix: '/' }, route: { cluster: 'origin', hash_policy: hashPolicy } }];
  proxy = await ProxyProcess.start(bootstrap({ origins: ports(), cluster, routes }));
  return proxy;
}

interface Answer {
  readonly port: number;
  readonly setCookie: readonly string[];
}

/** Each on a connection of its own, so that both workers get some. */
function ask(path: string, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: proxy?.port, path, headers, agent: false };
    const request = http.get(options, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString()));
      response.on('end', () => {
        if (response.statusCode !== 200) reject(new Error(`${response.statusCode}: ${body}`));
        else resolve({ port: Number(body), setCookie: response.headers['set-cookie'] ?? [] });
      });
    });
    request.on('error', reject);
  });
}

/** By key: the port that answered. */
async function homes(): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const key of KEYS) found.set(key, (await ask('/', { 'x-user': key })).port);
  return found;
}

const BY_USER = [{ header: { header_name: 'x-user' } }];

for (const policy of ['MAGLEV', 'RING_HASH'])
  test(`${policy}: a header's value has one origin, over workers; of a dead origin only its keys move, and come back`, async () => {
    await start({ lb_policy: policy }, BY_USER);
    const first = await homes();
    assert.deepEqual(await homes(), first);
    assert.equal(new Set(first.values()).size, ORIGINS, 'all origins have some');
    const dead = ports()[2] as number;
    await close(origins[2] as http.Server);
    const without = await homes();
    assert.deepEqual(await homes(), without);
    origins[2] = await origin(dead);
    for (const [key, port] of first)
      if (port === dead) assert.notEqual(without.get(key), dead);
      else assert.equal(without.get(key), port, key);
    assert.ok(new Set(KEYS.filter((key) => first.get(key) === dead).map((key) => without.get(key))).size > 1);
    assert.deepEqual(await homes(), first);
  });

test('an endpoint that a new config calls unhealthy moves its keys alone', async () => {
  const running = await start({ lb_policy: 'MAGLEV' }, BY_USER);
  const first = await homes();
  const [down] = ports();
  const config = JSON.parse(bootstrap({ origins: ports() })(running.port, running.adminPort));
  const [cluster] = config.static_resources.clusters;
  cluster.lb_policy = 'MAGLEV';
  cluster.load_assignment.endpoints[0].lb_endpoints[0].health_status = 'UNHEALTHY';
  config.static_resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config.virtual_hosts[0].routes = [
    { match: { prefix: '/' }, route: { cluster: 'origin', hash_policy: BY_USER } },
  ];
  running.writeConfig(JSON.stringify(config));
  running.child.kill('SIGHUP');
  const moving = KEYS.find((key) => first.get(key) === down) as string;
  await running.until(async () => (await ask('/', { 'x-user': moving })).port !== down);
  for (const [key, port] of await homes())
    if (first.get(key) === down) assert.notEqual(port, down);
    else assert.equal(port, first.get(key), key);
});

test('requests without the header go anywhere', async () => {
  await start({ lb_policy: 'MAGLEV' }, BY_USER);
  const seen = new Set<number>();
  for (let i = 0; i < 60; i++) seen.add((await ask('/')).port);
  assert.ok(seen.size >= 4, [...seen].join());
});

test('a client without the cookie gets one that leads it back; terminal policies come first', async () => {
  await start({ lb_policy: 'RING_HASH' }, [
    { query_parameter: { name: 'user' }, terminal: true },
    { cookie: { name: 'home', ttl: '60s', path: '/' } },
  ]);
  for (let i = 0; i < 20; i++) {
    const { port, setCookie } = await ask('/');
    const found = /^home="([0-9a-f]{16})"; Max-Age=60; Path=\/; HttpOnly$/.exec(setCookie.join());
    assert.ok(found, setCookie.join());
    const again = await ask('/', { cookie: `a=b; home=${found[1]}` });
    assert.deepEqual(again, { port, setCookie: [] });
  }
  const byUser = await ask('/?user=7');
  assert.deepEqual(byUser.setCookie, []);
  for (let i = 0; i < 10; i++) assert.deepEqual(await ask(`/${i}?user=7`, { cookie: `home=${i}` }), byUser);
});

test('the address of the client, bounded load beside it', async () => {
  const bounded = { consistent_hashing_lb_config: { hash_balance_factor: 150 } };
  await start({ lb_policy: 'MAGLEV', common_lb_config: bounded }, [{ connection_properties: { source_ip: true } }]);
  const { port } = await ask('/');
  for (let i = 0; i < 20; i++) assert.equal((await ask(`/${i}`)).port, port);
  // ceil(1.5 * 12 / 6) for each; two workers that pick in the same instant may both take the last place.
  const answers = await Promise.all(Array.from({ length: HELD }, () => ask('/held')));
  const counts = ports().map((each) => answers.filter((answer) => answer.port === each).length);
  assert.ok(Math.max(...counts) <= 4, counts.join());
  assert.ok(answers.some((answer) => answer.port === port));
});
