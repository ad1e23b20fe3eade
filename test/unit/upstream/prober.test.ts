/** Prober: how many probes go out, what their answers change, what becomes of those without one, and no garbage. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LbPolicyRecord, ProbeRecord } from '../../../engine/plan/lb-policy-record.js';
import { NO_HASH } from '../../../engine/upstream/balance/request-hash.js';
import { ENDPOINT_REQUESTS, endpointCell } from '../../../engine/upstream/shared-cells.js';
import type { DialledConn } from '../../support/fake-transport.js';
import { clusterRecord, endpointRecord, OK, UpstreamHarness } from '../../support/upstream-harness.js';

const PROBE: ProbeRecord = {
  path: '/load?short',
  host: 'probes.example',
  timeoutMs: 100,
  probesPerRequest: 1,
  poolSize: 4,
  maxAgeUs: 1e6,
  removalsPerRequest: 0,
};
function prequal(probe: Partial<ProbeRecord> = {}): LbPolicyRecord {
  const same = { name: 'PREQUAL', quantile: 0.6, choiceCount: 3, failurePenaltyUs: 5e6, expiryUs: 6e7 } as const;
  return { ...same, probe: { ...PROBE, ...probe } };
}
function harness(servers: number, probe: Partial<ProbeRecord> = {}): UpstreamHarness {
  const endpoints = Array.from({ length: servers }, (_, row) => endpointRecord(row));
  return new UpstreamHarness({ endpoints, lbPolicy: prequal(probe) });
}
const answer = (report: string, status = '200 OK'): string =>
  `HTTP/1.1 ${status}\r\nendpoint-load-metrics: ${report}\r\nContent-Length: 0\r\n\r\n`;
const said = (rif: number, latencyUs = 1000): string =>
  answer(`TEXT named_metrics.rif=${rif}, named_metrics.latency_us=${latencyUs}`);
const PROBES = 'GET /load?short HTTP/1.1\r\nhost: probes.example\r\n\r\n';
const isProbe = (conn: DialledConn): boolean => conn.written.endsWith(PROBES);
/** A request to server 0 that is answered, and the probes that it brought, on open connections. */
function serve({ transport, request }: UpstreamHarness, asked: () => ReturnType<typeof request>): DialledConn[] {
  const before = transport.conns.length;
  asked();
  const fresh = transport.conns.slice(before);
  for (const conn of fresh) conn.open();
  return fresh;
}

test('each request brings its probes, to different servers, and is not kept by them', () => {
  const proxy = harness(5, { probesPerRequest: 3 });
  const conns = serve(proxy, () => proxy.request());
  const probes = conns.filter(isProbe);
  assert.equal(conns.length, 4);
  assert.equal(probes.length, 3);
  assert.equal(new Set(probes.map(({ target }) => target.port)).size, 3);
  assert.equal(proxy.count('lb_probes'), 3);
  // They are not requests: nothing is in flight but what clients sent, here nothing was counted.
  assert.equal(proxy.count('upstream_rq_total'), 0);
  for (let row = 0; row < 5; row++) assert.equal(proxy.cells.load(endpointCell(row, ENDPOINT_REQUESTS)), 0);
});

test('a fraction of a probe per request adds up', () => {
  const proxy = harness(5, { probesPerRequest: 0.25 });
  for (let i = 0; i < 12; i++) serve(proxy, () => proxy.request());
  assert.equal(proxy.count('lb_probes'), 3);
});

test('requests go by the answers, and by no answer that is old or void', () => {
  const proxy = harness(3, { probesPerRequest: 3 });
  const conns = serve(proxy, () => proxy.request()).filter(isProbe);
  const at = (row: number): DialledConn => conns.find(({ target }) => target.port === 1 + row) as DialledConn;
  at(0).say(said(9, 500));
  at(1).say(said(2, 800));
  at(2).say(said(40, 100));
  // Of those that are not hot the fastest; each use counts as one more in flight there.
  assert.equal(proxy.cluster.pick(NO_HASH, 0), 0);
  assert.ok([0, 1].includes(proxy.cluster.pick(NO_HASH, 0)));
  const clock = { us: 1 };
  Object.defineProperty(proxy.cells.clock, 'nowUs', { value: () => clock.us, configurable: true });
  clock.us = 2e6;
  const seen = new Set(Array.from({ length: 60 }, () => proxy.cluster.pick(NO_HASH, 0)));
  assert.equal(seen.size, 3, 'without answers of the last second all are alike');
  Object.defineProperty(proxy.cells.clock, 'nowUs', { value: () => 1, configurable: true });
});

test('late, refused and failed probes are counted and voided, and connections are not lost', () => {
  const proxy = harness(4, { probesPerRequest: 4 });
  const conns = serve(proxy, () => proxy.request());
  const probes = conns.filter(isProbe) as [DialledConn, DialledConn, DialledConn, DialledConn];
  probes[0].say(answer('TEXT named_metrics.rif=1', '500 Oops'));
  probes[1].close(0);
  probes[2].say('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  proxy.pass(200);
  assert.equal(proxy.count('lb_probes_failed'), 3, 'one without a report has answered, and says nothing');
  assert.ok(!proxy.transport.live.includes(probes[3]), 'whose answer would come now would be taken for the next');
  assert.ok(proxy.transport.live.includes(probes[0]));
  const refused = harness(2, { probesPerRequest: 2 });
  refused.request();
  for (const conn of [...refused.transport.conns]) conn.refuse();
  assert.equal(refused.count('lb_probes_failed'), 2);
});

test('servers that never answer hold a bounded number of probes', () => {
  const proxy = harness(10, { probesPerRequest: 10 });
  for (let i = 0; i < 20; i++) serve(proxy, () => proxy.request());
  assert.equal(proxy.count('lb_probes'), 32);
  assert.equal(proxy.count('lb_probes_dropped'), 200 - 32);
  proxy.pass(200);
  serve(proxy, () => proxy.request());
  assert.equal(proxy.count('lb_probes'), 42);
});

test('the stream that was asked for, and its fault, are the same with and without probes', () => {
  const proxy = harness(1, { probesPerRequest: 1 });
  const [conn] = serve(proxy, () => proxy.request()) as [DialledConn];
  conn.say(OK);
  const second = proxy.request();
  assert.equal(second.stream?.isReused, true);
  assert.equal(second.fault, '');
});

test('a new list aims the probes anew; other policies have none', () => {
  const proxy = harness(3, { probesPerRequest: 1 });
  proxy.cluster.update(clusterRecord({ endpoints: [endpointRecord(7)], lbPolicy: prequal() }));
  const conns = serve(proxy, () => proxy.request()).filter(isProbe);
  assert.deepEqual(
    conns.map(({ target }) => target.port),
    [8],
  );
  proxy.cluster.update(clusterRecord({ endpoints: [endpointRecord(7)] }));
  conns[0]?.say(said(1));
  serve(proxy, () => proxy.request());
  assert.equal(proxy.count('lb_probes'), 1);
});
