/** Tunnels end to end: WebSocket both ways with large frames and close codes, refused upgrades, half-close. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import http, { type IncomingMessage } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { bootstrap } from '../support/bootstrap.js';
import { ProxyProcess } from '../support/proxy-process.js';
import { RawClient } from '../support/raw-client.js';

const LARGE = randomBytes(5 << 20);

let origin: http.Server;
let raw: net.Server;
let proxy: ProxyProcess;
/** Connections of raw origins that ended, as their origin saw it. */
const rawEnds: string[] = [];
/** What they heard after they had ended their own side. */
let rawHeard = '';
const closes: { readonly code: number; readonly reason: string }[] = [];

function onSocket(socket: WebSocket): void {
  socket.on('message', (message: Buffer, isBinary) => {
    const text = isBinary ? '' : message.toString();
    if (text === 'close me') socket.close(4002, 'as you wish');
    else if (text === 'send large') socket.send(LARGE);
    else if (text === 'die') socket.terminate();
    else socket.send(message, { binary: isBinary });
  });
  socket.on('close', (code, reason) => closes.push({ code, reason: reason.toString() }));
}

/** Speaks no WebSocket: switches to whatever was asked, echoes, and says bye when the client ends its side. */
function onRaw(socket: net.Socket): void {
  let isOpen = false;
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    if (socket.writableEnded) rawHeard += chunk.toString();
    else if (isOpen) socket.write(chunk);
    else {
      isOpen = true;
      const isFinal = chunk.includes('GET /finish');
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhello ');
      if (isFinal) socket.end('and bye');
    }
  });
  socket.on('end', () => {
    rawEnds.push('end');
    if (!socket.writableEnded) socket.end('bye');
  });
}

before(async () => {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 64 << 20, perMessageDeflate: true });
  origin = http.createServer((request, response) => response.end(`plain ${request.url}`));
  origin.on('upgrade', (request: IncomingMessage, socket: net.Socket, head: Buffer) => {
    if (request.url === '/denied') {
      socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 9\r\nWWW-Authenticate: Basic\r\n\r\nwho, you?');
      return;
    }
    sockets.handleUpgrade(request, socket, head, (client) => {
      // A greeting right behind the 101: the bytes may come in one read with the head.
      client.send('welcome');
      onSocket(client);
    });
  });
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
  raw = net.createServer({ allowHalfOpen: true }, onRaw);
  await new Promise<void>((resolve) => raw.listen(0, '127.0.0.1', resolve));
  const config = bootstrap({
    origins: [(origin.address() as AddressInfo).port],
    manager: { upgrade_configs: [{ upgrade_type: 'websocket' }] },
    routes: [
      { match: { prefix: '/raw' }, route: { cluster: 'raw', prefix_rewrite: '/' } },
      { match: { prefix: '/finish' }, route: { cluster: 'raw' } },
      {
        match: { prefix: '/off' },
        route: { cluster: 'origin', upgrade_configs: [{ upgrade_type: 'websocket', enabled: false }] },
      },
      { match: { prefix: '/' }, route: { cluster: 'origin' } },
    ],
  });
  proxy = await ProxyProcess.start((port, adminPort) => {
    const document = JSON.parse(config(port, adminPort)) as { static_resources: { clusters: { name: string }[] } };
    const { clusters } = document.static_resources;
    const text = JSON.stringify(clusters[0]).replaceAll(
      String((origin.address() as AddressInfo).port),
      String((raw.address() as AddressInfo).port),
    );
    clusters.push({ ...(JSON.parse(text) as object), name: 'raw' });
    return JSON.stringify(document);
  });
});

after(async () => {
  const code = await proxy.stop();
  origin.close();
  origin.closeAllConnections();
  raw.close();
  assert.equal(code, 0, proxy.log);
});

