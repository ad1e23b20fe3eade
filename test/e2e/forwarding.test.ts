/** Forwarding end to end: the real proxy between raw clients and node:http origins. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { bootstrap } from '../support/bootstrap.js';
import { freePort } from '../support/free-port.js';
import { ProxyProcess } from '../support/proxy-process.js';
import { RawClient } from '../support/raw-client.js';

let proxy: ProxyProcess;
let origin: http.Server;
let originCloses = 0;

function body(request: http.IncomingMessage): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => resolve(Buffer.concat(chunks)));
  });
}

async function answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
  const url = request.url as string;
  if (url.startsWith('/echo')) {
    const bytes = await body(request);
    const seen = JSON.stringify({
      method: request.method,
      url,
      headers: request.headers,
      length: bytes.length,
      digest: createHash('sha256').update(bytes).digest('hex'),
      trailers: request.trailers,
    });
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': seen.length });
    response.end(seen);
  } else if (url === '/chunked') {
    response.writeHead(200, { trailer: 'x-sum' });
    response.write('one ');
    response.write('two');
    response.addTrailers({ 'x-sum': '7' });
    response.end();
  } else if (url === '/hints') {
    response.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' });
    response.end('hinted');
  } else if (url === '/304') {
    response.writeHead(304, { etag: '"a"' });
    response.end();
  } else if (url === '/204') {
    response.writeHead(204);
    response.end();
  } else if (url === '/stream') {
    response.on('close', () => originCloses++);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: first\n\n');
  } else if (url === '/slow') {
    request.on('close', () => {
      originCloses++;
    });
  } else if (url === '/big') response.end(Buffer.alloc(8 << 20, 'b'));
  else response.end(`${request.method} ${url}`);
}

before(async () => {
  origin = http.createServer((request, response) => void answer(request, response));
  const sockets = new WebSocketServer({ server: origin });
  sockets.on('connection', (socket) => socket.on('message', (message) => socket.send(`echo ${message.toString()}`)));
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
  const port = (origin.address() as AddressInfo).port;
  proxy = await ProxyProcess.start(
    bootstrap({
      origins: [port],
      manager: {
        http_protocol_options: { accept_http_10: true },
        upgrade_configs: [{ upgrade_type: 'websocket' }, { upgrade_type: 'CONNECT' }],
      },
      routes: [
        { match: { connect_matcher: {} }, route: { cluster: 'origin' } },
        { match: { path: '/limited' }, route: { cluster: 'origin', timeout: '0.2s', prefix_rewrite: '/slow' } },
        { match: { prefix: '/rewritten' }, route: { cluster: 'origin', prefix_rewrite: '/echo' } },
        { match: { prefix: '/redirect' }, redirect: { host_redirect: 'example.com', https_redirect: true } },
        { match: { path: '/direct' }, direct_response: { status: 418, body: { inline_string: 'teapot' } } },
        { match: { prefix: '/' }, route: { cluster: 'origin' } },
      ],
    }),
  );
});

after(async () => {
  const code = await proxy.stop();
  origin.close();
  origin.closeAllConnections();
  assert.equal(code, 0, proxy.log);
});

async function exchange(request: string, fits: (received: string) => boolean): Promise<string> {
  const client = await RawClient.connect(proxy.port);
  client.send(request);
  const received = await client.until(fits);
  client.close();
  return received;
}
const whole = (received: string): boolean => /\r\n\r\n[\s\S]*\}$/.test(received);

test('a request arrives with forwarding fields and without hop-by-hop ones', async () => {
  const received = await exchange(
    'GET /echo?a=1 HTTP/1.1\r\nHost: example.com\r\nConnection: keep-alive, x-drop\r\nX-Drop: 1\r\nKeep-Alive: timeout=5\r\nX-Envoy-Retry-On: 5xx\r\nX-Keep:   spaced \r\n\r\n',
    whole,
  );
  const seen = JSON.parse(received.split('\r\n\r\n')[1] as string);
  assert.equal(seen.url, '/echo?a=1');
  assert.equal(seen.headers.host, 'example.com');
  assert.equal(seen.headers['x-forwarded-for'], '127.0.0.1');
  assert.equal(seen.headers['x-forwarded-proto'], 'http');
  assert.match(seen.headers['x-request-id'], /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(seen.headers['x-envoy-expected-rq-timeout-ms'], '15000');
  assert.equal(seen.headers['x-keep'], 'spaced');
  for (const name of ['x-drop', 'keep-alive', 'x-envoy-retry-on']) assert.equal(seen.headers[name], undefined, name);
  assert.match(received, /\r\nserver: envoy\r\n/);
  assert.match(received, /\r\nx-envoy-upstream-service-time: \d+\r\n/);
});

test('bodies arrive whole: content-length, chunked, byte by byte', async () => {
  const bytes = 'x'.repeat(3000);
  const digest = createHash('sha256').update(bytes).digest('hex');
  const plain = await exchange(`POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n${bytes}`, whole);
  assert.equal(JSON.parse(plain.split('\r\n\r\n')[1] as string).digest, digest);
  const chunked = await exchange(
    `POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: x-end\r\n\r\n3e8;a=b\r\n${'x'.repeat(1000)}\r\n7D0\r\n${'x'.repeat(2000)}\r\n0\r\nX-End: yes\r\n\r\n`,
    whole,
  );
  const seen = JSON.parse(chunked.split('\r\n\r\n')[1] as string);
  assert.equal(seen.digest, digest);
  assert.deepEqual(seen.trailers, { 'x-end': 'yes' });
  const client = await RawClient.connect(proxy.port);
  client.socket.setNoDelay(true);
  for (const byte of 'PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n') {
    client.send(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(JSON.parse((await client.until(whole)).split('\r\n\r\n')[1] as string).length, 2);
  client.close();
});

test('a chunked response comes with its trailers', async () => {
  const received = await exchange('GET /chunked HTTP/1.1\r\nHost: a\r\n\r\n', (text) =>
    text.endsWith('x-sum: 7\r\n\r\n'),
  );
  assert.match(received, /transfer-encoding: chunked/i);
  assert.match(received, /4\r\none \r\n/);
});

test('103 and 100 are passed through', async () => {
  const hinted = await exchange('GET /hints HTTP/1.1\r\nHost: a\r\n\r\n', (text) => text.includes('hinted'));
  assert.match(hinted, /^HTTP\/1\.1 103 Early Hints\r\nlink: /i);
  const client = await RawClient.connect(proxy.port);
  client.send('POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n');
  await client.until((text) => text.startsWith('HTTP/1.1 100 Continue\r\n\r\n'));
  client.send('hi');
  assert.match(await client.until(whole), /"length":2/);
  client.close();
});

test('HEAD, 204 and 304 have no body and the connection goes on', async () => {
  const client = await RawClient.connect(proxy.port);
  client.send(
    'HEAD /x HTTP/1.1\r\nHost: a\r\n\r\nGET /204 HTTP/1.1\r\nHost: a\r\n\r\nGET /304 HTTP/1.1\r\nHost: a\r\n\r\nGET /last HTTP/1.1\r\nHost: a\r\n\r\n',
  );
  const received = await client.until((text) => text.endsWith('GET /last'));
  const statuses = [...received.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1]);
  assert.deepEqual(statuses, ['200', '204', '304', '200']);
  client.close();
});

test('pipelined requests are answered in order', async () => {
  const client = await RawClient.connect(proxy.port);
  const paths = Array.from({ length: 20 }, (_, i) => `/p${i}`);
  client.send(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''));
  const received = await client.until((text) => text.endsWith('GET /p19'));
  assert.deepEqual(
    [...received.matchAll(/GET (\/p\d+)/g)].map((match) => match[1]),
    paths,
  );
  client.close();
});

test('HTTP/1.0: closed by default, kept alive on request', async () => {
  const client = await RawClient.connect(proxy.port);
  client.send('GET /a HTTP/1.0\r\n\r\n');
  assert.match(await client.untilClosed(), /connection: close\r\n[\s\S]*GET \/a$/i);
  const kept = await RawClient.connect(proxy.port);
  kept.send('GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
  assert.match(await kept.until((text) => text.endsWith('GET /a')), /connection: keep-alive/i);
  kept.close();
});

test('absolute-form and OPTIONS *', async () => {
  const absolute = await exchange('GET http://other.example/echo HTTP/1.1\r\nHost: ignored\r\n\r\n', whole);
  assert.equal(JSON.parse(absolute.split('\r\n\r\n')[1] as string).headers.host, 'other.example');
  assert.match(await exchange('OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', (text) => text.endsWith('OPTIONS *')), /200 OK/);
});

test('malformed requests get 400 with a stable reason and the connection ends', async () => {
  const cases: [string, string][] = [
    [
      'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      'content_length_with_transfer_encoding',
    ],
    ['GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n', 'duplicate_content_length'],
    ['GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n', 'space_before_colon'],
    ['GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n', 'obs_fold'],
    ['GET / HTTP/1.1\nHost: a\n\n', 'bare_cr_or_lf'],
    ['GET / HTTP/1.1\r\n\r\n', 'missing_host'],
    ['GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n', 'duplicate_host'],
  ];
  for (const [request, reason] of cases) {
    const client = await RawClient.connect(proxy.port);
    client.send(request);
    const received = await client.untilClosed();
    assert.match(received, /^HTTP\/1\.1 400 Bad Request\r\n/, request);
    assert.ok(received.includes(reason), `${reason} in ${received}`);
    client.close();
  }
});

test('limits have their statuses', async () => {
  const long = 'x'.repeat(70 * 1024);
  const statusOf = async (request: string): Promise<string> => {
    const client = await RawClient.connect(proxy.port);
    client.send(request);
    const received = await client.untilClosed();
    client.close();
    return received.slice(9, 12);
  };
  assert.equal(await statusOf(`GET /${long} HTTP/1.1\r\nHost: a\r\n\r\n`), '414');
  assert.equal(await statusOf(`GET / HTTP/1.1\r\nHost: a\r\nX: ${long}\r\n\r\n`), '431');
  assert.equal(await statusOf(`GET / HTTP/1.1\r\nHost: a\r\n${'X: 1\r\n'.repeat(101)}\r\n`), '431');
  assert.equal(await statusOf('GET / HTTP/2.0\r\nHost: a\r\n\r\n'), '505');
  assert.equal(await statusOf('GET / HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\n\r\n'), '417');
  assert.equal(await statusOf('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n'), '501');
});

test('rewrites, redirects and direct responses', async () => {
  const seen = JSON.parse(
    (await exchange('GET /rewritten/b?c=1 HTTP/1.1\r\nHost: a\r\n\r\n', whole)).split('\r\n\r\n')[1] as string,
  );
  assert.equal(seen.url, '/echo/b?c=1');
  assert.equal(seen.headers['x-envoy-original-path'], '/rewritten/b?c=1');
  const redirect = await exchange('GET /redirect/x?y=1 HTTP/1.1\r\nHost: a:80\r\n\r\n', (text) =>
    text.endsWith('\r\n\r\n'),
  );
  assert.match(redirect, /^HTTP\/1\.1 301 /);
  assert.match(redirect, /\r\nlocation: https:\/\/example\.com\/redirect\/x\?y=1\r\n/);
  assert.match(
    await exchange('GET /direct HTTP/1.1\r\nHost: a\r\n\r\n', (text) => text.endsWith('teapot')),
    /^HTTP\/1\.1 418 /,
  );
});

test('the route timeout answers 504 and cancels the upstream request', async () => {
  const before = originCloses;
  const received = await exchange('GET /limited HTTP/1.1\r\nHost: a\r\n\r\n', (text) =>
    text.includes('upstream request timeout'),
  );
  assert.match(received, /^HTTP\/1\.1 504 Gateway Timeout\r\n/);
  await proxy.until(() => originCloses > before);
});

test('a client that goes away cancels the upstream request', async () => {
  const before = originCloses;
  const client = await RawClient.connect(proxy.port);
  client.send('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n');
  await new Promise((resolve) => setTimeout(resolve, 100));
  client.close();
  await proxy.until(() => originCloses > before);
});

test('a client that only ends its side is answered', async () => {
  const client = await RawClient.connect(proxy.port);
  client.socket.end('GET /half HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.match(await client.untilClosed(), /GET \/half$/);
  client.close();
});

test('an event stream whose reader has left ends, also when nothing more is sent', async () => {
  const before = originCloses;
  const client = await RawClient.connect(proxy.port);
  client.send('GET /stream HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.until((received) => received.includes('data: first'));
  client.socket.end();
  await proxy.until(() => originCloses > before);
  client.close();
});

test('a WebSocket works through the proxy', async () => {
  const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/ws`);
  const message = await new Promise<string>((resolve, reject) => {
    socket.on('open', () => socket.send('hello'));
    socket.on('message', (data) => resolve(data.toString()));
    socket.on('error', reject);
  });
  assert.equal(message, 'echo hello');
  socket.close();
});

test('bytes are counted while the connection that carries them lives', async () => {
  const names = ['http.ingress.downstream_cx', 'cluster.origin.upstream_cx'].flatMap((name) => [
    `${name}_rx_bytes_total`,
    `${name}_tx_bytes_total`,
  ]);
  const counts = (): Promise<number[]> => Promise.all(names.map((name) => proxy.stat(name)));
  const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/ws`);
  await once(socket, 'open');
  const before = await counts();
  // What was written is counted when something is read next.
  for (let at = 0; at < 2; at++) {
    socket.send('x'.repeat(5000));
    await once(socket, 'message');
  }
  for (const [at, count] of (await counts()).entries())
    assert.ok(count - (before[at] as number) >= 5000, `${names[at]}: ${count - (before[at] as number)}`);
  socket.close();
});

test('a big download to a slow reader comes whole', async () => {
  const client = await RawClient.connect(proxy.port);
  client.send('GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  client.socket.pause();
  await new Promise((resolve) => setTimeout(resolve, 200));
  client.socket.resume();
  const received = await client.untilClosed();
  assert.equal(received.length - received.indexOf('\r\n\r\n') - 4, 8 << 20);
  client.close();
});

test('a connection refused is 503 UF; an upstream that dies at once is retried on another connection', async () => {
  // A raw origin that closes its kept-alive connection exactly when the second request comes.
  let connections = 0;
  const racing = net.createServer((socket) => {
    connections++;
    let requests = 0;
    socket.on('error', () => {});
    socket.on('data', () => {
      if (++requests === 1) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      else socket.destroy();
    });
  });
  await new Promise<void>((resolve) => racing.listen(0, '127.0.0.1', resolve));
  const second = await ProxyProcess.start(bootstrap({ origins: [(racing.address() as AddressInfo).port] }), {
    args: ['--concurrency', '1'],
  });
  const client = await RawClient.connect(second.port);
  for (let i = 1; i <= 5; i++) {
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.until((text) => text.split('200 OK').length === i + 1);
  }
  assert.ok(connections >= 3, `${connections} connections`);
  assert.equal((await second.stat('cluster.origin.upstream_rq_retry')) > 0, true);
  client.close();
  racing.close();
  await second.stop();
  const dead = await ProxyProcess.start(bootstrap({ origins: [await freePort()] }), { args: ['--concurrency', '1'] });
  const refused = await RawClient.connect(dead.port);
  refused.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  const received = await refused.until((text) => text.includes('connection failure'));
  assert.match(received, /^HTTP\/1\.1 503 Service Unavailable\r\n/);
  refused.close();
  await dead.stop();
});
