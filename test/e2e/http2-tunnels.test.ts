/** Tunnels between versions: WebSocket over extended CONNECT and over Upgrade in all four pairs, and CONNECT. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import http from 'node:http';
import http2, { type ClientHttp2Stream, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import net, { type AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { after, before, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { bootstrap } from '../support/bootstrap.js';
import { answerOf, Http2Client } from '../support/http2-client.js';
import { ProxyProcess } from '../support/proxy-process.js';
import { RawClient } from '../support/raw-client.js';

const LARGE = randomBytes(3 << 20);
const UPGRADES = { upgrade_configs: [{ upgrade_type: 'websocket' }] };
const CONNECT = { http2_protocol_options: { allow_connect: true } };

let http1: http.Server;
let http1Headers: http.IncomingHttpHeaders = {};
let http2Server: http2.Http2Server;
let http2Headers: IncomingHttpHeaders = {};
let proxies: Readonly<Record<'1' | '2', ProxyProcess>>;
const codes: number[] = [];

/** `ws` speaks over any stream; for extended CONNECT there is no handshake of its own. */
function overStream(stream: Duplex, isServer: boolean): WebSocket {
  const socket = Object.assign(stream, {
    setTimeout: () => stream,
    setNoDelay: () => stream,
  });
  const options = { autoPong: true, closeTimeout: 1000 };
  // The class is its own client without an address; this is what WebSocketServer does after the handshake.
  const client = new WebSocket(null as unknown as string, undefined, options as object) as WebSocket & {
    setSocket(socket: Duplex, head: Buffer, options: object): void;
    _isServer: boolean;
  };
  client._isServer = isServer;
  client.setSocket(socket, Buffer.alloc(0), {
    allowSynchronousEvents: true,
    maxPayload: 64 << 20,
    skipUTF8Validation: false,
  });
  return client;
}

function serve(client: WebSocket): void {
  client.send('welcome');
  client.on('message', (message: Buffer, isBinary) => {
    if (!isBinary && message.toString() === 'large') client.send(LARGE);
    else if (!isBinary && message.toString() === 'close') client.close(4002, 'as you wish');
    else client.send(message, { binary: isBinary });
  });
  client.on('close', (code) => codes.push(code));
  client.on('error', () => {});
}

function config(port: number, isHttp2: boolean): ReturnType<typeof bootstrap> {
  return bootstrap({
    origins: [port],
    manager: { ...UPGRADES, ...CONNECT },
    ...(isHttp2 ? { cluster: CONNECT } : {}),
    routes: [
      {
        match: { prefix: '/off' },
        route: { cluster: 'origin', upgrade_configs: [{ upgrade_type: 'websocket', enabled: false }] },
      },
      { match: { prefix: '/' }, route: { cluster: 'origin' } },
    ],
  });
}

before(async () => {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 64 << 20 });
  http1 = http.createServer((request, response) => response.end(`plain ${request.url}`));
  http1.on('upgrade', (request, socket: net.Socket, head: Buffer) => {
    http1Headers = request.headers;
    socket.on('error', () => {});
    if (request.url === '/denied') socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nwho');
    else if (request.url === '/fine') socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    else if (request.url === '/liar')
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n',
      );
    else sockets.handleUpgrade(request, socket, head, serve);
  });
  http2Server = http2.createServer({ settings: { enableConnectProtocol: true } });
  http2Server.on('stream', (stream: ServerHttp2Stream, headers) => {
    http2Headers = headers;
    stream.on('error', () => {});
    if (headers[':method'] !== 'CONNECT' || headers[':path'] === '/denied') {
      stream.respond({ ':status': 401 });
      stream.end('who');
      return;
    }
    stream.respond({ ':status': 200 });
    serve(overStream(stream, true));
  });
  for (const server of [http1, http2Server])
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const portOf = (server: net.Server | http2.Http2Server): number => (server.address() as AddressInfo).port;
  proxies = {
    1: await ProxyProcess.start(config(portOf(http1), false)),
    2: await ProxyProcess.start(config(portOf(http2Server), true)),
  };
});
after(async () => {
  for (const proxy of Object.values(proxies)) await proxy.stop();
  http1.closeAllConnections();
  for (const server of [http1, http2Server]) server.close();
});

/** A client whose messages are kept in order. */
class Messages extends EventEmitter {
  readonly socket: WebSocket;
  readonly #kept: Buffer[] = [];
  readonly closed: Promise<number>;

  constructor(socket: WebSocket) {
    super();
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('message', (message: Buffer) => {
      this.#kept.push(message);
      this.emit('kept');
    });
    this.closed = new Promise((resolve) => socket.once('close', (code) => resolve(code)));
  }

