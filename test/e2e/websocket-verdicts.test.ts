/** What a WebSocket peer answers to frames good and bad must be the same through the proxy as directly, byte for byte. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type WebSocket, WebSocketServer } from 'ws';
import { bootstrap } from '../support/bootstrap.js';
import { ProxyProcess } from '../support/proxy-process.js';

// ---- frames, RFC 6455 §5.2 -------------------------------------------------------------------------------

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

interface FrameOptions {
  readonly isFinal?: boolean;
  readonly reserved?: number;
  readonly isMasked?: boolean;
  /** Of the length field, where it isn't the shortest. */
  readonly lengthBytes?: 2 | 8;
  /** A length that isn't the payload's. */
  readonly claimed?: bigint;
}

const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);

function frame(opcode: number, payload: Buffer | string = '', options: FrameOptions = {}): Buffer {
  const { isFinal = true, reserved = 0, isMasked = true } = options;
  const body = Buffer.from(payload);
  const length = options.claimed ?? BigInt(body.length);
  const lengthBytes = options.lengthBytes ?? (length < 126n ? 0 : length < 65536n ? 2 : 8);
  const head = Buffer.alloc(2 + lengthBytes);
  head[0] = (isFinal ? 0x80 : 0) | (reserved << 4) | opcode;
  head[1] = (isMasked ? 0x80 : 0) | (lengthBytes === 0 ? Number(length) : lengthBytes === 2 ? 126 : 127);
  if (lengthBytes === 2) head.writeUInt16BE(Number(length), 2);
  if (lengthBytes === 8) head.writeBigUInt64BE(length, 2);
  if (!isMasked) return Buffer.concat([head, body]);
  return Buffer.concat([head, MASK, body.map((byte, at) => byte ^ (MASK[at & 3] as number))]);
}

function closing(code: number, reason: Buffer | string = ''): Buffer {
  const body = Buffer.concat([Buffer.alloc(2), Buffer.from(reason)]);
  body.writeUInt16BE(code, 0);
  return frame(CLOSE, body);
}

const first = (opcode: number, payload: Buffer | string): Buffer => frame(opcode, payload, { isFinal: false });
const middle = (payload: Buffer | string): Buffer => frame(0, payload, { isFinal: false });
const last = (payload: Buffer | string): Buffer => frame(0, payload);
const GOODBYE = closing(1000);

/** Of a message of text, good and bad (the suite of the UTF-8 decoder's stress test has the same kinds). */
const TEXTS: Readonly<Record<string, string>> = {
  'two, three and four bytes': 'c2a2e282acf0a4ada2',
  'the last code point': 'f48fbfbf',
  'beyond the last code point': 'f4908080',
  'a surrogate': 'eda080',
  'a pair of surrogates': 'eda080edb080',
  'an overlong slash': 'c0af',
  'an overlong NUL': 'e08080',
  'a lonely continuation': '80',
  'a cut one': 'f0a4ad',
  'a byte that never is': 'ff',
  'a sequence of five': 'f888808080',
};

/** Name to what the client writes; pieces of a list leave apart from each other. */
const CASES = new Map<string, readonly Buffer[]>();

function add(name: string, ...pieces: readonly Buffer[]): void {
  CASES.set(name, pieces);
}

for (const size of [0, 1, 125, 126, 127, 128, 65535, 65536, 300000]) {
  add(`text of ${size}`, Buffer.concat([frame(TEXT, Buffer.alloc(size, '*')), GOODBYE]));
  add(`binary of ${size}, the close apart`, frame(BINARY, Buffer.alloc(size, 0xfe)), GOODBYE);
}
for (const [name, hex] of Object.entries(TEXTS)) {
  const text = Buffer.from(`68656c6c6f${hex}776f726c64`, 'hex');
  add(`text with ${name}`, Buffer.concat([frame(TEXT, text), GOODBYE]));
  add(`text with ${name}, in fragments of a byte`, Buffer.concat([...fragments(text), GOODBYE]));
  add(`a close whose reason has ${name}`, closing(1000, text));
}
for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
  add(`opcode ${opcode}`, Buffer.concat([frame(opcode, 'x'), GOODBYE]));
  add(`opcode ${opcode} behind a message`, Buffer.concat([frame(TEXT, 'good'), frame(opcode), frame(PING)]));
}
for (const reserved of [1, 2, 3, 4, 5, 6, 7])
  add(`reserved bits ${reserved}`, Buffer.concat([frame(TEXT, 'x', { reserved }), GOODBYE]));
