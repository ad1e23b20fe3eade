/** RifReport: requests in flight and latency out of load reports, in every spelling, and out of none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readLoadReport } from '../../../../engine/upstream/balance/load-report-formats.js';
import { RifReport } from '../../../../engine/upstream/balance/rif-report.js';
import { newHead } from '../../../support/fake-conn.js';

function read(value: string): readonly [number, number] | null {
  const head = newHead();
  const [name, bytes] = ['endpoint-load-metrics', value].map((text) => new TextEncoder().encode(text));
  head.addName(name as Uint8Array, 0, bytes as Uint8Array, 0, value.length);
  const report = new RifReport();
  return readLoadReport(head, report) ? [report.rif, report.latencyUs] : null;
}

test('text and JSON say the same, other metrics are no matter', () => {
  assert.deepEqual(read('TEXT named_metrics.rif=12, named_metrics.latency_us=3400.4'), [12, 3400]);
  assert.deepEqual(read('JSON {"cpu_utilization": 0.5, "named_metrics": {"latency_us": 5, "rif": 0, "x": 9}}'), [0, 5]);
  assert.deepEqual(read('TEXT cpu_utilization=0.5'), [-1, 0]);
  assert.deepEqual(read('TEXT utilization.rif=3,request_cost.rif=4'), [-1, 0]);
});

test('nonsense is no report, and what is out of range is bounded', () => {
  assert.equal(read('TEXT named_metrics.rif=many'), null);
  assert.equal(read('XML <rif/>'), null);
  assert.deepEqual(read('TEXT named_metrics.rif=-4,named_metrics.latency_us=-1'), [-1, 0]);
  assert.deepEqual(read('TEXT named_metrics.rif=1e18,named_metrics.latency_us=1e18'), [0xfffff, 0x3fffffff]);
});
