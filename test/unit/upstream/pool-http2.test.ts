/** Pool over HTTP/2: how many connections so many requests bring about, and what becomes of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UP_RESET } from '../../../engine/fault/faults.js';
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
