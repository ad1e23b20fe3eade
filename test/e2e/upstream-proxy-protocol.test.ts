/** PROXY prefaces to origins of HTTP: a client's requests are on connections that name it, and on nobody else's. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import http2 from 'node:http2';
import net, { type AddressInfo, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { bootstrap } from '../support/bootstrap.js';
import { Http2Client } from '../support/http2-client.js';
import { ProxyProcess } from '../support/proxy-process.js';
import { TlsFiles, upstreamTls } from '../support/tls-files.js';

const TYPE = 'type.googleapis.com/envoy.extensions';
const files = new TlsFiles();
const open: { stop(): Promise<unknown> }[] = [];
after(async () => {
  for (const each of open) await each.stop();
  files.remove();
});

/** One connection that came to the origin. */
interface Arrived {
  readonly preface: string;
  readonly socket: Socket;
  readonly paths: string[];
  isClosed: boolean;
}

/** Reads a preface of either version and gives the rest of the connection to a server of HTTP. */
class Origin {
  readonly arrived: Arrived[] = [];
  readonly #server: net.Server;
  readonly #http: http.Server | http2.Http2SecureServer;

  /** secure: it speaks HTTP/2 over TLS. */
  constructor(secure: http2.SecureServerOptions | null) {
    const answer = (request: IncomingMessage | http2.Http2ServerRequest, response: unknown): void => {
      const { socket } = request as IncomingMessage;
      const arrived = this.arrived.find((each) => each.socket.remotePort === socket.remotePort) as Arrived;
      arrived.paths.push(request.url ?? '');
      (response as ServerResponse).end('ok');
    };
    this.#http = secure === null ? http.createServer(answer) : http2.createSecureServer(secure, answer);
    this.#server = net.createServer((socket) => this.#greet(socket));
  }

  #greet(socket: Socket): void {
    socket.on('error', () => {});
    socket.once('readable', () => {
      const bytes = socket.read() as Buffer;
      const isText = bytes[0] === 'P'.charCodeAt(0);
      const length = isText ? bytes.indexOf('\n') + 1 : 16 + bytes.readUInt16BE(14);
      const preface = isText ? bytes.toString('latin1', 0, length - 2) : textOf(bytes.subarray(0, length));
      const arrived: Arrived = { preface, socket, paths: [], isClosed: false };
      this.arrived.push(arrived);
      socket.on('close', () => {
        arrived.isClosed = true;
      });
      if (bytes.length > length) socket.unshift(bytes.subarray(length));
      this.#http.emit('connection', socket);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }
  get live(): Arrived[] {
    return this.arrived.filter(({ isClosed }) => !isClosed);
  }
  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }
  stop(): void {
    for (const { socket } of this.arrived) socket.destroy();
    this.#server.close();
  }
}

/** Version 2 over IPv4 in the words of version 1. */
function textOf(bytes: Buffer): string {
  assert.equal(bytes.toString('latin1', 0, 12), '\r\n\r\n\0\r\nQUIT\n');
  assert.deepEqual([bytes[12], bytes[13]], [0x21, 0x11]);
  const host = (from: number): string => [...bytes.subarray(from, from + 4)].join('.');
  return `PROXY TCP4 ${host(16)} ${host(20)} ${bytes.readUInt16BE(24)} ${bytes.readUInt16BE(26)}`;
}

async function start(
  version: 'V1' | 'V2',
  secure: http2.SecureServerOptions | null,
  inner: object,
  more: { readonly listener?: Record<string, unknown>; readonly cluster?: Record<string, unknown> } = {},
): Promise<{ readonly origin: Origin; readonly proxy: ProxyProcess }> {
  const origin = new Origin(secure);
  await origin.start();
  const transport = {
    '@type': `${TYPE}.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport`,
    config: { version },
    transport_socket: inner,
  };
  const name = 'envoy.transport_sockets.upstream_proxy_protocol';
  const config = bootstrap({
    origins: [origin.port],
    listener: more.listener ?? {},
    cluster: { transport_socket: { name, typed_config: transport }, ...more.cluster },
  });
  const proxy = await ProxyProcess.start(config, { args: ['--concurrency', '2'] });
  open.push({
    stop: async () => {
      await proxy.stop();
      origin.stop();
    },
  });
  return { origin, proxy };
}

/** A client with one connection of its own. */
class Client {
  readonly agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  port = 0;
  readonly #proxyPort: number;

