/** The life of the process: start, validate, reload, drain, a worker's death, the admin endpoints. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bootstrap } from '../support/bootstrap.js';
import { freePort } from '../support/free-port.js';
import { MAIN, ProxyProcess } from '../support/proxy-process.js';
import { RawClient } from '../support/raw-client.js';

let origin: http.Server;
let originPort: number;

before(async () => {
  origin = http.createServer((request, response) => {
    const delay = Number(new URL(request.url as string, 'http://a').searchParams.get('delay') ?? 0);
    setTimeout(() => response.end('fine'), delay);
  });
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
  originPort = (origin.address() as AddressInfo).port;
});
after(() => {
  origin.close();
  origin.closeAllConnections();
});

/** Requests over keep-alive connections until stopped; counts what failed. */
class Load {
  good = 0;
  readonly failures: string[] = [];
  #isStopped = false;
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
  readonly #loops: Promise<void>[];

  constructor(port: number) {
    this.#loops = Array.from({ length: 16 }, () => this.#loop(port));
  }

  async #loop(port: number): Promise<void> {
    while (!this.#isStopped) await this.#request(port);
  }

  #request(port: number): Promise<void> {
    return new Promise((resolve) => {
      const request = http.get({ port, host: '127.0.0.1', path: '/load', agent: this.#agent }, (response) => {
        response.resume();
        response.on('end', () => {
          if (response.statusCode === 200) this.good++;
          else this.failures.push(`status ${response.statusCode}`);
          resolve();
        });
        response.on('error', (error) => this.#failed(error, resolve));
      });
      request.on('error', (error) => this.#failed(error, resolve));
    });
  }

  #failed(error: NodeJS.ErrnoException, resolve: () => void): void {
    // Once listeners are closed on purpose a refused connection is the right answer.
    if (!(this.#isStopped && error.code === 'ECONNREFUSED')) this.failures.push(error.code ?? error.message);
    setTimeout(resolve, 5);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#loops);
    this.#agent.destroy();
  }
}

test('validate prints every problem with its place and exits 1', () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-validate-'));
  const path = join(directory, 'bad.yaml');
  writeFileSync(
    path,
    `static_resources:
  listeners:
  - name: a
    address: { socket_address: { address: 127.0.0.1, port: 80 } }
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: x
          stream_idle_timeout: 5
          route_config: { virtual_hosts: [ { name: v, domains: ["*"], routes: [ { match: { prefix: "/" }, route: { cluster: missing } } ] } ] }
          http_filters: []
  clusters:
  - name: c
    type: EDS
    lb_polcy: ROUND_ROBIN
`,
  );
  const run = spawnSync(process.execPath, [MAIN, '--mode', 'validate', '-c', path], { encoding: 'utf8' });
  rmSync(directory, { recursive: true });
  assert.equal(run.status, 1);
  for (const part of [
    'bad.yaml:4:54: error: static_resources.listeners[0].address.socket_address.port: unknown field port in SocketAddress; did you mean port_value?',
    'stream_idle_timeout: must be a duration such as',
    'EDS is known to Envoy but not supported here yet',
    'unknown field lb_polcy in Cluster; did you mean lb_policy?',
    'there is no cluster "missing"; defined: c',
    'refused: 6 errors',
  ])
    assert.ok(run.stderr.includes(part), `${part}\n---\n${run.stderr}`);
  assert.match(run.stderr, /\n +\| +\^/);
});

test('usage errors exit 2, a missing file 1, each in a line', () => {
  const unknown = spawnSync(process.execPath, [MAIN, '--conifg-path', 'x'], { encoding: 'utf8' });
  assert.equal(unknown.status, 2);
  assert.match(unknown.stderr, /unknown option --conifg-path; did you mean --config-path\?/);
  const missing = spawnSync(process.execPath, [MAIN, '-c', '/does/not/exist.yaml'], { encoding: 'utf8' });
  assert.equal(missing.status, 1);
  assert.match(missing.stderr, /\/does\/not\/exist\.yaml: error: does not exist\n/);
  assert.doesNotMatch(missing.stderr, /at .*\.js/);
});

test('a port in use is one clear line', async () => {
  const proxy = await ProxyProcess.start(bootstrap({ origins: [originPort] }));
  const second = spawn(process.execPath, [MAIN, '--listen', `:${proxy.port}`, '--to', `127.0.0.1:${originPort}`]);
  let log = '';
  second.stderr.on('data', (chunk: Buffer) => {
    log += chunk.toString();
  });
  const code = await new Promise((resolve) => second.once('exit', resolve));
  assert.equal(code, 1);
  assert.match(log, new RegExp(`listen EADDRINUSE 127\\.0\\.0\\.1:${proxy.port}: another process has this address`));
  await proxy.stop();
});

test('reloads under load fail no request; a bad config is refused and the last good one stays', async () => {
  const config = (prefix: string): ((port: number, admin: number) => string) =>
    bootstrap({ origins: [originPort], manager: { server_name: prefix } });
  const proxy = await ProxyProcess.start(config('a'), { args: ['--concurrency', '2', '--watch'] });
  const load = new Load(proxy.port);
  for (let i = 0; i < 10; i++) {
    proxy.writeConfig(config(`s${i}`)(proxy.port, proxy.adminPort));
    proxy.child.kill('SIGHUP');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const serverName = async (): Promise<string | null> =>
    (await fetch(`http://127.0.0.1:${proxy.port}/`)).headers.get('server');
  // The last one is in force: of those before it some may have been passed over.
  await proxy.until(async () => (await serverName()) === 's9');
  proxy.writeConfig('static_resources: { listenrs: [] }');
  await proxy.until(() => proxy.log.includes('did you mean listeners?'));
  assert.equal(await serverName(), 's9');
  await load.stop();
  assert.deepEqual(load.failures, []);
  assert.ok(load.good > 0);
  assert.equal(await proxy.stop(), 0);
});

test('SIGTERM drains: a request under way finishes, its connection says close, exit 0', async () => {
  const proxy = await ProxyProcess.start(bootstrap({ origins: [originPort] }));
  const client = await RawClient.connect(proxy.port);
  client.send('GET /?delay=2000 HTTP/1.1\r\nHost: a\r\n\r\n');
  await new Promise((resolve) => setTimeout(resolve, 100));
  proxy.child.kill('SIGTERM');
  await proxy.until(() => proxy.log.includes('draining'));
  await assert.rejects(RawClient.connect(proxy.port));
  const received = await client.untilClosed();
  assert.match(received, /^HTTP\/1\.1 200 OK\r\n[\s\S]*connection: close\r\n[\s\S]*fine$/i);
  client.close();
  assert.equal(await proxy.exited, 0, proxy.log);
  await proxy.stop();
});

for (const workers of ['1', '2'])
  test(`SIGTERM under load loses no request (${workers} workers)`, async () => {
    const proxy = await ProxyProcess.start(bootstrap({ origins: [originPort] }), { args: ['--concurrency', workers] });
    const load = new Load(proxy.port);
    await new Promise((resolve) => setTimeout(resolve, 500));
    proxy.child.kill('SIGTERM');
    await proxy.until(() => proxy.log.includes('draining'));
    await load.stop();
    assert.deepEqual(
      load.failures.filter((failure) => failure !== 'ECONNREFUSED'),
      [],
    );
    assert.equal(await proxy.exited, 0);
    await proxy.stop();
  });

test('a sole worker that dies: who connects before its successor is there waits for it', async () => {
  const proxy = await ProxyProcess.start(bootstrap({ origins: [originPort] }), { args: ['--concurrency', '1'] });
  for (let death = 1; death <= 2; death++) {
    await proxy.admin('/test/kill_worker?index=0', 'POST');
    await proxy.until(() => proxy.log.split('worker 0 died and is replaced').length > death);
    // Connections of their own: a pool might hold some of the dead worker's.
    const ask = async (): Promise<string> => {
      const client = await RawClient.connect(proxy.port);
      client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
      return (await client.untilClosed()).slice(0, 15);
    };
    const answers = await Promise.all(Array.from({ length: 20 }, ask));
    assert.deepEqual(new Set(answers), new Set(['HTTP/1.1 200 OK']));
  }
  assert.equal(await proxy.stop(), 0);
});

test('a worker that dies is replaced; the other one goes on; shared counts end at zero', async () => {
  const proxy = await ProxyProcess.start(bootstrap({ origins: [originPort] }));
  const held = await Promise.all(Array.from({ length: 8 }, () => RawClient.connect(proxy.port)));
  for (const client of held) client.send('GET /?delay=3000 HTTP/1.1\r\nHost: a\r\n\r\n');
  await new Promise((resolve) => setTimeout(resolve, 300));
  await proxy.admin('/test/kill_worker?index=0', 'POST');
  await proxy.until(() => proxy.log.includes('worker 0 died and is replaced'));
  await proxy.until(async () =>
    ((await (await proxy.admin('/workers')).json()) as { workers: { serving: boolean }[] }).workers.every(
      (worker) => worker.serving,
    ),
  );
  for (let i = 0; i < 20; i++) assert.equal((await fetch(`http://127.0.0.1:${proxy.port}/`)).status, 200);
  await proxy.until(() =>
    held.every((client) => client.isEnded || client.isClosed || client.received.includes('fine')),
  );
  const answered = held.filter((client) => client.received.includes('fine')).length;
  assert.ok(answered >= 1 && answered < 8, `${answered} of 8 answered: only the dead worker's connections are lost`);
  for (const client of held) client.close();
  await proxy.until(async () => (await proxy.stat('cluster.origin.upstream_rq_active')) === 0);
  assert.equal(await proxy.stat('server.worker_restarts'), 1);
  assert.equal(await proxy.stop(), 0);
});

test('admin answers as Envoy does', async () => {
  const proxy = await ProxyProcess.start(bootstrap({ origins: [originPort] }));
  await fetch(`http://127.0.0.1:${proxy.port}/`);
  assert.equal(await (await proxy.admin('/ready')).text(), 'LIVE\n');
  assert.equal(((await (await proxy.admin('/server_info')).json()) as { state: string }).state, 'LIVE');
  assert.equal(await proxy.stat('http.ingress.downstream_rq_2xx'), 1);
  const prometheus = await (await proxy.admin('/stats/prometheus')).text();
  assert.match(
    prometheus,
    /# TYPE envoy_cluster_upstream_rq_total counter\nenvoy_cluster_upstream_rq_total\{envoy_cluster_name="origin"\} 1\n/,
  );
  assert.match(prometheus, /envoy_cluster_upstream_rq_time_count\{envoy_cluster_name="origin"\} 1\n/);
  const stats = (await (await proxy.admin('/stats?format=json&usedonly')).json()) as { stats: { name?: string }[] };
  assert.ok(stats.stats.some((each) => each.name === 'cluster.origin.upstream_rq_200'));
  assert.match(
    await (await proxy.admin('/clusters')).text(),
    new RegExp(`origin::127\\.0\\.0\\.1:${originPort}::rq_total::1\n`),
  );
  assert.match(await (await proxy.admin('/listeners')).text(), /^ingress::127\.0\.0\.1:\d+\n$/);
  const { workers } = (await (await proxy.admin('/workers')).json()) as { workers: { heap_used: number }[] };
  assert.equal(workers.length, 2);
  for (const worker of workers) assert.ok(worker.heap_used > 1e6, JSON.stringify(worker));
  assert.equal((await proxy.admin('/quitquitquit')).status, 405);
  assert.equal((await proxy.admin('/stats?filter=(')).status, 400);
  assert.equal((await proxy.admin('/nonsense')).status, 404);
  assert.equal((await proxy.admin('/logging?level=debug', 'POST')).status, 200);
  await proxy.admin('/healthcheck/fail', 'POST');
  assert.equal((await proxy.admin('/ready')).status, 503);
  await proxy.admin('/quitquitquit', 'POST');
  assert.equal(await proxy.exited, 0);
  await proxy.stop();
});

test('round robin is exact over workers', async () => {
  const counts = new Map<number, number>();
  const servers = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const server = http.createServer((_, response) => {
        const port = (server.address() as AddressInfo).port;
        counts.set(port, (counts.get(port) ?? 0) + 1);
        response.end('x');
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const origins = servers.map((server) => (server.address() as AddressInfo).port);
  const proxy = await ProxyProcess.start(bootstrap({ origins }), { args: ['--concurrency', '4'] });
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      for (let i = 0; i < 25; i++)
        await new Promise<void>((resolve, reject) => {
          http
            .get({ port: proxy.port, host: '127.0.0.1', agent }, (response) => response.resume().on('end', resolve))
            .on('error', reject);
        });
      agent.destroy();
    }),
  );
  assert.deepEqual([...counts.values()].sort(), [100, 100, 100, 100, 100]);
  await proxy.stop();
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
});

test('an access log gets a line per request', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-log-'));
  const path = join(directory, 'access.log');
  const accessLog = [
    {
      name: 'file',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
        path,
        log_format: {
          text_format_source: {
            inline_string:
              '%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_SENT% %REQ(X-MISSING)% %UPSTREAM_CLUSTER%\n',
          },
        },
      },
    },
  ];
  const proxy = await ProxyProcess.start(bootstrap({ origins: [originPort], manager: { access_log: accessLog } }));
  await (await fetch(`http://127.0.0.1:${proxy.port}/logged?a=1`)).text();
  await proxy.stop();
  assert.equal(readFileSync(path, 'utf8'), 'GET /logged?a=1 200 - 4 - origin\n');
  rmSync(directory, { recursive: true });
});

