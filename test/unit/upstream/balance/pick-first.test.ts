/** PICK_FIRST: one for all, the next when it can't be connected to, the same on every worker and over lists. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../../../engine/base/prng.js';
import { PickFirstPicker } from '../../../../engine/upstream/balance/pick-first.js';
import { NO_HASH } from '../../../../engine/upstream/balance/request-hash.js';
import { EndpointTable } from '../../../../engine/upstream/endpoint-table.js';
import { Fleet } from '../../../support/balancing.js';
import { endpointRecord } from '../../../support/upstream-harness.js';

const picker = (fleet: Fleet, shuffle = false, seed = 1): PickFirstPicker =>
  new PickFirstPicker(fleet.table, Prng.fromSeed(seed), { shuffle });

test('the first, until it cannot be connected to; other failures are no reason', () => {
  const fleet = Fleet.of(3);
  const policy = picker(fleet);
  assert.equal(policy.pick(NO_HASH, 0), 0);
  policy.requestEnded(0, 500, 0, true);
  policy.requestEnded(0, 500, 0, false);
  assert.equal(policy.pick(NO_HASH, 0), 0);
  policy.requestEnded(0, 0, 0, true);
  assert.equal(policy.pick(NO_HASH, 0), 1);
  // Late news of the old one move nobody.
  policy.requestEnded(0, 0, 0, true);
  assert.equal(policy.pick(NO_HASH, 0), 1);
  policy.requestEnded(1, 0, 0, true);
  policy.requestEnded(2, 0, 0, true);
  assert.equal(policy.pick(NO_HASH, 0), 0, 'around');
});

test('a retry goes on in order', () => {
  const fleet = Fleet.of(3);
  const policy = picker(fleet);
  assert.equal(policy.pick(NO_HASH, 0b001), 1);
  assert.equal(policy.pick(NO_HASH, 0b011), 2);
  assert.equal(policy.pick(NO_HASH, 0b101), 1);
});

test('all workers use the same; a new list keeps it while it has it', () => {
  const fleet = Fleet.of(3);
  picker(fleet).requestEnded(0, 0, 0, true);
  assert.equal(picker(fleet, false, 2).pick(NO_HASH, 0), 1);
  fleet.table = new EndpointTable([endpointRecord(7), endpointRecord(2), endpointRecord(1)], 0, fleet.cells);
  assert.equal(picker(fleet).pick(NO_HASH, 0), 2);
  fleet.table = new EndpointTable([endpointRecord(7), endpointRecord(2)], 0, fleet.cells);
  assert.equal(picker(fleet).pick(NO_HASH, 0), 0);
});

test('shuffled: another order in every process, one order for its workers', () => {
  const firsts = new Set<number>();
  for (let seed = 1; seed < 60; seed++) {
    const fleet = Fleet.of(4);
    const first = picker(fleet, true, seed).pick(NO_HASH, 0);
    firsts.add(first);
    for (const other of [100, 200]) assert.equal(picker(fleet, true, other).pick(NO_HASH, 0), first);
  }
  assert.deepEqual([...firsts].sort(), [0, 1, 2, 3]);
});
