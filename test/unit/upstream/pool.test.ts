/** Pool and its connections: reuse, waiting, limits, what origins may do to idle connections, and the drain. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UP_CONNECT_TIMEOUT, UP_RESET } from '../../../engine/fault/faults.js';
import { HOLD_PEER_FULL } from '../../../engine/io/transport.js';
import {
  CLUSTER_CONNECTIONS,
  CLUSTER_PENDING,
  clusterCell,
  ENDPOINT_CONNECTIONS,
  endpointCell,
  HIGH_PRIORITY,
} from '../../../engine/upstream/shared-cells.js';
import type { DialledConn } from '../../support/fake-transport.js';
import { breakers, clusterRecord, endpointRecord, OK, UpstreamHarness } from '../../support/upstream-harness.js';

/** A harness with `count` idle connections, in the order in which they became idle. */
function withIdle(count: number, overrides = {}): { harness: UpstreamHarness; conns: DialledConn[] } {
  const harness = new UpstreamHarness(overrides);
  for (let i = 0; i < count; i++) harness.request();
  const { conns } = harness.transport;
  for (const conn of conns) conn.open();
  for (const conn of conns) conn.say(OK);
  return { harness, conns };
}

test('a first request dials and waits; the next one uses the connection again', () => {
  const harness = new UpstreamHarness();
  const first = harness.request();
  assert.ok(first.isWaiting);
  const [conn] = harness.transport.conns as [DialledConn];
  conn.open();
  assert.equal(conn.written, 'GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  assert.equal(first.stream?.isReused, false);
  conn.say(OK);
  assert.ok(first.isAnswered);
  const second = harness.request();
  assert.equal(second.stream?.isReused, true);
  assert.equal(harness.transport.conns.length, 1);
  assert.equal(harness.count('upstream_cx_total'), 1);
  assert.equal(harness.count('upstream_rq_pending_total'), 1);
  assert.equal(harness.count('upstream_rq_pending_active'), 0);
});

test('of several idle connections the one used last is taken', () => {
  const { harness, conns } = withIdle(3);
  harness.request();
  assert.equal((conns[2] as DialledConn).written.split('GET').length, 3);
  assert.equal((conns[0] as DialledConn).written.split('GET').length, 2);
});

test('who waits is served in order, by whatever is free first: a connection that comes back or one that opens', () => {
  const harness = new UpstreamHarness();
  const first = harness.request();
  const [conn] = harness.transport.conns as [DialledConn];
  conn.open();
  const second = harness.request();
  const third = harness.request();
  assert.equal(harness.transport.conns.length, 3);
  conn.say(OK);
  assert.ok(first.isAnswered && second.stream !== null && third.isWaiting);
  (harness.transport.conns[2] as DialledConn).open();
  assert.ok(third.stream !== null);
  // The dial that nobody waits for any more becomes a spare connection.
  (harness.transport.conns[1] as DialledConn).open();
  assert.ok(harness.request().stream !== null);
  assert.equal(harness.transport.conns.length, 3);
});

test('bytes behind a response are not the answer to the request that waits for the connection', () => {
  const harness = new UpstreamHarness({ breakers: breakers({ maxConnections: 1 }) });
  const first = harness.request();
  const [conn] = harness.transport.conns as [DialledConn];
  conn.open();
  const second = harness.request();
  conn.say(`${OK}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`);
  assert.ok(first.isAnswered);
  assert.deepEqual(second.events, []);
  assert.notEqual(conn.abortedWith, null);
  assert.equal(harness.count('upstream_cx_protocol_error'), 1);
  harness.transport.settle();
  const next = harness.transport.conns[1] as DialledConn;
  next.open();
  next.say(OK);
  assert.ok(second.isAnswered);
});

test('a hold that a full client left behind is lifted before the connection is used again', () => {
  const harness = new UpstreamHarness();
  const first = harness.request();
  const [conn] = harness.transport.conns as [DialledConn];
  conn.open();
  first.stream?.hold(HOLD_PEER_FULL);
  conn.say(OK);
  assert.equal(conn.holds, 0);
});

test('an early response keeps the connection until the request is whole', () => {
  const harness = new UpstreamHarness();
  const request = harness.request({ isWhole: false });
  const [conn] = harness.transport.conns as [DialledConn];
  conn.open();
  conn.say(OK);
  assert.ok(request.isAnswered);
  assert.ok(harness.request().isWaiting);
  request.stream?.sendData(Buffer.from('body'), 0, 4, true);
  assert.equal(harness.transport.conns.length, 2);
  assert.equal(conn.written.split('GET').length, 3);
});

test('idle connections close after the idle timeout, counted from their last use', () => {
  const { harness, conns } = withIdle(2, { idleTimeoutMs: 10000 });
  harness.pass(6000);
  harness.request();
  conns[1]?.say(OK);
  harness.pass(5000);
  assert.ok(conns[0]?.isClosed && !conns[1]?.isClosed);
  assert.equal(harness.count('upstream_cx_idle_timeout'), 1);
  harness.pass(6000);
  assert.ok(conns[1]?.isClosed);
  assert.equal(harness.count('upstream_cx_active'), 0);
  assert.equal(harness.wheel.count, 0);
});

test('a timeout that the origin announces counts, minus a second', () => {
  const harness = new UpstreamHarness();
  harness.request();
  const [conn] = harness.transport.conns as [DialledConn];
  conn.open();
  conn.say('HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5, max=100\r\nContent-Length: 0\r\n\r\n');
  harness.pass(3900);
  assert.ok(!conn.isClosed);
  harness.pass(200);
  assert.ok(conn.isClosed);
});

test('no connection outlives max_connection_duration, but for the request on it', () => {
  const { harness, conns } = withIdle(2, { maxConnectionDurationMs: 10000 });
  harness.pass(9900);
  const request = harness.request();
  harness.pass(200);
  assert.ok(conns[0]?.isClosed && !conns[1]?.isClosed);
  conns[1]?.say(OK);
  harness.pass(40);
  assert.ok(request.isAnswered && conns[1]?.isClosed);
  assert.ok(harness.request().isWaiting);
});

test('max_requests_per_connection ends the connection after its last answer', () => {
  const { harness, conns } = withIdle(1, { maxRequestsPerConnection: 2 });
  const second = harness.request();
  assert.equal(second.stream?.isReused, true);
  conns[0]?.say(OK);
  assert.ok(second.isAnswered && conns[0]?.isEnded);
  assert.equal(harness.count('upstream_cx_max_requests'), 1);
  assert.ok(harness.request().isWaiting);
});

test('an origin that ends or resets an idle connection costs nothing but the connection', () => {
  const { harness, conns } = withIdle(2);
  conns[1]?.peerEnd();
  conns[0]?.close(UP_RESET);
  harness.transport.settle();
  assert.equal(harness.count('upstream_cx_active'), 0);
  assert.equal(harness.count('upstream_cx_protocol_error'), 0);
  assert.equal(harness.count('upstream_cx_destroy_remote'), 2);
  assert.equal(harness.count('upstream_cx_destroy_with_active_rq'), 0);
  assert.ok(harness.request().isWaiting);
});

test('bytes on an idle connection close it', () => {
  const { harness, conns } = withIdle(1);
  conns[0]?.say('HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n');
  assert.notEqual(conns[0]?.abortedWith, null);
  assert.equal(harness.count('upstream_cx_protocol_error'), 1);
  assert.ok(harness.request().isWaiting);
});

test('a failed dial is told to as many as have no other one under way', () => {
  const harness = new UpstreamHarness();
  const requests = [harness.request(), harness.request(), harness.request()];
  const { conns } = harness.transport;
  conns[0]?.refuse();
  assert.deepEqual(
    requests.map(({ fault }) => fault),
    ['upstream_connect_refused', '', ''],
  );
  conns[1]?.open();
  assert.ok(requests[1]?.stream !== null);
  conns[2]?.close(UP_CONNECT_TIMEOUT);
  assert.equal(requests[2]?.fault, 'upstream_connect_timeout');
  assert.equal(harness.count('upstream_cx_connect_fail'), 2);
  assert.equal(harness.count('upstream_cx_connect_timeout'), 1);
  assert.equal(harness.count('upstream_rq_pending_failure_eject'), 2);
  assert.equal(harness.countEndpoint(0, 'cx_connect_fail'), 2);
});

test('a failed dial is told even while another connection is busy, for it may be busy for ever', () => {
  const harness = new UpstreamHarness();
  harness.request();
  harness.transport.conns[0]?.open();
  const waiting = harness.request();
  harness.transport.conns[1]?.refuse();
  assert.equal(waiting.fault, 'upstream_connect_refused');
});

test('max_connections: one per endpoint and worker all the same; who waits gets one that comes back', () => {
  const limits = { breakers: breakers({ maxConnections: 1 }), endpoints: [endpointRecord(0), endpointRecord(1)] };
  const harness = new UpstreamHarness(limits);
  const first = harness.request();
  const second = harness.request();
  const elsewhere = harness.request({ index: 1 });
  assert.equal(harness.transport.conns.length, 2);
  assert.equal(harness.count('upstream_cx_overflow'), 2);
  const [conn, other] = harness.transport.conns as [DialledConn, DialledConn];
  conn.open();
  other.open();
  conn.say(OK);
  assert.ok(first.isAnswered && second.stream !== null && elsewhere.stream !== null);
  assert.equal(harness.cells.load(clusterCell(0, CLUSTER_CONNECTIONS)), 2);
});

test('max_connections: when a connection dies, those it kept from dialling dial', () => {
  const harness = new UpstreamHarness({ breakers: breakers({ maxConnections: 1 }) });
  harness.request();
  const [conn] = harness.transport.conns as [DialledConn];
  conn.open();
  const waiting = harness.request();
  conn.close(UP_RESET);
  assert.equal(harness.transport.conns.length, 2);
  harness.transport.conns[1]?.open();
  assert.ok(waiting.stream !== null);
});

test('max_connections: a request that wants a fresh connection gets the room of an idle one', () => {
  const { harness, conns } = withIdle(2, { breakers: breakers({ maxConnections: 2 }) });
  const fresh = harness.request({ isFresh: true });
  assert.ok(fresh.isWaiting && conns[0]?.isEnded && !conns[1]?.isEnded);
  harness.transport.settle();
  conns[2]?.open();
  assert.equal(fresh.stream?.isReused, false);
});

test('max_connections counts what other workers hold', () => {
  const shared = new UpstreamHarness().cells.shared.buffer as SharedArrayBuffer;
  const limits = { breakers: breakers({ maxConnections: 3 }) };
  const one = new UpstreamHarness(limits, shared);
  const two = new UpstreamHarness(limits, shared);
  for (let i = 0; i < 2; i++) one.request();
  for (let i = 0; i < 2; i++) two.request();
  assert.equal(one.transport.conns.length + two.transport.conns.length, 3);
  one.transport.conns[0]?.refuse();
  two.request();
  assert.equal(two.transport.conns.length, 2);
});

test('max_pending_requests: who comes too late hears at once; each priority has its own', () => {
  const harness = new UpstreamHarness({ breakers: breakers({ maxPendingRequests: 2 }) });
  const requests = [harness.request(), harness.request(), harness.request()];
  assert.deepEqual(
    requests.map(({ fault }) => fault),
    ['', '', 'upstream_overflow'],
  );
  assert.equal(harness.count('upstream_rq_pending_overflow'), 1);
  assert.ok(harness.request({ isHigh: true }).isWaiting);
  assert.equal(harness.cells.load(clusterCell(0, CLUSTER_PENDING + HIGH_PRIORITY)), 1);
  for (const conn of [...harness.transport.conns]) conn.refuse();
  assert.equal(harness.cells.load(clusterCell(0, CLUSTER_PENDING)), 0);
  assert.equal(harness.cells.load(clusterCell(0, CLUSTER_PENDING + HIGH_PRIORITY)), 0);
});

test('a request that gives up leaves the queue; its dial becomes a spare connection', () => {
  const harness = new UpstreamHarness();
  const gone = harness.request();
  assert.ok(gone.pool.cancel(gone));
  assert.ok(!gone.pool.cancel(gone));
  harness.transport.conns[0]?.open();
  assert.equal(gone.stream, null);
  assert.equal(harness.count('upstream_rq_pending_active'), 0);
  assert.ok(harness.request().stream !== null);
});

test('a stream that is reset closes its connection and frees its cells', () => {
  const harness = new UpstreamHarness();
  const request = harness.request();
  harness.transport.conns[0]?.open();
  request.stream?.reset(UP_CONNECT_TIMEOUT);
  harness.transport.settle();
  assert.deepEqual(request.faults, []);
  assert.equal(harness.cells.load(clusterCell(0, CLUSTER_CONNECTIONS)), 0);
  assert.equal(harness.cells.load(endpointCell(0, ENDPOINT_CONNECTIONS)), 0);
  assert.equal(harness.count('upstream_cx_destroy_local_with_active_rq'), 1);
});

test('bytes are counted as they come, not only at the end', () => {
  const { harness, conns } = withIdle(1);
  assert.equal(harness.count('upstream_cx_rx_bytes_total'), OK.length);
  assert.equal(harness.count('upstream_cx_tx_bytes_total'), conns[0]?.written.length);
  conns[0]?.peerEnd();
  harness.transport.settle();
  assert.equal(harness.count('upstream_cx_rx_bytes_total'), OK.length);
});

test('a removed endpoint drains: idle ends, busy finishes, who waits is still served', () => {
  const both = [endpointRecord(0), endpointRecord(1)];
  const harness = new UpstreamHarness({ endpoints: both });
  const idle = harness.request();
  harness.transport.conns[0]?.open();
  const busy = harness.request();
  harness.transport.conns[1]?.open();
  harness.transport.conns[0]?.say(OK);
  const waiting = harness.request({ isFresh: true });
  harness.cluster.update(clusterRecord({ endpoints: [both[1] as (typeof both)[number]] }));
  const [first, second, third] = harness.transport.conns as [DialledConn, DialledConn, DialledConn];
  assert.ok(idle.isAnswered && first.isEnded && !second.isEnded);
  second.say(OK);
  assert.ok(busy.isAnswered && second.isEnded);
  third.open();
  assert.ok(waiting.stream !== null && !third.isEnded);
  third.say(OK);
  assert.ok(waiting.isAnswered && third.isEnded);
  harness.transport.settle();
  assert.equal(harness.count('upstream_cx_active'), 0);
  assert.equal(harness.cells.load(endpointCell(0, ENDPOINT_CONNECTIONS)), 0);
});

test('a dial for a removed endpoint that nobody waits for ends when it opens', () => {
  const harness = new UpstreamHarness();
  const gone = harness.request();
  gone.pool.cancel(gone);
  harness.cluster.update(clusterRecord({ endpoints: [endpointRecord(1)] }));
  harness.transport.conns[0]?.open();
  assert.ok(harness.transport.conns[0]?.isEnded);
});

test('an endpoint that stays keeps its connections over a new list', () => {
  const { harness, conns } = withIdle(1);
  harness.cluster.update(clusterRecord({ endpoints: [endpointRecord(1), endpointRecord(0)] }));
  const request = harness.request({ index: 1 });
  assert.ok(request.stream?.isReused);
  assert.equal(conns.length, 1);
});

test('an origin that says "Connection: close" is counted', () => {
  const harness = new UpstreamHarness();
  const request = harness.request();
  const [conn] = harness.transport.conns as [DialledConn];
  conn.open();
  conn.say('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
  assert.ok(request.isAnswered && conn.isEnded);
  assert.equal(harness.count('upstream_cx_close_notify'), 1);
});