/** A log as a config names it. */
function fileLog(path: string, text: string): unknown {
  const type = 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog';
  return { typed_config: { '@type': type, path, log_format: { text_format_source: { inline_string: text } } } };
}

test('the line of a request that could not be read has nothing of an earlier one', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-log-'));
  const path = join(directory, 'access.log');
  const log = fileLog(
    path,
    '%REQ(:METHOD)% %REQ(:PATH)% %REQ(:AUTHORITY)% %REQ(X-SECRET)% %RESPONSE_CODE% %RESPONSE_FLAGS% %UPSTREAM_TRANSPORT_FAILURE_REASON%\n',
  );
  const proxy = await ProxyProcess.start(bootstrap({ origins: [originPort], manager: { access_log: [log] } }), {
    args: ['--concurrency', '1'],
  });
  for (const text of [
    'POST /of-somebody-else HTTP/1.1\r\nHost: secret\r\nX-Secret: token\r\nContent-Length: 0\r\n\r\n',
    'POST /in-vain HTTP/1.1\r\nHost: b\r\nno colon\r\n\r\n',
    'nonsense\r\n\r\n',
  ]) {
    const client = await RawClient.connect(proxy.port);
    client.send(text);
    await client.until((received) => received.includes('\r\n\r\n'));
    client.close();
  }
  await proxy.stop();
  assert.equal(
    readFileSync(path, 'utf8'),
    'POST /of-somebody-else secret token 200 - -\n- - - - 400 DPE -\n- - - - 400 DPE -\n',
  );
  rmSync(directory, { recursive: true });
});

