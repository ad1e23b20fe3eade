/** TCP end to end: bytes carried as they are, half-close, other endpoints, limits, PROXY prefaces in and out. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net, { type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { Authority } from '../support/certificates.js';
import { freePort } from '../support/free-port.js';
import { ProxyProcess } from '../support/proxy-process.js';

const TYPE = 'type.googleapis.com/envoy.extensions';
const LOG = join(tmpdir(), `millrace-tcp-${process.pid}.log`);

const address = (port: number): unknown => ({ socket_address: { address: '127.0.0.1', port_value: port } });

function cluster(name: string, ports: readonly number[], more: Readonly<Record<string, unknown>> = {}): unknown {
  const endpoints = ports.map((port) => ({ endpoint: { address: address(port) } }));
  const assignment = { cluster_name: name, endpoints: [{ lb_endpoints: endpoints }] };
  return { name, type: 'STATIC', connect_timeout: '2s', load_assignment: assignment, ...more };
}

function listener(port: number, proxy: Readonly<Record<string, unknown>>, filters: readonly unknown[] = []): unknown {
  const typed = { '@type': `${TYPE}.filters.network.tcp_proxy.v3.TcpProxy`, stat_prefix: `p${port}`, ...proxy };
  return {
    name: `l${port}`,
    address: address(port),
    listener_filters: filters,
    filter_chains: [{ filters: [{ name: 'envoy.filters.network.tcp_proxy', typed_config: typed }] }],
  };
}

const PROXY_IN = {
  name: 'envoy.filters.listener.proxy_protocol',
  typed_config: { '@type': `${TYPE}.filters.listener.proxy_protocol.v3.ProxyProtocol` },
};
const PROXY_MAY_BE_IN = {
  ...PROXY_IN,
  typed_config: { ...PROXY_IN.typed_config, allow_requests_without_proxy_protocol: true },
};
const proxyOut = (version: string): Readonly<Record<string, unknown>> => ({
  transport_socket: {
    name: 'envoy.transport_sockets.upstream_proxy_protocol',
    typed_config: {
      '@type': `${TYPE}.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport`,
      config: { version },
      transport_socket: { name: 'envoy.transport_sockets.raw_buffer' },
    },
  },
});

/** TLS as it is, to whoever the client names. */
function byName(port: number, names: Readonly<Record<string, string>>, log: object): unknown {
  const chains = Object.entries(names).map(([name, cluster]) => ({
    filter_chain_match: { server_names: [name] },
    filters: [
      {
        name: 'envoy.filters.network.tcp_proxy',
        typed_config: {
          '@type': `${TYPE}.filters.network.tcp_proxy.v3.TcpProxy`,
          stat_prefix: 'by_name',
          cluster,
          access_log: [log],
        },
      },
    ],
  }));
  const inspector = {
    name: 'envoy.filters.listener.tls_inspector',
    typed_config: { '@type': `${TYPE}.filters.listener.tls_inspector.v3.TlsInspector` },
  };
  return { name: 'by_name', address: address(port), listener_filters: [inspector], filter_chains: chains };
}

/** Echoes, and says bye when the client has ended its side. */
function onEcho(socket: Socket): void {
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    if (!socket.write(chunk)) socket.pause();
  });
  socket.on('drain', () => socket.resume());
  socket.on('end', () => socket.end('bye'));
}

const echo = net.createServer({ allowHalfOpen: true }, onEcho);
const rude = net.createServer((socket) => {
  socket.on('error', () => {});
  socket.on('data', () => socket.resetAndDestroy());
});
/** Reads nothing and says more than any buffer takes; or says it, and is done. */
const flood = Buffer.alloc(32 << 20);
const deaf = net.createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => {});
  socket.pause().write(flood);
});
const brief = net.createServer((socket) => {
  socket.on('error', () => {});
  socket.end(flood);
});
const authority = new Authority('by name');
const secure = ['a.example', 'x.b.example'].map((name) => {
  const { certificatePem, keyPem } = authority.issue(name, { names: `DNS:${name}` });
  return tls.createServer({ cert: certificatePem, key: keyPem }, (socket) => socket.end(name));
});
let proxy: ProxyProcess;
let ports: Readonly<
  Record<
    | 'brief'
    | 'byName'
    | 'deaf'
    | 'echo'
    | 'greeted'
    | 'others'
    | 'dead'
    | 'idle'
    | 'inbound'
    | 'outbound'
    | 'rude'
    | 'short',
    number
  >
>;

