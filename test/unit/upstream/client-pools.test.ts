/** ClientPools: connections that name a client are used for that client alone, and end when it leaves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientPools } from '../../../engine/upstream/client-pools.js';
import type { Pool } from '../../../engine/upstream/pool.js';
import { FakeConn } from '../../support/fake-conn.js';
import { RecordingSink } from '../../support/recording-sink.js';
import { clusterRecord, endpointRecord, OK, TestRequest, UpstreamHarness } from '../../support/upstream-harness.js';

const NAMED = { proxyProtocol: { version: 1 }, endpoints: [endpointRecord(0), endpointRecord(1)] } as const;

class Client extends FakeConn {
  override readonly remoteAddress;
  override readonly localAddress = { family: 4, host: '10.0.0.1', port: 80 } as const;
  readonly pools = new ClientPools(this);

  constructor(port: number, host = '10.0.0.9') {
    super();
    this.remoteAddress = { family: host.includes(':') ? 6 : 4, host, port } as const;
  }
}

function poolOf(harness: UpstreamHarness, client: Client, index = 0): Pool {
  return client.pools.of(harness.cluster).pool(index, 1);
}

function request(harness: UpstreamHarness, pool: Pool): TestRequest {
  return new TestRequest(harness, { pool });
}

test('each client has connections of its own, which begin with its name', () => {
  const harness = new UpstreamHarness(NAMED);
  const [first, second] = [new Client(1000), new Client(1001)];
  for (const client of [first, second]) request(harness, poolOf(harness, client));
  const { conns } = harness.transport;
  assert.equal(conns.length, 2);
  for (const conn of conns) conn.open();
  assert.match(conns[0]?.written ?? '', /^PROXY TCP4 10\.0\.0\.9 10\.0\.0\.1 1000 80\r\nGET \/ HTTP\/1\.1\r\n/);
  assert.match(conns[1]?.written ?? '', /^PROXY TCP4 10\.0\.0\.9 10\.0\.0\.1 1001 80\r\nGET \/ HTTP\/1\.1\r\n/);
  conns[0]?.say(OK);
  conns[1]?.say(OK);
  // Again: on the same ones, without a second preface.
  const again = request(harness, poolOf(harness, second));
  assert.ok(again.stream !== null);
  assert.equal(conns.length, 2);
  assert.equal(conns[1]?.written.split('PROXY').length, 2);
});

test('a client that leaves takes its idle connections along; a busy one ends with its answer', () => {
  const harness = new UpstreamHarness(NAMED);
  const [gone, here] = [new Client(1000), new Client(1001)];
  request(harness, poolOf(harness, gone));
  request(harness, poolOf(harness, gone, 1));
  request(harness, poolOf(harness, here));
  const { conns } = harness.transport;
  for (const conn of conns) conn.open();
  conns[0]?.say(OK);
  conns[2]?.say(OK);
  gone.pools.leave();
  assert.deepEqual(
    conns.map(({ isEnded }) => isEnded),
    [true, false, false],
  );
  conns[1]?.say(OK);
  assert.deepEqual(
    conns.map(({ isEnded }) => isEnded),
    [true, true, false],
  );
  harness.transport.settle();
  assert.equal(harness.count('upstream_cx_active'), 1);
});

test('a dial under way for a client that has left ends when it is open', () => {
  const harness = new UpstreamHarness(NAMED);
  const client = new Client(1000);
  const waiting = request(harness, poolOf(harness, client));
  waiting.pool.cancel(waiting);
  client.pools.leave();
  const [conn] = harness.transport.conns;
  conn?.open();
  assert.equal(conn?.isEnded, true);
});

test("a new list: what stays goes on, a client's connections to what has left drain", () => {
  const harness = new UpstreamHarness(NAMED);
  const client = new Client(1000);
  for (const index of [0, 1]) request(harness, poolOf(harness, client, index));
  const { conns } = harness.transport;
  for (const conn of conns) {
    conn.open();
    conn.say(OK);
  }
  harness.cluster.update(clusterRecord({ ...NAMED, endpoints: [endpointRecord(1)] }));
  assert.deepEqual(
    conns.map(({ isEnded }) => isEnded),
    [true, false],
  );
  assert.equal(poolOf(harness, client, 0).endpoint.row, 1);
});

test('another preface: connections that begin with the old one end', () => {
  const harness = new UpstreamHarness(NAMED);
  const client = new Client(1000);
  request(harness, poolOf(harness, client));
  const [conn] = harness.transport.conns;
  conn?.open();
  conn?.say(OK);
  harness.cluster.update(clusterRecord({ ...NAMED, proxyProtocol: { version: 2 } }));
  assert.equal(conn?.isEnded, true);
  request(harness, poolOf(harness, client));
  assert.match(harness.transport.conns[1]?.written ?? '', /^\r\n\r\n\0\r\nQUIT\n/);
});

test('an address that is one of IPv4 in IPv6 is named as what it is', () => {
  const harness = new UpstreamHarness(NAMED);
  request(harness, poolOf(harness, new Client(1000, '::ffff:10.0.0.7')));
  assert.match(harness.transport.conns[0]?.written ?? '', /^PROXY TCP4 10\.0\.0\.7 10\.0\.0\.1 1000 80\r\n/);
});

test('connections of our own name nobody', () => {
  const harness = new UpstreamHarness(NAMED);
  const sink = new RecordingSink();
  harness.cluster.pool(0).acquire(sink, { onStreamReady: () => {}, onStreamFault: () => {} }, false, false);
  assert.equal(harness.transport.conns[0]?.written, 'PROXY UNKNOWN\r\n');
});
