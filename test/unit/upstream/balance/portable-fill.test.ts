/** Twins in C++ and TypeScript: hashes, rings and Maglev tables are the same, bit for bit. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Hash64 } from '../../../../engine/base/hash64.js';
import { murmurHash2 } from '../../../../engine/base/murmur2.js';
import { xxHash64 } from '../../../../engine/base/xxhash64.js';
import { type Addon, loadAddon } from '../../../../engine/io/addon.js';
import type { HashMember } from '../../../../engine/upstream/balance/hash-table.js';
import { buildMaglev } from '../../../../engine/upstream/balance/maglev.js';
import { buildRing } from '../../../../engine/upstream/balance/ring-hash.js';

const loaded = loadAddon();
const addon = loaded.addon as Addon;
const skip = loaded.addon === null ? loaded.reason : false;

test('hashes of any range under any seed', { skip }, () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 150 }), fc.nat(9), fc.integer(), fc.integer(), (bytes, from, low, high) => {
      const start = Math.min(from, bytes.length);
      const own = new Hash64();
      const halves = new Int32Array([low, high]);
      xxHash64(own, bytes, start, bytes.length, low, high);
      addon.hash64(bytes, start, bytes.length, halves, false);
      assert.deepEqual([...halves], [own.low, own.high]);
      murmurHash2(own, bytes, start, bytes.length);
      addon.hash64(bytes, start, bytes.length, halves, true);
      assert.deepEqual([...halves], [own.low, own.high]);
    }),
  );
});

/** Up to 40 endpoints, some with the same key, with weights from even to far apart. */
const anyMembers = fc
  .array(
    fc.tuple(fc.string({ maxLength: 40 }), fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 1e6 }))),
    {
      minLength: 1,
      maxLength: 40,
    },
  )
  .map((pairs) => pairs.map(([key, weight], index): HashMember => ({ key, weight, index })));

test('rings of any endpoints and sizes', { skip }, () => {
  const anySize = fc.integer({ min: 1, max: 5000 });
  fc.assert(
    fc.property(anyMembers, anySize, anySize, fc.boolean(), (members, size, other, isMurmur) => {
      const config = {
        minimumRingSize: Math.min(size, other),
        maximumRingSize: Math.max(size, other),
        hashFunction: isMurmur ? ('MURMUR_HASH_2' as const) : ('XX_HASH' as const),
      };
      const [portable, native] = [buildRing(members, config), buildRing(members, config, addon)];
      for (const field of ['starts', 'lows', 'highs', 'owners', 'slots'] as const)
        assert.deepEqual(native[field], portable[field], field);
    }),
    { numRuns: 200 },
  );
});

test('Maglev tables of any endpoints and weights', { skip }, () => {
  fc.assert(
    fc.property(anyMembers, fc.constantFrom(2, 7, 101, 1009, 65537), (members, size) => {
      const [portable, native] = [buildMaglev(members, size), buildMaglev(members, size, addon)];
      assert.deepEqual(native.slots, portable.slots);
      assert.ok(Buffer.from(native.owners.buffer).equals(Buffer.from(portable.owners.buffer)));
    }),
    { numRuns: 200 },
  );
});

test('arrays that do not fit are refused, not written past', { skip }, () => {
  const keys = new Uint8Array(4);
  const ends = new Uint32Array([2, 4]);
  const fit = { name: 'RangeError' };
  const ring = (points: number[], shift: number, starts: number, count: number, last = 4): void =>
    addon.fillRing(
      keys,
      new Uint32Array([2, last]),
      new Uint32Array(points),
      false,
      shift,
      new Uint32Array(starts),
      new Uint32Array(count),
      new Uint32Array(count),
      new Uint16Array(count),
    );
  ring([1, 2], 30, 5, 3);
  assert.throws(() => ring([1, 3], 30, 5, 3), fit);
  assert.throws(() => ring([1, 2, 3], 30, 5, 6), fit);
  assert.throws(() => ring([1, 2], 30, 4, 3), fit);
  assert.throws(() => ring([1, 2], 0, 5, 3), fit);
  assert.throws(() => ring([1, 2], 30, 5, 3, 5), fit);
  assert.throws(() => ring([1, 2], 30, 5, 3, 1), fit);
  const maglev = (weights: number[], slots: number): void =>
    addon.fillMaglev(keys, ends, new Float64Array(weights), new Uint16Array(7), new Uint32Array(slots));
  maglev([0.5, 0.5], 2);
  assert.throws(() => maglev([0.5], 2), fit);
  assert.throws(() => maglev([0.5, 0.5], 1), fit);
  assert.throws(() => maglev([0, 1], 2), fit);
  assert.throws(() => maglev([Number.NaN, 1], 2), fit);
  assert.throws(() => addon.hash64(keys, 1, 5, new Int32Array(2), false), fit);
});
