/** Floods over real sockets: the flooding connection ends with GOAWAY, is counted, and a client beside it is answered. */
import assert from 'node:assert/strict';
import http from 'node:http';
import http2 from 'node:http2';
import net, { type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { bootstrap } from '../support/bootstrap.js';
import { frames } from '../support/http2-frames.js';
import { ProxyProcess } from '../support/proxy-process.js';

const HELLO = frames('PREFACE', 'SETTINGS 0', 'SETTINGS 0 ACK');
/** More than any budget allows. */
const ROUNDS = 4000;

interface Flood {
  readonly counter: string;
  /** What goes out before, and then again and again. */
  readonly first: readonly string[];
  readonly again: readonly string[];
}

const FLOODS: Readonly<Record<string, Flood>> = {
  'rapid reset': {
    counter: 'inbound_reset_flood',
    first: [],
    again: ['HEADERS 1 END_STREAM END_HEADERS [GET]', 'RST_STREAM 1 CANCEL'],
  },
  'resets that are provoked': {
    counter: 'inbound_reset_flood',
    first: [],
    again: ['HEADERS 1 END_HEADERS [POST]', 'WINDOW_UPDATE 1 u32 0'],
  },
  'malformed requests': {
    counter: 'inbound_reset_flood',
    first: [],
    again: ['HEADERS 1 END_STREAM END_HEADERS [GET; X: y]'],
  },
  PING: { counter: 'inbound_control_frames_flood', first: [], again: ['PING 0 "12345678"'] },
  SETTINGS: { counter: 'inbound_control_frames_flood', first: [], again: ['SETTINGS 0 INITIAL_WINDOW_SIZE=1'] },
  PRIORITY: { counter: 'inbound_priority_frames_flood', first: [], again: ['PRIORITY 1 u32 0 + hex 10'] },
  WINDOW_UPDATE: { counter: 'inbound_window_update_frames_flood', first: [], again: ['WINDOW_UPDATE 0 u32 1'] },
  'empty DATA': { counter: 'inbound_empty_frames_flood', first: ['HEADERS 1 END_HEADERS [POST]'], again: ['DATA 1'] },
  CONTINUATION: { counter: 'header_overflow', first: ['HEADERS 1 [GET]'], again: ['CONTINUATION 1 hex 00'] },
};

/** Streams of every round get ids of their own. */
function renumbered(bytes: Buffer, round: number): Buffer {
  const copy = Buffer.from(bytes);
  for (let at = 0; at + 9 <= copy.length; at += 9 + copy.readUIntBE(at, 3))
    if (copy.readUInt32BE(at + 5) !== 0) copy.writeUInt32BE(2 * round + 1, at + 5);
  return copy;
}

/** Floods one connection until the proxy ends it; what it said last. */
function flood(port: number, { first, again }: Flood): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    const heard: Buffer[] = [];
    const one = frames(...again);
    const isNumbered = first.length === 0;
    socket.on('data', (chunk) => heard.push(chunk));
    // What is sent behind the end is answered by a reset.
    socket.on('error', () => {});
    socket.on('close', () => resolve(Buffer.concat(heard)));
    socket.on('connect', () => {
      socket.write(Buffer.concat([HELLO, frames(...first)]));
      const rounds = Array.from({ length: ROUNDS }, (_, round) => (isNumbered ? renumbered(one, round) : one));
      socket.write(Buffer.concat(rounds), () => {});
    });
    setTimeout(() => reject(new Error('the connection was not ended')), 30_000).unref();
  });
}

/** The last GOAWAY's code. */
function goawayCode(heard: Buffer): number {
  let code = -1;
  for (let at = 0; at + 9 <= heard.length; at += 9 + heard.readUIntBE(at, 3))
    if (heard[at + 3] === 7 && at + 17 <= heard.length) code = heard.readUInt32BE(at + 13);
  return code;
}

function ask(session: http2.ClientHttp2Session): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = session.request({ ':path': '/' });
    let status = 0;
    request.on('response', (head) => {
      status = Number(head[':status']);
    });
    request.on('error', reject);
    request.on('close', () => resolve(status));
    request.resume();
    request.end();
  });
}

test('every flood ends its own connection and nobody else’s', async (t) => {
  const origin = http.createServer((_request, response) => response.end('ok'));
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
  const { port } = origin.address() as AddressInfo;
  const proxy = await ProxyProcess.start(bootstrap({ origins: [port] }), { args: ['--concurrency', '1'] });
  const session = http2.connect(`http://127.0.0.1:${proxy.port}`);
  session.on('error', () => {});
  const count = async (name: string): Promise<number> => {
    const text = await (await proxy.admin('/stats')).text();
    return Number(new RegExp(`^http\\.ingress\\.http2\\.${name}: (\\d+)$`, 'm').exec(text)?.[1] ?? -1);
  };
  for (const [name, each] of Object.entries(FLOODS))
    await t.test(name, async () => {
      const before = await count(each.counter);
      const attack = flood(proxy.port, each);
      for (let i = 0; i < 50; i++) assert.equal(await ask(session), 200);
      const heard = await attack;
      // A reset may have overtaken it.
      if (goawayCode(heard) >= 0) assert.equal(goawayCode(heard), 11);
      assert.equal(await count(each.counter), before + 1);
    });
  session.close();
  await proxy.stop();
  origin.close();
});
