/** Tunnels in time: idle and route timeouts, what a drain leaves them, and what logs and counters say of them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { bootstrap } from '../support/bootstrap.js';
import { Http2Client } from '../support/http2-client.js';
import { ProxyProcess } from '../support/proxy-process.js';

const LOG = join(tmpdir(), `millrace-tunnels-${process.pid}.log`);
const CONNECT = { http2_protocol_options: { allow_connect: true } };
const FORMAT = '%PROTOCOL% %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %BYTES_RECEIVED%\n';

const origin = http.createServer((request, response) => response.end(`plain ${request.url}`));
let config: ReturnType<typeof bootstrap>;

before(async () => {
  const sockets = new WebSocketServer({ noServer: true });
  origin.on('upgrade', (request, socket: Socket, head: Buffer) => {
    socket.on('error', () => {});
    sockets.handleUpgrade(request, socket, head, (client) => {
      client.on('error', () => {});
      client.on('message', (message: Buffer) => client.send(message));
    });
  });
  await once(origin.listen(0, '127.0.0.1'), 'listening');
  const typed = {
    '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
    path: LOG,
    log_format: { text_format_source: { inline_string: FORMAT } },
  };
  const route = (prefix: string, more: object): object => ({
    match: { prefix },
    route: { cluster: 'origin', ...more },
  });
  config = bootstrap({
    origins: [(origin.address() as AddressInfo).port],
    manager: {
      ...CONNECT,
      upgrade_configs: [{ upgrade_type: 'websocket' }],
      access_log: [{ name: 'envoy.access_loggers.file', typed_config: typed }],
      stream_idle_timeout: '0.3s',
    },
    routes: [
      route('/patient', { idle_timeout: '0s', timeout: '0.2s' }),
      route('/bounded', { idle_timeout: '0s', max_stream_duration: { max_stream_duration: '0.3s' } }),
      route('/off', { upgrade_configs: [{ upgrade_type: 'websocket', enabled: false }] }),
      route('/', {}),
    ],
  });
});

after(() => {
  origin.closeAllConnections();
  origin.close();
  rmSync(LOG, { force: true });
});

const start = (drainTimeS: number): Promise<ProxyProcess> =>
  ProxyProcess.start(config, { args: ['--concurrency', '1', '--drain-time-s', String(drainTimeS)] });

/** A WebSocket that has been answered once. */
async function open(proxy: ProxyProcess, path: string): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}${path}`);
  socket.on('error', () => {});
  await once(socket, 'open');
  await echoed(socket);
  return socket;
}

async function echoed(socket: WebSocket): Promise<void> {
  socket.send('hello');
  await once(socket, 'message');
}

const logged = (): string => readFileSync(LOG, 'utf8');
const closeCode = async (socket: WebSocket): Promise<unknown> => (await once(socket, 'close'))[0];

test('a tunnel that is idle ends, by the time of its route before that of the connection manager', async () => {
  const proxy = await start(10);
  const patient = await open(proxy, '/patient');
  assert.equal(await closeCode(await open(proxy, '/idle')), 1006);
  assert.equal(await closeCode(await open(proxy, '/bounded')), 1006);
  // The route's timeout is for answers, and this one has come; more than that has passed.
  await echoed(patient);
  patient.close(1000);
  assert.equal(await closeCode(patient), 1000);
  await proxy.until(() => /\/patient/.test(logged()));
  assert.match(logged(), /^HTTP\/1\.1 \/idle 101 SI stream_idle_timeout 11$/m);
  assert.match(logged(), /^HTTP\/1\.1 \/bounded 101 UMSDR max_duration_timeout 11$/m);
  assert.match(logged(), /^HTTP\/1\.1 \/patient 101 - via_upstream 30$/m);
  assert.equal(await proxy.stat('http.ingress.downstream_rq_idle_timeout'), 1);
  await proxy.stop();
});

test('tunnels are counted, and so are upgrades that no route allows', async () => {
  const proxy = await start(10);
  const socket = await open(proxy, '/patient');
  assert.equal(await proxy.stat('http.ingress.downstream_cx_upgrades_total'), 1);
  assert.equal(await proxy.stat('http.ingress.downstream_cx_upgrades_active'), 1);
  socket.close();
  await once(socket, 'close');
  await proxy.until(async () => (await proxy.stat('http.ingress.downstream_cx_upgrades_active')) === 0);
  const refused = new WebSocket(`ws://127.0.0.1:${proxy.port}/off`);
  refused.on('error', () => {});
  const [, response] = (await once(refused, 'unexpected-response')) as [unknown, http.IncomingMessage];
  response.destroy();
  assert.equal(await proxy.stat('http.ingress.downstream_rq_ws_on_non_ws_route'), 1);
  assert.equal(await proxy.stat('http.ingress.downstream_cx_upgrades_total'), 1);
  await proxy.stop();
});

test('a drain waits for tunnels, and the process goes when the last one has', async () => {
  const proxy = await start(3600);
  const socket = await open(proxy, '/patient/drained');
  const client = await Http2Client.connect(proxy.port);
  const stream = client.stream({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':path': '/patient/stream',
    ':scheme': 'http',
    ':authority': 'a',
    'sec-websocket-version': '13',
  });
  await once(stream, 'response');
  const announced = once(client.session, 'goaway');
  proxy.child.kill('SIGTERM');
  // Whoever speaks HTTP/2 is told to open others elsewhere, and keeps the stream.
  const [code] = (await announced) as [number];
  assert.equal(code, 0);
  await echoed(socket);
  stream.write(Buffer.from([0x82, 0x80, 0, 0, 0, 0]));
  const [frame] = (await once(stream, 'data')) as [Buffer];
  assert.deepEqual([...frame], [0x82, 0]);
  assert.equal(proxy.child.exitCode, null);
  stream.close();
  socket.close(1000);
  assert.equal(await closeCode(socket), 1000);
  assert.equal(await proxy.exited, 0);
  await client.close();
  assert.match(logged(), /^HTTP\/1\.1 \/patient\/drained 101 - via_upstream 30$/m);
  assert.match(logged(), /^HTTP\/2 \/patient\/stream 101 /m);
});

test('a tunnel that the end of a drain cuts off is in the log', async () => {
  const proxy = await start(0);
  const socket = await open(proxy, '/patient/cut');
  proxy.child.kill('SIGTERM');
  assert.equal(await closeCode(socket), 1006);
  assert.equal(await proxy.exited, 0);
  assert.match(logged(), /^HTTP\/1\.1 \/patient\/cut 101 \S+ \S+ 11$/m);
});
