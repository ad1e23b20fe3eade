/** Filters that keep bodies whole, over real sockets: buffer with its limits, and the bridge of gRPC to HTTP/1.1. */
import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { bootstrap } from '../support/bootstrap.js';
import { GrpcEcho, SERVICE } from '../support/grpc-echo.js';
import { ProxyProcess } from '../support/proxy-process.js';
import { RawClient } from '../support/raw-client.js';

const FILTERS = 'type.googleapis.com/envoy.extensions.filters.http';
const filter = (name: string, message: string, fields: object = {}): object => ({
  name,
  typed_config: { '@type': `${FILTERS}.${message}`, ...fields },
});
const ROUTER = filter('router', 'router.v3.Router');
const perRoute = (fields: object): object => ({
  typed_per_filter_config: { buffer: { '@type': `${FILTERS}.buffer.v3.BufferPerRoute`, ...fields } },
});

let origin: http.Server;
let echo: GrpcEcho;
let buffering: ProxyProcess;
let bridging: ProxyProcess;
/** Heads that the origin has got so far. */
let heads: http.IncomingMessage[] = [];

before(async () => {
  origin = http.createServer((request, response) => {
    heads.push(request);
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const length = request.headers['content-length'] ?? 'none';
      response.setHeader('x-length', length).setHeader('x-expect', request.headers.expect ?? 'none');
      response.setHeader('x-trailer', String(request.trailers['x-last'] ?? 'none'));
      response.end(Buffer.concat(chunks));
    });
  });
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
  echo = await GrpcEcho.start();
  const to = (prefix: string, more: object = {}): object => ({
    match: { prefix },
    route: { cluster: 'origin' },
    ...more,
  });
  buffering = await ProxyProcess.start(
    bootstrap({
      origins: [(origin.address() as AddressInfo).port],
      manager: { http_filters: [filter('buffer', 'buffer.v3.Buffer', { max_request_bytes: 100_000 }), ROUTER] },
      routes: [
        to('/off', perRoute({ disabled: true })),
        to('/small', perRoute({ buffer: { max_request_bytes: 10 } })),
        to('/'),
      ],
    }),
  );
  bridging = await ProxyProcess.start(
    bootstrap({
      origins: [echo.port],
      cluster: { http2_protocol_options: {} },
      listener: { per_connection_buffer_limit_bytes: 65536 },
      manager: {
        http_filters: [filter('bridge', 'grpc_http1_bridge.v3.Config', { upgrade_protobuf_to_grpc: true }), ROUTER],
      },
    }),
  );
});
after(async () => {
  await buffering.stop();
  await bridging.stop();
  origin.closeAllConnections();
  origin.close();
  echo.kill();
});

const chunked = (path: string, ...chunks: string[]): string =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunks
    .map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`)
    .join('')}`;

test('the origin hears of a request when all of it is here, with its length', async () => {
  const client = await RawClient.connect(buffering.port);
  heads = [];
  client.send(chunked('/', 'hello ', 'world'));
  await buffering.until(async () => (await buffering.stat('http.ingress.downstream_rq_active')) === 1);
  assert.equal(heads.length, 0);
  client.send('0\r\n\r\n');
  const answer = await client.until((text) => text.endsWith('hello world'));
  assert.match(answer, /x-length: 11\r\n/);
  client.send(`${chunked('/', 'again')}0\r\nX-Last: 1\r\n\r\n`);
  const trailed = (await client.until((text) => text.endsWith('again'))).slice(answer.length);
  assert.match(trailed, /x-length: none\r\n/);
  assert.match(trailed, /x-trailer: 1\r\n/);
  client.close();
});

test('a client that expects to be asked is asked, and the origin is not told so', async () => {
  const client = await RawClient.connect(buffering.port);
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n');
  await client.until((text) => text === 'HTTP/1.1 100 Continue\r\n\r\n');
  client.send('hello');
  const answer = await client.until((text) => text.endsWith('hello'));
  assert.match(answer, /x-expect: none\r\n/);
  // The next one finds everything as it was.
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n');
  await client.until((text) => text.endsWith('HTTP/1.1 100 Continue\r\n\r\n'));
  client.send('by');
  await client.until((text) => text.endsWith('\r\n\r\nby'));
  client.close();
});