before(async () => {
  for (const server of [echo, rude, deaf, brief, ...secure]) await once(server.listen(0, '127.0.0.1'), 'listening');
  const echoPort = (echo.address() as AddressInfo).port;
  const deadPort = await freePort();
  const names = [
    ...([
      'brief',
      'byName',
      'deaf',
      'echo',
      'greeted',
      'others',
      'dead',
      'idle',
      'inbound',
      'outbound',
      'rude',
      'short',
    ] as const),
  ];
  const numbers: number[] = [];
  for (const _ of names) numbers.push(await freePort());
  ports = Object.fromEntries(names.map((name, at) => [name, numbers[at]])) as typeof ports;
  const log = {
    name: 'envoy.access_loggers.file',
    typed_config: {
      '@type': `${TYPE}.access_loggers.file.v3.FileAccessLog`,
      path: LOG,
      log_format: {
        text_format_source: {
          inline_string:
            '%PROTOCOL% %BYTES_RECEIVED% %BYTES_SENT% %RESPONSE_FLAGS% %UPSTREAM_CLUSTER% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ACCESS_LOG_TYPE%\n',
        },
      },
    },
  };
  proxy = await ProxyProcess.start((_port, adminPort) =>
    JSON.stringify({
      admin: { address: address(adminPort) },
      static_resources: {
        listeners: [
          listener(ports.echo, { cluster: 'echo', access_log: [log] }),
          listener(ports.others, { cluster: 'half_dead', max_connect_attempts: 2 }),
          listener(ports.dead, { cluster: 'dead', access_log: [log] }),
          listener(ports.idle, { cluster: 'echo', idle_timeout: '0.2s' }),
          listener(ports.inbound, { cluster: 'outbound', access_log: [log] }, [PROXY_IN]),
          listener(ports.outbound, {
            weighted_clusters: { clusters: [{ name: 'outbound', weight: 1 }] },
          }),
          listener(ports.rude, { cluster: 'rude' }),
          listener(ports.deaf, { cluster: 'deaf', idle_timeout: '0.3s' }),
          {
            ...(listener(ports.greeted, { cluster: 'brief' }, [PROXY_MAY_BE_IN]) as object),
            listener_filters_timeout: '0.2s',
            continue_on_listener_filters_timeout: true,
          },
          listener(ports.brief, { cluster: 'brief', idle_timeout: '0.3s' }),
          byName(ports.byName, { 'a.example': 'secure0', '*.b.example': 'secure1' }, log),
          listener(ports.short, { cluster: 'echo', max_downstream_connection_duration: '0.2s', access_log: [log] }),
        ],
        clusters: [
          cluster('echo', [echoPort]),
          cluster('half_dead', [deadPort, echoPort]),
          cluster('dead', [deadPort]),
          ...secure.map((server, at) => cluster(`secure${at}`, [(server.address() as AddressInfo).port])),
          cluster('outbound', [echoPort], proxyOut('V2')),
          cluster('rude', [(rude.address() as AddressInfo).port]),
          cluster('deaf', [(deaf.address() as AddressInfo).port]),
          cluster('brief', [(brief.address() as AddressInfo).port]),
        ],
      },
    }),
  );
});

after(async () => {
  await proxy?.stop();
  for (const server of [echo, rude, deaf, brief, ...secure]) server.close();
  authority.close();
});

/** What came until the other side ended, or 'reset' appended. */
async function talk(port: number, sent: Uint8Array | string, ends = true): Promise<string> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  let heard = '';
  socket.on('data', (chunk) => {
    heard += chunk.toString('latin1');
  });
  const isReset = new Promise<boolean>((resolve) => {
    socket.on('error', () => resolve(true));
    socket.on('end', () => resolve(false));
  });
  socket.write(sent);
  if (ends) socket.end();
  const suffix = (await isReset) ? 'reset' : '';
  socket.destroy();
  return heard + suffix;
}

test('bytes go both ways as they are, and half-close with them', async () => {
  const sent = randomBytes(3 << 20);
  assert.equal(await talk(ports.echo, sent), `${sent.toString('latin1')}bye`);
});

test('a client that is paused is resumed, once each time', async () => {
  assert.equal((await talk(ports.echo, flood)).length, flood.length + 3);
  const [paused, resumed] = await Promise.all(
    ['paused', 'resumed'].map((what) => proxy.stat(`tcp.p${ports.echo}.downstream_flow_control_${what}_reading_total`)),
  );
  assert.equal(paused, resumed);
});

test('an endpoint that refuses is passed over', async () => {
  for (let at = 0; at < 6; at++) assert.equal(await talk(ports.others, 'hello '), 'hello bye');
});

