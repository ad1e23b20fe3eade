/** Http2ServerCodec beyond single frames: windows, turns, held streams, tunnels, drain, time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UP_BROKEN_OFF, UP_RESET_MIDWAY, UP_TRUNCATED } from '../../../engine/fault/faults.js';
import type { MessageStream } from '../../../engine/http/codec.js';
import { Http2ServerHarness, responseHead } from '../../support/http2-peer.js';

const GET = 'END_STREAM END_HEADERS [GET]';
const BULK = new Uint8Array(100000).fill(0x62);

function answerBulk(stream: MessageStream): boolean {
  stream.sendHead(responseHead(200), false);
  return stream.sendData(BULK, 0, BULK.length, true);
}

/** Turns that do nothing but let microtasks run. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Ids of DATA frames in order, and their bytes. */
function dataFrames(lines: readonly string[]): [number, number][] {
  return lines
    .filter((line) => line.startsWith('DATA'))
    .map((line) => {
      const [, id, rest] = /^DATA (\d+)(?: END_STREAM)? (.*)$/.exec(line) as RegExpExecArray;
      const bytes = /^(\d+) bytes$/.exec(rest as string)?.[1];
      return [Number(id), bytes === undefined ? (rest as string).length - 2 : Number(bytes)];
    });
}

test('SETTINGS and the window of the connection go out at once', () => {
  const harness = new Http2ServerHarness({ allowExtendedConnect: true, hpackTableSizeBytes: 8192 }, false);
  assert.deepEqual(harness.written(), [
    'SETTINGS 0 MAX_CONCURRENT_STREAMS=1024 INITIAL_WINDOW_SIZE=16777216 MAX_HEADER_LIST_SIZE=61440 HEADER_TABLE_SIZE=8192 ENABLE_CONNECT_PROTOCOL=1',
    `WINDOW_UPDATE 0 ${24 * 1024 * 1024 - 65535}`,
  ]);
});

test('a bulk answer waits for window; streams then take turns, a frame each', () => {
  const harness = new Http2ServerHarness();
  harness.answer = answerBulk;
  harness.feed(`HEADERS 1 ${GET}`, `HEADERS 3 ${GET}`);
  // The first took the whole window of the connection.
  assert.deepEqual(
    dataFrames(harness.written()).map(([id]) => id),
    [1, 1, 1, 1],
  );
  harness.feed('WINDOW_UPDATE 1 u32 100000', 'WINDOW_UPDATE 3 u32 100000', 'WINDOW_UPDATE 0 u32 80000');
  const frames = dataFrames(harness.written());
  assert.deepEqual(
    frames.map(([id]) => id),
    [3, 1, 3, 1, 3],
  );
  assert.equal(
    frames.reduce((sum, [, bytes]) => sum + bytes, 0),
    80000,
  );
  harness.feed('WINDOW_UPDATE 0 u32 1000000');
  const rest = harness.written();
  assert.match(rest.at(-1) as string, /^DATA 3 END_STREAM/);
  assert.equal(harness.codec.store.count, 0);
});

test('sendData says when it is full, and onDrained follows when the window opens', () => {
  const harness = new Http2ServerHarness();
  let isFull = false;
  harness.answer = (stream) => {
    stream.sendHead(responseHead(200), false);
    isFull = stream.sendData(BULK, 0, BULK.length, false);
  };
  harness.feed(`HEADERS 1 ${GET}`);
  assert.equal(isFull, true);
  let drained = 0;
  (harness.sinks[0] as (typeof harness.sinks)[number]).onDrained = () => {
    drained++;
  };
  harness.feed('WINDOW_UPDATE 0 u32 100000');
  assert.equal(drained, 0);
  harness.feed('WINDOW_UPDATE 1 u32 100000');
  assert.equal(drained, 1);
  const stream = harness.streams[0] as MessageStream;
  assert.equal(stream.sendData(BULK, 0, 100, true), false);
});

