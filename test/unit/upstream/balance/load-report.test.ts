/** Load reports: every spelling that Envoy reads comes to the same, and what can't be read whole is none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeBase64 } from '../../../../engine/base/base64.js';
import { LoadReport } from '../../../../engine/upstream/balance/load-report.js';
import { decimalOf, readLoadReport } from '../../../../engine/upstream/balance/load-report-formats.js';
import { newHead } from '../../../support/fake-conn.js';

function read(field: string, value: string, names: readonly string[] = []): LoadReport | null {
  const head = newHead();
  const bytes = Buffer.from(value, 'latin1');
  head.addName(Buffer.from(field), 0, bytes, 0, bytes.length);
  const report = new LoadReport(names);
  // What an earlier report left must not show.
  report.rps = 77;
  report.wantedUtilization = 9;
  return readLoadReport(head, report) ? report : null;
}

const numbers = (report: LoadReport | null): readonly number[] | null =>
  report === null
    ? null
    : [report.cpuUtilization, report.memUtilization, report.applicationUtilization, report.rps, report.eps];
const metrics = (value: string): readonly number[] | null => numbers(read('endpoint-load-metrics', value));

// ---- protobuf, written here ------------------------------------------------------------------------------------

function tagged(field: number, wireType: number, body: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([(field << 3) | wireType]), body]);
}
function double(field: number, value: number): Buffer {
  const body = Buffer.alloc(8);
  body.writeDoubleLE(value);
  return tagged(field, 1, body);
}
function bytes(field: number, body: Uint8Array): Buffer {
  return tagged(field, 2, Buffer.concat([Buffer.from([body.length]), body]));
}
function entry(field: number, name: string, value: number): Buffer {
  return bytes(field, Buffer.concat([bytes(1, Buffer.from(name)), double(2, value)]));
}
const MESSAGE = Buffer.concat([
  double(1, 0.7),
  tagged(3, 0, Buffer.from([0xac, 0x02])),
  entry(4, 'cost', 12),
  entry(5, 'gpu', 0.3),
  double(2, 0.9),
  double(6, 1000),
  double(7, 2),
  entry(8, 'kv_cache', 0.4),
  entry(8, 'queue', 0.6),
  double(9, 0.8),
  tagged(15, 5, Buffer.alloc(4)),
]);

test('text, old and new, JSON and protobuf say the same', () => {
  const want = [0.7, 0.9, 0.8, 1000, 2];
  const pairs = ['cpu_utilization', 'mem_utilization', 'application_utilization', 'rps_fractional', 'eps'];
  const text = (between: string): string => `TEXT ${pairs.map((name, at) => `${name}${between}${want[at]}`).join(',')}`;
  assert.deepEqual(metrics(text('=')), want);
  assert.deepEqual(metrics(text(':')), want);
  assert.deepEqual(metrics(text(' = ').replaceAll(',', ' , ')), want);
  assert.deepEqual(
    metrics(
      'JSON {"cpu_utilization": 0.7, "memUtilization":0.9,"application_utilization":"0.8", "rpsFractional":1e3,"eps":2.0,"rps":"300", "named_metrics": {"a":1}, "requestCost":{} }',
    ),
    want,
  );
  const binary = MESSAGE.toString('base64');
  assert.deepEqual(metrics(`BIN ${binary}`), want);
  assert.deepEqual(numbers(read('endpoint-load-metrics-bin', binary)), want);
  assert.deepEqual(numbers(read('endpoint-load-metrics-bin', binary.replace(/=+$/, ''))), want);
});

test('wanted metrics: the highest of those named, in every spelling; what the endpoint calls utilization comes first', () => {
  const all = 'named_metrics.kv_cache=0.4,named_metrics.queue=0.6,cpu_utilization=0.2,mem_utilization=0.5';
  const utilization = (value: string, ...names: string[]): number | undefined =>
    read('endpoint-load-metrics', value, names)?.utilization;
  assert.equal(utilization(`TEXT ${all}`), 0.2);
  assert.equal(utilization(`TEXT ${all}`, 'named_metrics.kv_cache'), 0.4);
  assert.equal(utilization(`TEXT ${all}`, 'named_metrics.*'), 0.6);
  assert.equal(utilization(`TEXT ${all}`, 'named_metrics.kv', 'mem_utilization'), 0.5);
  assert.equal(utilization(`TEXT ${all},application_utilization=0.1`, 'named_metrics.*'), 0.1);
  assert.equal(utilization('JSON {"namedMetrics":{"kv_cache":0.4},"utilization":{"gpu":0.3}}', 'utilization.gpu'), 0.3);
  assert.equal(utilization(`BIN ${MESSAGE.subarray(0, -5 - 9).toString('base64')}`, 'named_metrics.*'), 0.6);
  assert.equal(utilization(`BIN ${MESSAGE.subarray(0, -5 - 9).toString('base64')}`, 'utilization.gpu'), 0.3);
});

test('what is no report at all, or not a whole one', () => {
  for (const value of [
    '',
    'BAD x',
    'text cpu_utilization=1',
    'TEXT',
    'TEXT ',
    'TEXT cpu_utilization',
    'TEXT cpu_utilization=',
    'TEXT =1',
    'TEXT cpu_utilization=abc',
    'TEXT cpu_utilization=nan',
    'TEXT cpu_utilization=inf',
    'TEXT cpu_utilization=1e999',
    'TEXT cpu_utilization=1,',
    'TEXT unknown=1',
    'TEXT named_metrics.=1',
    'JSON ',
    'JSON []',
    'JSON {"eps":1',
    'JSON {"eps" 1}',
    'JSON {"eps":true}',
    'JSON {"eps":1} x',
    'JSON {"eps":1,}',
    'JSON {"deep":{"deeper":{"a":1}}}',
    'JSON {"named_metrics":{"a":{"b":1}}}',
    'JSON {"eps',
    'BIN',
    'BIN ',
    'BIN ***',
    'BIN CQ==',
    `BIN ${MESSAGE.subarray(0, 5).toString('base64')}`,
    `BIN ${double(1, Number.NaN).toString('base64')}`,
    `BIN ${bytes(8, Buffer.from([0x0a, 0x50])).toString('base64')}`,
  ])
    assert.equal(metrics(value), null, JSON.stringify(value));
  assert.equal(read('endpoint-load', 'TEXT eps=1'), null);
  assert.deepEqual(metrics('JSON {}'), [0, 0, 0, 0, 0]);
});

test('any bytes at all are read or refused', () => {
  fc.assert(
    fc.property(fc.constantFrom('TEXT ', 'JSON ', 'BIN '), fc.string({ maxLength: 80 }), (format, rest) => {
      metrics(`${format}${rest.replace(/[^\x20-\x7e]/g, '{')}`);
    }),
    { numRuns: 2000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (message) => {
      metrics(`BIN ${Buffer.from(message).toString('base64')}`);
    }),
    { numRuns: 2000 },
  );
});

test('decimals are what Number makes of them', () => {
  const decimal = (text: string): number => decimalOf(Buffer.from(text), 0, text.length);
  for (const text of ['0', '1', '-1.5', '+2', '.5', '5.', '0.1', '123456.789', '1e3', '1E-3', '2.5e+2'])
    assert.equal(decimal(text), Number(text), text);
  for (const text of ['', '.', '-', 'e5', '1e', '1e+', '1.2.3', ' 1', '0x10', '1_0', 'NaN', 'Infinity', '1e400'])
    assert.ok(Number.isNaN(decimal(text)), text);
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e15, max: 1e15 }), (value) => {
      const parsed = decimal(String(value));
      assert.ok(Math.abs(parsed - value) <= Math.abs(value) * 1e-12 + 1e-290, `${value} read as ${parsed}`);
    }),
  );
});

test('base64 is what Buffer makes of it', () => {
  const out = new Uint8Array(256);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.constantFrom('base64', 'base64url'), (source, alphabet) => {
      const text = Buffer.from(Buffer.from(source).toString(alphabet as BufferEncoding));
      assert.equal(decodeBase64(text, 0, text.length, out), source.length);
      assert.deepEqual(out.subarray(0, source.length), source);
    }),
  );
  for (const text of ['A', 'AAAAA', 'AA=A', '=AAA', 'A A=', 'AAA\n'])
    assert.equal(decodeBase64(Buffer.from(text), 0, text.length, out), -1, text);
  assert.equal(decodeBase64(Buffer.alloc(1000, 'A'), 0, 1000, out), -1, 'too long');
});
