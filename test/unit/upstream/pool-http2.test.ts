/** Pool over HTTP/2: how many connections so many requests bring about, and what becomes of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UP_RESET, UP_TIMEOUT } from '../../../engine/fault/faults.js';
import { HTTP2_DEFAULTS } from '../../../engine/http2/options.js';
import { clusterRecord, UpstreamHarness } from '../../support/upstream-harness.js';

const NO_SETTINGS = '\0\0\0\x04\0\0\0\0\0';
/** SETTINGS_MAX_CONCURRENT_STREAMS. */
const atMost = (streams: number): string => `\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0${String.fromCharCode(streams)}`;
/** ":status: 200" with END_STREAM. */
const answer = (id: number): string => `\0\0\x01\x01\x05\0\0\0${String.fromCharCode(id)}\x88`;
const goaway = (lastId: number): string => `\0\0\x08\x07\0\0\0\0\0\0\0\0${String.fromCharCode(lastId)}\0\0\0\0`;

function harness(overrides: Parameters<typeof clusterRecord>[0] = {}): UpstreamHarness {
  return new UpstreamHarness({ protocol: 'HTTP2', ...overrides });
}

test('one connection is dialled for many, and they go out together once its SETTINGS have come', () => {
  const it = harness();
  const requests = Array.from({ length: 20 }, () => it.request());
  const { conns } = it.transport;
  assert.equal(conns.length, 1);
  conns[0]?.open();
  assert.match(conns[0]?.written ?? '', /^PRI \* HTTP\/2\.0/);
  assert.ok(requests.every(({ isWaiting }) => isWaiting));
  conns[0]?.say(NO_SETTINGS);
  assert.ok(requests.every(({ stream }) => stream !== null));
  assert.deepEqual(
    requests.map(({ stream }) => stream?.id),
    requests.map((_, at) => 1 + at * 2),
  );
  conns[0]?.say(requests.map(({ stream }) => answer(stream?.id as number)).join(''));
  assert.ok(requests.every(({ isAnswered }) => isAnswered));
  assert.equal(it.count('upstream_cx_http2_total'), 1);
  assert.equal(it.count('upstream_rq_pending_active'), 0);
});

test("the peer's limit: the rest waits for streams that end, or for connections that are dialled for it", () => {
  const it = harness();
  const requests = Array.from({ length: 5 }, () => it.request());
  const { conns } = it.transport;
  conns[0]?.open();
  conns[0]?.say(atMost(2));
  assert.equal(requests.filter(({ isWaiting }) => isWaiting).length, 3);
  // Two at a time are expected of the next ones too.
  assert.equal(conns.length, 3);
  conns[0]?.say(answer(1));
  assert.equal(requests.filter(({ isWaiting }) => isWaiting).length, 2);
  conns[1]?.open();
  conns[1]?.say(atMost(2));
  assert.ok(requests.every(({ isWaiting }) => !isWaiting));
});

test('GOAWAY: no request goes there any more, what it does not cover hears so, the rest finishes, then it ends', () => {
  const it = harness();
  const [first, second] = [it.request(), it.request()];
  const conn = it.transport.conns[0];
  conn?.open();
  conn?.say(NO_SETTINGS);
  conn?.say(goaway(1));
  assert.equal(second?.faults.length, 1);
  const third = it.request();
  assert.ok(third.isWaiting);
  assert.equal(it.transport.conns.length, 2);
  assert.equal(conn?.isEnded, false);
  conn?.say(answer(1));
  assert.ok(first?.isAnswered);
  assert.equal(conn?.isEnded, true);
});

test('a connection that is lost before its SETTINGS gives those who wait back', () => {
  const it = harness();
  const requests = [it.request(), it.request()];
  const conn = it.transport.conns[0];
  conn?.open();
  conn?.close(UP_RESET);
  assert.deepEqual(
    requests.map(({ fault }) => fault),
    ['upstream_closed', 'upstream_closed'],
  );
  assert.equal(it.count('upstream_cx_connect_fail'), 1);
  assert.equal(it.count('upstream_cx_active'), 0);
});

test('idle begins with the end of the last stream', () => {
  const it = harness({ idleTimeoutMs: 1000 });
  const [first, second] = [it.request(), it.request()];
  const conn = it.transport.conns[0];
  conn?.open();
  conn?.say(NO_SETTINGS);
  conn?.say(answer(1));
  it.pass(2000);
  assert.ok(first?.isAnswered);
  assert.equal(conn?.isEnded, false);
  conn?.say(answer(3));
  assert.ok(second?.isAnswered);
  it.pass(500);
  assert.equal(conn?.isEnded, false);
  it.pass(1000);
  assert.equal(conn?.isEnded, true);
  assert.equal(it.count('upstream_cx_idle_timeout'), 1);
});

test('max_requests_per_connection: the last one is answered, the next one goes on a new connection', () => {
  const it = harness({ maxRequestsPerConnection: 2 });
  const requests = [it.request(), it.request(), it.request()];
  const { conns } = it.transport;
  conns[0]?.open();
  conns[0]?.say(NO_SETTINGS);
  assert.deepEqual(
    requests.map(({ isWaiting }) => isWaiting),
    [false, false, true],
  );
  assert.equal(conns.length, 2);
  conns[0]?.say(answer(1) + answer(3));
  assert.equal(conns[0]?.isEnded, true);
  assert.equal(it.count('upstream_cx_max_requests'), 1);
});

