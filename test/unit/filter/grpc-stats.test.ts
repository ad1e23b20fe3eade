/** GrpcStats: what is counted where. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FilterChain } from '../../../engine/filter/chain.js';
import { FILTER_KINDS } from '../../../engine/filter/filter-kinds.js';
import type { FilterRun } from '../../../engine/filter/filter-run.js';
import { GRPC_STATS } from '../../../engine/filter/grpc-stats.js';
import { N } from '../../../engine/http/names.js';
import { GRPC } from '../../../engine/metrics/declare.js';
import { NameTable, newNameMemory } from '../../../engine/metrics/name-table.js';
import { GrpcMessages } from '../../../engine/format/filter-state-value.js';
import type { GrpcStatsRecord } from '../../../engine/plan/grpc-stats-record.js';
import { newHead } from '../../support/fake-conn.js';
import { FakeFiltered } from '../../support/fake-filtered.js';
import { requestHead } from '../../support/routes.js';

const RECORD: GrpcStatsRecord = {
  methods: [{ service: 'a.B', method: 'C' }],
  scopes: {
    c: [
      { counters: 100, histograms: 1 },
      { counters: 200, histograms: 2 },
    ],
  },
  all: null,
  replacesDots: false,
  emitsState: false,
  timesUpstream: true,
};
const SCOPES: Record<number, string> = { 100: 'c', 200: 'c.a.B.C' };

/** Where the scopes of methods of any name begin. */
const ALL = 1000;
const SIZE = GRPC.names.length;

interface Call {
  path: string;
  type?: string;
  cluster?: string;
  status?: string | null;
  /** The status stands in the head. */
  isBare?: boolean;
  answers?: string;
  record?: GrpcStatsRecord;
  /** Who answers. */
  details?: string;
}
const messages = new GrpcMessages();
/** What one call with two request messages and three response messages counts. */
function counted(call: Call): Record<string, number> {
  const { path, type = 'application/grpc', cluster = 'c', status = '0', isBare = false } = call;
  const { record = RECORD, details = 'via_upstream' } = call;
  const counts: Record<string, number> = {};
  const x = Object.assign(new FakeFiltered(), {
    clusterName: '',
    grpcMessages: messages,
    responseCodeDetails: details,
    upstreamRequestEndUs: 1000,
    nowUs: 3500,
    addTo: (slot: number, amount: number) => {
      const base = slot < ALL ? slot - (slot % 100) : ALL + Math.floor((slot - ALL) / SIZE) * SIZE;
      const name = `${slot < ALL ? SCOPES[base] : 'numbered'}.${GRPC.names[slot - base]}`;
      counts[name] = (counts[name] ?? 0) + amount;
    },
    record: (histogram: number, us: number) => {
      counts[`histogram ${histogram}`] = us;
    },
  });
  x.request = requestHead(path, 'a', `Content-Type: ${type}\r\n`);
  const chain = new FilterChain([{ name: 's', typeUrl: GRPC_STATS.typeUrl, config: record }], FILTER_KINDS, []);
  const run = chain.take() as FilterRun;
  x.run = run;
  run.begin(x.asFiltered());
  run.requestHead(false);
  const message = new Uint8Array([0, 0, 0, 0, 2, 1, 1]);
  run.requestData(message, 0, 7, false);
  x.clusterName = cluster;
  run.requestData(message, 0, 7, true);
  x.response.status = 200;
  const answers = call.answers ?? 'application/grpc+proto';
  x.response.add(N['content-type'], Buffer.from(answers), 0, answers.length);
  const trailers = newHead();
  if (status !== null) (isBare ? x.response : trailers).add(N['grpc-status'], Buffer.from(status), 0, status.length);
  run.responseHead(isBare);
  if (!isBare) {
    for (let i = 0; i < 3; i++) run.responseData(message, 0, 7, false);
    run.responseTrailers(trailers);
  }
  return counts;
}

