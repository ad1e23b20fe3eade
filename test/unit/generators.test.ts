/** Generators and their merged reports: more threads when one is too busy, said; counts and histograms added up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Generators, generatorsOption } from '../../bench/generator/generators.js';
import type { LoadReport } from '../../bench/generator/load-report.js';
import { mergeReports } from '../../bench/generator/merge.js';
import { decode, encode, newLatencies, record } from '../../bench/latencies.js';

function report(busy: number, latencyUs = 1000, kind: LoadReport['kind'] = 'open'): LoadReport {
  const latencies = newLatencies();
  record(latencies, latencyUs);
  return {
    kind,
    sent: 3,
    good: 1,
    errors: { 503: 2 },
    latencies: encode(latencies),
    overheads: encode(newLatencies()),
    lags: encode(newLatencies()),
    byBackend: [1, 2],
    keyed: [0, 1],
    moved: [0, 1],
    seconds: 2,
    busy,
    generators: 1,
  };
}

async function run(generators: Generators, busy: readonly number[], kind?: LoadReport['kind']): Promise<unknown> {
  const tried: number[] = [];
  const said: string[] = [];
  await generators.run(
    async (count) => {
      tried.push(count);
      return report(busy[tried.length - 1] as number, 1000, kind);
    },
    (each) => each,
    (line) => said.push(line),
  );
  return { tried, said };
}

test('a thread that is too busy gets help, aloud, and the next run begins with it', async () => {
  const generators = new Generators(null, 4);
  assert.deepEqual(await run(generators, [0.5]), { tried: [1], said: [] });
  const again = 'one generator thread worked 95 % of the time, which is too much for this rate: measured again with 2';
  assert.deepEqual(await run(generators, [0.95, 0.4]), { tried: [1, 2], said: [again] });
  assert.deepEqual(await run(generators, [0.4]), { tried: [2], said: [] });
});

test('there are no more threads than wanted or sensible, and what that means is said', async () => {
  const late = (count: string): string => `${count} worked 99 % of the time: latencies are the generator's own in part`;
  assert.deepEqual(await run(new Generators(1), [0.99]), { tried: [1], said: [late('one generator thread')] });
  const { tried, said } = (await run(new Generators(null, 3), [0.99, 0.99, 0.99])) as Record<string, unknown[]>;
  assert.deepEqual([tried, said?.at(-1)], [[1, 2, 3], late('3 generator threads')]);
});

test('a closed loop is as busy as it can be by its nature', async () => {
  assert.deepEqual(await run(new Generators(null, 4), [1], 'closed'), { tried: [1], said: [] });
});

test('reports of several threads add up', () => {
  const merged = mergeReports([report(0.2, 1000), { ...report(0.3, 5000), errors: { 503: 1, reset: 4 }, seconds: 3 }]);
  assert.deepEqual(merged.errors, { 503: 3, reset: 4 });
  assert.deepEqual([merged.sent, merged.good, merged.seconds, merged.busy, merged.generators], [6, 2, 3, 0.3, 2]);
  assert.deepEqual(
    [merged.byBackend, merged.keyed, merged.moved],
    [
      [2, 4],
      [0, 2],
      [0, 2],
    ],
  );
  const latencies = decode(merged.latencies);
  assert.equal(latencies.totalCount, 2);
  assert.ok(latencies.maxValue >= 4990 && latencies.minNonZeroValue <= 1001);
});

test('--generators is a whole number', () => {
  assert.equal(generatorsOption(undefined), null);
  assert.equal(generatorsOption('3'), 3);
  for (const text of ['0', '1.5', 'many', '65'])
    assert.throws(() => generatorsOption(text), { message: `--generators: ${text} is no whole number from 1 to 64` });
});