for (const transport of ['native', 'node'])
  test(`connections in the log, ${transport} transport: ids of both sides, and our address of the upstream one`, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-log-'));
    const path = join(directory, 'access.log');
    const seen: (number | undefined)[] = [];
    const closing = http.createServer((request, response) => {
      seen.push(request.socket.remotePort);
      // The connection is over with the response: the log is written when it is closed.
      response.writeHead(200, { connection: 'close' }).end('x');
    });
    await new Promise<void>((resolve) => closing.listen(0, '127.0.0.1', resolve));
    const log = fileLog(path, '%CONNECTION_ID% %UPSTREAM_CONNECTION_ID% %UPSTREAM_LOCAL_ADDRESS%\n');
    const routes = [
      { match: { path: '/here' }, direct_response: { status: 200 } },
      { match: { prefix: '/' }, route: { cluster: 'origin' } },
    ];
    const proxy = await ProxyProcess.start(
      bootstrap({ origins: [(closing.address() as AddressInfo).port], routes, manager: { access_log: [log] } }),
      { args: ['--concurrency', '1', '--transport', transport] },
    );
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (const target of ['/a', '/b', '/here'])
      await new Promise<void>((resolve, reject) => {
        http
          .get({ port: proxy.port, host: '127.0.0.1', path: target, agent }, (response) =>
            response.resume().on('end', resolve),
          )
          .on('error', reject);
      });
    agent.destroy();
    await proxy.stop();
    closing.close();
    const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
    const [first, second, third] = lines.map((line) => line.split(' '));
    assert.equal(first?.[0], second?.[0], 'one connection of the client');
    assert.match(first?.[1] ?? '', /^\d+$/);
    assert.notEqual(first?.[1], second?.[1], 'two to the origin');
    assert.deepEqual(
      [first?.[2], second?.[2]],
      seen.map((port) => `127.0.0.1:${port}`),
    );
    assert.deepEqual(third?.slice(1), ['-', '-']);
    rmSync(directory, { recursive: true });
  });

