/** Ring: Envoy's points and answers, the shares of weights and sizes, and the figures of its imbalance. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildRing, type Ring, type RingConfig } from '../../../../engine/upstream/balance/ring-hash.js';
import { hashOf, keys, members } from '../../../support/hashing.js';

const XX: RingConfig = { minimumRingSize: 1024, maximumRingSize: 8388608, hashFunction: 'XX_HASH' };

function pointsOf(ring: Ring): bigint[] {
  return Array.from(ring.highs, (high, slot) => (BigInt(high) << 32n) | BigInt(ring.lows[slot] as number));
}
function ownerOf(ring: Ring, value: bigint): number {
  const hash = hashOf(value);
  return ring.owners[ring.slotOf(hash.low, hash.high)] as number;
}

// The rings of Envoy's test/common/upstream/ring_hash_lb_test.cc: Basic, BasicWithMurmur2, BasicWithHostname, Uneven.
test("Envoy's ring of six endpoints and twelve points, and its answers", () => {
  const ring = buildRing(members([90, 91, 92, 93, 94, 95]), { ...XX, minimumRingSize: 12 });
  const wanted: [number, bigint][] = [
    [94, 833437586790550860n],
    [92, 928266305478181108n],
    [90, 1033482794131418490n],
    [95, 3551244743356806947n],
    [93, 3851675632748031481n],
    [91, 5583722120771150861n],
    [91, 6311230543546372928n],
    [93, 7700377290971790572n],
    [95, 13144177310400110813n],
    [92, 13444792449719432967n],
    [94, 15516499411664133160n],
    [90, 16117243373044804889n],
  ];
  assert.deepEqual(
    pointsOf(ring),
    wanted.map(([, point]) => point),
  );
  assert.deepEqual(
    [...ring.owners].map((owner) => owner + 90),
    wanted.map(([port]) => port),
  );
  assert.deepEqual([...ring.slots], [2, 2, 2, 2, 2, 2]);
  const answers: [bigint, number][] = [
    [0n, 4],
    [(1n << 64n) - 1n, 4],
    [3551244743356806947n, 5],
    [3551244743356806948n, 3],
    [16117243373044804880n, 0],
  ];
  for (const [hash, owner] of answers) assert.equal(ownerOf(ring, hash), owner, `${hash}`);
});

test("Envoy's ring under MurmurHash2", () => {
  const ring = buildRing(members([80, 81, 82, 83, 84, 85]), {
    ...XX,
    minimumRingSize: 12,
    hashFunction: 'MURMUR_HASH_2',
  });
  const points = pointsOf(ring);
  assert.equal(points[0], 1358027074129602068n);
  assert.equal(points.at(-1), 17613279263364193813n);
  assert.equal(ring.owners[0], 5);
  assert.equal(ring.owners.at(-1), 0);
  const answers: [bigint, number][] = [
    [1358027074129602068n, 5],
    [1358027074129602069n, 3],
    [10150910876324007730n, 2],
  ];
  for (const [hash, owner] of answers) assert.equal(ownerOf(ring, hash), owner, `${hash}`);
});

test("Envoy's ring of hostnames", () => {
  const hosts = members([90, 91, 92, 93, 94, 95]).map((member) => ({ ...member, key: member.key.slice(-2) }));
  const ring = buildRing(hosts, { ...XX, minimumRingSize: 12 });
  assert.equal(pointsOf(ring)[0], 1975508444536362413n);
  assert.deepEqual(
    [...ring.owners].map((owner) => owner + 90),
    [95, 95, 93, 94, 93, 92, 90, 92, 91, 90, 91, 94],
  );
});

test('sizes: whole points for the lightest endpoint, never more than the maximum', () => {
  assert.deepEqual(pointsOf(buildRing(members([80, 81]), { ...XX, minimumRingSize: 3 })), [
    5454692015285649509n,
    7859399908942313493n,
    13838424394637650569n,
    16064866803292627174n,
  ]);
  const tiny = buildRing(members([90, 91, 92], [1, 2, 3]), { ...XX, minimumRingSize: 6, maximumRingSize: 6 });
  assert.deepEqual([...tiny.slots], [1, 2, 3]);
  assert.deepEqual([...tiny.owners], [2, 2, 1, 1, 2, 0]);
  // More endpoints than points: those that come too late have none.
  const short = buildRing(members([1, 2, 3, 4]), { ...XX, minimumRingSize: 2, maximumRingSize: 2 });
  assert.equal(short.owners.length, 2);
});

test("Envoy's weighted ring of 6144 points: its counts over 6000 even hashes", () => {
  const ring = buildRing(members([90, 91, 92], [1, 2, 3]), { ...XX, minimumRingSize: 6144 });
  assert.deepEqual([...ring.slots], [1024, 2048, 3072]);
  const counts = [0, 0, 0];
  const step = ((1n << 64n) - 1n) / 6000n;
  for (let i = 0n; i < 6000n; i++) {
    const owner = ownerOf(ring, i * step);
    counts[owner] = (counts[owner] as number) + 1;
  }
  assert.deepEqual(counts, [987, 1932, 3081]);
});

test('every hash belongs to the first point at or after it, as a scan over all points finds', () => {
  for (const size of [1, 2, 3, 100, 5000]) {
    const ring = buildRing(members([1, 2, 3, 4, 5, 6, 7]), { ...XX, minimumRingSize: size });
    const points = pointsOf(ring);
    const sorted = [...points].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    assert.deepEqual(points, sorted);
    for (const hash of keys(500)) {
      const value = (BigInt(hash.high >>> 0) << 32n) | BigInt(hash.low >>> 0);
      const wanted = points.findIndex((point) => point >= value);
      assert.equal(ring.slotOf(hash.low, hash.high), wanted < 0 ? 0 : wanted);
    }
    for (const [slot, point] of points.entries()) assert.equal(ownerOf(ring, point), ring.owners[slot]);
  }
});

test('imbalance falls with the points per endpoint: the deviation is about 1 / sqrt(points)', () => {
  // Shares of the circle itself, not of sampled keys.
  const deviation = (endpoints: number, size: number): { max: number; sd: number } => {
    const ports = Array.from({ length: endpoints }, (_, i) => 1000 + i);
    const ring = buildRing(members(ports), { ...XX, minimumRingSize: size });
    const points = pointsOf(ring);
    const shares = new Float64Array(endpoints);
    points.forEach((point, slot) => {
      const before = slot === 0 ? (points.at(-1) as bigint) - (1n << 64n) : (points[slot - 1] as bigint);
      const owner = ring.owners[slot] as number;
      shares[owner] = (shares[owner] as number) + (Number(point - before) / 2 ** 64) * endpoints;
    });
    const sd = Math.sqrt(shares.reduce((sum, share) => sum + (share - 1) ** 2, 0) / endpoints);
    return { max: Math.max(...shares), sd };
  };
  const small = deviation(100, 1024);
  const large = deviation(100, 100000);
  assert.ok(small.sd > 0.22 && small.sd < 0.38, `${small.sd} with 11 points each`);
  assert.ok(small.max > 1.5 && small.max < 2.3, `${small.max}`);
  assert.ok(large.sd > 0.025 && large.sd < 0.04, `${large.sd} with 1000 points each`);
  assert.ok(large.max < 1.12, `${large.max}`);
});
