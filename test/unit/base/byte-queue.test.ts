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