test('the endpoint leaves: its streams finish, and it ends', () => {
  const it = harness();
  const request = it.request();
  const conn = it.transport.conns[0];
  conn?.open();
  conn?.say(NO_SETTINGS);
  it.cluster.update(clusterRecord({ protocol: 'HTTP2', endpoints: [] }));
  assert.equal(conn?.isEnded, false);
  conn?.say(answer(1));
  assert.ok(request.isAnswered);
  assert.equal(conn?.isEnded, true);
});

test('another protocol in a new plan: new pools, the old ones drain', () => {
  const it = harness();
  const old = it.request();
  const conn = it.transport.conns[0];
  conn?.open();
  conn?.say(NO_SETTINGS);
  it.cluster.update(clusterRecord({ protocol: 'HTTP1' }));
  const fresh = it.request();
  assert.ok(fresh.isWaiting);
  it.transport.conns[1]?.open();
  assert.match(it.transport.conns[1]?.written ?? '', /^GET \/ HTTP\/1\.1/);
  conn?.say(answer(1));
  assert.ok(old.isAnswered);
  assert.equal(conn?.isEnded, true);
});

test('a limit of no streams at all: requests wait for a better one on the connection that there is', () => {
  const it = harness({ idleTimeoutMs: 60000 });
  const requests = [it.request(), it.request()];
  const { conns } = it.transport;
  conns[0]?.open();
  conns[0]?.say(atMost(0));
  it.pass(1000);
  assert.deepEqual([conns.length, conns[0]?.isEnded], [1, false]);
  requests.push(it.request());
  assert.equal(conns.length, 1);
  conns[0]?.say(atMost(3));
  assert.ok(requests.every(({ stream }) => stream !== null));
  conns[0]?.say(answer(1) + answer(3) + answer(5));
  assert.ok(requests.every(({ isAnswered }) => isAnswered));
});

test('a limit that falls to none while streams are open: they finish, later ones wait, and none is dialled in a loop', () => {
  const it = harness();
  const [first, second] = [it.request(), it.request()];
  const { conns } = it.transport;
  conns[0]?.open();
  conns[0]?.say(atMost(2));
  conns[0]?.say(atMost(0));
  const third = it.request();
  conns[0]?.say(answer(1) + answer(3));
  it.pass(1000);
  assert.ok(first?.isAnswered && second?.isAnswered && third.isWaiting);
  assert.deepEqual([conns.length, conns[0]?.isEnded], [1, false]);
  conns[0]?.say(atMost(1));
  conns[0]?.say(answer(5));
  assert.ok(third.isAnswered);
});

test('a connection whose limit is none is left after idle_timeout', () => {
  const it = harness({ idleTimeoutMs: 1000 });
  const request = it.request();
  const { conns } = it.transport;
  conns[0]?.open();
  conns[0]?.say(atMost(0));
  request.pool.cancel(request);
  it.pass(2000);
  assert.equal(conns[0]?.isEnded, true);
  assert.equal(it.count('upstream_cx_active'), 0);
});

test('frames that an origin does not read are as many as max_outbound_frames: then another connection takes over', () => {
  const it = harness({ http2: { ...HTTP2_DEFAULTS, allowConnect: false, maxOutboundFrames: 10 } });
  const first = it.request();
  const { conns } = it.transport;
  conns[0]?.open();
  conns[0]?.say(NO_SETTINGS);
  if (conns[0] !== undefined) conns[0].queuedBytes = 1;
  for (let i = 0; i < 30 && conns.length === 1; i++) it.request().stream?.reset(UP_TIMEOUT);
  assert.equal(conns.length, 2);
  assert.equal(first.faults.length, 1);
  assert.equal(it.count('upstream_cx_protocol_error'), 1);
});

test('an ended connection whose peer does not read is cut after a while', () => {
  const it = harness();
  it.request();
  const conn = it.transport.conns[0];
  conn?.open();
  conn?.say(NO_SETTINGS);
  if (conn !== undefined) conn.queuedBytes = 1;
  conn?.say('\0\0\0\x04\0\0\0\0\x01');
  assert.deepEqual([conn?.isEnded, conn?.abortedWith], [true, null]);
  for (let passed = 0; passed < 2000; passed += 20) {
    it.transport.timeUs += 20000;
    it.wheel.advance(it.transport.nowMs());
  }
  assert.notEqual(conn?.abortedWith, null);
});

test('upstream_cx_close_notify counts origins that leave, upstream_cx_max_duration_reached connections of that age', () => {
  const it = harness({ maxConnectionDurationMs: 1000 });
  it.request();
  const { conns } = it.transport;
  conns[0]?.open();
  conns[0]?.say(NO_SETTINGS);
  conns[0]?.say(goaway(1) + goaway(1));
  assert.equal(it.count('upstream_cx_close_notify'), 1);
  conns[0]?.say(answer(1));
  it.request();
  conns[1]?.open();
  conns[1]?.say(NO_SETTINGS);
  it.pass(3000);
  assert.equal(it.count('upstream_cx_max_duration_reached'), 1);
  assert.equal(it.count('upstream_cx_close_notify'), 1);
});

test('max_connection_duration holds for a connection that is never idle again, too', () => {
  const it = harness({ maxConnectionDurationMs: 3000, idleTimeoutMs: 1000 });
  it.request();
  const { conns } = it.transport;
  conns[0]?.open();
  conns[0]?.say(NO_SETTINGS + answer(1));
  it.request();
  // The timer of the time when it was idle has passed.
  it.pass(2000);
  it.request();
  conns[0]?.say(answer(3));
  it.pass(1500);
  assert.equal(it.count('upstream_cx_max_duration_reached'), 1);
  assert.equal(it.count('upstream_cx_idle_timeout'), 0);
  assert.ok(it.request().isWaiting);
  conns[0]?.say(answer(5));
  assert.equal(conns[0]?.isEnded, true);
});
