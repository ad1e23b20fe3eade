/** Origins of HTTP/2 that misbehave, in raw frames: each costs what it must, and the proxy goes on. */
import assert from 'node:assert/strict';
import net, { type AddressInfo, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { bootstrap, type BootstrapOptions } from '../support/bootstrap.js';
import { Http2Client } from '../support/http2-client.js';
import { ProxyProcess } from '../support/proxy-process.js';

const PREFACE_BYTES = 24;
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const PING = 6;
const GOAWAY = 7;
const ACK = 1;
const END_STREAM = 1;
const END_HEADERS = 4;
const INTERNAL_ERROR = 2;
const CANCEL = 8;
const REFUSED_STREAM = 7;
/** ":status: 200". */
const STATUS_200 = Buffer.from([0x88]);

function frame(type: number, flags: number, id: number, payload: Uint8Array = new Uint8Array(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}
function words(...numbers: number[]): Buffer {
  const bytes = Buffer.alloc(numbers.length * 4);
  for (const [at, number] of numbers.entries()) bytes.writeUInt32BE(number, at * 4);
  return bytes;
}
const maxStreams = (count: number): Buffer => frame(SETTINGS, 0, 0, Buffer.concat([Buffer.from([0, 3]), words(count)]));
const goaway = (lastId: number, code = 0): Buffer => frame(GOAWAY, 0, 0, words(lastId, code));
const reset = (id: number, code: number): Buffer => frame(RST_STREAM, 0, id, words(code));
const answer = (id: number): Buffer => frame(HEADERS, END_STREAM | END_HEADERS, id, STATUS_200);

/** One connection that came to the origin. */
class Arrived {
  readonly socket: Socket;
  /** Ids of requests, in order. */
  readonly requests: number[] = [];
  readonly goaways: number[] = [];
  isClosed = false;
  /** SETTINGS of ours that are in force. */
  acknowledged = 0;
  #bytes = Buffer.alloc(0);
  #isGreeted = false;
  readonly #origin: Origin;

  constructor(origin: Origin, socket: Socket) {
    this.socket = socket;
    this.#origin = origin;
    socket.on('error', () => {});
    socket.on('close', () => {
      this.isClosed = true;
    });
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.write(origin.settings);
  }

  #read(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    if (!this.#isGreeted && this.#bytes.length >= PREFACE_BYTES) {
      this.#isGreeted = true;
      this.#bytes = this.#bytes.subarray(PREFACE_BYTES);
    }
    while (this.#isGreeted && this.#bytes.length >= 9) {
      const length = this.#bytes.readUIntBE(0, 3);
      if (this.#bytes.length < 9 + length) return;
      const [type, flags, id] = [this.#bytes[3], this.#bytes[4] ?? 0, this.#bytes.readUInt32BE(5)];
      const payload = this.#bytes.subarray(9, 9 + length);
      this.#bytes = this.#bytes.subarray(9 + length);
      if (type === SETTINGS && (flags & ACK) !== 0) this.acknowledged++;
      else if (type === SETTINGS) this.socket.write(frame(SETTINGS, ACK, 0));
      else if (type === PING && (flags & ACK) === 0 && this.#origin.answersPings)
        this.socket.write(frame(PING, ACK, 0, payload));
      else if (type === GOAWAY) this.goaways.push(payload.readUInt32BE(4));
      else if (type === HEADERS) {
        this.requests.push(id);
        this.#origin.onRequest(this, id);
      }
    }
  }
}

class Origin {
  readonly arrived: Arrived[] = [];
  settings = frame(SETTINGS, 0, 0);
  answersPings = true;
  onRequest: (conn: Arrived, id: number) => void = (conn, id) => conn.socket.write(answer(id));
  readonly server = net.createServer((socket) => this.arrived.push(new Arrived(this, socket)));

  get requests(): number {
    return this.arrived.reduce((sum, { requests }) => sum + requests.length, 0);
  }
}

const open: { stop(): Promise<unknown> }[] = [];
after(async () => {
  for (const each of open) await each.stop();
});

async function start(
  options: Omit<BootstrapOptions, 'origins'> = {},
): Promise<{ readonly origin: Origin; readonly proxy: ProxyProcess; readonly client: Http2Client }> {
  const origin = new Origin();
  await new Promise<void>((resolve) => origin.server.listen(0, '127.0.0.1', resolve));
  const config = bootstrap({
    ...options,
    origins: [(origin.server.address() as AddressInfo).port],
    cluster: { http2_protocol_options: {}, ...options.cluster },
  });
  const proxy = await ProxyProcess.start(config, { args: ['--concurrency', '1'] });
  const client = await Http2Client.connect(proxy.port);
  open.push({
    stop: async () => {
      await client.close();
      await proxy.stop();
      for (const { socket } of origin.arrived) socket.destroy();
      origin.server.close();
    },
  });
  return { origin, proxy, client };
}

const get = (client: Http2Client): Promise<number> => client.request({ ':path': '/' }).then(({ status }) => status);
const many = (client: Http2Client, count: number): Promise<number[]> =>
  Promise.all(Array.from({ length: count }, () => get(client)));
const all = (statuses: readonly number[]): Record<number, number> => {
  const seen: Record<number, number> = {};
  for (const status of statuses) seen[status] = (seen[status] ?? 0) + 1;
  return seen;
};

/** Nothing is left of what was under way. */
async function isQuiet(proxy: ProxyProcess): Promise<void> {
  await proxy.until(async () => (await proxy.stat('cluster.origin.upstream_rq_active')) === 0);
  for (const gauge of ['upstream_rq_pending_active', 'http2.streams_active'])
    assert.equal(await proxy.stat(`cluster.origin.${gauge}`), 0, gauge);
}

test('a limit of streams that is lowered while they are open: none is lost, later ones wait or go elsewhere', async () => {
  const { origin, proxy, client } = await start();
  const held: [Arrived, number][] = [];
  origin.onRequest = (conn, id) => held.push([conn, id]);
  const first = many(client, 20);
  await proxy.until(() => held.length === 20);
  const [busy] = origin.arrived as [Arrived];
  busy.socket.write(maxStreams(3));
  origin.settings = maxStreams(3);
  await proxy.until(() => busy.acknowledged === 2);
  const second = many(client, 6);
  await proxy.until(() => held.length === 26);
  assert.equal(busy.requests.length, 20);
  for (const [conn, id] of held) conn.socket.write(answer(id));
  assert.deepEqual(all(await first), { 200: 20 });
  assert.deepEqual(all(await second), { 200: 6 });
  await isQuiet(proxy);
});

test('no streams at all: one connection, on which requests wait until there are some', async () => {
  const { origin, proxy, client } = await start();
  origin.settings = maxStreams(0);
  const waiting = many(client, 5);
  await proxy.until(async () => (await proxy.stat('cluster.origin.upstream_rq_pending_active')) === 5);
  assert.equal(origin.arrived.length, 1);
  origin.arrived[0]?.socket.write(maxStreams(10));
  assert.deepEqual(all(await waiting), { 200: 5 });
  assert.equal(origin.arrived.length, 1);
  await isQuiet(proxy);
});

test('GOAWAY below streams under way: those above go again, those below finish', async () => {
  const { origin, proxy, client } = await start();
  const held: number[] = [];
  origin.onRequest = (conn, id) => {
    if (origin.arrived.length > 1) conn.socket.write(answer(id));
    else held.push(id);
  };
  const statuses = many(client, 10);
  await proxy.until(() => held.length === 10);
  const [leaving] = origin.arrived as [Arrived];
  leaving.socket.write(goaway(2 ** 31 - 1));
  leaving.socket.write(goaway(7));
  await proxy.until(() => origin.requests === 16);
  leaving.socket.write(Buffer.concat([1, 3, 5, 7].map(answer)));
  assert.deepEqual(all(await statuses), { 200: 10 });
  await proxy.until(() => leaving.isClosed);
  assert.equal(await proxy.stat('cluster.origin.upstream_cx_close_notify'), 1);
  assert.equal(await proxy.stat('cluster.origin.upstream_rq_retry'), 6);
  await isQuiet(proxy);
});

test('a storm of GOAWAY ends its connection, and is counted', async () => {
  const { origin, proxy, client } = await start();
  let isCalm = false;
  origin.onRequest = (conn, id) => {
    if (isCalm) conn.socket.write(answer(id));
    else conn.socket.write(Buffer.concat(Array.from({ length: 20000 }, () => goaway(2 ** 31 - 1))));
  };
  assert.equal(await get(client), 502);
  await proxy.until(() => origin.arrived[0]?.isClosed === true);
  assert.ok((await proxy.stat('cluster.origin.http2.inbound_control_frames_flood')) >= 1);
  isCalm = true;
  assert.equal(await get(client), 200);
  await isQuiet(proxy);
});

test('RST_STREAM behind the head of an answer: the client is told, nothing goes again', async () => {
  const { origin, proxy, client } = await start();
  origin.onRequest = (conn, id) => {
    const head = frame(HEADERS, END_HEADERS, id, STATUS_200);
    conn.socket.write(Buffer.concat([head, reset(id, REFUSED_STREAM)]));
  };
  const { status, code } = await client.request({ ':path': '/' });
  assert.notEqual(code, 0);
  assert.ok(status === 200 || status === 0);
  assert.equal(origin.requests, 1);
  await isQuiet(proxy);
});

test('what broke an answer off is in the log, and the client hears INTERNAL_ERROR: it broke no rule', async () => {
  const format = 'LOG %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n';
  const typed = {
    '@type': 'type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog',
    log_format: { text_format_source: { inline_string: format } },
  };
  const { origin, proxy, client } = await start({ manager: { access_log: [{ name: 'log', typed_config: typed }] } });
  const ends: readonly ((conn: Arrived, id: number) => void)[] = [
    (conn, id) => conn.socket.write(reset(id, CANCEL)),
    // Trailers with a pseudo-header field.
    (conn, id) => conn.socket.write(answer(id)),
    (conn) => conn.socket.end(),
  ];
  for (const end of ends) {
    origin.onRequest = (conn, id) => {
      conn.socket.write(frame(HEADERS, END_HEADERS, id, STATUS_200));
      end(conn, id);
    };
    const { code } = await client.request({ ':path': '/' });
    assert.equal(code, INTERNAL_ERROR);
  }
  const logged = (): string[] => proxy.log.split('\n').filter((line) => line.startsWith('LOG'));
  await proxy.until(() => logged().length === ends.length);
  assert.deepEqual(logged(), [
    'LOG 200 UR upstream_reset_after_response_started{remote_reset}',
    'LOG 200 UPE upstream_reset_after_response_started{protocol_error}',
    'LOG 200 UC upstream_reset_after_response_started{connection_termination}',
  ]);
  assert.equal(await proxy.stat('cluster.origin.upstream_rq_rx_reset'), 2);
  assert.equal(await proxy.stat('cluster.origin.upstream_rq_tx_reset'), 1);
  await isQuiet(proxy);
});

test('an answer and RST_STREAM(NO_ERROR) while the request is being sent: the answer counts', async () => {
  const { origin, proxy, client } = await start();
  origin.onRequest = (conn, id) => conn.socket.write(Buffer.concat([answer(id), reset(id, 0)]));
  const stream = client.stream({ ':method': 'POST', ':path': '/' });
  const status = await new Promise((resolve) => stream.on('response', (headers) => resolve(headers[':status'])));
  assert.equal(status, 200);
  stream.close(CANCEL);
  await isQuiet(proxy);
});

test('every stream reset as fast as it comes: nobody hangs', async () => {
  const { origin, proxy, client } = await start();
  origin.onRequest = (conn, id) => conn.socket.write(reset(id, CANCEL));
  assert.deepEqual(all(await many(client, 500)), { 503: 500 });
  assert.ok((await proxy.stat('cluster.origin.upstream_rq_rx_reset')) >= 500);
  origin.onRequest = (conn, id) => conn.socket.write(answer(id));
  assert.equal(await get(client), 200);
  await isQuiet(proxy);
});

test('PINGs that nobody answers: the connection ends, its requests are answered, the next go elsewhere', async () => {
  const { origin, proxy, client } = await start({
    cluster: { http2_protocol_options: { connection_keepalive: { interval: '0.2s', timeout: '0.3s' } } },
  });
  origin.answersPings = false;
  origin.onRequest = () => {};
  assert.deepEqual(all(await many(client, 3)), { 503: 3 });
  // A request that may be repeated is, as on any connection that turns out to be dead.
  await proxy.until(() => origin.arrived.every(({ isClosed }) => isClosed));
  assert.equal(await proxy.stat('cluster.origin.http2.keepalive_timeout'), origin.arrived.length);
  assert.equal(await proxy.stat('cluster.origin.upstream_cx_protocol_error'), 0);
  origin.answersPings = true;
  origin.onRequest = (conn, id) => conn.socket.write(answer(id));
  assert.equal(await get(client), 200);
  await isQuiet(proxy);
});

test('an origin that stops to read: PINGs find out, though bodies wait for it', async () => {
  const { origin, proxy, client } = await start({
    cluster: { http2_protocol_options: { connection_keepalive: { interval: '0.2s', timeout: '0.3s' } } },
  });
  // Windows as large as they get, so that the body fills the connection.
  origin.settings = frame(SETTINGS, 0, 0, Buffer.concat([Buffer.from([0, 4]), words(2 ** 31 - 1)]));
  origin.onRequest = (conn) => {
    conn.socket.write(frame(8, 0, 0, words(2 ** 31 - 1 - 65535)));
    conn.socket.pause();
  };
  const { status } = await client.request({ ':method': 'POST', ':path': '/' }, Buffer.alloc(32 << 20));
  assert.equal(status, 503);
  await proxy.until(async () => (await proxy.stat('cluster.origin.upstream_cx_active')) === 0);
  await isQuiet(proxy);
});

test('max_requests_per_connection of 1 under a burst: a connection each, as many as may be', async () => {
  const { origin, proxy, client } = await start({
    cluster: { max_requests_per_connection: 1, circuit_breakers: { thresholds: [{ max_connections: 10 }] } },
  });
  assert.deepEqual(all(await many(client, 100)), { 200: 100 });
  assert.equal(origin.arrived.length, 100);
  assert.ok(origin.arrived.every(({ requests }) => requests.length === 1));
  await proxy.until(() => origin.arrived.every(({ isClosed }) => isClosed));
  assert.equal(await proxy.stat('cluster.origin.upstream_cx_active'), 0);
  await isQuiet(proxy);
});
