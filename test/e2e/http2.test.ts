/** HTTP/2 end to end, with node:http2 as client and origins of both versions: every pair says the same. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { bootstrap } from '../support/bootstrap.js';
import { type EchoOrigin, echoOrigin } from '../support/echo-origins.js';
import { answerOf, Http2Client } from '../support/http2-client.js';
import { ProxyProcess } from '../support/proxy-process.js';

const LARGE = randomBytes(10 << 20);
const LARGE_SHA = createHash('sha256').update(LARGE).digest('hex');
const WINDOWS = { initial_stream_window_size: 256 << 10, initial_connection_window_size: 1 << 20 };
const NO_ERROR = 0;
const CANCEL = 8;
/** What a slow side may leave in the proxy: windows, socket buffers and high marks, far below the body. */
const KEPT_MAX_BYTES = 24 << 20;

interface Pair {
  readonly name: string;
  readonly origin: EchoOrigin;
  readonly proxy: ProxyProcess;
}

let pairs: readonly Pair[] = [];

async function pairOf(version: 1 | 2): Promise<Pair> {
  const origin = await echoOrigin(version);
  const config = bootstrap({
    origins: [origin.port],
    manager: {
      http2_protocol_options: WINDOWS,
      access_log: [
        {
          name: 'log',
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog',
            log_format: {
              text_format:
                'LOG %REQ(:PATH)% %PROTOCOL% %UPSTREAM_PROTOCOL% %RESPONSE_CODE% %BYTES_RECEIVED% %BYTES_SENT% %RESPONSE_FLAGS%\n',
            },
          },
        },
      ],
    },
    routes: [
      { match: { prefix: '/direct' }, direct_response: { status: 200, body: { inline_string: 'direct' } } },
      { match: { prefix: '/moved' }, redirect: { path_redirect: '/new' } },
      { match: { prefix: '/nowhere' }, route: { cluster: 'missing' } },
      // Hundreds of MiB take their time on a busy machine.
      { match: { prefix: '/' }, route: { cluster: 'origin', timeout: '0s' } },
    ].filter(({ match }) => match.prefix !== '/nowhere'),
    ...(version === 2 ? { cluster: { http2_protocol_options: WINDOWS } } : {}),
  });
  return { name: `HTTP/2 to HTTP/${version}`, origin, proxy: await ProxyProcess.start(config) };
}

before(async () => {
  pairs = [await pairOf(1), await pairOf(2)];
});
after(async () => {
  for (const { proxy, origin } of pairs) {
    await proxy.stop();
    await origin.close();
  }
});

/** Over both versions of the origin. */
function each(name: string, body: (pair: Pair, client: Http2Client) => Promise<void>): void {
  for (const version of [1, 2] as const)
    test(`${name}, origin of HTTP/${version}`, async () => {
      const pair = pairs[version - 1] as Pair;
      const client = await Http2Client.connect(pair.proxy.port);
      try {
        await body(pair, client);
      } finally {
        await client.close();
      }
    });
}

each('a request, and what the origin sees of it', async ({ origin, proxy }, client) => {
  const { status, headers, body } = await client.request({
    ':path': '/a?b=c',
    cookie: ['x=1', 'y=2'],
    'x-own': 'Value',
    te: 'trailers',
  });
  assert.equal(status, 200);
  assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2']);
  assert.equal(headers['x-upper'], 'Yes');
  assert.equal(headers['connection'] ?? headers['keep-alive'] ?? headers['transfer-encoding'], undefined);
  const seen = JSON.parse(body.toString()) as { version: string; url: string; headers: Record<string, string> };
  assert.equal(seen.url, '/a?b=c');
  assert.equal(seen.headers['x-own'], 'Value');
  assert.equal(seen.headers['cookie'], 'x=1; y=2');
  assert.equal(seen.headers['host'] ?? seen.headers[':authority'], `127.0.0.1:${proxy.port}`);
  assert.equal(seen.headers['x-forwarded-proto'], 'http');
  assert.equal(seen.version, origin === pairs[0]?.origin ? '1.1' : '2.0');
});

each('HEAD, 204 and an empty body have none', async (_, client) => {
  const head = await client.request({ ':method': 'HEAD', ':path': '/bytes?bytes=7&length' });
  assert.deepEqual([head.status, head.headers['content-length'], head.body.length], [200, '7', 0]);
  const empty = await client.request({ ':path': '/bytes?bytes=0&length' });
  assert.deepEqual([empty.status, empty.body.length], [200, 0]);
});

each('10 MiB up and down, whole', async (_, client) => {
  const up = await client.request({ ':method': 'POST', ':path': '/hash' }, LARGE);
  assert.deepEqual(JSON.parse(up.body.toString()), { bytes: LARGE.length, sha256: LARGE_SHA });
  const known = await client.request({ ':method': 'POST', ':path': '/hash', 'content-length': LARGE.length }, LARGE);
  assert.deepEqual(JSON.parse(known.body.toString()), { bytes: LARGE.length, sha256: LARGE_SHA });
  const echo = await client.request({ ':method': 'POST', ':path': '/echo' }, LARGE);
  assert.ok(echo.body.equals(LARGE));
});

