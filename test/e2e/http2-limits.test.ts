/** Limits of an HTTP/2 client's connection: idle, age, requests, heads that never end; each ends in order, by GOAWAY. */
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import net, { type AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { bootstrap } from '../support/bootstrap.js';
import { Http2Client } from '../support/http2-client.js';
import { ProxyProcess } from '../support/proxy-process.js';

const NO_ERROR = 0;
const GOAWAY = 7;
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

let origin: http2.Http2Server;
const proxies: ProxyProcess[] = [];

before(async () => {
  origin = http2.createServer((request, response) => {
    if (request.url === '/big') response.end(Buffer.alloc(64 << 20));
    else setTimeout(() => response.end('ok'), request.url === '/slow' ? 700 : 0);
  });
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
});
after(async () => {
  for (const proxy of proxies) await proxy.stop();
  origin.close();
});

async function start(manager: Readonly<Record<string, unknown>>): Promise<ProxyProcess> {
  const proxy = await ProxyProcess.start(
    bootstrap({
      origins: [(origin.address() as AddressInfo).port],
      manager,
      cluster: { http2_protocol_options: {} },
    }),
    { args: ['--concurrency', '1'] },
  );
  proxies.push(proxy);
  return proxy;
}

/** Frames until the connection ends: their types. */
function framesOf(socket: net.Socket): Promise<number[]> {
  let received = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
  });
  return new Promise((resolve) =>
    socket.once('close', () => {
      const types: number[] = [];
      for (let at = 0; at + 9 <= received.length; at += 9 + received.readUIntBE(at, 3))
        types.push(received[at + 3] as number);
      resolve(types);
    }),
  );
}

test('an idle connection ends; one with a stream open does not', async () => {
  const proxy = await start({ common_http_protocol_options: { idle_timeout: '0.3s' } });
  const client = await Http2Client.connect(proxy.port);
  assert.equal((await client.request({ ':path': '/slow' })).status, 200);
  await proxy.until(() => client.isClosed);
  assert.equal(await proxy.stat('http.ingress.downstream_cx_idle_timeout'), 1);
  assert.ok(client.goaways.length > 0 && client.goaways.every((code) => code === NO_ERROR));
  assert.equal(await proxy.stat('http.ingress.downstream_cx_http2_active'), 0);
});

test('max_requests_per_connection: GOAWAY, and those under way are answered', async () => {
  const proxy = await start({ common_http_protocol_options: { max_requests_per_connection: 5 } });
  const client = await Http2Client.connect(proxy.port);
  const answers = await Promise.all(Array.from({ length: 5 }, () => client.request({ ':path': '/slow' })));
  assert.deepEqual(
    answers.map(({ status, code }) => [status, code]),
    Array(5).fill([200, NO_ERROR]),
  );
  await proxy.until(() => client.isClosed);
  assert.ok(client.goaways.length > 0 && client.goaways.every((code) => code === NO_ERROR));
  assert.equal(await proxy.stat('http.ingress.downstream_cx_max_requests_reached'), 1);
});

test('max_connection_duration: GOAWAY, and those under way are answered', async () => {
  const proxy = await start({ common_http_protocol_options: { max_connection_duration: '0.3s' } });
  const client = await Http2Client.connect(proxy.port);
  const { status, code } = await client.request({ ':path': '/slow' });
  assert.deepEqual([status, code], [200, NO_ERROR]);
  await proxy.until(() => client.isClosed);
  assert.ok(client.goaways.length > 0 && client.goaways.every((each) => each === NO_ERROR));
  assert.equal(await proxy.stat('http.ingress.downstream_cx_max_duration_reached'), 1);
});

test('request_headers_timeout: half a preface, or a header block without its end', async () => {
  const proxy = await start({ request_headers_timeout: '0.3s' });
  const half = net.connect(proxy.port, '127.0.0.1');
  half.write(PREFACE.subarray(0, 20));
  assert.ok((await framesOf(half)).includes(GOAWAY));
  const open = net.connect(proxy.port, '127.0.0.1');
  // HEADERS of stream 1 without END_HEADERS: ":method: GET".
  open.write(Buffer.concat([PREFACE, SETTINGS, Buffer.from([0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82])]));
  assert.ok((await framesOf(open)).includes(GOAWAY));
});

test('codec_type: HTTP2 takes nothing else, HTTP1 takes no preface', async () => {
  const only2 = await start({ codec_type: 'HTTP2' });
  const old = net.connect(only2.port, '127.0.0.1');
  old.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.ok((await framesOf(old)).includes(GOAWAY));
  const client = await Http2Client.connect(only2.port);
  assert.equal((await client.request({ ':path': '/' })).status, 200);
  await client.close();
  const only1 = await start({ codec_type: 'HTTP1' });
  const text = await new Promise<string>((resolve) => {
    const socket = net.connect(only1.port, '127.0.0.1');
    socket.write(PREFACE);
    socket.once('data', (chunk: Buffer) => {
      resolve(chunk.toString('latin1'));
      socket.destroy();
    });
  });
  assert.match(text, /^HTTP\/1\.1 (400|505) /);
});

test('a client that ends its side ends its connection, and what is under way with it', async () => {
  const proxy = await start({});
  const socket = net.connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
  // ":method: GET", ":scheme: http", ":path: /slow", ":authority: a"
  const block = Buffer.concat([
    Buffer.from([0x82, 0x86, 0x04, 5]),
    Buffer.from('/slow'),
    Buffer.from([0x01, 1]),
    Buffer.from('a'),
  ]);
  const headers = Buffer.concat([Buffer.from([0, 0, block.length, 1, 5, 0, 0, 0, 1]), block]);
  const frames = framesOf(socket);
  socket.end(Buffer.concat([PREFACE, SETTINGS, headers]));
  await frames;
  await proxy.until(async () => (await proxy.stat('http.ingress.downstream_rq_active')) === 0);
  await proxy.until(async () => (await proxy.stat('cluster.origin.upstream_rq_active')) === 0);
  assert.equal(await proxy.stat('http.ingress.downstream_rq_http2_total'), 1);
});

test('a client that stops to read an answer is left, with all that waits for it', async () => {
  const proxy = await start({
    http2_protocol_options: { connection_keepalive: { interval: '0.2s', timeout: '0.2s' } },
    delayed_close_timeout: '0.2s',
    access_log: [
      {
        name: 'log',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog',
          log_format: {
            text_format_source: { inline_string: 'LOG %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n' },
          },
        },
      },
    ],
  });
  const socket = net.connect(proxy.port, '127.0.0.1');
  socket.on('error', () => {});
  // As much as a window may be, for streams and the connection; then GET /big.
  const windows = Buffer.from('0000060400000000000004 7fffffff 00000408000000000 07f000000'.replace(/ /g, ''), 'hex');
  const request = Buffer.from('00000b0105000000018286 04042f626967 410161'.replace(/ /g, ''), 'hex');
  socket.write(Buffer.concat([PREFACE, windows, request]));
  socket.pause();
  await proxy.until(async () => (await proxy.stat('http.ingress.http2.keepalive_timeout')) === 1);
  await proxy.until(async () => (await proxy.stat('http.ingress.downstream_cx_active')) === 0);
  // Silence breaks no rule.
  assert.equal(await proxy.stat('http.ingress.downstream_cx_protocol_error'), 0);
  await proxy.until(() => proxy.log.includes('LOG 200 DC downstream_local_disconnect(http2_ping_timeout)'));
  socket.destroy();
});
