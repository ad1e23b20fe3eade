/** HTTP/2 to origins: how many connections, GOAWAY and refusals with nothing lost, drain and reload under load. */
import assert from 'node:assert/strict';
import http from 'node:http';
import http2, { type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import net, { type AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { bootstrap, type BootstrapOptions } from '../support/bootstrap.js';
import { Http2Client } from '../support/http2-client.js';
import { ProxyProcess } from '../support/proxy-process.js';

const TRAFFIC_REQUESTS = 600;
const NO_ERROR = 0;
const REFUSED_STREAM = 7;

class Origin {
  readonly server: http2.Http2Server;
  readonly sessions: ServerHttp2Session[] = [];
  /** The most streams at a time on one session. */
  most = 0;
  streams = 0;
  onStream: (stream: ServerHttp2Stream, path: string) => void = (stream) => {
    stream.respond({ ':status': 200 });
    stream.end('ok');
  };

  constructor(settings: http2.Settings = {}) {
    this.server = http2.createServer({ settings });
    this.server.on('session', (session) => {
      let open = 0;
      this.sessions.push(session);
      session.on('error', () => {});
      session.on('stream', (stream, headers) => {
        open++;
        this.streams++;
        this.most = Math.max(this.most, open);
        stream.on('error', () => {});
        stream.on('close', () => open--);
        this.onStream(stream, String(headers[':path']));
      });
    });
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }
  get live(): ServerHttp2Session[] {
    return this.sessions.filter((session) => !session.closed && !session.destroyed);
  }

  async close(): Promise<void> {
    for (const session of this.sessions) session.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

const open: { stop(): Promise<unknown> }[] = [];
after(async () => {
  for (const each of open) await each.stop();
});

async function start(
  settings: http2.Settings,
  options: Omit<BootstrapOptions, 'origins'> = {},
): Promise<{ readonly origin: Origin; readonly proxy: ProxyProcess; readonly config: ReturnType<typeof bootstrap> }> {
  const origin = new Origin(settings);
  await new Promise<void>((resolve) => origin.server.listen(0, '127.0.0.1', resolve));
  const config = bootstrap({
    origins: [origin.port],
    ...options,
    cluster: { http2_protocol_options: {}, ...options.cluster },
  });
  const proxy = await ProxyProcess.start(config, { args: ['--concurrency', '1'] });
  open.push({
    stop: async () => {
      await proxy.stop();
      await origin.close();
    },
  });
  return { origin, proxy, config };
}

/** So many requests over one connection, so many at a time; statuses by how often they came. */
async function traffic(
  proxy: ProxyProcess,
  atOnce: number,
  path = '/',
  count = TRAFFIC_REQUESTS,
): Promise<Record<string, number>> {
  const client = await Http2Client.connect(proxy.port);
  const seen: Record<string, number> = {};
  let left = count;
  const lane = async (): Promise<void> => {
    while (left-- > 0) {
      const { status, code, body } = await client.request({ ':path': path });
      const isGood = status === 200 && code === NO_ERROR && body.length > 0;
      const key = isGood ? '200' : `${status}, code ${code}: ${body.toString()}`;
      seen[key] = (seen[key] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  await client.close();
  return seen;
}

function delayed(ms: number): Origin['onStream'] {
  return (stream) => {
    setTimeout(() => {
      if (stream.destroyed) return;
      stream.respond({ ':status': 200 });
      stream.end('ok');
    }, ms);
  };
}

test('streams of many requests share one connection', async () => {
  const { origin, proxy } = await start({});
  origin.onStream = delayed(5);
  assert.deepEqual(await traffic(proxy, 80), { 200: TRAFFIC_REQUESTS });
  assert.equal(origin.sessions.length, 1);
  assert.ok(origin.most > 40, String(origin.most));
  assert.equal(await proxy.stat('cluster.origin.upstream_cx_http2_total'), 1);
  assert.equal(await proxy.stat('cluster.origin.upstream_rq_total'), TRAFFIC_REQUESTS);
  assert.equal(await proxy.stat('cluster.origin.upstream_rq_active'), 0);
});

test('more streams than the origin allows: more connections, and its limit holds', async () => {
  const { origin, proxy } = await start({ maxConcurrentStreams: 10 });
  origin.onStream = delayed(5);
  assert.deepEqual(await traffic(proxy, 45), { 200: TRAFFIC_REQUESTS });
  assert.ok(origin.sessions.length >= 4 && origin.sessions.length <= 10, `${origin.sessions.length} connections`);
});

test('our own limit of streams', async () => {
  const { origin, proxy } = await start({}, { cluster: { http2_protocol_options: { max_concurrent_streams: 5 } } });
  origin.onStream = delayed(5);
  assert.deepEqual(await traffic(proxy, 20), { 200: TRAFFIC_REQUESTS });
  assert.ok(origin.most <= 5, String(origin.most));
  assert.ok(origin.sessions.length >= 4, `${origin.sessions.length} connections`);
});

test('max_requests_per_connection replaces connections, and nothing is lost', async () => {
  const { origin, proxy } = await start({}, { cluster: { max_requests_per_connection: 50 } });
  assert.deepEqual(await traffic(proxy, 20), { 200: TRAFFIC_REQUESTS });
  assert.ok(origin.sessions.length >= TRAFFIC_REQUESTS / 50, `${origin.sessions.length} connections`);
  assert.ok((await proxy.stat('cluster.origin.upstream_cx_max_requests')) >= TRAFFIC_REQUESTS / 50 - 1);
});

test('circuit breaker: requests over the limit are answered with 503 at once', async () => {
  const { origin, proxy } = await start(
    {},
    { cluster: { circuit_breakers: { thresholds: [{ max_requests: 10, max_connections: 1 }] } } },
  );
  const held: ServerHttp2Stream[] = [];
  origin.onStream = (stream) => held.push(stream);
  const client = await Http2Client.connect(proxy.port);
  const waiting = Array.from({ length: 10 }, () => client.request({ ':path': '/' }));
  await proxy.until(() => held.length === 10);
  const over = await client.request({ ':path': '/' });
  assert.deepEqual([over.status, await proxy.stat('cluster.origin.upstream_rq_pending_overflow')], [503, 1]);
  for (const stream of held) {
    stream.respond({ ':status': 200 });
    stream.end('ok');
  }
  assert.deepEqual(new Set((await Promise.all(waiting)).map(({ status }) => status)), new Set([200]));
  await client.close();
});

test('GOAWAY of the origin under load: every request is answered', async () => {
  const { origin, proxy } = await start({});
  origin.onStream = delayed(2);
  // Each session gets to answer something: else attempts would run out on a slow machine.
  const seen = new Map<ServerHttp2Session, number>();
  origin.server.on('session', (session) => {
    seen.set(session, 0);
    session.on('stream', (stream) => stream.on('close', () => seen.set(session, (seen.get(session) as number) + 1)));
  });
  const timer = setInterval(() => {
    for (const session of origin.live) if ((seen.get(session) ?? 0) > 20) session.close();
  }, 10);
  try {
    assert.deepEqual(await traffic(proxy, 40, '/', TRAFFIC_REQUESTS * 2), { 200: TRAFFIC_REQUESTS * 2 });
  } finally {
    clearInterval(timer);
  }
  assert.ok(origin.sessions.length > 2, `${origin.sessions.length} connections`);
  assert.ok((await proxy.stat('cluster.origin.http2.goaway_received')) >= 1);
});

/** SETTINGS at once, and on the first HEADERS a GOAWAY that covers nothing: the request was not looked at. */
function leaveAtOnce(socket: net.Socket): void {
  const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
  const goaway = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  let received = Buffer.alloc(0);
  socket.write(settings);
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    for (let at = 24; at + 9 <= received.length; at += 9 + received.readUIntBE(at, 3))
      if (received[at + 3] === 1) {
        socket.end(goaway);
        return;
      }
  });
}

/** Passes connections on to the origin, but for the first ones. */
async function startFront(origin: Origin, first: number, onFirst: (socket: net.Socket) => void): Promise<Front> {
  const front: Front = { connections: 0, server: net.createServer() };
  front.server.on('connection', (socket) => {
    socket.on('error', () => {});
    if (front.connections++ < first) {
      onFirst(socket);
      return;
    }
    const behind = net.connect(origin.port, '127.0.0.1');
    behind.on('error', () => {});
    // Else the way to the origin outlives the connection that it was for.
    socket.on('close', () => behind.destroy());
    socket.pipe(behind).pipe(socket);
  });
  await new Promise<void>((resolve) => front.server.listen(0, '127.0.0.1', resolve));
  return front;
}

interface Front {
  connections: number;
  readonly server: net.Server;
}

test('GOAWAY that leaves streams out: they go again, whatever their method, with their body', async () => {
  const origin = new Origin();
  origin.onStream = (stream) => {
    stream.respond({ ':status': 200 });
    stream.pipe(stream);
  };
  await new Promise<void>((resolve) => origin.server.listen(0, '127.0.0.1', resolve));
  const front = await startFront(origin, 1, leaveAtOnce);
  const proxy = await ProxyProcess.start(
    bootstrap({ origins: [(front.server.address() as AddressInfo).port], cluster: { http2_protocol_options: {} } }),
    { args: ['--concurrency', '1'] },
  );
  open.push({
    stop: async () => {
      await proxy.stop();
      front.server.close();
      await origin.close();
    },
  });
  const client = await Http2Client.connect(proxy.port);
  const { status, body } = await client.request({ ':method': 'POST', ':path': '/' }, 'not lost');
  assert.deepEqual([status, body.toString(), front.connections], [200, 'not lost', 2]);
  assert.equal(await proxy.stat('cluster.origin.upstream_rq_retry'), 1);
  await client.close();
});

test('REFUSED_STREAM goes again; another code does not', async () => {
  const { origin, proxy } = await start({});
  let refusals = 0;
  origin.onStream = (stream, path) => {
    if (path === '/refused' && refusals++ < 2) stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
    else if (path === '/broken') stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
    else {
      stream.respond({ ':status': 200 });
      stream.end('ok');
    }
  };
  const client = await Http2Client.connect(proxy.port);
  const again = await client.request({ ':method': 'POST', ':path': '/refused' }, 'x');
  assert.deepEqual([again.status, refusals], [200, 3]);
  const before = origin.streams;
  const broken = await client.request({ ':path': '/broken' });
  assert.deepEqual([broken.status, origin.streams - before], [503, 1]);
  assert.match(broken.body.toString(), /remote reset/);
  await client.close();
});

test('an origin that refuses for ever is given up', async () => {
  const { origin, proxy } = await start({});
  origin.onStream = (stream) => stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
  const client = await Http2Client.connect(proxy.port);
  const { status, body } = await client.request({ ':path': '/' });
  assert.equal(status, 503);
  assert.match(body.toString(), /refused/);
  assert.ok(origin.streams > 1 && origin.streams < 10, String(origin.streams));
  await client.close();
});

test('an origin of HTTP/1.1 behind a cluster of HTTP/2 is an error, not a wait', async () => {
  const server = http.createServer((_, response) => response.end('1.1'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy = await ProxyProcess.start(
    bootstrap({ origins: [(server.address() as AddressInfo).port], cluster: { http2_protocol_options: {} } }),
  );
  open.push({
    stop: async () => {
      await proxy.stop();
      server.closeAllConnections();
      server.close();
    },
  });
  const client = await Http2Client.connect(proxy.port);
  const { status } = await client.request({ ':path': '/' });
  assert.ok(status === 502 || status === 503, String(status));
  await client.close();
});

test('an origin that closes a connection before it takes requests is connected to again', async () => {
  const origin = new Origin();
  await new Promise<void>((resolve) => origin.server.listen(0, '127.0.0.1', resolve));
  const front = await startFront(origin, 2, (socket) => void socket.once('data', () => socket.end()));
  const proxy = await ProxyProcess.start(
    bootstrap({ origins: [(front.server.address() as AddressInfo).port], cluster: { http2_protocol_options: {} } }),
    { args: ['--concurrency', '1'] },
  );
  open.push({
    stop: async () => {
      await proxy.stop();
      front.server.close();
      await origin.close();
    },
  });
  const client = await Http2Client.connect(proxy.port);
  const { status } = await client.request({ ':method': 'POST', ':path': '/' }, 'x');
  assert.deepEqual([status, front.connections], [200, 3]);
  await client.close();
});

test('an origin that never sends SETTINGS could not be connected to', async () => {
  const silent = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.resume();
  });
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const proxy = await ProxyProcess.start(
    bootstrap({
      origins: [(silent.address() as AddressInfo).port],
      cluster: { http2_protocol_options: {}, connect_timeout: '0.3s' },
    }),
    { args: ['--concurrency', '1'] },
  );
  open.push({
    stop: async () => {
      await proxy.stop();
      silent.close();
    },
  });
  const client = await Http2Client.connect(proxy.port);
  const answers = await Promise.all([1, 2, 3].map(() => client.request({ ':path': '/' })));
  for (const { status, body } of answers) {
    assert.equal(status, 503);
    assert.match(body.toString(), /connection timeout/);
  }
  assert.ok((await proxy.stat('cluster.origin.upstream_cx_connect_timeout')) >= 1);
  assert.equal(await proxy.stat('cluster.origin.upstream_rq_pending_active'), 0);
  await client.close();
});

test('idle connections end after idle_timeout, not while a stream is open', async () => {
  const { origin, proxy } = await start({}, { cluster: { common_http_protocol_options: { idle_timeout: '0.3s' } } });
  origin.onStream = delayed(900);
  assert.deepEqual(await traffic(proxy, 1, '/', 1), { 200: 1 });
  await proxy.until(() => origin.live.length === 0);
  assert.equal(await proxy.stat('cluster.origin.upstream_cx_idle_timeout'), 1);
});

test('use_downstream_protocol_config: each client is answered in its own version, on pools of their own', async () => {
  const seen: string[] = [];
  const newer = http2.createServer((_, response) => response.end('2.0'));
  const older = http.createServer((_, response) => response.end('1.1'));
  for (const server of [newer, older]) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // One port for both, as the proxy's own: told by the first byte.
  const both = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (first) => {
      const isHttp2 = first.toString('latin1').startsWith('PRI');
      seen.push(isHttp2 ? '2' : '1');
      const behind = net.connect(((isHttp2 ? newer : older).address() as AddressInfo).port, '127.0.0.1');
      behind.on('error', () => {});
      socket.on('close', () => behind.destroy());
      behind.write(first);
      socket.pipe(behind).pipe(socket);
    });
  });
  await new Promise<void>((resolve) => both.listen(0, '127.0.0.1', resolve));
  const name = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  const proxy = await ProxyProcess.start(
    bootstrap({
      origins: [(both.address() as AddressInfo).port],
      cluster: {
        typed_extension_protocol_options: {
          [name]: { '@type': `type.googleapis.com/${name}`, use_downstream_protocol_config: {} },
        },
      },
    }),
    { args: ['--concurrency', '1'] },
  );
  open.push({
    stop: async () => {
      await proxy.stop();
      for (const server of [both, older, newer]) server.close();
    },
  });
  const client = await Http2Client.connect(proxy.port);
  assert.equal((await client.request({ ':path': '/' })).body.toString(), '2.0');
  assert.equal(await (await fetch(`http://127.0.0.1:${proxy.port}/`)).text(), '1.1');
  assert.equal((await client.request({ ':path': '/' })).body.toString(), '2.0');
  assert.deepEqual(seen.sort(), ['1', '2']);
  await client.close();
});

test('SIGTERM under load: requests under way and those on their way are answered, then GOAWAY, then the end', async () => {
  const { origin, proxy } = await start({});
  origin.onStream = delayed(20);
  const clients = await Promise.all([1, 2, 3, 4].map(() => Http2Client.connect(proxy.port)));
  const bad: string[] = [];
  let answered = 0;
  let isOver = false;
  const lanes = clients.flatMap((client) =>
    Array.from({ length: 10 }, async () => {
      while (!isOver && !client.session.closed && !client.session.destroyed) {
        const { status, code } = await client.request({ ':path': '/' });
        if (status === 200 && code === NO_ERROR) answered++;
        // Not sent any more by the client itself, which has read the GOAWAY; no request that we got.
        else if (status !== 0 || code !== REFUSED_STREAM) bad.push(`${status}, code ${code}`);
      }
    }),
  );
  await proxy.until(() => answered > 200);
  proxy.child.kill('SIGTERM');
  await Promise.all(lanes);
  isOver = true;
  assert.equal(await proxy.exited, 0);
  assert.deepEqual(bad, []);
  assert.equal(origin.streams, answered);
  assert.ok(clients.every(({ goaways }) => goaways.length > 0 && goaways.every((code) => code === NO_ERROR)));
});

test('reload under load: nothing is lost, and the new config holds', async () => {
  const { origin, proxy, config } = await start({});
  origin.onStream = delayed(2);
  const running = traffic(proxy, 20, '/', 2000);
  for (let i = 0; i < 3; i++) {
    const text = config(proxy.port, proxy.adminPort);
    const document = JSON.parse(text) as { static_resources: { clusters: { connect_timeout: string }[] } };
    (document.static_resources.clusters[0] as { connect_timeout: string }).connect_timeout = `${i + 2}s`;
    proxy.writeConfig(JSON.stringify(document));
    proxy.child.kill('SIGHUP');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.deepEqual(await running, { 200: 2000 });
});