test('a listed method has counters of its own, others those of the cluster', () => {
  const wanted = (scope: string, histogram: number): Record<string, number> => ({
    [`${scope}.request_message_count`]: 2,
    [`${scope}.response_message_count`]: 3,
    [`${scope}.total`]: 1,
    [`${scope}.success`]: 1,
    [`${scope}.0`]: 1,
    [`histogram ${histogram}`]: 2500,
  });
  assert.deepEqual(counted({ path: '/a.B/C' }), wanted('c.a.B.C', 2));
  assert.deepEqual(counted({ path: '/a.B/C?query=/' }), wanted('c.a.B.C', 2));
  for (const path of ['/a.B/D', '/a.B/CC', '/x/y']) assert.deepEqual(counted({ path }), wanted('c', 1), path);
});

test('statuses, from the head too; unknown ones are other failures', () => {
  const of = (status: string, isBare = false): string[] =>
    Object.keys(counted({ path: '/a.B/C', status, isBare })).filter((name) => !/message|histogram|total/.test(name));
  assert.deepEqual(of('14'), ['c.a.B.C.failure', 'c.a.B.C.14']);
  assert.deepEqual(of('16', true), ['c.a.B.C.failure', 'c.a.B.C.16']);
  assert.deepEqual(of('17'), ['c.a.B.C.failure', 'c.a.B.C.other']);
  assert.deepEqual(of('abc'), []);
});

test('what is no call of gRPC, or of no cluster that is known, is not counted', () => {
  assert.deepEqual(counted({ path: '/a.B/C', type: 'text/plain' }), {});
  for (const path of ['/a.B', '/', '/a/b/c', '//C', '/a.B/']) assert.deepEqual(counted({ path }), {}, path);
  assert.deepEqual(counted({ path: '/a.B/C', cluster: 'other' }), {});
  const foreign = counted({ path: '/a.B/C', answers: 'text/html', status: null });
  assert.deepEqual(foreign, { 'c.a.B.C.request_message_count': 2 });
});

test('methods of any name have counters of their own once a server knows them', () => {
  const names = newNameMemory();
  const record = { ...RECORD, methods: [], all: { names, counters: ALL, histograms: -1 } };
  const known = (): string[] => [...new NameTable(names).names()].map(([, name]) => name).sort();
  const numbered = {
    'numbered.request_message_count': 2,
    'numbered.response_message_count': 3,
    'numbered.total': 1,
    'numbered.success': 1,
    'numbered.0': 1,
  };
  // The first call's messages wait until its server has answered; those of the next count as they come.
  for (let i = 0; i < 2; i++) assert.deepEqual(counted({ path: '/a.B/C?q=1', record }), numbered);
  assert.deepEqual(known(), ['c/a.B/C']);
  const ofCluster = { 'c.request_message_count': 2, 'c.total': 1, 'c.failure': 1 };
  const refused = { record, status: '12', isBare: true };
  assert.deepEqual(counted({ path: '/a.B/Invented', ...refused }), { ...ofCluster, 'c.12': 1, 'histogram 1': 2500 });
  // An answer of our own says nothing about the method.
  const own = counted({ path: '/a.B/Invented', record, status: '14', isBare: true, details: 'no_healthy_upstream' });
  assert.deepEqual(own, { ...ofCluster, 'c.14': 1, 'histogram 1': 2500 });
  for (const path of ['/a.B/"x"', '/a.B/%41', `/a.B/${'x'.repeat(300)}`])
    assert.equal(counted({ path, record })['c.total'], 1, path);
  assert.deepEqual(known(), ['c/a.B/C']);
  const dotless = { ...record, replacesDots: true };
  counted({ path: '/a.B/D', record: dotless });
  assert.deepEqual(known(), ['c/a.B/C', 'c/a_B/D']);
});

test('messages are told where state is emitted, of every call of gRPC', () => {
  counted({ path: '/a.B/C' });
  assert.deepEqual([messages.requests, messages.responses], [0, 0]);
  counted({ path: '/a.B/C', cluster: 'other', record: { ...RECORD, emitsState: true } });
  assert.deepEqual([messages.requests, messages.responses], [2, 3]);
});