test('trailers wait behind what waits for window', () => {
  const harness = new Http2ServerHarness();
  harness.answer = (stream) => {
    stream.sendHead(responseHead(200), false);
    stream.sendData(BULK, 0, BULK.length, false);
    const trailers = responseHead(0);
    trailers.addName(Buffer.from('grpc-status'), 0, Buffer.from('0'), 0, 1);
    stream.sendTrailers(trailers);
  };
  harness.feed(`HEADERS 1 ${GET}`);
  assert.equal(
    harness.written().some((line) => line.includes('trailers')),
    false,
  );
  harness.feed('WINDOW_UPDATE 0 u32 100000', 'WINDOW_UPDATE 1 u32 100000');
  assert.equal(harness.written().at(-1), 'HEADERS 1 END_STREAM trailers [grpc-status: 0]');
});

test('windows of the client are opened when the owner has consumed half of them', () => {
  const harness = new Http2ServerHarness({ initialStreamWindowBytes: 65536, initialConnectionWindowBytes: 131072 });
  harness.feed('HEADERS 1 END_HEADERS [POST]', '2 x DATA 1 zero 16384');
  assert.deepEqual(harness.written(), []);
  const stream = harness.streams[0] as MessageStream;
  stream.consumed(16384);
  assert.deepEqual(harness.written(), []);
  stream.consumed(16384);
  assert.deepEqual(harness.written(), ['WINDOW_UPDATE 1 32768']);
  harness.feed('2 x DATA 1 zero 16384');
  stream.consumed(32768);
  assert.deepEqual(harness.written(), ['WINDOW_UPDATE 1 32768', 'WINDOW_UPDATE 0 65536']);
});

test('what nobody consumed is the connection’s again when its stream ends', () => {
  const harness = new Http2ServerHarness({ initialConnectionWindowBytes: 65536 });
  harness.feed('HEADERS 1 END_HEADERS [POST]', '2 x DATA 1 zero 16384', 'RST_STREAM 1 CANCEL');
  assert.deepEqual(harness.written(), ['WINDOW_UPDATE 0 32768']);
});

test('a stream that is held keeps what comes, its end and its trailers, until it is released', async () => {
  for (const end of ['DATA 1 END_STREAM "def"', 'HEADERS 1 END_STREAM END_HEADERS [x-end: 1]']) {
    const harness = new Http2ServerHarness();
    harness.feed('HEADERS 1 END_HEADERS [POST]');
    const stream = harness.streams[0] as MessageStream;
    stream.hold(4);
    harness.feed('DATA 1 "abc"', end);
    assert.deepEqual(harness.events, ['head POST / [host: a]']);
    stream.release(4);
    // Never inside the call.
    assert.deepEqual(harness.events, ['head POST / [host: a]']);
    await settled();
    const last = end.startsWith('DATA') ? ['data "abcdef"', 'end'] : ['data "abc"', 'trailers [x-end: 1]'];
    assert.deepEqual(harness.events, ['head POST / [host: a]', ...last]);
    assert.deepEqual(harness.written(), ['HEADERS 1 200 []', 'DATA 1 END_STREAM "ok"']);
  }
});

test('an answer before the end of the request: RST_STREAM(NO_ERROR), and late DATA is dropped', () => {
  const harness = new Http2ServerHarness();
  harness.feed('HEADERS 1 END_HEADERS [POST]');
  (harness.streams[0] as MessageStream).sendHead(responseHead(413), true);
  assert.deepEqual(harness.written(), ['HEADERS 1 END_STREAM 413 []', 'RST_STREAM 1 NO_ERROR']);
  harness.feed('DATA 1 END_STREAM "late"', 'PING 0 "12345678"');
  assert.deepEqual(harness.written(), ['PING 0 ACK "12345678"']);
  assert.deepEqual(harness.events, ['head POST / [host: a]']);
});

