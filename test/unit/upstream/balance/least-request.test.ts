/** LEAST_REQUEST's failure penalty: failures count as requests in flight, in every form, and fade. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../../../engine/base/prng.js';
import { type LeastRequestConfig, LeastRequestPicker } from '../../../../engine/upstream/balance/least-request.js';
import { NO_HASH } from '../../../../engine/upstream/balance/request-hash.js';
import { failingFast, Fleet, tally } from '../../../support/balancing.js';
import { endpointRecord } from '../../../support/upstream-harness.js';

const PLAIN: LeastRequestConfig = { choiceCount: 2, fullScan: false, activeRequestBias: 1 };
const BIASED = { ...PLAIN, failurePenaltyUs: 5_000_000 };

test('an endpoint that fails fast draws no more than 1.5 times its share; without the penalty it draws more', () => {
  for (const fullScan of [false, true]) {
    const fleet = Fleet.of(10);
    const biased = new LeastRequestPicker(fleet.table, Prng.fromSeed(1), { ...BIASED, fullScan });
    const counts = failingFast(fleet, biased, 10_000, true);
    assert.ok((counts[0] as number) <= 1500, counts.join());
    const other = Fleet.of(10);
    const plain = new LeastRequestPicker(other.table, Prng.fromSeed(1), { ...PLAIN, fullScan });
    assert.equal(plain.feedback, null);
    const trapped = failingFast(other, plain, 10_000, true);
    assert.ok((trapped[0] as number) > 1500, trapped.join());
  }
});

test('with unequal weights too', () => {
  const fleet = new Fleet([1, 2, 2, 2, 1].map((weight, row) => endpointRecord(row, { weight })));
  const picker = new LeastRequestPicker(fleet.table, Prng.fromSeed(1), BIASED);
  const counts = failingFast(fleet, picker, 8000, true);
  assert.ok((counts[0] as number) <= 1500, counts.join());
});

test('failures fade, and when all fail the load is even again', () => {
  const fleet = Fleet.of(2);
  const picker = new LeastRequestPicker(fleet.table, Prng.fromSeed(1), { ...BIASED, fullScan: true });
  picker.requestEnded(0, 100, 0, true);
  assert.deepEqual(
    tally(2, 100, () => picker.pick(NO_HASH, 0)),
    [0, 100],
  );
  fleet.setActive(1, 1);
  fleet.clock.passMs(1000);
  assert.deepEqual(
    tally(2, 100, () => picker.pick(NO_HASH, 0)),
    [100, 0],
  );

  const even = tally(2, 2000, () => {
    const row = picker.pick(NO_HASH, 0);
    fleet.clock.passMs(1);
    fleet.setActive(1, 0);
    picker.requestEnded(row, 100, 0, true);
    return row;
  });
  assert.ok(Math.abs((even[0] as number) - 1000) <= 10, even.join());
});