test('a client whose cluster is dead is let down, and the log says why', async () => {
  // What it sent can't be read by anybody: TCP says so by a reset, if it had come by then.
  assert.match(await talk(ports.dead, 'hello', false), /^(reset)?$/);
  await proxy.until(() => readFileSync(LOG, 'utf8').includes('UF,URX dead'));
  assert.equal(await proxy.stat('cluster.dead.upstream_cx_connect_fail'), 1);
  assert.equal(await proxy.stat('cluster.dead.upstream_cx_connect_attempts_exceeded'), 1);
});

test('the log and the counters know what was carried', async () => {
  await talk(ports.echo, 'twelve bytes');
  await proxy.until(() => /^- 12 15 - echo 127\.0\.0\.1:\d+ - TcpConnectionEnd$/m.test(readFileSync(LOG, 'utf8')));
  assert.equal(await proxy.stat(`tcp.p${ports.echo}.downstream_cx_active`), 0);
  assert.ok((await proxy.stat(`tcp.p${ports.echo}.downstream_cx_rx_bytes_total`)) >= 12);
  assert.equal(await proxy.stat('cluster.echo.upstream_cx_active'), 0);
});

test('bytes are counted while the connection that carries them lives', async () => {
  const names = [`tcp.p${ports.echo}.downstream_cx`, 'cluster.echo.upstream_cx'].flatMap((name) => [
    `${name}_rx_bytes_total`,
    `${name}_tx_bytes_total`,
  ]);
  const counts = (): Promise<number[]> => Promise.all(names.map((name) => proxy.stat(name)));
  const before = await counts();
  const socket = net.connect(ports.echo, '127.0.0.1');
  socket.write('hello');
  await once(socket, 'data');
  assert.deepEqual(
    await counts(),
    before.map((count) => count + 5),
  );
  socket.destroy();
});

test('idle and old connections end', async () => {
  assert.equal(await talk(ports.idle, 'still here', false), 'still here');
  assert.equal(await proxy.stat(`tcp.p${ports.idle}.idle_timeout`), 1);
  assert.equal(await talk(ports.short, 'still here', false), 'still here');
  assert.equal(await proxy.stat(`tcp.p${ports.short}.max_downstream_connection_duration`), 1);
  await proxy.until(() => /^- 10 10 DT echo /m.test(readFileSync(LOG, 'utf8')));
});

test('who takes nothing is left: client or endpoint, with the connection under way or over', async () => {
  const isLeft = async (port: number, name: string): Promise<boolean> =>
    (await proxy.stat(`tcp.p${port}.downstream_cx_active`)) +
      (await proxy.stat(`cluster.${name}.upstream_cx_active`)) ===
    0;
  const connect = async (port: number): Promise<Socket> => {
    const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true }).pause();
    socket.on('error', () => {});
    await once(socket, 'connect');
    return socket;
  };
  // Neither reads; the client reads nothing and has ended; the client leaves what the endpoint does not take.
  for (const ends of [
    (socket: Socket) => socket.write(flood),
    (socket: Socket) => socket.end(),
    (socket: Socket) => socket.write(flood.subarray(0, 4 << 20), () => socket.resetAndDestroy()),
  ])
    for (const name of ['deaf', 'brief'] as const) {
      const total = await proxy.stat(`cluster.${name}.upstream_cx_total`);
      const socket = await connect(ports[name]);
      ends(socket);
      await proxy.until(async () => (await proxy.stat(`cluster.${name}.upstream_cx_total`)) > total);
      await proxy.until(() => isLeft(ports[name], name));
      socket.destroy();
    }
});

test('a reset of the endpoint reaches the client as one', async () => {
  assert.equal(await talk(ports.rude, 'x', false), 'reset');
});

const V2_START = '\r\n\r\n\0\r\nQUIT\n';

test('the endpoint hears in a PROXY preface who the client is', async () => {
  const heard = await talk(ports.outbound, 'hello ');
  assert.equal(heard.slice(0, 14), `${V2_START}\x21\x11`);
  assert.equal(heard.slice(16, 24), '\x7f\0\0\x01\x7f\0\0\x01');
  assert.equal(Buffer.from(heard.slice(26, 28), 'latin1').readUInt16BE(0), ports.outbound);
  assert.equal(heard.slice(28), 'hello bye');
});

test('the client is who the PROXY preface says, for the log and for the next preface', async () => {
  const heard = await talk(ports.inbound, 'PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\nhello ');
  assert.equal(heard.slice(16, 28), '\xc0\0\x02\x07\xc0\0\x02\x01\x12\x67\x01\xbb');
  assert.equal(heard.slice(28), 'hello bye');
  await proxy.until(() => readFileSync(LOG, 'utf8').includes('outbound 192.0.2.7:4711'));
});

