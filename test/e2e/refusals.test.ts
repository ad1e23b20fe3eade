/** What is refused, on real sockets: slow clients, what is too long, what is not spoken; each with its stable reason. */
import assert from 'node:assert/strict';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { bootstrap } from '../support/bootstrap.js';
import { ProxyProcess } from '../support/proxy-process.js';
import { RawClient } from '../support/raw-client.js';

const HEADERS_TIMEOUT_MS = 400;
const DRIP_MS = 50;

let origin: http.Server;
let proxy: ProxyProcess;

before(async () => {
  origin = http.createServer((request, response) => {
    request.resume();
    request.on('end', () => response.end(`fine ${request.url}`));
  });
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
  proxy = await ProxyProcess.start(
    bootstrap({
      origins: [(origin.address() as AddressInfo).port],
      manager: {
        request_headers_timeout: `${HEADERS_TIMEOUT_MS / 1000}s`,
        stream_idle_timeout: '1s',
        max_request_headers_kb: 8,
        common_http_protocol_options: { max_headers_count: 20 },
      },
    }),
  );
});

after(async () => {
  const code = await proxy.stop();
  origin.close();
  origin.closeAllConnections();
  assert.equal(code, 0, proxy.log);
});

/** Sends byte by byte until the connection ends or the text does. */
async function drip(client: RawClient, text: string): Promise<number> {
  let sent = 0;
  for (const byte of text) {
    if (client.isEnded || client.isClosed) break;
    client.send(byte);
    sent++;
    await new Promise((resolve) => setTimeout(resolve, DRIP_MS));
  }
  return sent;
}

test('a head that drips in is answered 408, however steadily it comes', async () => {
  const client = await RawClient.connect(proxy.port);
  const head = `GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ${'x'.repeat(400)}`;
  const sent = await drip(client, head);
  assert.ok(sent < head.length, 'the whole head was taken');
  assert.match(await client.untilClosed(), /^HTTP\/1\.1 408 Request Timeout\r\n[\s\S]*\r\n\r\nrequest header timeout$/);
  client.close();
});

test('the second head of a connection may not drip either', async () => {
  const client = await RawClient.connect(proxy.port);
  client.send('GET /one HTTP/1.1\r\nHost: a\r\n\r\nGET /two HT');
  await client.until((text) => text.includes('fine /one'));
  assert.match(await client.untilClosed(), /fine \/oneHTTP\/1\.1 408 Request Timeout\r\n/);
  client.close();
});