async function memoryOf(proxy: ProxyProcess): Promise<number> {
  const { allocated, heap_size: heap } = (await (await proxy.admin('/memory')).json()) as Record<string, string>;
  return Number(allocated) + Number(heap ?? 0);
}

each('a client that does not read holds the origin, not the memory of the proxy', async ({ proxy }, client) => {
  const before = await memoryOf(proxy);
  const size = 100 << 20;
  const streams = [1, 2].map(() => client.stream({ ':path': `/bytes?bytes=${size}&length` }, true));
  await Promise.all(streams.map((stream) => new Promise((resolve) => stream.once('response', resolve))));
  await new Promise((resolve) => setTimeout(resolve, 300));
  const during = await memoryOf(proxy);
  assert.ok(during - before < KEPT_MAX_BYTES, `${during - before} bytes more`);
  const answers = await Promise.all(streams.map((stream) => answerOf(stream)));
  assert.deepEqual(
    answers.map(({ body, code }) => [body.length, code]),
    [
      [size, NO_ERROR],
      [size, NO_ERROR],
    ],
  );
});

each(
  'an origin that does not read holds the client, not the memory of the proxy',
  async ({ proxy, origin }, client) => {
    const before = await memoryOf(proxy);
    const { requests } = origin;
    const stream = client.stream({ ':method': 'POST', ':path': '/wait' });
    const whole = answerOf(stream);
    let written = 0;
    const size = 64 << 20;
    const chunk = Buffer.alloc(1 << 20, 'y');
    const pour = (): void => {
      while (written < size && stream.write(chunk)) written += chunk.length;
      if (written >= size) stream.end();
      else {
        written += chunk.length;
        stream.once('drain', pour);
      }
    };
    pour();
    await proxy.until(() => origin.requests > requests);
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.ok(written < size, 'everything was taken');
    const during = await memoryOf(proxy);
    assert.ok(during - before < KEPT_MAX_BYTES, `${during - before} bytes more`);
    origin.release();
    const { status, body } = await whole;
    assert.deepEqual([status, JSON.parse(body.toString()).bytes], [200, written]);
  },
);

each('300 streams at a time, each with its own answer', async (_, client) => {
  const answers = await Promise.all(
    Array.from({ length: 300 }, (_each, at) =>
      client.request({ ':method': 'POST', ':path': '/echo' }, Buffer.alloc(at * 50, at)),
    ),
  );
  answers.forEach(({ status, body }, at) => {
    assert.equal(status, 200);
    assert.ok(body.equals(Buffer.alloc(at * 50, at)), String(at));
  });
});

each(
  'trailers behind a Content-Length reach an origin of HTTP/2; HTTP/1.1 has no place for them',
  async (pair, client) => {
    const stream = client.session.request(
      { ':method': 'POST', ':path': '/trailers', 'content-length': 3 },
      { waitForTrailers: true },
    );
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-check': 'abc' }));
    stream.end('abc');
    const { status, body } = await answerOf(stream);
    assert.equal(status, 200);
    const expected = pair === pairs[0] ? {} : { 'x-check': 'abc' };
    assert.deepEqual((JSON.parse(body.toString()) as { trailers: object }).trailers, expected);
  },
);

each('trailers pass in both directions', async (_, client) => {
  const stream = client.session.request(
    { ':method': 'POST', ':path': '/trailers', te: 'trailers' },
    { waitForTrailers: true },
  );
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-check': 'abc' }));
  stream.end('body');
  const { body, trailers } = await answerOf(stream);
  const seen = JSON.parse(body.toString()) as { te: string; trailers: Record<string, string> };
  assert.deepEqual(seen, { te: 'trailers', trailers: { 'x-check': 'abc' } });
  assert.equal(trailers['x-sum'], '42');
  assert.equal(trailers['grpc-status'], '0');
});

each('early hints pass', async (_, client) => {
  const { status, interim } = await client.request({ ':path': '/hints' });
  assert.deepEqual([status, interim], [200, [103]]);
});

each('an early answer to an unfinished upload is whole, and the rest of it is not wanted', async (_, client) => {
  const stream = client.stream({ ':method': 'POST', ':path': '/direct' });
  stream.write('some');
  const { status, body, code } = await answerOf(stream);
  assert.deepEqual([status, body.toString(), code], [200, 'direct', NO_ERROR]);
  // The connection goes on.
  assert.equal((await client.request({ ':path': '/direct' })).status, 200);
});

