/** Floods against an HTTP/2 server: each has a budget, a counter and a code; other connections hear nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Http2ServerHarness, responseHead } from '../../support/http2-peer.js';

const POST = 'END_HEADERS [POST]';

/** Feeds line by line until a fault; answers how many went in. */
function until(harness: Http2ServerHarness, most: number, lines: (i: number) => string[]): number {
  for (let i = 0; i < most; i++) {
    harness.feed(...lines(i));
    if (harness.fault !== '') return i;
  }
  return most;
}

function endsCalmly(harness: Http2ServerHarness): void {
  assert.equal(harness.fault, 'http2_flood');
  assert.match(harness.written().at(-1) as string, /ENHANCE_YOUR_CALM$/);
}

test('rapid reset: CVE-2023-44487', () => {
  const harness = new Http2ServerHarness();
  const rounds = until(harness, 5000, (i) => [`HEADERS ${1 + 2 * i} ${POST}`, `RST_STREAM ${1 + 2 * i} CANCEL`]);
  assert.equal(rounds, 500);
  assert.equal(harness.count('inbound_reset_flood'), 1);
  endsCalmly(harness);
});

test('resets that time pays for are no flood', () => {
  const harness = new Http2ServerHarness();
  const rounds = until(harness, 3000, (i) => {
    harness.clock.timeMs += 40;
    return [`HEADERS ${1 + 2 * i} ${POST}`, `RST_STREAM ${1 + 2 * i} CANCEL`];
  });
  assert.equal(rounds, 3000);
});

test('as many resets as answers are no flood', () => {
  const harness = new Http2ServerHarness();
  const rounds = until(harness, 2000, (i) => [
    `HEADERS ${1 + 4 * i} END_STREAM END_HEADERS [GET]`,
    `HEADERS ${3 + 4 * i} ${POST}`,
    `RST_STREAM ${3 + 4 * i} CANCEL`,
  ]);
  assert.equal(rounds, 2000);
});

test('RST_STREAM behind the answer costs nothing', () => {
  const harness = new Http2ServerHarness();
  const rounds = until(harness, 2000, (i) => [
    `HEADERS ${1 + 2 * i} END_STREAM END_HEADERS [GET]`,
    `RST_STREAM ${1 + 2 * i} CANCEL`,
  ]);
  assert.equal(rounds, 2000);
});

for (const [name, line] of [
  ['WINDOW_UPDATE of 0', 'WINDOW_UPDATE ID u32 0'],
  ['WINDOW_UPDATE above 2^31-1', 'WINDOW_UPDATE ID u32 2147483647'],
  ['PRIORITY of the wrong length', 'PRIORITY ID u32 0'],
  ['PRIORITY on itself', 'PRIORITY ID u32 ID + hex 00'],
  ['a second head', 'HEADERS ID END_HEADERS [x: y]'],
  ['DATA above content-length', 'DATA ID "abc"'],
] as const)
  test(`resets of ours that the peer provokes, CVE-2025-8671: ${name}`, () => {
    const harness = new Http2ServerHarness();
    const rounds = until(harness, 5000, (i) => {
      const id = String(1 + 2 * i);
      return [`HEADERS ${id} END_HEADERS [POST; content-length: 1]`, line.replaceAll('ID', id)];
    });
    assert.equal(rounds, 500);
    assert.equal(harness.count('inbound_reset_flood'), 1);
    endsCalmly(harness);
  });

test('malformed requests, and streams above the limit, count in the same budget', () => {
  const malformed = new Http2ServerHarness();
  assert.equal(
    until(malformed, 5000, (i) => [`HEADERS ${1 + 2 * i} END_STREAM END_HEADERS [GET; X: y]`]),
    500,
  );
  assert.equal(malformed.count('rx_messaging_error'), 501);
  const refused = new Http2ServerHarness({ maxConcurrentStreams: 1 });
  assert.equal(
    until(refused, 5000, (i) => [`HEADERS ${1 + 2 * i} ${POST}`]),
    501,
  );
  assert.equal(refused.count('too_many_streams'), 501);
});

for (const [name, line] of [
  ['PING', 'PING 0 "12345678"'],
  ['PING ACK', 'PING 0 ACK "12345678"'],
  ['SETTINGS', 'SETTINGS 0 MAX_CONCURRENT_STREAMS=1'],
  ['SETTINGS ACK', 'SETTINGS 0 ACK'],
  ['GOAWAY', 'GOAWAY 0 u32 0 + NO_ERROR'],
  ['unknown frames', '99 0 "abc"'],
] as const)
  test(`control frames that are answered and read: ${name}`, () => {
    const harness = new Http2ServerHarness();
    const frames = until(harness, 5000, () => [line]);
    assert.ok(frames >= 990 && frames <= 1000, String(frames));
    assert.equal(harness.count('inbound_control_frames_flood'), 1);
    endsCalmly(harness);
  });