test('ids of connections are of the process, not of a worker', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-log-'));
  const path = join(directory, 'access.log');
  const manager = { access_log: [fileLog(path, '%CONNECTION_ID%\n%UPSTREAM_CONNECTION_ID%\n')] };
  const proxy = await ProxyProcess.start(bootstrap({ origins: [originPort], manager }));
  const agent = new http.Agent({ keepAlive: true });
  await Promise.all(
    Array.from(
      { length: 6 },
      () =>
        new Promise<void>((resolve, reject) => {
          http
            .get({ port: proxy.port, host: '127.0.0.1', path: '/?delay=300', agent }, (response) =>
              response.resume().on('end', resolve),
            )
            .on('error', reject);
        }),
    ),
  );
  agent.destroy();
  await proxy.stop();
  const ids = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  assert.equal(ids.length, 12);
  assert.equal(new Set(ids).size, 12, ids.join());
  rmSync(directory, { recursive: true });
});

test('lines that a full disk loses are counted', { skip: !existsSync('/dev/full') }, async () => {
  const manager = { access_log: [fileLog('/dev/full', 'x\n')] };
  const proxy = await ProxyProcess.start(bootstrap({ origins: [originPort], manager }), {
    args: ['--concurrency', '1'],
  });
  for (let i = 0; i < 3; i++) await (await fetch(`http://127.0.0.1:${proxy.port}/`)).text();
  await proxy.until(async () => (await proxy.stat('server.worker_0.access_log_lines_dropped')) === 3);
  await proxy.until(() => proxy.log.includes('access log /dev/full: lines dropped: ENOSPC'));
  await proxy.stop();
});

