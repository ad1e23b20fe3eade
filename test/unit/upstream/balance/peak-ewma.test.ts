/** PEAK_EWMA: latency times load, unknown endpoints, failures that would look fast, and what outlives a list. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../../../engine/base/prng.js';
import { type PeakEwmaConfig, PeakEwmaPicker } from '../../../../engine/upstream/balance/peak-ewma.js';
import { NO_HASH } from '../../../../engine/upstream/balance/request-hash.js';
import { EndpointTable } from '../../../../engine/upstream/endpoint-table.js';
import { failingFast, Fleet, tally } from '../../../support/balancing.js';
import { endpointRecord } from '../../../support/upstream-harness.js';

const CONFIG: PeakEwmaConfig = {
  decayUs: 10_000_000,
  defaultRttUs: 10_000,
  penaltyUs: 1e9,
  failurePenaltyUs: 5_000_000,
  fullScan: false,
};
const FORMS = [CONFIG, { ...CONFIG, fullScan: true }];

function picker(fleet: Fleet, config: PeakEwmaConfig = CONFIG, seed = 1): PeakEwmaPicker {
  return new PeakEwmaPicker(fleet.table, Prng.fromSeed(seed), config);
}

test('cost: latency times requests in flight and one, over the weight', () => {
  const fleet = new Fleet([endpointRecord(0), endpointRecord(1, { weight: 4 })]);
  const policy = picker(fleet);
  policy.requestEnded(0, 3000, 0, false);
  policy.requestEnded(1, 3000, 0, false);
  assert.equal(policy.cost(0), 3000);
  assert.equal(policy.cost(1), 750);
  fleet.setActive(0, 4);
  assert.equal(policy.cost(0), 15_000);
});

test('unknown: default_rtt while idle, the penalty while somebody finds out', () => {
  const fleet = Fleet.of(2);
  const policy = picker(fleet);
  assert.equal(policy.cost(0), 10_000);
  fleet.setActive(0, 1);
  assert.equal(policy.cost(0), 1e9 + 1);
  policy.requestEnded(0, 2000, 0, false);
  assert.equal(policy.cost(0), 4000);
});

test('the slow one is left alone until its average has faded, in both forms', () => {
  for (const config of FORMS) {
    const fleet = Fleet.of(4);
    const policy = picker(fleet, config);
    for (let row = 0; row < 4; row++) policy.requestEnded(row, row === 2 ? 100_000 : 1000, 0, false);
    assert.equal(tally(4, 1000, () => policy.pick(NO_HASH, 0))[2], 0);
    // The others answer all the while; after 10 x ln(100) s it has faded to what they have.
    for (let second = 0; second < 47; second++) {
      fleet.clock.passMs(1000);
      for (const row of [0, 1, 3]) policy.requestEnded(row, 1000, 0, false);
    }
    assert.ok((tally(4, 1000, () => policy.pick(NO_HASH, 0))[2] as number) > 100);
  }
});

test('the scan answers one of the cheapest, all of them alike; two choices are never the same', () => {
  const fleet = Fleet.of(5);
  const policy = picker(fleet, { ...CONFIG, fullScan: true });
  for (let row = 0; row < 5; row++) policy.requestEnded(row, row < 2 ? 9000 : 2000, 0, false);
  const counts = tally(5, 30_000, () => policy.pick(NO_HASH, 0));
  assert.deepEqual(counts.slice(0, 2), [0, 0]);
  for (const count of counts.slice(2)) assert.ok(Math.abs(count - 10_000) < 500, counts.join());

  const pair = Fleet.of(2);
  const two = picker(pair);
  two.requestEnded(0, 9000, 0, false);
  two.requestEnded(1, 2000, 0, false);
  assert.deepEqual(
    tally(2, 100, () => two.pick(NO_HASH, 0)),
    [0, 100],
  );
});

test('an endpoint that fails fast draws no more than 1.5 times its share; taken for an answer it would draw all it can', () => {
  for (const config of FORMS) {
    const seen = Fleet.of(10);
    const counts = failingFast(seen, picker(seen, config), 10_000, true);
    assert.ok((counts[0] as number) <= 1500, counts.join());
    const unseen = Fleet.of(10);
    const trapped = failingFast(unseen, picker(unseen, config), 10_000, false);
    // One of two drawn is it twice in ten times.
    assert.ok((trapped[0] as number) > (config.fullScan ? 9000 : 1800), trapped.join());
  }
});

test('a failure now and then costs its share of the penalty, no more', () => {
  const fleet = Fleet.of(1);
  const policy = picker(fleet);
  // 100 requests a second, one in a hundred fails: 1 % of the penalty, about.
  for (let i = 0; i < 6000; i++) {
    fleet.clock.passMs(10);
    policy.requestEnded(0, 1000, 0, i % 100 === 99);
  }
  const cost = policy.cost(0);
  assert.ok(cost > 30_000 && cost < 80_000, String(cost));
});

test('a new list keeps what is known of the endpoints that stay', () => {
  const fleet = Fleet.of(2);
  picker(fleet).requestEnded(1, 7000, 0, false);
  fleet.table = new EndpointTable([endpointRecord(1), endpointRecord(5)], 0, fleet.cells);
  const next = picker(fleet);
  assert.equal(next.cost(0), 7000);
  assert.equal(next.cost(1), 10_000);
});

test('another worker knows it too', () => {
  const fleet = Fleet.of(2);
  picker(fleet, CONFIG, 1).requestEnded(0, 7000, 0, false);
  assert.equal(picker(fleet, CONFIG, 2).cost(0), 7000);
});