each('a stream that the client resets is gone at the origin; its neighbours are not', async (pair, client) => {
  const { origin, proxy } = pair;
  const { requests } = origin;
  const stream = client.stream({ ':method': 'POST', ':path': '/silent' });
  stream.write('x');
  const neighbour = client.request({ ':path': '/bytes?bytes=3' });
  await neighbour;
  await proxy.until(() => origin.requests === requests + 2);
  stream.close(CANCEL);
  await proxy.until(() => origin.aborted.includes('/silent'));
  assert.equal((await client.request({ ':path': '/bytes?bytes=3' })).body.toString(), 'xxx');
});

each('an origin that dies in the middle of its answer resets the one stream', async (_, client) => {
  const half = await client.request({ ':path': '/half' });
  assert.equal(half.status, 200);
  assert.notEqual(half.code, NO_ERROR);
  assert.equal((await client.request({ ':path': '/bytes?bytes=3' })).status, 200);
});

each('answers of our own: direct, redirect, no route', async (_, client) => {
  const direct = await client.request({ ':path': '/direct' });
  assert.deepEqual([direct.status, direct.body.toString(), direct.headers['connection']], [200, 'direct', undefined]);
  const moved = await client.request({ ':path': '/moved' });
  assert.equal(moved.status, 301);
  assert.match(String(moved.headers['location']), /^http:\/\/127\.0\.0\.1:\d+\/new$/);
});

each('what is logged', async ({ proxy, origin }, client) => {
  await client.request({ ':method': 'POST', ':path': '/hash?logged' }, Buffer.alloc(1000));
  const upstream = origin === pairs[0]?.origin ? 'HTTP/1.1' : 'HTTP/2';
  await proxy.until(() => /LOG \/hash\?logged/.test(proxy.log));
  assert.match(proxy.log, new RegExp(`LOG /hash\\?logged HTTP/2 ${upstream.replace('.', '\\.')} 200 1000 \\d+ -`));
});

each('counted per connection and per request', async ({ proxy }, client) => {
  const before = await proxy.stat('http.ingress.downstream_rq_http2_total');
  await client.request({ ':path': '/direct' });
  assert.equal(await proxy.stat('http.ingress.downstream_rq_http2_total'), before + 1);
  assert.ok((await proxy.stat('http.ingress.downstream_cx_http2_active')) >= 1);
  assert.ok((await proxy.stat('http.ingress.downstream_cx_http2_total')) >= 1);
});

test('the scheme that an origin of HTTP/2 sees is the one that the client used', async () => {
  const { proxy } = pairs[1] as Pair;
  const client = await Http2Client.connect(proxy.port);
  const seen = async (headers: Record<string, string>): Promise<string> => {
    const { body } = await client.request({ ':path': '/', ...headers });
    return (JSON.parse(body.toString()) as { headers: Record<string, string> }).headers[':scheme'] as string;
  };
  assert.equal(await seen({ ':scheme': 'http' }), 'http');
  assert.equal(await seen({ ':scheme': 'https' }), 'https');
  await client.close();
});

test('HTTP/1.1 and HTTP/2 come to one port; each is told by its first bytes, in whatever pieces', async () => {
  const { proxy } = pairs[1] as Pair;
  const status = await new Promise((resolve, reject) =>
    http
      .get({ port: proxy.port, path: '/bytes?bytes=3' }, (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode));
      })
      .on('error', reject),
  );
  assert.equal(status, 200);
  const net = await import('node:net');
  for (const cut of [1, 3, 15, 16, 23]) {
    const socket = net.connect(proxy.port, '127.0.0.1');
    const preface = Buffer.concat([
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
      Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
    ]);
    socket.write(preface.subarray(0, cut));
    await new Promise((resolve) => setTimeout(resolve, 20));
    socket.write(preface.subarray(cut));
    const first = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
    // SETTINGS come first.
    assert.equal(first[3], 4, `cut at ${cut}`);
    socket.destroy();
  }
});

test('an HTTP/1.1 client of an HTTP/2 origin: chunked, trailers, HEAD', async () => {
  const { proxy } = pairs[1] as Pair;
  const agent = new http.Agent({ keepAlive: true });
  const call = (
    options: http.RequestOptions,
    body?: Buffer,
  ): Promise<{ response: http.IncomingMessage; body: Buffer }> =>
    new Promise((resolve, reject) => {
      const request = http.request({ port: proxy.port, agent, ...options }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => resolve({ response, body: Buffer.concat(chunks) }));
      });
      request.on('error', reject);
      request.end(body);
    });
  const echo = await call({ method: 'POST', path: '/echo', headers: { 'transfer-encoding': 'chunked' } }, LARGE);
  assert.ok(echo.body.equals(LARGE));
  const trailers = await call({ path: '/trailers', headers: { te: 'trailers', connection: 'te' } });
  assert.equal(trailers.response.trailers['x-sum'], '42');
  const head = await call({ method: 'HEAD', path: '/bytes?bytes=9&length' });
  assert.deepEqual([head.response.headers['content-length'], head.body.length], ['9', 0]);
  agent.destroy();
});
