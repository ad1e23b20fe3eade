/** Http2ClientCodec beyond single frames: how many streams, GOAWAY, refusals, ids that run out, tunnels. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UP_TIMEOUT } from '../../../engine/fault/faults.js';
import { HEAD_EXTENDED_CONNECT, HEAD_UPGRADE } from '../../../engine/http/head.js';
import { N } from '../../../engine/http/names.js';
import { Http2ClientHarness, requestHead } from '../../support/http2-peer.js';

const OK = 'END_STREAM END_HEADERS [:status: 200]';
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('the preface, SETTINGS and the window go out with the first stream', () => {
  const harness = new Http2ClientHarness();
  assert.deepEqual(harness.written(), []);
  harness.request();
  assert.deepEqual(harness.written(), [
    'PREFACE',
    'SETTINGS 0 ENABLE_PUSH=0 INITIAL_WINDOW_SIZE=16777216 MAX_HEADER_LIST_SIZE=61440',
    `WINDOW_UPDATE 0 ${24 * 1024 * 1024 - 65535}`,
    'HEADERS 1 END_STREAM',
  ]);
});

test('a server that speaks first is answered behind the preface', () => {
  const harness = new Http2ClientHarness().greet();
  assert.deepEqual(
    harness.written().map((line) => line.split(' ', 3).join(' ')),
    ['PREFACE', 'SETTINGS 0 ENABLE_PUSH=0', 'WINDOW_UPDATE 0 25100289', 'SETTINGS 0 ACK'],
  );
});

test('streamsFree: what we may, and the peer allows, and is not used', () => {
  const harness = new Http2ClientHarness({ maxConcurrentStreams: 4 });
  assert.equal(harness.codec.streamsFree(), 4);
  harness.request();
  harness.greet('MAX_CONCURRENT_STREAMS=2');
  assert.equal(harness.codec.streamsFree(), 1);
  harness.request();
  assert.equal(harness.codec.streamsFree(), 0);
  assert.equal(harness.codec.openStream(harness.sinks[0] as never), null);
  harness.feed(`HEADERS 1 ${OK}`);
  assert.equal(harness.codec.streamsFree(), 1);
  harness.feed('SETTINGS 0 MAX_CONCURRENT_STREAMS=0');
  assert.equal(harness.codec.streamsFree(), 0);
});

test('GOAWAY: what it covers finishes, the rest may go elsewhere, nothing new begins', () => {
  const harness = new Http2ClientHarness();
  harness.request();
  harness.request();
  harness.greet();
  harness.feed('GOAWAY 0 u32 2147483647 + NO_ERROR');
  assert.equal(harness.codec.streamsFree(), 0);
  assert.deepEqual(harness.host.heard, ['draining']);
  assert.deepEqual(harness.events, []);
  harness.feed('GOAWAY 0 u32 1 + NO_ERROR');
  assert.deepEqual(harness.events, ['reset upstream_stream_refused']);
  harness.feed(`HEADERS 1 ${OK}`);
  assert.deepEqual(harness.events, ['head 200 []', 'end', 'reset upstream_stream_refused']);
  assert.deepEqual(harness.host.heard, ['draining', 'finished']);
});

test('ids that run out: the connection drains itself', () => {
  const harness = new Http2ClientHarness();
  harness.codec.nextId = 2147483645;
  harness.request();
  assert.ok(harness.codec.streamsFree() > 0);
  harness.request();
  assert.deepEqual(harness.host.heard, ['draining']);
  assert.equal(harness.codec.streamsFree(), 0);
  harness.greet().feed(`HEADERS 2147483645 ${OK}`, `HEADERS 2147483647 ${OK}`);
  assert.deepEqual(harness.host.heard, ['draining', 'finished']);
  assert.equal(harness.fault, '');
});

test('the first stream is not reused, later ones are; an answer is seen', () => {
  const harness = new Http2ClientHarness();
  const first = harness.request();
  const second = harness.request();
  assert.deepEqual([first.isReused, second.isReused], [false, true]);
  harness.greet().feed('HEADERS 3 END_HEADERS [:status: 100]');
  assert.deepEqual([first.sawResponseBytes, second.sawResponseBytes], [false, true]);
});

test('our reset: CANCEL; nothing at all when the head has not been sent', () => {
  const harness = new Http2ClientHarness();
  const stream = harness.request('POST', false);
  harness.written();
  stream.reset(UP_TIMEOUT);
  assert.deepEqual(harness.written(), ['RST_STREAM 1 CANCEL']);
  const unsent = harness.codec.openStream(harness.sinks[0] as never);
  unsent?.reset(UP_TIMEOUT);
  assert.deepEqual(harness.written(), []);
  assert.equal(harness.codec.streamCount, 0);
  assert.deepEqual(harness.events, []);
});

test('an answer before the end of the request leaves the request open; the owner gives it up', () => {
  const harness = new Http2ClientHarness();
  const stream = harness.request('POST', false);
  harness.greet().feed(`HEADERS 1 ${OK}`);
  assert.equal(harness.codec.streamCount, 1);
  harness.written();
  stream.reset(0);
  assert.deepEqual(harness.written(), ['RST_STREAM 1 CANCEL']);
  assert.equal(harness.codec.streamCount, 0);
  assert.deepEqual(harness.events, ['head 200 []', 'end']);
});

test('RST_STREAM(NO_ERROR) behind an answer that is held does not lose it', async () => {
  const harness = new Http2ClientHarness();
  const stream = harness.request('POST', false);
  harness.greet();
  stream.hold(1);
  harness.feed('HEADERS 1 END_HEADERS [:status: 200]', 'DATA 1 END_STREAM "ok"', 'RST_STREAM 1 NO_ERROR');
  stream.release(1);
  await settled();
  assert.deepEqual(harness.events, ['head 200 []', 'data "ok"', 'end']);
  assert.equal(harness.codec.streamCount, 0);
});

test('extended CONNECT: a 2xx arrives as 101, the tunnel ends on both sides', () => {
  const harness = new Http2ClientHarness();
  harness.request();
  harness.greet('ENABLE_CONNECT_PROTOCOL=1').feed(`HEADERS 1 ${OK}`);
  const stream = harness.request('GET', false, HEAD_UPGRADE | HEAD_EXTENDED_CONNECT);
  harness.feed('HEADERS 3 END_HEADERS [:status: 200]', 'DATA 3 "abc"');
  assert.deepEqual(harness.events.slice(2), ['head 101 []', 'data "abc"']);
  stream.sendData(Buffer.from('x'), 0, 1, true);
  assert.equal(harness.codec.streamCount, 1);
  harness.feed('DATA 3 END_STREAM');
  assert.equal(harness.codec.streamCount, 0);
});

test('extended CONNECT to a server that did not announce it fails, after the call', async () => {
  const harness = new Http2ClientHarness();
  harness.request('GET', false, HEAD_UPGRADE | HEAD_EXTENDED_CONNECT);
  assert.deepEqual(harness.events, []);
  await settled();
  assert.deepEqual(harness.events, ['reset upstream_no_extended_connect']);
  assert.equal(harness.written().at(-1)?.startsWith('WINDOW_UPDATE'), true);
});

test('the connection dies: streams that saw nothing can be told from those that did', () => {
  const harness = new Http2ClientHarness();
  harness.request();
  harness.request();
  harness.greet().feed('HEADERS 3 END_HEADERS [:status: 200]');
  harness.codec.close(0);
  assert.deepEqual(harness.events, ['reset upstream_closed', 'head 200 []', 'reset upstream_response_truncated']);
});

test('a PING goes ahead of a stream on a connection that was idle', () => {
  const connectionKeepalive = { intervalMs: 0, timeoutMs: 500, jitterPercent: 0, connectionIdleIntervalMs: 1000 };
  const harness = new Http2ClientHarness({ connectionKeepalive });
  harness.request();
  harness.greet().feed(`HEADERS 1 ${OK}`);
  harness.written();
  harness.pass(500).request();
  assert.deepEqual(harness.written(), ['HEADERS 3 END_STREAM']);
  harness.feed(`HEADERS 3 ${OK}`).pass(1000).request();
  assert.deepEqual(harness.written(), ['PING 0 "keep\0\0\0\0"', 'HEADERS 5 END_STREAM']);
  harness.pass(600);
  assert.equal(harness.events.at(-1), 'reset upstream_http2_ping_timeout');
});

test('64 interim heads are enough', () => {
  const harness = new Http2ClientHarness();
  harness.request();
  harness.greet().feed('64 x HEADERS 1 END_HEADERS [:status: 103]');
  assert.equal(harness.events.length, 64);
  harness.feed('HEADERS 1 END_HEADERS [:status: 103]');
  assert.equal(harness.events.at(-1), 'reset upstream_too_many_interim_responses');
});

test('a request body waits for the window of the server', () => {
  const harness = new Http2ClientHarness();
  const stream = harness.codec.openStream(harness.sinks[0] as never);
  const head = requestHead('POST');
  head.add(N['content-length'], Buffer.from('4'), 0, 1);
  harness.greet('INITIAL_WINDOW_SIZE=2');
  stream?.sendHead(head, false);
  harness.written();
  assert.equal(stream?.sendData(Buffer.from('abcd'), 0, 4, true), true);
  assert.deepEqual(harness.written(), ['DATA 1 "ab"']);
  harness.feed('WINDOW_UPDATE 1 u32 2');
  assert.deepEqual(harness.written(), ['DATA 1 END_STREAM "cd"']);
});

test('late answers to any number of requests that we have reset are dropped', () => {
  const harness = new Http2ClientHarness();
  harness.request();
  harness.greet();
  for (let i = 0; i < 3000; i++) harness.request().reset(UP_TIMEOUT);
  for (let i = 0; i < 3000; i++)
    harness.feed(
      `HEADERS ${3 + 2 * i} END_HEADERS [:status: 200]`,
      `DATA ${3 + 2 * i} "a"`,
      `RST_STREAM ${3 + 2 * i} CANCEL`,
    );
  assert.equal(harness.fault, '');
  harness.feed(`HEADERS 1 ${OK}`);
  assert.deepEqual(harness.events, ['head 200 []', 'end']);
});

test('custom_settings_parameters are announced behind the others', () => {
  const harness = new Http2ClientHarness({ customSettings: [0xfe03, 7, 9, 1] });
  harness.request();
  assert.match(harness.written()[1] ?? '', /MAX_HEADER_LIST_SIZE=61440 0xfe03=7 0x9=1$/);
});

// Each with the answer to another request before and behind it.
const INVALID_ANSWERS: readonly (readonly [string, string])[] = [
  ['a name in capitals', 'HEADERS 3 END_STREAM END_HEADERS [:status: 200] [X-A: 1]'],
  ['no :status', 'HEADERS 3 END_STREAM END_HEADERS [a: 1]'],
  ['a field of one connection', 'HEADERS 3 END_STREAM END_HEADERS [:status: 200] [connection: close]'],
  ['an interim answer that ends', 'HEADERS 3 END_STREAM END_HEADERS [:status: 103]'],
];
for (const [what, frame] of INVALID_ANSWERS) {
  test(`override_stream_error_on_invalid_http_message: true: ${what} ends its stream`, () => {
    const harness = new Http2ClientHarness({ overrideStreamErrorOnInvalidHttpMessage: true });
    for (let i = 0; i < 3; i++) harness.request();
    harness.greet();
    harness.written();
    harness.feed(`HEADERS 1 ${OK}`, frame, `HEADERS 5 ${OK}`);
    assert.equal(harness.fault, '');
    assert.deepEqual(harness.written(), ['RST_STREAM 3 PROTOCOL_ERROR']);
    assert.deepEqual(
      harness.sinks.map((sink) => sink.faults.length),
      [0, 1, 0],
    );
    assert.equal(harness.count('rx_messaging_error'), 1);
  });

  test(`override_stream_error_on_invalid_http_message: false: ${what} ends the connection`, () => {
    const harness = new Http2ClientHarness({ overrideStreamErrorOnInvalidHttpMessage: false });
    for (let i = 0; i < 3; i++) harness.request();
    harness.greet();
    harness.written();
    harness.feed(`HEADERS 1 ${OK}`, frame, `HEADERS 5 ${OK}`);
    assert.notEqual(harness.fault, '');
    assert.deepEqual(harness.written(), ['GOAWAY 0 last=0 PROTOCOL_ERROR']);
    assert.deepEqual(
      harness.sinks.map((sink) => sink.faults.length),
      [0, 1, 1],
    );
  });
}