test('too much is 413, counted; routes have limits of their own, or none', async () => {
  const post = async (path: string, byteCount: number): Promise<Response> =>
    fetch(`http://127.0.0.1:${buffering.port}${path}`, { method: 'POST', body: 'x'.repeat(byteCount) });
  const before = await buffering.stat('http.ingress.downstream_rq_too_large');
  const refused = await post('/small', 11);
  assert.deepEqual([refused.status, await refused.text()], [413, 'Payload Too Large']);
  assert.equal((await post('/small', 10)).status, 200);
  const off = await post('/off', 3_000_000);
  assert.equal((await off.text()).length, 3_000_000);
  const whole = await post('/', 100_000);
  assert.equal((await whole.text()).length, 100_000);
  const client = await RawClient.connect(buffering.port);
  heads = [];
  client.send(chunked('/small', '123456', '789012'));
  assert.match(await client.untilClosed(), /^HTTP\/1.1 413 /);
  assert.equal(heads.length, 0);
  assert.equal(await buffering.stat('http.ingress.downstream_rq_too_large'), before + 2);
  client.close();
});

test('what was kept survives an endpoint that refuses, and one that is connected to', async () => {
  const gone = await GrpcEcho.start();
  const closed = gone.port;
  gone.kill();
  const proxy = await ProxyProcess.start(
    bootstrap({
      origins: [closed, (origin.address() as AddressInfo).port],
      manager: { http_filters: [filter('buffer', 'buffer.v3.Buffer', { max_request_bytes: 100_000 }), ROUTER] },
    }),
  );
  for (let i = 0; i < 8; i++) {
    const answer = await fetch(`http://127.0.0.1:${proxy.port}/`, { method: 'POST', body: 'y'.repeat(90_000) });
    assert.deepEqual([answer.status, (await answer.text()).length], [200, 90_000]);
  }
  await proxy.stop();
});

interface Bridged {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}
function call(type: string, body: Buffer, fields: Record<string, string> = {}): Promise<Bridged> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        host: '127.0.0.1',
        port: bridging.port,
        path: `/${SERVICE}/Unary`,
        method: 'POST',
        headers: { ...fields, 'content-type': type, te: 'trailers' },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
        );
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}
function frame(message: string): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, Buffer.from(message)]);
}

test('a call over HTTP/1.1 has its status in the head and its length', async () => {
  const answer = await call('application/grpc', frame('hello'));
  assert.deepEqual([answer.status, answer.headers['grpc-status']], [200, '0']);
  assert.deepEqual(answer.body, frame('hello'));
  assert.equal(answer.headers['content-length'], '10');
  const failed = await call('application/grpc', frame('hello'), { 'x-fail': '9 not now' });
  assert.equal(failed.headers['grpc-status'], '9');
  assert.equal(failed.headers['grpc-message'], 'not%20now');
  assert.equal(failed.body.length, 0);
});

test('a client of protobuf alone is framed', async () => {
  const answer = await call('application/x-protobuf', Buffer.from('hello'));
  assert.deepEqual([answer.status, answer.headers['grpc-status'], answer.body.toString()], [200, '0', 'hello']);
  const empty = await call('application/x-protobuf', Buffer.alloc(0), { 'transfer-encoding': 'chunked' });
  assert.deepEqual([empty.status, empty.headers['grpc-status'], empty.body.length], [200, '0', 0]);
});

test('an answer that is more than the listener may buffer is 500, as gRPC says it; the next call works', async () => {
  const before = await bridging.stat('http.ingress.rs_too_large');
  const answer = await call('application/grpc', frame('z'.repeat(70_000)));
  assert.deepEqual([answer.status, answer.headers['grpc-status']], [200, '2']);
  assert.equal(await bridging.stat('http.ingress.rs_too_large'), before + 1);
  assert.equal((await call('application/grpc', frame('z'.repeat(60_000)))).body.length, 60_005);
});