test('a PING for each useful frame is fine: bandwidth is measured so', () => {
  const harness = new Http2ServerHarness();
  const rounds = until(harness, 5000, (i) => [
    `HEADERS ${1 + 2 * i} END_STREAM END_HEADERS [GET]`,
    'PING 0 "12345678"',
  ]);
  assert.equal(rounds, 5000);
});

test('answers that the peer does not read: control frames, then all frames', () => {
  const control = new Http2ServerHarness({ maxOutboundControlFrames: 100 });
  control.conn.queuedBytes = 1;
  assert.equal(
    until(control, 5000, () => ['PING 0 "12345678"']),
    // The acknowledgement of SETTINGS is one of them; they are counted when the next bytes come.
    100,
  );
  assert.equal(control.count('outbound_control_flood'), 1);
  endsCalmly(control);
  const all = new Http2ServerHarness({ maxOutboundFrames: 100 });
  all.answer = (stream) => stream.sendHead(responseHead(204), true);
  all.conn.queuedBytes = 1;
  until(all, 5000, (i) => [`HEADERS ${1 + 2 * i} END_STREAM END_HEADERS [GET]`]);
  assert.equal(all.count('outbound_flood'), 1);
  endsCalmly(all);
});

test('PRIORITY: a budget per stream', () => {
  const harness = new Http2ServerHarness({ maxInboundPriorityFramesPerStream: 10 });
  harness.feed(`HEADERS 1 ${POST}`);
  assert.equal(
    until(harness, 100, () => ['PRIORITY 1 u32 0 + hex 10']),
    20,
  );
  assert.equal(harness.count('inbound_priority_frames_flood'), 1);
  endsCalmly(harness);
});

test('WINDOW_UPDATE: a budget per stream and per DATA frame that we sent', () => {
  const harness = new Http2ServerHarness();
  harness.feed('HEADERS 1 END_STREAM END_HEADERS [GET]');
  assert.equal(
    until(harness, 100, () => ['WINDOW_UPDATE 0 u32 1']),
    5 + 2 * (1 + 10),
  );
  assert.equal(harness.count('inbound_window_update_frames_flood'), 1);
  endsCalmly(harness);
});

test('empty frames in a row', () => {
  const harness = new Http2ServerHarness({ maxConsecutiveInboundFramesWithEmptyPayload: 3 });
  harness.feed(`HEADERS 1 ${POST}`);
  assert.equal(
    until(harness, 100, () => ['DATA 1']),
    3,
  );
  assert.equal(harness.count('inbound_empty_frames_flood'), 1);
  endsCalmly(harness);
});

test('a header block without an end', () => {
  const harness = new Http2ServerHarness();
  harness.feed('HEADERS 1 [GET]');
  assert.ok(until(harness, 100, () => ['CONTINUATION 1 zero 16384']) < 20);
  assert.equal(harness.count('header_overflow'), 1);
  endsCalmly(harness);
});

test('a frame full of initial windows costs what one does', () => {
  const harness = new Http2ServerHarness();
  harness.feed(`HEADERS 1 ${POST}`);
  harness.feed(`SETTINGS 0 ${Array.from({ length: 2000 }, (_, i) => `INITIAL_WINDOW_SIZE=${i}`).join(' + ')}`);
  assert.equal(harness.fault, '');
  assert.deepEqual(harness.written(), ['SETTINGS 0 ACK']);
});

const ENTRY = `[GET] + hex 40017e7fa11e${'61'.repeat(4000)}`;
const NAME = `[GET] + hex 407fa11e${'6e'.repeat(4000)}0161`;

test('a block that refers to a long entry again and again is a head that is too big, and costs no more', () => {
  const harness = new Http2ServerHarness();
  harness.feed(`HEADERS 1 END_STREAM END_HEADERS ${ENTRY}`);
  for (let id = 3; id < 400; id += 2)
    harness.feed(`HEADERS ${id} END_STREAM END_HEADERS [GET] + hex ${'be'.repeat(790)}`);
  assert.equal(harness.fault, '');
  assert.equal(harness.count('header_overflow'), 199);
  assert.equal(harness.written().at(-1), 'HEADERS 399 END_STREAM 431 []');
});

for (const [name, entry, block] of [
  ['refers to a long entry', ENTRY, 'be'.repeat(16000)],
  ['has literals whose name is a long entry', NAME, '0f2f0162'.repeat(4000)],
] as const)
  test(`HPACK bomb: a block that ${name} again and again ends the connection`, () => {
    const harness = new Http2ServerHarness();
    harness.feed(`HEADERS 1 END_STREAM END_HEADERS ${entry}`);
    harness.feed(`HEADERS 3 END_STREAM END_HEADERS [GET] + hex ${block}`);
    assert.equal(harness.count('header_overflow'), 1);
    endsCalmly(harness);
  });
