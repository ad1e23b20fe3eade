/** Garbage per proxied request: what the heap of a warm worker grows by while nothing is collected. */
import assert from 'node:assert/strict';
import net, { type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { type BootstrapOptions, bootstrap } from '../support/bootstrap.js';
import { heapGrowth, NO_COLLECTIONS } from '../support/heap-growth.js';
import { ProxyProcess } from '../support/proxy-process.js';

const CONNECTIONS = 32;
const WARM_UP = 40_000;
const COUNTED = 20_000;

/** A response of known length to whatever ends with the end of a request. */
async function startOrigin(requestEnd: string, response: string): Promise<net.Server> {
  const bytes = Buffer.from(response);
  const server = net.createServer({ noDelay: true }, (socket) => {
    socket.on('data', (chunk: Buffer) => {
      if (chunk.subarray(-requestEnd.length).toString('latin1') === requestEnd) socket.write(bytes);
    });
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

/** One request after the other on each connection; resolves when `count` were answered. */
class KeepAliveLoad {
  readonly #sockets: net.Socket[] = [];
  readonly #request: Buffer;
  readonly #responseEnd: string;
  #left = 0;
  #done: () => void = () => {};
  #fail: (error: Error) => void = () => {};

  constructor(port: number, request: string, responseEnd: string) {
    this.#request = Buffer.from(request);
    this.#responseEnd = responseEnd;
    for (let i = 0; i < CONNECTIONS; i++) {
      const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
      socket.on('data', (chunk: Buffer) => this.#onData(socket, chunk));
      socket.on('close', () => this.#fail(new Error('a connection was closed under load')));
      this.#sockets.push(socket);
    }
  }

  #onData(socket: net.Socket, chunk: Buffer): void {
    if (chunk.subarray(-this.#responseEnd.length).toString('latin1') !== this.#responseEnd) return;
    this.#left--;
    if (this.#left >= CONNECTIONS) socket.write(this.#request);
    else if (this.#left === 0) this.#done();
  }

  run(count: number): Promise<void> {
    this.#left = count;
    return new Promise((resolve, reject) => {
      this.#done = resolve;
      this.#fail = reject;
      for (const socket of this.#sockets) socket.write(this.#request);
    });
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** request: text, or made for the first origin's port. */
async function bytesPerRequest(
  request: string | ((port: number) => string),
  requestEnd: string,
  response: string,
  end: string,
  config: Omit<BootstrapOptions, 'origins'> = {},
  originCount = 1,
): Promise<number> {
  const started = Array.from({ length: originCount }, () => startOrigin(requestEnd, response));
  const origins = await Promise.all(started);
  const ports = origins.map((origin) => (origin.address() as AddressInfo).port);
  const proxy = await ProxyProcess.start(bootstrap({ origins: ports, ...config }), {
    args: ['--concurrency', '1'],
    nodeArgs: NO_COLLECTIONS,
  });
  const load = new KeepAliveLoad(proxy.port, typeof request === 'string' ? request : request(ports[0] as number), end);
  await load.run(WARM_UP);
  const measured = await heapGrowth(proxy, COUNTED, () => load.run(COUNTED));
  load.close();
  await proxy.stop();
  for (const origin of origins) origin.close();
  return measured;
}

const FIELDS = 'Host: a.example\r\nUser-Agent: test\r\nAccept: */*\r\nCookie: session=0123456789abcdef\r\n';
const BODY = 'x'.repeat(128);

// Budgets in bytes per request: five boxed numbers of a clock that V8 does not inline are 80 of them. Lower them with
// what is measured, never raise them without a reason in the commit.

test('a GET of 128 bytes leaves next to nothing to collect', async (t) => {
  const measured = await bytesPerRequest(
    `GET /path?query=1 HTTP/1.1\r\n${FIELDS}\r\n`,
    '\r\n\r\n',
    `HTTP/1.1 200 OK\r\nContent-Length: 128\r\nContent-Type: text/plain\r\n\r\n${BODY}`,
    BODY,
  );
  t.diagnostic(`${measured.toFixed(1)} bytes per request`);
  assert.ok(measured < 160, `${measured} bytes per request`);
});

test('a chunked POST with a chunked answer, too', async (t) => {
  const chunked = `80\r\n${BODY}\r\n0\r\n\r\n`;
  const measured = await bytesPerRequest(
    `POST /path HTTP/1.1\r\n${FIELDS}Transfer-Encoding: chunked\r\n\r\n${chunked}`,
    chunked,
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}`,
    chunked,
  );
  t.diagnostic(`${measured.toFixed(1)} bytes per request`);
  assert.ok(measured < 200, `${measured} bytes per request`);
});

test('a GET that is hashed every way, and gets a cookie, too', async (t) => {
  const hashPolicy = [
    { header: { header_name: 'user-agent' } },
    { cookie: { name: 'session' } },
    { cookie: { name: 'home', ttl: '60s', path: '/' } },
    { query_parameter: { name: 'query' } },
    { connection_properties: { source_ip: true } },
  ];
  const measured = await bytesPerRequest(
    `GET /path?query=1 HTTP/1.1\r\n${FIELDS}\r\n`,
    '\r\n\r\n',
    `HTTP/1.1 200 OK\r\nContent-Length: 128\r\nContent-Type: text/plain\r\n\r\n${BODY}`,
    BODY,
    {
      cluster: {
        lb_policy: 'MAGLEV',
        common_lb_config: { consistent_hashing_lb_config: { hash_balance_factor: 150 } },
      },
      routes: [{ match: { prefix: '/' }, route: { cluster: 'origin', hash_policy: hashPolicy } }],
    },
    3,
  );
  t.diagnostic(`${measured.toFixed(1)} bytes per request`);
  assert.ok(measured < 160, `${measured} bytes per request`);
});

test('a session cookie that names its endpoint, too', async (t) => {
  const type = 'type.googleapis.com/envoy.extensions';
  const cookie = {
    '@type': `${type}.http.stateful_session.cookie.v3.CookieBasedSessionState`,
    cookie: { name: 'home', ttl: '60s' },
  };
  const session = {
    '@type': `${type}.filters.http.stateful_session.v3.StatefulSession`,
    session_state: { typed_config: cookie },
  };
  const router = { '@type': `${type}.filters.http.router.v3.Router` };
  const measured = await bytesPerRequest(
    (port) =>
      `GET /path HTTP/1.1\r\n${FIELDS}Cookie: home=${Buffer.from(`127.0.0.1:${port}`).toString('base64')}\r\n\r\n`,
    '\r\n\r\n',
    `HTTP/1.1 200 OK\r\nContent-Length: 128\r\n\r\n${BODY}`,
    BODY,
    {
      manager: {
        http_filters: [
          { name: 'session', typed_config: session },
          { name: 'router', typed_config: router },
        ],
      },
    },
  );
  t.diagnostic(`${measured.toFixed(1)} bytes per request`);
  assert.ok(measured < 160, `${measured} bytes per request`);
});

test('a GET to a subset, by locality weights, too', async (t) => {
  const lb = { 'envoy.lb': { version: '1' } };
  const measured = await bytesPerRequest(
    `GET /path HTTP/1.1\r\n${FIELDS}\r\n`,
    '\r\n\r\n',
    `HTTP/1.1 200 OK\r\nContent-Length: 128\r\n\r\n${BODY}`,
    BODY,
    {
      cluster: {
        lb_subset_config: {
          fallback_policy: 'ANY_ENDPOINT',
          locality_weight_aware: true,
          subset_selectors: [{ keys: ['version'] }],
        },
        common_lb_config: { locality_weighted_lb_config: {} },
      },
      routes: [{ match: { prefix: '/' }, route: { cluster: 'origin', metadata_match: { filter_metadata: lb } } }],
    },
    3,
  );
  t.diagnostic(`${measured.toFixed(1)} bytes per request`);
  assert.ok(measured < 160, `${measured} bytes per request`);
});

test('a GET that brings a probe, whose answer is read, and so is the report of its own answer, too', async (t) => {
  const type = 'type.googleapis.com/millrace.load_balancing_policies.prequal.v1.Prequal';
  const probe = { path: '/load', probes_per_request: 1, timeout: '5s' };
  const typed = { '@type': type, probe, read_load_reports: true };
  const policies = [{ typed_extension_config: { name: 'prequal', typed_config: typed } }];
  const report = 'endpoint-load-metrics: TEXT named_metrics.rif=3,named_metrics.latency_us=900';
  const measured = await bytesPerRequest(
    `GET /path HTTP/1.1\r\n${FIELDS}\r\n`,
    '\r\n\r\n',
    `HTTP/1.1 200 OK\r\n${report}\r\nContent-Length: 128\r\n\r\n${BODY}`,
    BODY,
    { cluster: { load_balancing_policy: { policies } } },
    3,
  );
  t.diagnostic(`${measured.toFixed(1)} bytes per request`);
  assert.ok(measured < 160, `${measured} bytes per request`);
});

test('a call of gRPC-Web whose messages are counted and whose trailers become a message, too', async (t) => {
  const type = 'type.googleapis.com/envoy.extensions.filters.http';
  const filter = (name: string): object => ({ name, typed_config: { '@type': `${type}.${name}` } });
  const filters = ['cors.v3.Cors', 'grpc_web.v3.GrpcWeb', 'grpc_stats.v3.FilterConfig', 'router.v3.Router'].map(filter);
  const message = `\0\0\0\0\x7f${BODY.slice(1)}`;
  const chunked = `84\r\n${message}\r\n0\r\n`;
  const measured = await bytesPerRequest(
    `POST /a.B/C HTTP/1.1\r\n${FIELDS}Content-Type: application/grpc-web+proto\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}\r\n`,
    // Not the end of a field's value that is 0.
    '\r\n0\r\n\r\n',
    `HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}grpc-status: 0\r\n\r\n`,
    'grpc-status:0\r\n\r\n0\r\n\r\n',
    { manager: { http_filters: filters } },
  );
  t.diagnostic(`${measured.toFixed(1)} bytes per request`);
  assert.ok(measured < 160, `${measured} bytes per request`);
});
