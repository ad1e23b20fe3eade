/** ProbePool: the paper's rules on answers to probes: how many, how old, how often used, which go first. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../../../engine/base/prng.js';
import { PROBE_POOL_DEFAULTS, ProbePool, reuseBudget } from '../../../../engine/upstream/balance/probe-pool.js';

const MS = 1000;
/** Q = 1 unless said, so that latency alone decides; nothing is removed but by the rule in question. */
function pool(overrides: Partial<typeof PROBE_POOL_DEFAULTS> = {}, servers = 100): ProbePool {
  return new ProbePool(
    { ...PROBE_POOL_DEFAULTS, quantile: 1, removalsPerRequest: 0, maxReuse: 16, ...overrides },
    servers,
    Prng.fromSeed(1),
  );
}

test('the reuse budget is the published one, and bounded where the formula is not', () => {
  const budget = (probesPerRequest: number, removalsPerRequest: number, servers: number): string =>
    reuseBudget({ ...PROBE_POOL_DEFAULTS, probesPerRequest, removalsPerRequest }, servers).toFixed(2);
  assert.equal(budget(3, 1, 100), '1.32');
  assert.equal(budget(1, 0.25, 100), '3.39');
  assert.equal(budget(0.5, 0.25, 100), '11.76');
  assert.equal(budget(3, 1, 16), '16.00');
  assert.equal(budget(3, 1, 5), '16.00');
  assert.equal(budget(30, 1, 1000), '1.00');
});

test('fewer than two answers: a random server', () => {
  const answers = pool();
  assert.equal(answers.pick(0), -1);
  answers.add(1, 0, 100, 0);
  assert.equal(answers.pick(0), -1);
  answers.add(2, 0, 50, 0);
  assert.equal(answers.pick(0), 2);
});

test('never more than its size; the oldest makes room; a newer answer replaces that of the same server', () => {
  const answers = pool({ size: 4 });
  for (let server = 0; server < 5; server++) answers.add(server, 0, 100 + server, server * MS);
  assert.equal(answers.size, 4);
  assert.equal(answers.pick(5 * MS), 1, 'server 0, the fastest, was the oldest');
  answers.add(3, 0, 1, 5 * MS);
  assert.ok(answers.size <= 4);
  assert.equal(answers.pick(5 * MS), 3);
});

test('no answer is used when it is older than a second', () => {
  const answers = pool();
  answers.add(1, 0, 10, 0);
  answers.add(2, 0, 20, 500 * MS);
  answers.add(3, 0, 30, 500 * MS);
  assert.equal(answers.pick(1001 * MS), 2);
  assert.equal(answers.pick(1501 * MS), -1);
  assert.equal(answers.size, 0);
});

test('an answer is used as often as its budget says, on average', () => {
  const answers = pool({ probesPerRequest: 3, removalsPerRequest: 1 });
  let uses = 0;
  const probes = 20_000;
  // One answer after the other that beats the two which are always there.
  for (let i = 0; i < probes; i++) {
    answers.add(98, 0, 900, 0);
    answers.add(99, 0, 900, 0);
    answers.add(i % 90, 0, 1, 0);
    while (answers.pick(0) === i % 90) {
      uses++;
      answers.add(98, 0, 900, 0);
      answers.add(99, 0, 900, 0);
    }
  }
  // Removal by requests is what the budget is reckoned with, so it takes some of them before.
  assert.ok(Math.abs(uses / probes - answers.reuse) < 0.35, `${uses / probes} of ${answers.reuse}`);
});

test('using an answer adds a request to its load', () => {
  const answers = pool({ quantile: 0 });
  answers.add(1, 5, 10, 0);
  answers.add(2, 6, 10, 0);
  const picks = [answers.pick(0), answers.pick(0)];
  assert.equal(picks[0], 1);
  // 6 and 6 now, or spent: either way not 1 again for being the less loaded.
  assert.notEqual(picks[1], 1);
});

test('each request removes one: the oldest, then the worst', () => {
  const answers = pool({ removalsPerRequest: 1, quantile: 0.5, size: 16 }, 17);
  answers.add(1, 0, 10, 1);
  answers.add(2, 1, 20, 0);
  answers.add(3, 9, 30, 2);
  answers.add(4, 7, 40, 3);
  answers.add(5, 1, 90, 4);
  assert.equal(answers.pick(5), 1);
  assert.equal(answers.size, 4, 'the oldest has gone: 2');
  answers.pick(5);
  assert.equal(answers.size, 3, 'the hot one with the most in flight has gone: 3');
  answers.forget(1);
  answers.forget(2);
  answers.forget(3);
  assert.equal(answers.size, 2, '4 and 5 are left');
});
