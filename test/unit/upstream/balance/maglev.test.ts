/** Maglev: Envoy's tables, balance to the slot, and how many keys a change of the list moves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildMaglev } from '../../../../engine/upstream/balance/maglev.js';
import { remainder } from '../../../../engine/base/hash64.js';
import type { HashMember } from '../../../../engine/upstream/balance/hash-table.js';
import { hashOf, keys, members } from '../../../support/hashing.js';

// The tables of Envoy's test/common/upstream/maglev_lb_test.cc.
test("Envoy's tables: addresses, hostnames, weights", () => {
  const six = members([90, 91, 92, 93, 94, 95]);
  const ports = (owners: Uint16Array): number[] => [...owners].map((owner) => owner + 90);
  assert.deepEqual(ports(buildMaglev(six, 7).owners), [92, 94, 90, 91, 95, 90, 93]);
  const hosts = six.map((member) => ({ ...member, key: member.key.slice(-2) }));
  assert.deepEqual(ports(buildMaglev(hosts, 7).owners), [92, 95, 90, 93, 94, 91, 90]);
  const weighted = buildMaglev(members([90, 91], [1, 2]), 17);
  assert.deepEqual(ports(weighted.owners), [91, 90, 90, 91, 90, 91, 91, 90, 91, 91, 91, 91, 91, 90, 91, 90, 91]);
  assert.deepEqual([...weighted.slots], [6, 11]);
});

test('the slot of a hash is its remainder, for any 64 bits and any size', () => {
  for (const by of [2, 7, 65537, 655373, 5000011])
    for (const hash of [
      ...keys(2000),
      hashOf(0n),
      hashOf((1n << 64n) - 1n),
      hashOf(BigInt(by)),
      hashOf(BigInt(by) - 1n),
    ]) {
      const value = (BigInt(hash.high >>> 0) << 32n) | BigInt(hash.low >>> 0);
      assert.equal(remainder(hash.low, hash.high, by), Number(value % BigInt(by)), `${value} % ${by}`);
    }
});

function backends(count: number): HashMember[] {
  const all = Array.from({ length: count }, (_, index) => ({
    key: `10.0.${index >> 8}.${index & 255}:80`,
    weight: 1,
    index,
  }));
  return all.sort((a, b) => (a.key < b.key ? -1 : 1));
}

test('equal weights: every endpoint has its share of slots, rounded down or up', () => {
  for (const [count, size] of [
    [10, 65537],
    [100, 65537],
    [655, 65537],
    [1000, 65537],
    [1000, 655373],
  ] as const) {
    const { slots } = buildMaglev(backends(count), size);
    assert.equal(Math.min(...slots), Math.floor(size / count), `${count} in ${size}`);
    assert.equal(Math.max(...slots), Math.ceil(size / count), `${count} in ${size}`);
  }
});

test('weights: slots in proportion, within one per endpoint', () => {
  const weights = [1, 2, 3, 10, 100];
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const { slots } = buildMaglev(members([1, 2, 3, 4, 5], weights), 65537);
  weights.forEach((weight, at) => {
    const share = (65537 * weight) / sum;
    // The lightest has a turn each time that the heaviest has had a hundred.
    assert.ok(Math.abs((slots[at] as number) - share) <= 100, `${slots.join()}: ${share}`);
  });
});

/** Share of the slots whose owner changed although it stays. */
function extraMoved(all: readonly HashMember[], removed: ReadonlySet<string>, size: number): number {
  const before = buildMaglev(all, size);
  const rest = all.filter((member) => !removed.has(member.key));
  const after = buildMaglev(rest, size);
  let moved = 0;
  before.owners.forEach((owner, slot) => {
    const key = (all[owner] as HashMember).key;
    if (!removed.has(key) && key !== (rest[after.owners[slot] as number] as HashMember).key) moved++;
  });
  return moved / size;
}

test('1000 endpoints: one that leaves the list moves at most 0.65 percent of the other slots, a twentieth 3.6', () => {
  const all = backends(1000);
  for (const at of [0, 313, 999])
    assert.ok(extraMoved(all, new Set([(all[at] as HashMember).key]), 65537) <= 0.0065, `${at}`);
  const twentieth = new Set(all.filter((_, index) => index % 20 === 7).map((member) => member.key));
  assert.ok(extraMoved(all, twentieth, 65537) <= 0.036);
});
