/** uWebSockets.js as the ingress: bodies both ways, heads, refusals, aborts, reload, drain; skipped where it does not load. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { loadUws } from '../../engine/uws/load-uws.js';
import { bootstrap } from '../support/bootstrap.js';
import { freePort } from '../support/free-port.js';
import { MAIN, ProxyProcess } from '../support/proxy-process.js';

const why = await loadUws().then(
  () => null,
  (error: Error) => error.message,
);
const SIZES = [0, 1024, 5 * 1024 * 1024];
const UWS = ['--ingress', 'uws'];

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

function ask(port: number, options: http.RequestOptions, body?: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, ...options }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const { statusCode, headers, rawHeaders } = response;
        resolve({ status: statusCode as number, headers, rawHeaders, body: Buffer.concat(chunks) });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** Everything that a connection says after these bytes, until it ends. */
function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(text, 'latin1'));
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
  });
}

const sum = (bytes: Buffer): string => createHash('sha1').update(bytes).digest('hex');

for (const transport of ['native', 'node'])
  describe(`--ingress uws, --transport ${transport}`, { skip: why ?? false }, () => {
    const bodies = new Map(SIZES.map((size) => [size, randomBytes(size)]));
    let origin: http.Server;
    let proxy: ProxyProcess;
    let aborted = 0;
    let slow = 0;
    const seen: http.IncomingMessage[] = [];
    const letGo: (() => void)[] = [];

    function answer(request: http.IncomingMessage, response: http.ServerResponse): void {
      const url = new URL(request.url as string, 'http://a');
      const size = Number(url.searchParams.get('size') ?? 0);
      seen.push(request);
      if (url.pathname === '/missing') response.writeHead(404, { 'x-kept': 'y' }).end('nothing here');
      else if (url.pathname === '/empty') response.writeHead(204).end();
      else if (url.pathname === '/same') response.writeHead(304, { etag: '"1"' }).end();
      else if (url.pathname === '/chunked') {
        response.write(bodies.get(size));
        response.end('end');
      } else if (url.pathname === '/waits') {
        response.writeHead(200, { 'content-length': 4 }).flushHeaders();
        letGo.push(() => response.end('body'));
      } else if (url.pathname === '/later')
        setTimeout(() => request.pipe(createHash('sha1').setEncoding('hex')).pipe(response), 300);
      else if (url.pathname === '/slow') {
        slow++;
        request.resume();
        response.on('close', () => {
          if (!response.writableFinished) aborted++;
        });
        setTimeout(() => response.end('slow'), Number(url.searchParams.get('ms')));
      } else if (url.pathname === '/cut') {
        response.writeHead(200, { 'content-length': 10 });
        response.write('half', () => response.destroy());
      } else if (request.method === 'GET' || request.method === 'HEAD')
        response.writeHead(200, { 'content-length': size }).end(bodies.get(size));
      else {
        const chunks: Buffer[] = [];
        request.on('data', (chunk: Buffer) => chunks.push(chunk));
        request.on('end', () => response.end(sum(Buffer.concat(chunks))));
      }
    }

    before(async () => {
      origin = http.createServer({ maxHeaderSize: 1 << 17 }, answer);
      await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
      const config = bootstrap({ origins: [(origin.address() as AddressInfo).port] });
      proxy = await ProxyProcess.start(config, { args: [...UWS, '--transport', transport, '--concurrency', '2'] });
    });
    after(async () => {
      await proxy?.stop();
      origin.closeAllConnections();
      origin.close();
    });

    for (const size of SIZES)
      test(`${size} bytes down, with a length and in chunks`, async () => {
        const whole = await ask(proxy.port, { path: `/?size=${size}` });
        assert.equal(whole.headers['content-length'], String(size));
        assert.equal(sum(whole.body), sum(bodies.get(size) as Buffer));
        const chunked = await ask(proxy.port, { path: `/chunked?size=${size}` });
        assert.equal(sum(chunked.body), sum(Buffer.concat([bodies.get(size) as Buffer, Buffer.from('end')])));
      });

    for (const size of SIZES)
      test(`${size} bytes up, with a length and in chunks`, async () => {
        const body = bodies.get(size) as Buffer;
        for (const headers of [{ 'content-length': size }, { 'transfer-encoding': 'chunked' }]) {
          const echoed = await ask(proxy.port, { method: 'POST', path: '/echo', headers }, body);
          assert.equal(echoed.body.toString(), sum(body));
        }
      });

    test('an upstream that reads late gets the whole body', async () => {
      const body = Buffer.concat(Array(8).fill(bodies.get(SIZES[2] as number)));
      assert.equal(String((await ask(proxy.port, { method: 'POST', path: '/later' }, body)).body), sum(body));
    });

    test('a client that reads slowly gets the whole body', async () => {
      const body = await new Promise<Buffer>((resolve, reject) => {
        const chunks: Buffer[] = [];
        http.get({ host: '127.0.0.1', port: proxy.port, path: `/?size=${SIZES[2]}` }, (response) => {
          response.pause();
          setTimeout(() => response.resume(), 300);
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () => resolve(Buffer.concat(chunks)));
          response.on('error', reject);
        });
      });
      assert.equal(sum(body), sum(bodies.get(SIZES[2] as number) as Buffer));
    });

    test('HEAD, 404, 204 and 304 keep their fields, and each field comes once', async () => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      const get = (path: string, method = 'GET'): Promise<Answer> => ask(proxy.port, { method, path, agent });
      const head = await get('/?size=1024', 'HEAD');
      assert.deepEqual([head.headers['content-length'], head.body.length], ['1024', 0]);
      const missing = await get('/missing');
      assert.deepEqual([missing.status, missing.headers['x-kept'], String(missing.body)], [404, 'y', 'nothing here']);
      const empty = await get('/empty');
      assert.deepEqual([empty.status, empty.headers['content-length']], [204, undefined]);
      const same = await get('/same');
      agent.destroy();
      assert.deepEqual([same.status, same.headers['etag']], [304, '"1"']);
      for (const { rawHeaders } of [head, missing, empty, same]) {
        const names = rawHeaders.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase());
        assert.deepEqual(names, [...new Set(names)]);
        assert.ok(
          names.includes('date') && names.includes('server') && names.includes('x-envoy-upstream-service-time'),
        );
      }
    });

    test('method, target and fields go up as they came, with the address of the client', async () => {
      await ask(proxy.port, { method: 'OPTIONS', path: '/a%20b?x=1&y=%20?', headers: { 'x-one': 'a, b' } }, undefined);
      const request = seen[seen.length - 1] as http.IncomingMessage;
      assert.deepEqual([request.method, request.url], ['OPTIONS', '/a%20b?x=1&y=%20?']);
      assert.equal(request.headers['x-one'], 'a, b');
      assert.equal(request.headers['x-forwarded-for'], '127.0.0.1');
      assert.equal(request.headers.host, `127.0.0.1:${proxy.port}`);
    });

    test('a connection serves one request after the other', async () => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      const before = await proxy.stat('http.ingress.downstream_cx_total');
      for (let i = 0; i < 20; i++) assert.equal((await ask(proxy.port, { path: '/?size=1024', agent })).status, 200);
      assert.equal(await proxy.stat('http.ingress.downstream_cx_total'), before + 1);
      agent.destroy();
    });

    test('connections go to both workers', async () => {
      const agent = new http.Agent({ keepAlive: true });
      await Promise.all(Array.from({ length: 20 }, () => ask(proxy.port, { path: '/slow?ms=50', agent })));
      for (const worker of [0, 1]) assert.ok((await proxy.stat(`server.worker_${worker}.downstream_cx_active`)) >= 5);
      agent.destroy();
    });

    test('an answer that comes before the body has come is read, and says that the connection closes', async () => {
      for (let i = 0; i < 3; i++) {
        const body = bodies.get(SIZES[2] as number) as Buffer;
        const early = await ask(proxy.port, { method: 'POST', path: '/missing', agent: false }, body);
        assert.deepEqual([early.status, early.headers.connection], [404, 'close']);
      }
    });

    test('what a client has left is cancelled upstream', async () => {
      const began = slow;
      const before = aborted;
      const request = http.get({ host: '127.0.0.1', port: proxy.port, path: '/slow?ms=20000' });
      request.on('error', () => {});
      await proxy.until(() => slow > began);
      request.destroy();
      await proxy.until(() => aborted > before);
      assert.equal(aborted, before + 1);
    });

    test('the head of a response comes before its body does', async () => {
      const body = await new Promise<string>((resolve, reject) => {
        http.get({ host: '127.0.0.1', port: proxy.port, path: '/waits' }, (response) => {
          // The origin sends no byte of the body before somebody has seen the head.
          for (const go of letGo.splice(0)) go();
          response.on('data', (chunk: Buffer) => resolve(chunk.toString()));
          response.on('error', reject);
        });
      });
      assert.equal(body, 'body');
    });

    test('a head may be as long as the config says; one that is longer is refused', async () => {
      const long = await ask(proxy.port, { path: '/?size=0', headers: { 'x-long': 'y'.repeat(50 * 1024) } });
      assert.equal(long.status, 200);
      assert.equal((seen[seen.length - 1]?.headers['x-long'] as string).length, 50 * 1024);
      const longer = await ask(proxy.port, { path: '/?size=0', headers: { 'x-long': 'y'.repeat(62 * 1024) } });
      assert.deepEqual([longer.status, longer.headers['server']], [431, 'envoy']);
    });

    test('a response that the upstream cuts is cut', async () => {
      await assert.rejects(ask(proxy.port, { path: '/cut' }), /aborted|ECONNRESET|hang up/);
    });

    test('a request that can be read in two ways is refused', async () => {
      const host = 'Host: a\r\n';
      const twice = await raw(
        proxy.port,
        `POST / HTTP/1.1\r\n${host}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`,
      );
      assert.match(twice, /^HTTP\/1\.1 400 /);
      const coding = await raw(
        proxy.port,
        `POST / HTTP/1.1\r\n${host}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
      );
      assert.match(coding, /^HTTP\/1\.1 501 /);
      assert.match(await raw(proxy.port, `GET / HTTP/1.1\r\n${host}x: a\xffb\r\n\r\n`), /^HTTP\/1\.1 400 /);
      assert.match(await raw(proxy.port, `CONNECT a:80 HTTP/1.1\r\n${host}\r\n`), /^HTTP\/1\.1 505 /);
    });

    test('an upgrade is passed over, an expectation is met', async () => {
      const upgrade = { connection: 'upgrade', upgrade: 'websocket' };
      assert.equal((await ask(proxy.port, { path: '/?size=0', headers: upgrade })).status, 200);
      assert.equal(seen[seen.length - 1]?.headers.upgrade, undefined);
      const expecting = { expect: '100-continue', 'content-length': 4 };
      const echoed = await ask(proxy.port, { method: 'POST', path: '/echo', headers: expecting }, Buffer.from('body'));
      assert.equal(echoed.body.toString(), sum(Buffer.from('body')));
      assert.equal(seen[seen.length - 1]?.headers.expect, undefined);
    });
  });

test('without uWebSockets.js one line says what is missing, and the exit code is 1', () => {
  const hook = `export async function resolve(name, context, next) {
    if (name !== 'uWebSockets.js') return next(name, context);
    throw Object.assign(new Error('not there'), { code: 'ERR_MODULE_NOT_FOUND' });
  }`;
  const dataUrl = (text: string): string => `data:text/javascript,${encodeURIComponent(text)}`;
  const preload = dataUrl(`import { register } from 'node:module'; register(${JSON.stringify(dataUrl(hook))});`);
  const args = ['--import', preload, MAIN, ...UWS, '--listen', ':0', '--to', 'localhost:1'];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.equal(status, 1);
  assert.match(stderr, /^millrace: --ingress uws: uWebSockets\.js is not installed: npm install \S+\n$/m);
});

describe('the life of --ingress uws', { skip: why ?? false }, () => {
  let origin: http.Server;
  let originPort: number;

  before(async () => {
    origin = http.createServer((request, response) => {
      setTimeout(() => response.end('fine'), Number(new URL(request.url as string, 'http://a').searchParams.get('ms')));
    });
    await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
    originPort = (origin.address() as AddressInfo).port;
  });
  after(() => {
    origin.closeAllConnections();
    origin.close();
  });

  test('a reload keeps the socket and its connections, and moves where the address moves', async () => {
    const config = bootstrap({ origins: [originPort] });
    const proxy = await ProxyProcess.start(config, { args: [...UWS, '--concurrency', '2'] });
    try {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      const get = (port: number, path: string): Promise<Answer> => ask(port, { path, agent });
      assert.equal((await get(proxy.port, '/?ms=0')).status, 200);
      const routes = [{ match: { prefix: '/' }, direct_response: { status: 418 } }];
      const changed = bootstrap({ origins: [originPort], routes });
      proxy.writeConfig(changed(proxy.port, proxy.adminPort));
      proxy.child.kill('SIGHUP');
      await proxy.until(async () => (await get(proxy.port, '/')).status === 418);
      assert.equal(await proxy.stat('http.ingress.downstream_cx_total'), 1);
      agent.destroy();
      const port = await freePort();
      proxy.writeConfig(config(port, proxy.adminPort));
      proxy.child.kill('SIGHUP');
      await proxy.until(() => proxy.log.includes('version 3'));
      assert.equal((await ask(port, { path: '/?ms=0' })).status, 200);
      await assert.rejects(ask(proxy.port, { path: '/' }), /ECONNREFUSED/);
    } finally {
      await proxy.stop();
    }
  });

  test('limits that it can not keep are refused at the start; one request per connection is kept', async () => {
    const limited = (limit: object): ((port: number, adminPort: number) => string) =>
      bootstrap({ origins: [originPort], manager: { common_http_protocol_options: limit } });
    await assert.rejects(
      ProxyProcess.start(limited({ max_connection_duration: '5s' }), { args: UWS }),
      /max_connection_duration: can not be kept with --ingress uws/,
    );
    const proxy = await ProxyProcess.start(limited({ max_requests_per_connection: 1 }), { args: UWS });
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    try {
      for (let i = 0; i < 3; i++)
        assert.equal((await ask(proxy.port, { path: '/?ms=0', agent })).headers.connection, 'close');
      assert.equal(await proxy.stat('http.ingress.downstream_cx_total'), 3);
      assert.equal(await proxy.stat('http.ingress.downstream_cx_max_requests_reached'), 3);
    } finally {
      agent.destroy();
      await proxy.stop();
    }
  });

  test('SIGTERM lets requests finish, says that connections close, and exits 0', async () => {
    const config = bootstrap({ origins: [originPort] });
    const proxy = await ProxyProcess.start(config, { args: [...UWS, '--concurrency', '2'] });
    const agent = new http.Agent({ keepAlive: true });
    await Promise.all([1, 2, 3].map(() => ask(proxy.port, { path: '/?ms=0', agent })));
    const late = ask(proxy.port, { path: '/?ms=500' });
    await proxy.until(async () => (await proxy.stat('http.ingress.downstream_rq_active')) > 0);
    proxy.child.kill('SIGTERM');
    const { status, headers } = await late;
    assert.deepEqual([status, headers.connection], [200, 'close']);
    assert.equal(await proxy.exited, 0);
    agent.destroy();
    await proxy.stop();
  });

  test('when listeners drain the next response says that its connection closes, and is counted', async () => {
    const config = bootstrap({ origins: [originPort] });
    const proxy = await ProxyProcess.start(config, { args: [...UWS, '--concurrency', '2'] });
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    try {
      const first = await ask(proxy.port, { path: '/?ms=0', agent });
      assert.notEqual(first.headers.connection, 'close');
      await proxy.admin('/drain_listeners', 'POST');
      await proxy.until(async () => (await ask(proxy.port, { path: '/?ms=0', agent })).headers.connection === 'close');
      assert.equal(await proxy.stat('http.ingress.downstream_cx_drain_close'), 1);
      assert.equal(await proxy.stat('http.ingress.downstream_cx_total'), 1);
      await assert.rejects(ask(proxy.port, { path: '/?ms=0', agent: false }), /ECONNREFUSED/);
    } finally {
      agent.destroy();
      await proxy.stop();
    }
  });

  test('a worker that dies is replaced, and both get connections again', async () => {
    const config = bootstrap({ origins: [originPort] });
    const proxy = await ProxyProcess.start(config, { args: [...UWS, '--concurrency', '2'] });
    try {
      for (const worker of [0, 1]) {
        await proxy.admin(`/test/kill_worker?index=${worker}`, 'POST');
        await proxy.until(() => proxy.log.includes(`worker ${worker} died and is replaced`));
        const total = (): Promise<number> => proxy.stat(`server.worker_${worker}.downstream_cx_total`);
        const before = await total();
        await proxy.until(async () => {
          assert.equal((await ask(proxy.port, { path: '/?ms=0', agent: false })).status, 200);
          return (await total()) > before;
        });
      }
    } finally {
      assert.equal(await proxy.stop(), 0);
    }
  });

  test('an address that is taken is said in one line', async () => {
    const started = spawn(process.execPath, [MAIN, ...UWS, '--listen', `:${originPort}`, '--to', 'localhost:1']);
    let said = '';
    started.stderr.on('data', (chunk) => {
      said += String(chunk);
    });
    const code = await new Promise((resolve) => started.once('close', resolve));
    assert.equal(code, 1);
    assert.match(said, /EADDRINUSE 127\.0\.0\.1:\d+: another process has this address/);
  });
});