for (const code of [0, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1011, 1012, 1014, 1015, 1016, 1100, 2999])
  add(`close ${code}`, closing(code));
for (const code of [3000, 3999, 4000, 4999, 5000, 65535]) add(`close ${code} with a reason`, closing(code, 'because'));
add('close without a code', frame(CLOSE));
add('close with half a code', frame(CLOSE, Buffer.from([3])));
add('close with the longest reason', closing(1000, 'r'.repeat(123)));
add('close with a longer reason', closing(1000, 'r'.repeat(124)));
add('frames behind the close', Buffer.concat([GOODBYE, frame(PING, 'late'), frame(TEXT, 'late')]));
add('two closes', Buffer.concat([closing(4001, 'one'), closing(4002, 'two')]));
for (const size of [0, 1, 125, 126])
  add(`ping of ${size}`, Buffer.concat([frame(PING, Buffer.alloc(size, 0xfe)), GOODBYE]));
add('a pong nobody asked for', Buffer.concat([frame(PONG, 'here'), frame(PING, 'there'), GOODBYE]));
add('ten pings', Buffer.concat([...Array.from({ length: 10 }, (_, at) => frame(PING, `ping ${at}`)), GOODBYE]));
add('a ping in fragments', Buffer.concat([first(PING, 'a'), last('b'), GOODBYE]));
add('a ping among fragments', first(TEXT, 'a'), frame(PING, 'now'), last('b'), GOODBYE);
add('fragments', Buffer.concat([first(BINARY, 'a'), middle('b'), middle(''), last('c'), GOODBYE]));
add('fragments of nothing', Buffer.concat([first(TEXT, ''), middle(''), last(''), GOODBYE]));
add('a continuation of nothing', Buffer.concat([last('x'), GOODBYE]));
add('a message among fragments', Buffer.concat([first(TEXT, 'a'), frame(TEXT, 'b'), last('c'), GOODBYE]));
add('a close among fragments', Buffer.concat([first(TEXT, 'a'), GOODBYE]));
add('no mask', Buffer.concat([frame(TEXT, 'x', { isMasked: false }), GOODBYE]));
add('a longer length field', Buffer.concat([frame(TEXT, 'x', { lengthBytes: 2 }), GOODBYE]));
add('the longest length field', Buffer.concat([frame(TEXT, 'x', { lengthBytes: 8 }), GOODBYE]));
add('more than the origin takes', frame(BINARY, '', { claimed: 1n << 40n }));
add('the highest bit of the length', frame(BINARY, '', { claimed: 1n << 63n, lengthBytes: 8 }));
const SPLIT = Buffer.concat([
  frame(TEXT, 'h\u00e9llo'),
  frame(PING, 'p'),
  frame(BINARY, Buffer.alloc(130, 7)),
  GOODBYE,
]);
for (let at = 1; at < 40; at++) add(`cut at byte ${at}`, SPLIT.subarray(0, at), SPLIT.subarray(at));
add('byte by byte', ...Array.from(SPLIT, (byte) => Buffer.from([byte])));

function fragments(text: Buffer): Buffer[] {
  const bytes = Array.from(text, (byte) => Buffer.from([byte]));
  return bytes.map((byte, at) => frame(at === 0 ? TEXT : 0, byte, { isFinal: at === bytes.length - 1 }));
}

// ---- the origin ------------------------------------------------------------------------------------------

/** How connections ended as the origin saw it, by the case's name. */
const endings = new Map<string, string>();
const origin = http.createServer((_request, response) => response.end('no'));