  constructor(proxyPort: number) {
    this.#proxyPort = proxyPort;
  }

  get(path: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const request = http.get({ port: this.#proxyPort, path, agent: this.agent }, (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode ?? 0));
      });
      request.on('socket', (socket) => {
        const note = (): void => {
          this.port = socket.localPort ?? 0;
        };
        if (socket.connecting) socket.once('connect', note);
        else note();
      });
      request.on('error', reject);
    });
  }
}

test('version 1, HTTP/1.1: no connection is shared, and those of who leaves end', async () => {
  const { origin, proxy } = await start('V1', null, { name: 'envoy.transport_sockets.raw_buffer' });
  const clients = [1, 2, 3, 4].map(() => new Client(proxy.port));
  for (let round = 0; round < 5; round++)
    for (const [at, client] of clients.entries()) assert.equal(await client.get(`/${at}`), 200);
  assert.equal(origin.arrived.length, clients.length);
  for (const [at, client] of clients.entries()) {
    const own = origin.arrived.find(({ paths }) => paths.includes(`/${at}`));
    assert.deepEqual(own?.paths, Array(5).fill(`/${at}`));
    assert.equal(own?.preface, `PROXY TCP4 127.0.0.1 127.0.0.1 ${client.port} ${proxy.port}`);
  }
  clients[0]?.agent.destroy();
  await proxy.until(() => origin.live.length === clients.length - 1);
  assert.ok(origin.live.every(({ paths }) => !paths.includes('/0')));
  assert.equal(await clients[1]?.get('/1'), 200);
  assert.equal(origin.arrived.length, clients.length);
  for (const client of clients) client.agent.destroy();
  await proxy.until(() => origin.live.length === 0);
  assert.equal(await proxy.stat('cluster.origin.upstream_cx_active'), 0);
});

test('version 2 in front of TLS and HTTP/2: each client has one connection for its streams', async () => {
  const made = files.issue('origin', { san: 'DNS:origin.example' });
  const secure = { cert: readFileSync(made.certificate), key: readFileSync(made.key) };
  const inner = upstreamTls(
    { validation_context: { trusted_ca: { filename: files.certificate } } },
    { sni: 'origin.example', auto_sni_san_validation: true },
  );
  const { origin, proxy } = await start('V2', secure, inner, { cluster: { http2_protocol_options: {} } });
  const clients = await Promise.all([1, 2, 3].map(() => Http2Client.connect(proxy.port)));
  for (const [at, client] of clients.entries()) {
    const answers = await Promise.all(Array.from({ length: 20 }, () => client.request({ ':path': `/${at}` })));
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
  }
  assert.equal(origin.arrived.length, clients.length);
  for (const [at, client] of clients.entries()) {
    const own = origin.arrived.find(({ paths }) => paths.includes(`/${at}`));
    assert.deepEqual(own?.paths, Array(20).fill(`/${at}`));
    assert.equal(own?.preface, `PROXY TCP4 127.0.0.1 127.0.0.1 ${client.session.socket.localPort} ${proxy.port}`);
  }
  for (const client of clients) await client.close();
  await proxy.until(() => origin.live.length === 0);
});

test('who a balancer in front named is who the origin hears of', async () => {
  const filter = { '@type': `${TYPE}.filters.listener.proxy_protocol.v3.ProxyProtocol` };
  const { origin, proxy } = await start(
    'V1',
    null,
    { name: 'envoy.transport_sockets.raw_buffer' },
    { listener: { listener_filters: [{ name: 'envoy.filters.listener.proxy_protocol', typed_config: filter }] } },
  );
  const preface = 'PROXY TCP4 192.0.2.7 192.0.2.1 4711 443';
  const socket = net.connect(proxy.port, '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString();
  });
  socket.write(`${preface}\r\nGET /far HTTP/1.1\r\nHost: a\r\n\r\n`);
  await proxy.until(() => answer.includes('ok'));
  assert.deepEqual(
    origin.arrived.map((each) => [each.preface, each.paths]),
    [[preface, ['/far']]],
  );
  socket.destroy();
  await proxy.until(() => origin.live.length === 0);
});