test('resets of the owner carry a code that fits: the client broke no rule when the origin did', () => {
  for (const fault of [UP_TRUNCATED, UP_RESET_MIDWAY, UP_BROKEN_OFF]) {
    const harness = new Http2ServerHarness();
    harness.feed('HEADERS 1 END_HEADERS [POST]');
    (harness.streams[0] as MessageStream).reset(fault);
    assert.deepEqual(harness.written(), ['RST_STREAM 1 INTERNAL_ERROR']);
    assert.deepEqual(harness.events, ['head POST / [host: a]']);
  }
});

for (const [what, head, status, code] of [
  ['CONNECT', '[:method: CONNECT; :authority: a:443]', 200, 'CONNECT_ERROR'],
  [
    'extended CONNECT',
    '[:method: CONNECT; :protocol: websocket; :scheme: http; :path: /; :authority: a]',
    101,
    'CANCEL',
  ],
] as const)
  test(`${what}: when the other end of the tunnel breaks, RST_STREAM says so`, () => {
    const harness = new Http2ServerHarness({ allowExtendedConnect: true });
    harness.answer = () => {};
    harness.feed(`HEADERS 1 END_HEADERS ${head}`);
    const stream = harness.streams[0] as MessageStream;
    stream.sendHead(responseHead(status), false);
    stream.reset(UP_TRUNCATED);
    assert.deepEqual(harness.written(), ['HEADERS 1 200 []', `RST_STREAM 1 ${code}`]);
  });

test('extended CONNECT: 101 goes out as 200, bytes both ways, each side ends its own', () => {
  const harness = new Http2ServerHarness({ allowExtendedConnect: true });
  harness.feed(
    'HEADERS 1 END_HEADERS [:method: CONNECT; :protocol: websocket; :scheme: http; :path: /; :authority: a]',
  );
  const stream = harness.streams[0] as MessageStream;
  stream.sendHead(responseHead(101), false);
  stream.sendData(BULK, 0, 3, true);
  assert.deepEqual(harness.written(), ['HEADERS 1 200 []', 'DATA 1 END_STREAM "bbb"']);
  harness.feed('DATA 1 "abc"', 'DATA 1 END_STREAM');
  assert.deepEqual(harness.events.slice(1), ['data "abc"', 'end']);
  assert.equal(harness.codec.store.count, 0);
});

test('101 to a request that did not ask for it resets the stream', async () => {
  const harness = new Http2ServerHarness();
  harness.answer = (stream) => stream.sendHead(responseHead(101), false);
  harness.feed(`HEADERS 1 ${GET}`);
  assert.deepEqual(harness.written(), ['RST_STREAM 1 INTERNAL_ERROR']);
  await settled();
  assert.equal(harness.events.at(-1), 'reset upstream_invalid_header');
});

test('drain: GOAWAY of everything, a PING round trip, GOAWAY of what was seen, the end', () => {
  const harness = new Http2ServerHarness();
  harness.answer = () => {};
  harness.feed(`HEADERS 1 ${GET}`);
  harness.codec.drain();
  assert.deepEqual(harness.written(), ['GOAWAY 0 last=2147483647 NO_ERROR', 'PING 0 "drai\0\0\0\0"']);
  // It was on its way.
  harness.feed(`HEADERS 3 ${GET}`, 'PING 0 ACK "drai\\0\\0\\0\\0"', `HEADERS 5 ${GET}`);
  assert.deepEqual(harness.written(), ['GOAWAY 0 last=3 NO_ERROR']);
  assert.equal(harness.streams.length, 2);
  for (const stream of harness.streams) {
    assert.deepEqual(harness.host.heard, []);
    stream.sendHead(responseHead(200), true);
  }
  assert.deepEqual(harness.host.heard, ['finished']);
});