  async next(): Promise<Buffer> {
    while (this.#kept.length === 0) await new Promise((resolve) => this.once('kept', resolve));
    return this.#kept.shift() as Buffer;
  }
}

async function extendedConnect(
  port: number,
  path: string,
): Promise<{ client: Http2Client; stream: ClientHttp2Stream }> {
  const client = await Http2Client.connect(port);
  const stream = client.stream({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':path': path,
    ':scheme': 'http',
    ':authority': 'a',
    'sec-websocket-version': '13',
    origin: 'http://a',
  });
  return { client, stream };
}

async function converse(messages: Messages): Promise<void> {
  assert.equal((await messages.next()).toString(), 'welcome');
  messages.socket.send('hello');
  assert.equal((await messages.next()).toString(), 'hello');
  messages.socket.send(LARGE);
  assert.ok((await messages.next()).equals(LARGE));
  messages.socket.send('large');
  assert.ok((await messages.next()).equals(LARGE));
  messages.socket.send('close');
  assert.equal(await messages.closed, 4002);
}

for (const origin of ['1', '2'] as const) {
  test(`WebSocket of an HTTP/2 client, origin of HTTP/${origin}`, async () => {
    const { client, stream } = await extendedConnect(proxies[origin].port, '/chat');
    const headers = await new Promise<IncomingHttpHeaders>((resolve) => stream.once('response', resolve));
    assert.equal(headers[':status'], 200);
    // What only HTTP/1.1 has (RFC 8441 §5).
    assert.deepEqual(
      [headers['upgrade'], headers['connection'], headers['sec-websocket-accept']],
      [undefined, undefined, undefined],
    );
    await converse(new Messages(overStream(stream, false)));
    if (origin === '1') {
      assert.equal(http1Headers['upgrade'], 'websocket');
      assert.equal(http1Headers['sec-websocket-version'], '13');
      assert.equal(Buffer.from(http1Headers['sec-websocket-key'] ?? '', 'base64').length, 16);
    } else {
      assert.equal(http2Headers[':protocol'], 'websocket');
      assert.equal(http2Headers['sec-websocket-key'], undefined);
    }
    await client.close();
  });

  test(`WebSocket of an HTTP/1.1 client, origin of HTTP/${origin}`, async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${proxies[origin].port}/chat`);
    await converse(new Messages(socket));
    if (origin === '2') {
      assert.equal(http2Headers[':protocol'], 'websocket');
      assert.equal(http2Headers['sec-websocket-key'], undefined);
      assert.equal(http2Headers['upgrade'], undefined);
    }
  });

  test(`an origin of HTTP/${origin} that denies a WebSocket is passed on`, async () => {
    const { client, stream } = await extendedConnect(proxies[origin].port, '/denied');
    const { status, body } = await answerOf(stream);
    assert.deepEqual([status, body.toString()], [401, 'who']);
    // And the connections go on, on both sides.
    const other = await extendedConnect(proxies[origin].port, '/chat');
    await converse(new Messages(overStream(other.stream, false)));
    await client.close();
    await other.client.close();
    const plain = await new Promise((resolve) =>
      new WebSocket(`ws://127.0.0.1:${proxies[origin].port}/denied`).on('unexpected-response', (_, response) => {
        response.resume();
        resolve(response.statusCode);
      }),
    );
    assert.equal(plain, 401);
  });

  test(`an upgrade that the route does not allow, origin of HTTP/${origin}`, async () => {
    const { client, stream } = await extendedConnect(proxies[origin].port, '/off');
    assert.equal((await answerOf(stream)).status, 403);
    await client.close();
  });
}

test('an answer that is no switch is none for a client of HTTP/2: 200 would be the tunnel to it', async () => {
  for (const path of ['/fine', '/liar']) {
    const { client, stream } = await extendedConnect(proxies[1].port, path);
    assert.equal((await answerOf(stream)).status, 502, path);
    await client.close();
  }
});

test('an HTTP/1.1 client gets the Sec-WebSocket-Accept that its key asks for', async () => {
  const key = randomBytes(16).toString('base64');
  const accept = await new Promise((resolve) => {
    const request = http.request({
      port: proxies[2].port,
      path: '/chat',
      headers: { connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-key': key, 'sec-websocket-version': '13' },
    });
    request.on('upgrade', (response, socket) => {
      socket.destroy();
      resolve(response.headers['sec-websocket-accept']);
    });
    request.end();
  });
  assert.equal(accept, createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64'));
});

test('an upgrade of HTTP/1.1 without a body may say so; a 101 names what it switches to, also without a key', async () => {
  const tell =
    'GET /chat HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n';
  for (const more of ['Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 0\r\n', '']) {
    const client = await RawClient.connect(proxies[2].port);
    client.send(`${tell}${more}\r\n`);
    const text = await client.until((heard) => heard.includes('welcome'));
    assert.match(text, /^HTTP\/1\.1 101 [\s\S]*\r\nupgrade: websocket\r\n/i);
    assert.equal(http2Headers['content-length'], undefined);
    // An empty text frame, masked; it comes back.
    client.send('\x81\x80\0\0\0\0');
    await client.until((heard) => heard.endsWith('\x81\0'));
    client.close();
  }
});

test('an HTTP/2 client that resets its tunnel ends the one of the origin', async () => {
  const before = codes.length;
  const { client, stream } = await extendedConnect(proxies[1].port, '/chat');
  await new Promise((resolve) => stream.once('response', resolve));
  stream.close(http2.constants.NGHTTP2_CANCEL);
  await proxies[1].until(() => codes.length > before);
  await client.close();
});

test('CONNECT of an HTTP/2 client to an origin of HTTP/1.1 that takes it', async () => {
  const origin = net.createServer((socket) => {
    let isOpen = false;
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      if (isOpen) socket.write(chunk);
      else {
        isOpen = true;
        assert.match(chunk.toString('latin1'), /^CONNECT there:443 HTTP\/1\.1\r\n/);
        socket.write('HTTP/1.1 200 OK\r\n\r\nhi ');
      }
    });
    socket.on('end', () => socket.end());
  });
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
  const proxy = await ProxyProcess.start(
    bootstrap({
      origins: [(origin.address() as AddressInfo).port],
      manager: { upgrade_configs: [{ upgrade_type: 'CONNECT' }] },
      routes: [{ match: { connect_matcher: {} }, route: { cluster: 'origin' } }],
    }),
  );
  const client = await Http2Client.connect(proxy.port);
  const stream = client.stream({ ':method': 'CONNECT', ':authority': 'there:443' });
  stream.write('early ');
  await new Promise((resolve) => stream.once('response', resolve));
  stream.end('and late');
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await new Promise((resolve) => stream.once('close', resolve));
  assert.equal(Buffer.concat(chunks).toString(), 'hi early and late');
  await client.close();
  await proxy.stop();
  origin.close();
});
