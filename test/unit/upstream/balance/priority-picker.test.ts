/** PriorityPicker: requests by the loads of priorities, hashes that stay, other priorities when one was tried out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UP_CONNECT_REFUSED } from '../../../../engine/fault/faults.js';
import { RequestHash } from '../../../../engine/upstream/balance/request-hash.js';
import { tally } from '../../../support/balancing.js';
import { endpointRecord, UpstreamHarness } from '../../../support/upstream-harness.js';

const NONE = new RequestHash();
const UNHEALTHY = { health: 'UNHEALTHY' } as const;
/** Priority 0 is half well: it gets 70 of 100; the two of priority 1 get the rest. */
const SPILLING = [
  endpointRecord(0),
  endpointRecord(1, UNHEALTHY),
  endpointRecord(2, { priority: 1 }),
  endpointRecord(3, { priority: 1 }),
];

test('each priority gets its part, and within it the policy decides', () => {
  const { cluster } = new UpstreamHarness({ endpoints: SPILLING });
  const counts = tally(4, 20_000, () => cluster.pick(NONE, 0));
  assert.equal(counts[1], 0);
  assert.ok(Math.abs((counts[0] as number) - 14_000) < 300, counts.join());
  assert.ok(Math.abs((counts[2] as number) - (counts[3] as number)) <= 1, 'its own rotation is exact');
});

test('a request with a hash stays with its priority', () => {
  const { cluster } = new UpstreamHarness({
    endpoints: SPILLING,
    lbPolicy: { name: 'MAGLEV', tableSize: 101, useHostname: false, balanceFactor: 0 },
  });
  const hash = new RequestHash();
  hash.isSet = true;
  let spilled = 0;
  for (let key = 0; key < 2000; key++) {
    hash.low = Math.imul(key, 0x9e3779b9);
    hash.high = key;
    const first = cluster.pick(hash, 0);
    if (first >= 2) spilled++;
    for (let again = 0; again < 3; again++) assert.equal(cluster.pick(hash, 0), first);
  }
  assert.ok(spilled > 500 && spilled < 700, String(spilled));
});

test('what was tried sends a retry to the other priority', () => {
  const { cluster } = new UpstreamHarness({ endpoints: SPILLING });
  for (let i = 0; i < 50; i++) assert.ok([2, 3].includes(cluster.pick(NONE, 0b0001)));
  for (let i = 0; i < 50; i++) assert.equal(cluster.pick(NONE, 0b1100), 0);
  assert.ok(cluster.hasOther(0, 0));
  assert.ok(!cluster.hasOther(0b1100, 0));
});

test('panic uses all, and counts; without a threshold nobody is picked', () => {
  const endpoints = [endpointRecord(0), endpointRecord(1, UNHEALTHY), endpointRecord(2, UNHEALTHY)];
  const harness = new UpstreamHarness({ endpoints });
  assert.deepEqual(
    tally(3, 30, () => harness.cluster.pick(NONE, 0)),
    [10, 10, 10],
  );
  assert.equal(harness.count('lb_healthy_panic'), 30);
  const calm = new UpstreamHarness({ endpoints, panicPercent: 20 });
  assert.deepEqual(
    tally(3, 30, () => calm.cluster.pick(NONE, 0)),
    [30, 0, 0],
  );
  assert.equal(calm.count('lb_healthy_panic'), 0);
  const off = new UpstreamHarness({ endpoints: endpoints.slice(1), panicPercent: 0 });
  assert.equal(off.cluster.pick(NONE, 0), -1);
});

test('what a policy learns goes to the picker that has the endpoint', () => {
  const { cluster, cells } = new UpstreamHarness({
    endpoints: SPILLING,
    lbPolicy: { name: 'PICK_FIRST', shuffle: false },
  });
  const pool = cluster.pool(2);
  cluster.requestStarted(pool, false);
  // It could not be connected to: the one beside it takes its place.
  cluster.requestFinished(pool, false, 0, UP_CONNECT_REFUSED, 0, 0, 0);
  assert.equal(cells.chosenRow(0), 3);
  const counts = tally(4, 200, () => cluster.pick(NONE, 0));
  assert.equal(counts[2], 0, counts.join());
  assert.ok((counts[3] as number) > 20);
});
