/** HashPicker: keys stay, endpoints that are down move only their own, and the laws of pickers hold. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../../../engine/base/prng.js';
import type { EndpointRecord } from '../../../../engine/plan/records.js';
import { buildPicker } from '../../../../engine/upstream/balance/build-picker.js';
import { membersOf } from '../../../../engine/upstream/balance/hash-table.js';
import { type HashPolicyRecord, HashTables } from '../../../../engine/upstream/balance/hash-tables.js';
import type { Picker } from '../../../../engine/upstream/balance/picker.js';
import { NO_HASH } from '../../../../engine/upstream/balance/request-hash.js';
import { endpoints, hashOf, keys, MAGLEV, members, RING, tableOf } from '../../../support/hashing.js';

const BOTH: readonly HashPolicyRecord[] = [RING, MAGLEV];
const pickerOf = (policy: HashPolicyRecord, records: readonly EndpointRecord[], tables?: HashTables): Picker =>
  buildPicker(policy, tableOf(records), Prng.fromSeed(1), tables);
const down = (rows: readonly number[]) => (row: number) => (rows.includes(row) ? { health: 'UNHEALTHY' as const } : {});

test('a key has one endpoint, for every picker over the same list in any order', () => {
  for (const policy of BOTH) {
    const records = endpoints(50);
    const picker = pickerOf(policy, records);
    const other = pickerOf(policy, [...records].reverse());
    for (const key of keys(2000)) {
      const index = picker.pick(key, 0);
      assert.equal(picker.pick(key, 0), index);
      assert.equal(49 - other.pick(key, 0), index);
    }
  }
});

test('an endpoint that is down moves its own keys and no other, over many endpoints, and back', () => {
  for (const policy of BOTH) {
    const tables = new HashTables();
    const before = pickerOf(policy, endpoints(100), tables);
    const without = pickerOf(policy, endpoints(100, down([17, 42])), tables);
    const after = pickerOf(policy, endpoints(100), tables);
    const heirs = new Set<number>();
    for (const key of keys(50000)) {
      const index = before.pick(key, 0);
      const now = without.pick(key, 0);
      assert.equal(after.pick(key, 0), index);
      if (index !== 17 && index !== 42) assert.equal(now, index);
      else heirs.add(now);
    }
    assert.ok(!heirs.has(17) && !heirs.has(42));
    assert.ok(heirs.size >= (policy === RING ? 15 : 95), `${policy.name}: ${heirs.size} take over`);
  }
});

test('keys fall on the endpoints by weight, also those without a hash', () => {
  const weights = [1, 2, 3, 4];
  const records = endpoints(4, (row) => ({ weight: weights[row] as number }));
  for (const policy of BOTH) {
    const picker = pickerOf(policy.name === 'RING_HASH' ? { ...policy, minimumRingSize: 100000 } : policy, records);
    for (const hashes of [keys(100000), new Array(100000).fill(NO_HASH)]) {
      const counts = [0, 0, 0, 0];
      for (const key of hashes) {
        const index = picker.pick(key, 0);
        counts[index] = (counts[index] as number) + 1;
      }
      weights.forEach((weight, at) => {
        assert.ok(Math.abs((counts[at] as number) - weight * 10000) < 1000, `${policy.name}: ${counts.join()}`);
      });
    }
  }
});

test('laws: only pickable ones, tried ones last, -1 when there is none', () => {
  for (const each of BOTH)
    for (const policy of [each, { ...each, balanceFactor: 125 }]) {
      const picker = pickerOf(policy, endpoints(5, down([1, 3])));
      for (const key of [...keys(300), NO_HASH]) {
        for (const tried of [0, 0b00001, 0b00101, 0b10000]) {
          const index = picker.pick(key, tried);
          assert.ok([0, 2, 4].includes(index), `${index}`);
          assert.equal(tried & (1 << index), 0);
        }
        assert.ok([0, 2, 4].includes(picker.pick(key, 0b10101)));
        assert.ok([0, 2, 4].includes(picker.pick(key, 0b11111)));
      }
      assert.equal(pickerOf(policy, endpoints(3, down([0, 1, 2]))).pick(hashOf(5n), 0), -1);
      assert.equal(pickerOf(policy, []).pick(hashOf(5n), 0), -1);
      assert.equal(pickerOf(policy, endpoints(3, down([0, 2]))).pick(hashOf(5n), 0b10), 1);
    }
});

test('a key that was tried goes where it would go if its endpoint were down', () => {
  for (const policy of BOTH) {
    const whole = pickerOf(policy, endpoints(20));
    for (const key of keys(200)) {
      const first = whole.pick(key, 0);
      assert.equal(whole.pick(key, 1 << first), pickerOf(policy, endpoints(20, down([first]))).pick(key, 0));
    }
  }
});

test('a lower priority has a table of its own, and takes no key while the first serves', () => {
  for (const policy of BOTH) {
    const two = (isDown: boolean): EndpointRecord[] =>
      endpoints(10, (row) => ({ priority: row < 5 ? 0 : 1, ...(isDown && row < 5 ? { health: 'UNHEALTHY' } : {}) }));
    const first = pickerOf(policy, two(false));
    const second = pickerOf(policy, two(true));
    const alone = pickerOf(policy, endpoints(10).slice(5));
    for (const key of keys(500)) {
      assert.ok(first.pick(key, 0) < 5);
      assert.equal(second.pick(key, 0), alone.pick(key, 0) + 5);
    }
  }
});

test('endpoints for which the ring has no point are still used when all others are gone or tried', () => {
  const short = { ...RING, minimumRingSize: 2, maximumRingSize: 2 };
  const whole = pickerOf(short, endpoints(4));
  assert.deepEqual(new Set(keys(100).map((key) => whole.pick(key, 0))).size, 2);
  const without = new Set(keys(100).map((key) => whole.pick(key, 0)));
  const rest = [0, 1, 2, 3].filter((row) => !without.has(row));
  const left = pickerOf(short, endpoints(4, down([...without])));
  assert.deepEqual([...new Set(keys(100).map((key) => left.pick(key, 0)))].sort(), rest);
  const tried = [...without].reduce((bits, row) => bits | (1 << row), 0);
  for (const key of keys(100)) assert.ok(rest.includes(whole.pick(key, tried)));
});

test('what is hashed: the hash_key of the metadata, or the hostname when asked, or the address', () => {
  const records = [
    ...endpoints(1),
    ...endpoints(1, () => ({ hostname: 'a.example' })),
    ...endpoints(1, () => ({ hostname: 'b.example', metadata: { 'envoy.lb': { hash_key: 'c' } } })),
    ...endpoints(1, () => ({ address: { family: 6, host: '::1', port: 80 } })),
  ];
  const keysOf = (useHostname: boolean): string[] =>
    membersOf(tableOf(records), useHostname)
      .sort((a, b) => a.index - b.index)
      .map((member) => member.key);
  assert.deepEqual(keysOf(false), ['10.0.0.0:80', '10.0.0.0:80', 'c', '[::1]:80']);
  assert.deepEqual(keysOf(true), ['10.0.0.0:80', 'a.example', 'c', '[::1]:80']);
});

test('a table is kept while keys, weights and shape are the same, and made anew when one is not', () => {
  const tables = new HashTables();
  const table = tables.get(MAGLEV, members([1, 2, 3]));
  assert.equal(tables.get({ ...MAGLEV, balanceFactor: 150 }, members([1, 2, 3])), table);
  assert.notEqual(tables.get({ ...MAGLEV, tableSize: 7 }, members([1, 2, 3])), table);
  assert.equal(tables.get(MAGLEV, members([1, 2, 3])), table);
  const heavier = tables.get(MAGLEV, members([1, 2, 3], [1, 1, 2]));
  assert.notEqual(heavier, table);
  assert.equal(tables.get(MAGLEV, members([1, 2, 3])), table);
  // Lists that alternate find theirs again; a table that two lists in a row didn't need is gone.
  for (let round = 0; round < 3; round++) {
    tables.nextList();
    assert.equal(tables.get(MAGLEV, members([1, 2, 3])), table);
    tables.nextList();
    assert.equal(tables.get(MAGLEV, members([1, 2, 3], [1, 1, 2])), heavier);
  }
  for (let list = 0; list < 3; list++) tables.nextList();
  assert.notEqual(tables.get(MAGLEV, members([1, 2, 3])), table);
});
