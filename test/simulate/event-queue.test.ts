/** Tests of EventQueue: against a plain list, under random changes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EventQueue } from '../../bench/simulate/event-queue.js';

const SLOTS = 40;
const change = fc.record({
  slot: fc.nat(SLOTS - 1),
  // Few values, so that equal times come up.
  at: fc.oneof(fc.nat(20), fc.constant(Number.POSITIVE_INFINITY)),
});

test('the top is the earliest, the lower slot of equal ones, whatever changed before', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 300 }), (changes) => {
      const queue = new EventQueue(SLOTS);
      const times = new Array<number>(SLOTS).fill(Number.POSITIVE_INFINITY);
      for (const { slot, at } of changes) {
        queue.set(slot, at);
        times[slot] = at;
        const earliest = Math.min(...times);
        assert.equal(queue.size, times.filter((each) => each !== Number.POSITIVE_INFINITY).length);
        assert.equal(queue.timeOf(slot), at);
        if (queue.size > 0) assert.deepEqual([queue.topUs, queue.top], [earliest, times.indexOf(earliest)]);
      }
    }),
  );
});
