/** Rate cells: both twins against each other, against the clock of four threads, and against what a limit promises. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { loadAddon } from '../../../engine/io/addon.js';
import { NO_ROOM, PortableRateCells, type RateCells, SET_WORDS } from '../../../engine/limit/rate-cells.js';
import type { HammerTask } from '../../support/rate-hammer.js';

const { addon, reason } = loadAddon();
const SECOND_NS = 1e9;

function wordsOf(count: number): BigInt64Array {
  return new BigInt64Array(new SharedArrayBuffer(count * 8));
}

const KINDS: readonly [string, ((words: BigInt64Array) => RateCells) | null][] = [
  ['portable', (words) => new PortableRateCells(words)],
  ['native', addon === null ? null : (words) => new addon.RateCells(words)],
];

for (const [name, make] of KINDS) {
  const skip = make === null ? reason : false;
  const newCells = (words: number): RateCells => (make as (words: BigInt64Array) => RateCells)(wordsOf(words));

  test(`${name}: a bucket gives its burst, then one token per interval, and says how long to wait`, { skip }, () => {
    const cells = newCells(2);
    const at = 50 * SECOND_NS;
    const take = (nowNs: number): number => cells.takeToken(1, nowNs, 1e6, 5e6);
    for (let i = 0; i < 5; i++) assert.equal(take(at), 0);
    assert.equal(take(at), 1e6);
    assert.equal(take(at + 400_000), 600_000);
    assert.equal(take(at + 1e6), 0);
    assert.equal(take(at + 1e6), 1e6);
    // Full again after a rest, and no fuller than its burst.
    let admitted = 0;
    while (take(at + 60 * SECOND_NS) === 0) admitted++;
    assert.equal(admitted, 5);
  });

  test(`${name}: a window counts the past one for the part that is still in sight`, { skip }, () => {
    const cells = newCells(1);
    const start = 1000 * SECOND_NS;
    const take = (nowNs: number): number => cells.takeWindow(0, nowNs, SECOND_NS, 10);
    for (let i = 0; i < 10; i++) assert.equal(take(start + 0.9 * SECOND_NS), 0);
    assert.equal(take(start + 0.9 * SECOND_NS), 0.1 * SECOND_NS);
    // Half of the ten is in sight after half of the next window.
    let admitted = 0;
    while (take(start + 1.5 * SECOND_NS) === 0) admitted++;
    assert.equal(admitted, 5);
    const waitNs = take(start + 1.5 * SECOND_NS);
    assert.notEqual(take(start + 1.5 * SECOND_NS + waitNs - 1), 0);
    assert.equal(take(start + 1.5 * SECOND_NS + waitNs), 0);
    // Two windows later nothing is left.
    admitted = 0;
    while (take(start + 4 * SECOND_NS) === 0) admitted++;
    assert.equal(admitted, 10);
  });

  test(
    `${name}: keys have buckets of their own; a key that is refused now is never forgotten for a new one`,
    { skip },
    () => {
      const cells = newCells(SET_WORDS);
      const at = 7 * SECOND_NS;
      const take = (key: number, nowNs: number): number => cells.takeKeyed(1, key, 0, nowNs, SECOND_NS, 2 * SECOND_NS);
      // Eight keys fill the one set: seven of them use up their buckets.
      for (let key = 1; key <= 8; key++) assert.equal(take(key, at), 0);
      for (let key = 1; key <= 7; key++) assert.equal(take(key, at), 0);
      for (let key = 1; key <= 7; key++) assert.equal(take(key, at), SECOND_NS);
      // A ninth key takes the place of the one that still had a token.
      assert.equal(take(9, at), 0);
      assert.equal(take(9, at), 0);
      assert.equal(take(10, at), NO_ROOM);
      for (let key = 1; key <= 7; key++) assert.equal(take(key, at), SECOND_NS);
      // With time there is room again.
      assert.equal(take(10, at + 3 * SECOND_NS), 0);
      assert.equal(take(0, at + 3 * SECOND_NS), 0);
    },
  );

  test(
    `${name}: four threads at one bucket of 1,000/s get that within 1 % over 10 s, and never more than burst and rate`,
    { skip },
    async () => {
      const memory = new SharedArrayBuffer(8);
      // A machine that is busy elsewhere for less than a second takes nothing from the rate.
      const burst = 1000;
      const intervalNs = 1e6;
      // When all threads are there.
      const fromNs = process.hrtime.bigint() + BigInt(SECOND_NS);
      const untilNs = fromNs + BigInt(10 * SECOND_NS);
      // Empty at first.
      new BigInt64Array(memory)[0] = fromNs + BigInt(burst * intervalNs);
      const task: HammerTask = { memory, isNative: name === 'native', intervalNs, burst, fromNs, untilNs };
      const file = fileURLToPath(new URL('../../support/rate-hammer.js', import.meta.url));
      const threads = Array.from({ length: 4 }, () => new Worker(file, { workerData: task }));
      const counts = await Promise.all(threads.map(async (thread) => ((await once(thread, 'message')) as [number])[0]));
      const admitted = counts.reduce((sum, count) => sum + count, 0);
      const byRate = Number((untilNs - fromNs) / BigInt(intervalNs));
      assert.ok(admitted <= byRate, `${admitted} admitted, at most ${byRate} may be`);
      assert.ok(admitted >= 0.99 * byRate, `${admitted} admitted of ${byRate}`);
      // The bucket's own time: it is full again that much after the last request.
      const fullAt = new BigInt64Array(memory)[0] as bigint;
      assert.ok(fullAt <= task.untilNs + BigInt(burst * intervalNs), 'no more was promised than the bucket holds');
    },
  );
}

test('the twins agree bit for bit', { skip: addon === null ? reason : false }, () => {
  const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
  const step = fc.record({
    kind: fc.constantFrom('token', 'window', 'keyed'),
    cell: fc.integer({ min: 48, max: 49 }),
    passedNs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3e9 }), fc.integer({ min: 0, max: 2 ** 40 })),
    low: fc.oneof(fc.integer({ min: 0, max: 40 }), word),
    high: fc.oneof(fc.constant(0), word),
  });
  const limits = fc.record({
    intervalNs: fc.integer({ min: 1, max: 2e9 }),
    burst: fc.integer({ min: 1, max: 20 }),
    windowNs: fc.integer({ min: 1, max: 2e9 }),
    most: fc.integer({ min: 1, max: 12 }),
  });
  fc.assert(
    fc.property(limits, fc.array(step, { maxLength: 200 }), ({ intervalNs, burst, windowNs, most }, steps) => {
      const here = wordsOf(51);
      const there = wordsOf(51);
      const portable = new PortableRateCells(here);
      const native = new (addon as NonNullable<typeof addon>).RateCells(there);
      let nowNs = 1e12;
      for (const { kind, cell, passedNs, low, high } of steps) {
        nowNs += passedNs;
        const answers = [portable, native].map((cells) => {
          // The window has a cell of its own: the two kinds read the same number differently.
          if (kind === 'window') return cells.takeWindow(50, nowNs, windowNs, most);
          if (kind === 'token') return cells.takeToken(cell, nowNs, intervalNs, intervalNs * burst);
          return cells.takeKeyed(2, low, high, nowNs, intervalNs, intervalNs * burst);
        });
        assert.equal(answers[0], answers[1]);
      }
      assert.deepEqual(here, there);
    }),
    { numRuns: 300 },
  );
});

test('a cell outside the memory is an error, not a wild write', { skip: addon === null ? reason : false }, () => {
  const native = new (addon as NonNullable<typeof addon>).RateCells(wordsOf(4));
  assert.throws(() => native.takeToken(4, 1, 1, 1), RangeError);
  assert.throws(() => native.takeWindow(-1, 1, 1, 1), RangeError);
  assert.throws(() => native.takeKeyed(1, 1, 0, 1, 1, 1), RangeError);
});