/** Speaks no WebSocket: what the client says decides how its connection ends. */
function onRaw(socket: Socket, name: string, key: string): void {
  let heard = '';
  // What comes first: who answers the end of a connection that is closed altogether gets a reset for it.
  const note = (how: string): void => {
    if (!endings.has(name)) endings.set(name, `${heard} ${how}`);
  };
  socket.on('data', (chunk: Buffer) => {
    heard += chunk.toString('latin1');
    if (heard.endsWith('reset me')) socket.resetAndDestroy();
    else if (heard.endsWith('end me')) socket.end('the end');
    else if (!socket.writableEnded) socket.write(chunk);
  });
  socket.on('end', () => {
    note('ended');
    // What is said behind the other's end still arrives.
    if (!socket.writableEnded) socket.end(' and so long');
  });
  socket.on('error', () => note('reset'));
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  const headers = `Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}`;
  socket.write(`HTTP/1.1 101 Switching Protocols\r\n${headers}\r\n\r\n`);
}

function onSocket(socket: WebSocket, name: string): void {
  let error = '';
  socket.on('message', (message: Buffer, isBinary) => socket.send(message, { binary: isBinary }));
  socket.on('error', (failure: Error & { code?: string }) => {
    error = failure.code ?? failure.message;
  });
  socket.on('close', (code, reason) => endings.set(name, `${error} ${code} ${reason.toString()}`));
}

// ---- the ways to it --------------------------------------------------------------------------------------

const ways = new Map<string, number>();
const proxies: ProxyProcess[] = [];

before(async () => {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 1 << 20, perMessageDeflate: false });
  origin.on('upgrade', (request, socket: Socket, head: Buffer) => {
    const url = new URL(request.url ?? '', 'http://origin');
    const name = `${url.searchParams.get('way')} ${url.searchParams.get('case')}`;
    if (url.pathname === '/raw') onRaw(socket, name, String(request.headers['sec-websocket-key']));
    else sockets.handleUpgrade(request, socket, head, (client) => onSocket(client, name));
  });
  await once(origin.listen(0, '127.0.0.1'), 'listening');
  const { port } = origin.address() as AddressInfo;
  ways.set('directly', port);
  for (const transport of ['native', 'node']) {
    const back = await start(transport, port, false);
    const front = await start(transport, back.port, true);
    ways.set(`HTTP/1.1, ${transport} transport`, back.port);
    ways.set(`HTTP/2 between two proxies, ${transport} transport`, front.port);
  }
});

async function start(transport: string, port: number, isToHttp2: boolean): Promise<ProxyProcess> {
  const connect = { http2_protocol_options: { allow_connect: true } };
  const config = bootstrap({
    origins: [port],
    manager: { upgrade_configs: [{ upgrade_type: 'websocket' }], ...connect },
    cluster: isToHttp2 ? connect : {},
  });
  const proxy = await ProxyProcess.start(config, { args: ['--concurrency', '1', '--transport', transport] });
  proxies.push(proxy);
  return proxy;
}

after(async () => {
  for (const proxy of proxies.toReversed()) await proxy.stop();
  origin.closeAllConnections();
  origin.close();
});

// ---- the client ------------------------------------------------------------------------------------------

const HEADERS = [
  'Host: a',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
].join('\r\n');

class Peer {
  readonly socket: Socket;
  heard = Buffer.alloc(0);
  /** '' = it is still open. */
  ending = '';

  constructor(port: number) {
    this.socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    this.socket.on('data', (chunk: Buffer) => {
      this.heard = Buffer.concat([this.heard, chunk]);
    });
    this.socket.on('end', () => {
      this.ending ||= 'end';
    });
    this.socket.on('error', () => {
      this.ending ||= 'reset';
    });
  }

  async until(fits: () => boolean): Promise<void> {
    const deadline = Date.now() + 30000;
    while (!fits()) {
      if (Date.now() > deadline) throw new Error(`heard only ${JSON.stringify(this.heard.toString('latin1'))}`);
      await sleep(1);
    }
  }

  /** What came behind the 101. */
  get frames(): string {
    const end = this.heard.indexOf('\r\n\r\n');
    return end < 0 ? '' : this.heard.toString('latin1', end + 4);
  }