test('drain: a client that does not answer the PING has the grace', () => {
  const harness = new Http2ServerHarness({ drainTimeoutMs: 1000 });
  harness.codec.drain();
  harness.written();
  harness.pass(900);
  assert.deepEqual(harness.written(), []);
  harness.pass(200);
  assert.deepEqual(harness.written(), ['GOAWAY 0 last=0 NO_ERROR']);
  assert.deepEqual(harness.host.heard, ['finished']);
});

test('SETTINGS that are not acknowledged end the connection', () => {
  const harness = new Http2ServerHarness({}, false);
  harness.feed('PREFACE', 'SETTINGS 0');
  harness.written();
  harness.pass(11000);
  assert.deepEqual(harness.written(), ['GOAWAY 0 last=0 SETTINGS_TIMEOUT']);
  assert.deepEqual(harness.host.heard, ['failed http2_settings_timeout']);
  assert.equal(harness.count('settings_timeout'), 1);
});

test('keepalive: a PING per interval; a silent peer is given up, one that sends anything is not', () => {
  const connectionKeepalive = { intervalMs: 1000, timeoutMs: 500, jitterPercent: 0, connectionIdleIntervalMs: 0 };
  const harness = new Http2ServerHarness({ connectionKeepalive });
  harness.answer = () => {};
  harness.feed(`HEADERS 1 ${GET}`);
  harness.pass(1040);
  assert.deepEqual(harness.written(), ['PING 0 "keep\0\0\0\0"']);
  harness.feed('PING 0 ACK "keep\\0\\0\\0\\0"').pass(1040);
  assert.deepEqual(harness.written(), ['PING 0 "keep\0\0\0\0"']);
  harness.pass(400).feed('WINDOW_UPDATE 0 u32 1').pass(400);
  assert.deepEqual(harness.written(), []);
  harness.pass(600);
  assert.deepEqual(harness.host.heard, ['failed http2_ping_timeout']);
  assert.deepEqual(harness.written(), ['GOAWAY 0 last=1 NO_ERROR']);
  assert.equal(harness.events.at(-1), 'reset http2_ping_timeout');
  assert.equal(harness.count('keepalive_timeout'), 1);
});

test('a stream that gets no window for stream_flush_timeout is reset, others go on', () => {
  const harness = new Http2ServerHarness({ streamFlushTimeoutMs: 1000 });
  harness.answer = answerBulk;
  harness.feed('WINDOW_UPDATE 0 u32 1000000', `HEADERS 1 ${GET}`);
  harness.pass(600).feed(`HEADERS 3 ${GET}`);
  harness.pass(600);
  assert.equal(harness.written().at(-1), 'RST_STREAM 1 CANCEL');
  harness.feed('WINDOW_UPDATE 3 u32 10').pass(600);
  assert.deepEqual(dataFrames(harness.written()), [[3, 10]]);
  harness.pass(600);
  assert.deepEqual(harness.written(), ['RST_STREAM 3 CANCEL']);
  assert.equal(harness.count('tx_flush_timeout'), 2);
});

test('FIN: whole requests are still answered, others are reset', () => {
  const harness = new Http2ServerHarness();
  harness.answer = () => {};
  harness.feed(`HEADERS 1 ${GET}`, 'HEADERS 3 END_HEADERS [POST]');
  harness.codec.feedEnd();
  assert.deepEqual(harness.events, [
    'head GET / [host: a]',
    'end',
    'head POST / [host: a]',
    'reset incomplete_request',
  ]);
  (harness.streams[0] as MessageStream).sendHead(responseHead(200), true);
  assert.deepEqual(harness.host.heard, ['finished']);
  assert.deepEqual(harness.written(), ['HEADERS 1 END_STREAM 200 []']);
});