test('a connection that waits between requests is not a slow head', async () => {
  const client = await RawClient.connect(proxy.port);
  await new Promise((resolve) => setTimeout(resolve, 2 * HEADERS_TIMEOUT_MS));
  client.send('GET /late HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.until((text) => text.endsWith('fine /late'));
  await new Promise((resolve) => setTimeout(resolve, 2 * HEADERS_TIMEOUT_MS));
  client.send('GET /later HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.until((text) => text.endsWith('fine /later'));
  client.close();
});

test('a body that stops is answered 408 stream timeout; one that drips is not', async () => {
  const stopped = await RawClient.connect(proxy.port);
  stopped.send('POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfive.');
  const received = await stopped.untilClosed();
  assert.match(received, /^HTTP\/1\.1 408 Request Timeout\r\n[\s\S]*\r\n\r\nstream timeout$/);
  stopped.close();
  const dripping = await RawClient.connect(proxy.port);
  const body = 'x'.repeat(30);
  dripping.send(`POST /drip HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`);
  assert.equal(await drip(dripping, body), body.length);
  await dripping.until((text) => text.endsWith('fine /drip'));
  dripping.close();
});

test('many slow heads do not keep others waiting', async () => {
  const slow = await Promise.all(Array.from({ length: 200 }, () => RawClient.connect(proxy.port)));
  for (const client of slow) client.send('GET / HTTP/1.1\r\nHost: a\r\nX: ');
  const quick = await RawClient.connect(proxy.port);
  quick.send('GET /quick HTTP/1.1\r\nHost: a\r\n\r\n');
  await quick.until((text) => text.endsWith('fine /quick'));
  for (const client of slow) assert.match(await client.untilClosed(), /^HTTP\/1\.1 408 /);
  for (const client of [...slow, quick]) client.close();
  await proxy.until(async () => (await proxy.stat('http.ingress.downstream_cx_active')) === 0);
});

const LONG = 'x'.repeat(9 * 1024);
const REFUSALS: readonly (readonly [status: string, reason: string, request: string])[] = [
  ['414 URI Too Long', 'target_too_long', `GET /${LONG} HTTP/1.1\r\nHost: a\r\n\r\n`],
  ['431 Request Header Fields Too Large', 'headers_too_large', `GET / HTTP/1.1\r\nHost: a\r\nX: ${LONG}\r\n\r\n`],
  [
    '431 Request Header Fields Too Large',
    'too_many_headers',
    `GET / HTTP/1.1\r\nHost: a\r\n${'X: 1\r\n'.repeat(20)}\r\n`,
  ],
  [
    '501 Not Implemented',
    'unsupported_transfer_coding',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n',
  ],
  ['505 HTTP Version Not Supported', 'unsupported_version', 'GET / HTTP/3.0\r\nHost: a\r\n\r\n'],
  ['426 Upgrade Required', 'http10_not_accepted', 'GET / HTTP/1.0\r\nHost: a\r\n\r\n'],
  ['417 Expectation Failed', 'unsupported_expectation', 'GET / HTTP/1.1\r\nHost: a\r\nExpect: the-best\r\n\r\n'],
  [
    '400 Bad Request',
    'invalid_chunk_size',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1ffffffffffffffff\r\n',
  ],
  ['400 Bad Request', 'invalid_method', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
];

for (const [status, reason, request] of REFUSALS)
  test(`${status}: ${reason}, and the connection ends`, async () => {
    const client = await RawClient.connect(proxy.port);
    client.send(request);
    const received = await client.untilClosed();
    const [line, body] = [received.split('\r\n')[0], received.split('\r\n\r\n')[1]];
    assert.equal(line, `HTTP/1.1 ${status}`);
    assert.equal(body, `${status.slice(4)}: ${reason}\n`);
    assert.match(received, /\r\nconnection: close\r\n/i);
    client.close();
  });

test('a request cut off by the end of the stream is refused, not forwarded as whole', async () => {
  let requests = 0;
  const counting = (): number => requests++;
  origin.on('request', counting);
  const client = await RawClient.connect(proxy.port);
  client.socket.end('GET /cut HTTP/1.1\r\nHost: a\r\n');
  const received = await client.untilClosed();
  assert.match(received, /^(HTTP\/1\.1 400 [\s\S]*incomplete_request\n)?$/);
  assert.equal(requests, 0);
  origin.off('request', counting);
  client.close();
});

test('an origin that ends its side before it answers is a 503; one that ends it in the middle cuts the answer', async () => {
  const closing = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (chunk: Buffer) => {
      if (chunk.includes('GET /part')) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive.');
      else if (chunk.includes('GET /until-close')) socket.end('HTTP/1.0 200 OK\r\n\r\nall of it');
      else socket.end();
    });
  });
  await new Promise<void>((resolve) => closing.listen(0, '127.0.0.1', resolve));
  const other = await ProxyProcess.start(bootstrap({ origins: [(closing.address() as AddressInfo).port] }));
  const ask = async (path: string): Promise<string> => {
    const client = await RawClient.connect(other.port);
    client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    const received = await client.untilClosed();
    client.close();
    return received;
  };
  assert.match(await ask('/'), /^HTTP\/1\.1 503 Service Unavailable\r\n[\s\S]*reset reason: connection termination$/);
  const part = await ask('/part');
  assert.match(part, /content-length: 10\r\n[\s\S]*five\.$/i);
  assert.match(await ask('/until-close'), /^HTTP\/1\.1 200 OK\r\n[\s\S]*all of it/);
  assert.equal(await other.stop(), 0, other.log);
  closing.close();
});