  static async open(way: string, name: string, path: string, early = Buffer.alloc(0)): Promise<Peer> {
    const peer = new Peer(ways.get(way) as number);
    const target = `${path}?way=${encodeURIComponent(way)}&case=${encodeURIComponent(name)}`;
    peer.socket.write(Buffer.concat([Buffer.from(`GET ${target} HTTP/1.1\r\n${HEADERS}\r\n\r\n`), early]));
    await peer.until(() => peer.heard.includes('\r\n\r\n') || peer.ending !== '');
    assert.match(peer.heard.toString('latin1'), /^HTTP\/1\.1 101 /);
    return peer;
  }
}

/** What the client heard and how it ended, and how it ended for the origin. */
async function verdict(way: string, name: string, pieces: readonly Buffer[]): Promise<readonly string[]> {
  const peer = await Peer.open(way, name, '/');
  for (const piece of pieces) {
    peer.socket.write(piece);
    if (pieces.length > 1) await sleep(1);
  }
  await peer.until(() => peer.ending !== '');
  peer.socket.destroy();
  await peer.until(() => endings.has(`${way} ${name}`));
  return [Buffer.from(peer.frames, 'latin1').toString('hex'), peer.ending, endings.get(`${way} ${name}`) as string];
}

const direct = new Map<string, readonly string[]>();

test('the origin has verdicts of many kinds', async () => {
  for (const [name, pieces] of CASES) direct.set(name, await verdict('directly', name, pieces));
  const kinds = new Set([...direct.values()].map(([, , ending]) => ending?.split(' ').slice(0, 2).join(' ')));
  for (const kind of [' 1000', ' 4999', 'WS_ERR_INVALID_UTF8 1006', 'WS_ERR_INVALID_OPCODE 1006'])
    assert.ok(kinds.has(kind), `${kind} is not among ${[...kinds].join(', ')}`);
});

const WAYS = ['native', 'node'].flatMap((transport) => [
  `HTTP/1.1, ${transport} transport`,
  `HTTP/2 between two proxies, ${transport} transport`,
]);

for (const way of WAYS) {
  test(`frames get the verdict that they get directly: ${way}`, async () => {
    for (const [name, pieces] of CASES) assert.deepEqual(await verdict(way, name, pieces), direct.get(name), name);
  });

  test(`frames that come with the request are the tunnel's: ${way}`, async () => {
    const peer = await Peer.open(way, 'early', '/', SPLIT);
    await peer.until(() => peer.ending !== '');
    assert.equal(Buffer.from(peer.frames, 'latin1').toString('hex'), direct.get('byte by byte')?.[0]);
    peer.socket.destroy();
  });
}

for (const way of ['directly', ...WAYS]) {
  test(`a clean end and a reset arrive as what they are: ${way}`, async () => {
    const ended = await Peer.open(way, 'end', '/raw');
    ended.socket.write('hello ');
    await ended.until(() => ended.frames === 'hello ');
    ended.socket.write('end me');
    await ended.until(() => ended.ending !== '');
    assert.deepEqual([ended.frames, ended.ending], ['hello the end', 'end']);
    // The origin has ended its side; the client has not, and is still heard.
    ended.socket.end(' still here');
    await ended.until(() => endings.has(`${way} end`));
    assert.equal(endings.get(`${way} end`), 'hello end me still here ended');

    const half = await Peer.open(way, 'half', '/raw');
    half.socket.end('bye');
    await half.until(() => half.ending !== '');
    assert.deepEqual([half.frames, half.ending], ['bye and so long', 'end']);
    assert.equal(endings.get(`${way} half`), 'bye ended');

    const torn = await Peer.open(way, 'torn', '/raw');
    torn.socket.write('reset me');
    await torn.until(() => torn.ending !== '');
    assert.deepEqual([torn.frames, torn.ending], ['', 'reset']);

    const tearing = await Peer.open(way, 'tearing', '/raw');
    tearing.socket.write('hello');
    await tearing.until(() => tearing.frames === 'hello');
    tearing.socket.resetAndDestroy();
    await tearing.until(() => endings.has(`${way} tearing`));
    assert.equal(endings.get(`${way} tearing`), 'hello reset');
  });
}
