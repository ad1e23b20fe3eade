/** ByteQueue: what goes in comes out, in order, and what was lent stays as it was. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteQueue } from '../../../engine/base/byte-queue.js';

test('in order, however it is cut', () => {
  const step = fc.oneof(
    fc.tuple(fc.constant('push'), fc.integer({ min: 0, max: 40000 })),
    fc.tuple(fc.constant('drop'), fc.integer({ min: 1, max: 20000 })),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new ByteQueue();
      let pushed = 0;
      let taken = 0;
      const lent: [Uint8Array, number, number, number][] = [];
      for (const [what, count] of steps) {
        if (what === 'push') {
          const bytes = Uint8Array.from({ length: count + 2 }, (_, i) => (pushed + i - 1) % 251);
          queue.push(bytes, 1, count + 1);
          bytes.fill(0xaa);
          pushed += count;
        } else if (queue.length > 0) {
          const from = queue.frontStart;
          const size = Math.min(count, queue.frontEnd - from);
          lent.push([queue.front, from, from + size, taken]);
          queue.drop(size);
          taken += size;
        }
        assert.equal(queue.length, pushed - taken);
      }
      for (const [bytes, from, to, at] of lent)
        for (let i = from; i < to; i++) assert.equal(bytes[i], (at + i - from) % 251);
    }),
    { numRuns: 60 },
  );
});

test('chunks that are spent or cleared are used again, by any queue, and hold what comes then', () => {
  const big = (seed: number): Uint8Array => Uint8Array.from({ length: 40000 }, (_, i) => (seed + i) % 251);
  const takeAll = (queue: ByteQueue): { bytes: number[]; chunks: Uint8Array[] } => {
    const bytes: number[] = [];
    const chunks: Uint8Array[] = [];
    while (queue.length > 0) {
      const from = queue.frontStart;
      const half = Math.ceil((queue.frontEnd - from) / 2);
      bytes.push(...queue.front.subarray(from, from + half));
      chunks.push(queue.front);
      queue.spend(half);
    }
    return { bytes, chunks };
  };
  const first = new ByteQueue();
  first.push(big(1), 0, 40000);
  const spent = takeAll(first);
  assert.deepEqual(spent.bytes, [...big(1)]);
  const second = new ByteQueue();
  const third = new ByteQueue();
  second.push(big(2), 0, 40000);
  third.push(big(3), 0, 16384);
  const again = takeAll(second);
  assert.deepEqual(again.bytes, [...big(2)]);
  assert.ok(again.chunks.every((chunk) => spent.chunks.includes(chunk)));
  const front = third.front;
  third.clear();
  assert.equal(third.length, 0);
  first.push(big(4), 0, 40000);
  assert.equal(first.front, front);
  assert.deepEqual(takeAll(first).bytes, [...big(4)]);
});