/** A WebSocket and what it received. */
async function open(path: string, hasCompression = false): Promise<{ socket: WebSocket; messages: Buffer[] }> {
  const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}${path}`, { perMessageDeflate: hasCompression });
  const messages: Buffer[] = [];
  socket.on('message', (message: Buffer) => messages.push(message));
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  await proxy.until(() => messages.length === 1);
  assert.equal(String(messages[0]), 'welcome');
  return { socket, messages };
}

const closed = (socket: WebSocket): Promise<{ code: number; reason: string }> =>
  new Promise((resolve) => socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() })));

for (const hasCompression of [false, true])
  test(`WebSocket frames of 5 MiB both ways ${hasCompression ? 'with' : 'without'} compression`, async () => {
    const { socket, messages } = await open('/ws', hasCompression);
    socket.send(LARGE);
    await proxy.until(() => messages.length === 2);
    assert.ok(messages[1]?.equals(LARGE));
    socket.send('send large');
    socket.ping();
    await new Promise((resolve) => socket.once('pong', resolve));
    await proxy.until(() => messages.length === 3);
    assert.ok(messages[2]?.equals(LARGE));
    socket.close();
    await closed(socket);
  });

test('WebSocket messages in fragments, and many small ones in order', async () => {
  const { socket, messages } = await open('/ws');
  for (const part of ['one ', 'two ']) socket.send(part, { fin: false });
  socket.send('three', { fin: true });
  for (let i = 0; i < 500; i++) socket.send(`m${i}`);
  await proxy.until(() => messages.length === 502);
  assert.equal(String(messages[1]), 'one two three');
  assert.deepEqual(
    messages.slice(2).map(String),
    Array.from({ length: 500 }, (_, i) => `m${i}`),
  );
  socket.close();
  await closed(socket);
});

test('close codes and reasons pass both ways; a torn connection is 1006 for the other side', async () => {
  const first = await open('/ws');
  first.socket.close(4001, 'enough');
  assert.deepEqual(await closed(first.socket), { code: 4001, reason: 'enough' });
  await proxy.until(() => closes.some(({ code, reason }) => code === 4001 && reason === 'enough'));
  const second = await open('/ws');
  second.socket.send('close me');
  assert.deepEqual(await closed(second.socket), { code: 4002, reason: 'as you wish' });
  const third = await open('/ws');
  third.socket.send('die');
  assert.equal((await closed(third.socket)).code, 1006);
  const torn = (): number => closes.filter(({ code }) => code === 1006).length;
  await proxy.until(() => torn() === 1);
  const fourth = await open('/ws');
  fourth.socket.terminate();
  await proxy.until(() => torn() === 2);
});

test('an upgrade that the origin refuses arrives as its answer', async () => {
  const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/denied`);
  const [status, header] = await new Promise<[number | undefined, string | undefined]>((resolve, reject) => {
    socket.once('unexpected-response', (request, response: IncomingMessage) => {
      resolve([response.statusCode, response.headers['www-authenticate']]);
      request.destroy();
    });
    socket.once('open', () => reject(new Error('opened')));
    socket.once('error', () => {});
  });
  assert.deepEqual([status, header], [401, 'Basic']);
});

const UPGRADE = 'Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n';

test('an upgrade that the config does not allow is ignored: the origin sees a plain request', async () => {
  const client = await RawClient.connect(proxy.port);
  const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
  client.send(`GET /off HTTP/1.1\r\n${UPGRADE}${key}\r\n`);
  assert.match(await client.until((text) => text.endsWith('plain /off')), /^HTTP\/1\.1 200 OK\r\n/);
  // Neither is a choice of which one is not allowed, however it is written.
  for (const other of ['Upgrade: h2c\r\n', 'Upgrade: h2c, websocket\r\n']) {
    client.send(`GET /choice HTTP/1.1\r\n${UPGRADE}${other}${key}\r\n`);
    await client.until((text) => text.endsWith('plain /choice'));
    client.send('GET /next HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.until((text) => text.endsWith('plain /next'));
  }
  // The connection is still one of HTTP.
  client.send('GET /next HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.until((text) => text.endsWith('plain /next'));
  client.close();
});

test('a tunnel is half-closed: what the origin still says after the client ended its side arrives', async () => {
  rawEnds.length = 0;
  const client = await RawClient.connect(proxy.port);
  client.send(`GET /raw HTTP/1.1\r\n${UPGRADE}\r\n`);
  await client.until((text) => text.endsWith('hello '));
  client.socket.end('last words ');
  assert.match(await client.untilClosed(), /^HTTP\/1\.1 101 [\s\S]*hello last words bye$/);
  assert.deepEqual(rawEnds, ['end']);
  client.close();
});

test('a tunnel is half-closed the other way: the client still speaks after the origin ended its side', async () => {
  rawEnds.length = 0;
  const client = await RawClient.connect(proxy.port);
  client.send(`GET /finish HTTP/1.1\r\n${UPGRADE}\r\n`);
  assert.match(await client.untilClosed(), /hello and bye$/);
  assert.equal(rawEnds.length, 0);
  client.socket.end('still here');
  await proxy.until(() => rawEnds.length === 1);
  assert.equal(rawHeard, 'still here');
  client.close();
});
