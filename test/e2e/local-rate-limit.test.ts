/** local_ratelimit over four workers: one bucket, exact over all of them, over reloads and deaths of workers. */
import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, afterEach, before, test } from 'node:test';
import { bootstrap } from '../support/bootstrap.js';
import { ProxyProcess } from '../support/proxy-process.js';

const TYPE = 'type.googleapis.com/envoy.extensions.filters.http';
const WORKERS = 4;
const CLIENTS = 16;
const ALL = { default_value: { numerator: 100, denominator: 'HUNDRED' } };
let origin: http.Server;
let proxy: ProxyProcess | null = null;

before(async () => {
  origin = http.createServer((_request, response) => response.end('fine'));
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  await proxy?.stop();
  proxy = null;
});
after(() => {
  origin.closeAllConnections();
  origin.close();
});

type Config = (port: number, adminPort: number) => string;
function config(bucket: object, more: object = {}): Config {
  const limit = {
    '@type': `${TYPE}.local_ratelimit.v3.LocalRateLimit`,
    stat_prefix: 'edge',
    token_bucket: bucket,
    filter_enabled: ALL,
    filter_enforced: ALL,
    ...more,
  };
  const filters = [
    { name: 'envoy.filters.http.local_ratelimit', typed_config: limit },
    { name: 'router', typed_config: { '@type': `${TYPE}.router.v3.Router` } },
  ];
  return bootstrap({ origins: [(origin.address() as AddressInfo).port], manager: { http_filters: filters } });
}

async function started(text: Config): Promise<ProxyProcess> {
  proxy = await ProxyProcess.start(text, { args: ['--concurrency', String(WORKERS)] });
  return proxy;
}

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}
function get(port: number, agent: http.Agent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: '127.0.0.1', port, agent }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        body += text;
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode as number, headers: response.headers, body }));
    });
    request.on('error', reject);
  });
}

/** Statuses of so many requests on each of some connections, which go to all workers. */
async function flood(port: number, each: number): Promise<number[]> {
  const statuses = await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      const seen: number[] = [];
      for (let i = 0; i < each; i++) seen.push((await get(port, agent)).status);
      agent.destroy();
      return seen;
    }),
  );
  return statuses.flat();
}
const count = (statuses: readonly number[], status: number): number =>
  statuses.filter((each) => each === status).length;

test('four workers give out the burst once, and then what time brings; counters agree', async () => {
  const burst = 100;
  const perSecond = 50;
  const text = config({ max_tokens: burst, tokens_per_fill: perSecond, fill_interval: '1s' });
  const { port, stat } = bound(await started(text));
  const beganMs = performance.now();
  const statuses = await flood(port, 100);
  const tookS = (performance.now() - beganMs) / 1000;
  const admitted = count(statuses, 200);
  assert.equal(admitted + count(statuses, 429), 100 * CLIENTS);
  assert.ok(admitted >= burst, `${admitted} admitted`);
  assert.ok(admitted <= burst + Math.floor(perSecond * tookS) + 1, `${admitted} admitted in ${tookS} s`);
  for (let worker = 0; worker < WORKERS; worker++)
    assert.ok((await stat(`server.worker_${worker}.downstream_cx_total`)) > 0, `worker ${worker} took part`);
  const counters = await Promise.all(
    ['enabled', 'ok', 'rate_limited', 'enforced'].map((name) => stat(`edge.http_local_rate_limit.${name}`)),
  );
  const refused = statuses.length - admitted;
  assert.deepEqual(counters, [statuses.length, admitted, refused, refused]);
});

test('exactly the burst when nothing comes back; a reload and a dead worker give nothing back, a new limit begins full', async () => {
  const burst = 37;
  const text = config({ max_tokens: burst, fill_interval: '3600s' });
  const it = await started(text);
  assert.equal(count(await flood(it.port, 10), 200), burst);
  it.child.kill('SIGHUP');
  await it.until(() => it.log.includes('version 2'));
  assert.equal(count(await flood(it.port, 2), 200), 0);
  await it.admin('/test/kill_worker?index=1', 'POST');
  await it.until(() => it.log.includes('worker 1 died and is replaced'));
  assert.equal(count(await flood(it.port, 2), 200), 0);
  it.writeConfig(config({ max_tokens: 5, fill_interval: '3600s' })(it.port, it.adminPort));
  it.child.kill('SIGHUP');
  await it.until(() => it.log.includes('version 3'));
  assert.equal(count(await flood(it.port, 2), 200), 5);
});

test('the refused are told: status, fields, body, flag; X-Envoy-RateLimited is on theirs alone', async () => {
  const more = {
    status: { code: 503 },
    response_headers_to_add: [{ header: { key: 'x-limited-by', value: 'edge of %REQ(:PATH)%' } }],
  };
  const { port } = await started(config({ max_tokens: 1, fill_interval: '3600s' }, more));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const first = await get(port, agent);
  const second = await get(port, agent);
  agent.destroy();
  assert.deepEqual([first.status, first.body, first.headers['x-envoy-ratelimited']], [200, 'fine', undefined]);
  assert.deepEqual([second.status, second.body], [503, 'local_rate_limited']);
  assert.deepEqual([second.headers['x-envoy-ratelimited'], second.headers['x-limited-by']], ['true', 'edge of /']);
});

test('with a bucket per connection each has its burst, whichever worker serves it', async () => {
  const text = config({ max_tokens: 3, fill_interval: '3600s' }, { local_rate_limit_per_downstream_connection: true });
  const { port } = await started(text);
  assert.equal(count(await flood(port, 5), 200), 3 * CLIENTS);
});

function bound(it: ProxyProcess): { readonly port: number; readonly stat: (name: string) => Promise<number> } {
  return { port: it.port, stat: (name) => it.stat(name) };
}