test('the node transport does the same', async () => {
  const proxy = await ProxyProcess.start(bootstrap({ origins: [originPort] }), {
    args: ['--concurrency', '2', '--transport', 'node'],
  });
  assert.match(proxy.log, /node transport/);
  const load = new Load(proxy.port);
  await proxy.until(() => load.good > 20);
  await load.stop();
  assert.deepEqual(load.failures, []);
  const client = await RawClient.connect(proxy.port);
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(100000)}`);
  await client.until((text) => text.endsWith('fine'));
  client.close();
  assert.equal(await proxy.stop(), 0, proxy.log);
});

test('connections of a listener that a reload removes end; those of the others go on', async () => {
  const config = bootstrap({ origins: [originPort] });
  const removed = await freePort();
  const both = (port: number, adminPort: number): string => {
    const document = JSON.parse(config(port, adminPort)) as { static_resources: { listeners: object[] } };
    const { listeners } = document.static_resources;
    listeners.push({ ...(JSON.parse(JSON.stringify(listeners[0]).replace(String(port), String(removed))) as object) });
    Object.assign(listeners[1] as object, { name: 'removed' });
    return JSON.stringify(document);
  };
  const proxy = await ProxyProcess.start(both);
  const kept = await RawClient.connect(proxy.port);
  const ended = await RawClient.connect(removed);
  for (const client of [kept, ended]) {
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.until((text) => text.endsWith('fine'));
  }
  proxy.writeConfig(config(proxy.port, proxy.adminPort));
  proxy.child.kill('SIGHUP');
  await ended.untilClosed();
  kept.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await kept.until((text) => text.split('fine').length === 3);
  assert.doesNotMatch(kept.received, /connection: close/);
  kept.close();
  await proxy.stop();
});
