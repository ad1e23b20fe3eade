/** Comparison of results: a change counts when it is larger than the spread of the rounds, and says in which direction. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { changes, compare, resultPath } from '../../bench/compare.js';
import { type Figure, type Result, ResultBuilder } from '../../bench/result/result.js';
import { UsageError } from '../../bench/usage-error.js';

const directory = mkdtempSync(join(tmpdir(), 'millrace-compare-'));
after(() => rmSync(directory, { recursive: true }));

function result(...samples: readonly (readonly number[])[]): Result {
  const builder = new ResultBuilder([]);
  for (const [at, each] of samples.entries()) {
    const figure: Figure = { name: `f${at}`, unit: 'us', better: at === 3 ? 'higher' : 'lower', samples: each };
    builder.figures.push(figure);
  }
  return builder.build(false);
}

test('a change beyond the spread is better or worse, one within it is nothing', () => {
  const before = result([10, 11, 12], [10, 11, 12], [100, 101, 102], [100, 101, 102]);
  const now = result([14, 15, 16], [11, 12, 13], [80, 81, 82], [80, 81, 82]);
  assert.deepEqual(
    changes(before, now).map(({ name, verdict }) => [name, verdict]),
    [
      ['f0', 'worse'],
      ['f1', 'same'],
      ['f2', 'better'],
      ['f3', 'worse'],
    ],
  );
});

test('rounds that are closer than three percent say nothing, and neither does a single round of a tail', () => {
  assert.equal(changes(result([100, 100, 100]), result([102, 102, 102]))[0]?.verdict, 'same');
  assert.equal(changes(result([100]), result([120]))[0]?.verdict, 'same');
  assert.equal(changes(result([100]), result([140]))[0]?.verdict, 'worse');
  assert.equal(changes(result([0]), result([5]))[0]?.verdict, 'worse');
  assert.equal(changes(result([0]), result([0]))[0]?.verdict, 'same');
});

test('results are found by path, name, commit, or as the last; exit code 1 when something is worse', (t) => {
  for (const [name, samples] of [
    ['2026-01-01-100000-aaaa1111', [10, 10, 11]],
    ['2026-01-02-100000-bbbb2222', [20, 20, 21]],
  ] as const) {
    mkdirSync(join(directory, name));
    writeFileSync(join(directory, name, 'result.json'), JSON.stringify(result(samples)));
  }
  const old = join(directory, '2026-01-01-100000-aaaa1111');
  const last = join(directory, '2026-01-02-100000-bbbb2222', 'result.json');
  assert.equal(resultPath('last', directory), last);
  assert.equal(resultPath('bbbb', directory), last);
  assert.equal(resultPath(old, directory), join(old, 'result.json'));
  assert.throws(() => resultPath('cccc', directory), UsageError);
  t.mock.method(process.stdout, 'write', () => true);
  assert.equal(compare([old, last]), 1);
  assert.equal(compare([last, old]), 0);
  assert.throws(() => compare([old]), /takes two results/);
});