test('a header block of several frames goes out in one piece', () => {
  const harness = new Http2ServerHarness();
  harness.answer = (stream) => {
    const head = responseHead(200);
    for (let i = 0; i < 4; i++) {
      const value = Buffer.alloc(10000, 0x30 + i);
      head.addName(Buffer.from(`x-${i}`), 0, value, 0, value.length);
    }
    stream.sendHead(head, true);
  };
  harness.feed(`HEADERS 1 ${GET}`);
  const { written } = harness.conn;
  const lengths: number[] = [];
  for (let at = 0; at < written.length; ) {
    const length = Buffer.from(written.slice(at, at + 3), 'latin1').readUIntBE(0, 3);
    lengths.push(length);
    at += 9 + length;
  }
  assert.ok(lengths.length > 1);
  assert.ok(lengths.every((length) => length <= 16384));
  assert.equal(lengths[0], 16384);
  assert.deepEqual(
    harness.written().map((line) => line.split(' ').slice(0, 2).join(' ')),
    ['HEADERS 1', ...lengths.slice(1).map(() => 'CONTINUATION 1')],
  );
});

test('a full connection: heads leave, bodies wait, owners hear when there is room for more', () => {
  const harness = new Http2ServerHarness();
  let isFull = true;
  const { conn } = harness;
  const write = conn.write.bind(conn);
  conn.write = (bytes, start, end) => {
    write(bytes, start, end);
    return isFull;
  };
  const told: boolean[] = [];
  harness.answer = (stream) => {
    told.push(stream.sendHead(responseHead(200), false));
    told.push(stream.sendData(BULK, 0, 100, false));
  };
  harness.feed(`HEADERS 1 ${GET}`, `HEADERS 3 ${GET}`);
  assert.deepEqual(told, [true, true, true, true]);
  assert.deepEqual(harness.written(), ['HEADERS 1 200 []', 'HEADERS 3 200 []']);
  let drained = 0;
  for (const sink of harness.sinks)
    sink.onDrained = () => {
      drained++;
    };
  // Room for one frame.
  harness.codec.onWritable();
  assert.deepEqual(harness.written(), ['DATA 1 100 bytes']);
  assert.equal(drained, 0);
  isFull = false;
  harness.codec.onWritable();
  assert.deepEqual(harness.written(), ['DATA 3 100 bytes']);
  assert.equal(drained, 2);
});

test('custom_settings_parameters are announced behind the others', () => {
  const harness = new Http2ServerHarness({ customSettings: [0xfe03, 7, 9, 1] }, false);
  assert.match(harness.written()[0] ?? '', /MAX_HEADER_LIST_SIZE=61440 0xfe03=7 0x9=1$/);
});

for (const [what, frame] of [
  ['a name in capitals', `HEADERS 3 ${GET} [X-A: 1]`],
  ['no :path', 'HEADERS 3 END_STREAM END_HEADERS [:method: GET] [:scheme: http] [:authority: a]'],
  ['a field of one connection', `HEADERS 3 ${GET} [connection: close]`],
] as const) {
  test(`override_stream_error_on_invalid_http_message: true: ${what} ends its stream`, () => {
    const harness = new Http2ServerHarness({ overrideStreamErrorOnInvalidHttpMessage: true });
    harness.feed(`HEADERS 1 ${GET}`, frame, `HEADERS 5 ${GET}`);
    assert.equal(harness.fault, '');
    assert.ok(harness.written().includes('RST_STREAM 3 PROTOCOL_ERROR'));
    // What is refused has a sink too: it is logged.
    assert.equal(harness.sinks.length, 3);
    assert.equal(harness.count('rx_messaging_error'), 1);
  });

  test(`override_stream_error_on_invalid_http_message: false: ${what} ends the connection`, () => {
    const harness = new Http2ServerHarness({ overrideStreamErrorOnInvalidHttpMessage: false });
    harness.feed(`HEADERS 1 ${GET}`, frame, `HEADERS 5 ${GET}`);
    assert.notEqual(harness.fault, '');
    assert.match(harness.written().at(-1) ?? '', /^GOAWAY 0 last=3 PROTOCOL_ERROR/);
    assert.equal(harness.sinks.length, 2);
  });
}