test('who does not say who it is, is not let in', async () => {
  assert.match(await talk(ports.inbound, 'GET / HTTP/1.1\r\n\r\n', false), /^(reset)?$/);
  assert.equal(await proxy.stat(`listener.127.0.0.1_${ports.inbound}.downstream_listener_filter_error`), 1);
});

test('who need not say who it is may wait to be greeted', async () => {
  assert.equal((await talk(ports.greeted, '', false)).length, flood.length);
  // A preface that began is waited for in vain.
  assert.match(await talk(ports.greeted, 'PROXY', false), /^(reset)?$/);
  assert.equal(await proxy.stat(`listener.127.0.0.1_${ports.greeted}.downstream_pre_cx_timeout`), 2);
});

/** What the server that was reached says it is; its certificate must be for the name that was asked for. */
async function whoIs(servername: string): Promise<string> {
  const socket = tls.connect({ port: ports.byName, host: '127.0.0.1', servername, ca: authority.certificatePem });
  let heard = '';
  socket.on('data', (chunk) => {
    heard += chunk.toString();
  });
  await Promise.race([once(socket, 'end'), once(socket, 'close')]);
  socket.destroy();
  return heard;
}

test('TLS is passed through to whom the client names, and to nobody else', async () => {
  assert.equal(await whoIs('a.example'), 'a.example');
  assert.equal(await whoIs('x.b.example'), 'x.b.example');
  await assert.rejects(whoIs('c.example'));
  assert.equal(await proxy.stat(`listener.127.0.0.1_${ports.byName}.no_filter_chain_match`), 1);
  await proxy.until(() => /^- \d+ \d+ - secure1 \S+ x\.b\.example TcpConnectionEnd$/m.test(readFileSync(LOG, 'utf8')));
});

test('listeners and workers count connections that are carried as they are', async () => {
  const socket = net.connect(ports.byName, '127.0.0.1');
  const other = net.connect(ports.echo, '127.0.0.1');
  other.write('hello');
  await once(other, 'data');
  const ofListener = (port: number, name: string): Promise<number> => proxy.stat(`listener.127.0.0.1_${port}.${name}`);
  assert.equal(await ofListener(ports.echo, 'downstream_cx_active'), 1);
  // One has yet to say for whom it is.
  assert.equal(await ofListener(ports.byName, 'downstream_cx_active'), 0);
  assert.equal(await ofListener(ports.byName, 'downstream_pre_cx_active'), 1);
  const ofWorkers = async (name: string): Promise<number> => {
    const text = await (await proxy.admin('/stats')).text();
    const lines = text.match(new RegExp(`^server\\.worker_\\d+\\.${name}: \\d+$`, 'gm')) ?? [];
    return lines.reduce((sum, line) => sum + Number(line.split(': ')[1]), 0);
  };
  assert.equal(await ofWorkers('downstream_cx_active'), 2);
  socket.destroy();
  other.destroy();
  await proxy.until(async () => (await ofWorkers('downstream_cx_active')) === 0);
  assert.equal(await ofListener(ports.echo, 'downstream_cx_active'), 0);
  const total = await ofListener(ports.echo, 'downstream_cx_total');
  assert.equal(await ofListener(ports.echo, 'downstream_cx_destroy'), total);
  assert.ok((await ofWorkers('downstream_cx_total')) > total);
});

test('a connection goes to the worker that has the fewest', async () => {
  const perWorker = (): Promise<number[]> =>
    Promise.all([0, 1].map((worker) => proxy.stat(`server.worker_${worker}.downstream_cx_active`)));
  await proxy.until(async () => (await perWorker()).join() === '0,0');
  const open = async (count: number): Promise<Socket[]> => {
    const sockets: Socket[] = [];
    for (let at = 0; at < count; at++) {
      const socket = net.connect(ports.echo, '127.0.0.1');
      socket.write('hello');
      await once(socket, 'data');
      sockets.push(socket);
    }
    return sockets;
  };
  const sockets = await open(8);
  assert.deepEqual(await perWorker(), [4, 4]);
  // By turns they went to one and the other: now one has none.
  for (const [at, socket] of sockets.entries()) if (at % 2 === 0) socket.destroy();
  await proxy.until(async () => (await perWorker()).reduce((sum, count) => sum + count) === 4);
  sockets.push(...(await open(4)));
  assert.deepEqual(await perWorker(), [4, 4]);
  for (const socket of sockets) socket.destroy();
});
