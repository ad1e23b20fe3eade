/** multiplyHigh and carry: the same as BigInt over any 32-bit numbers, and at the edges. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { carry, multiplyHigh } from '../../../engine/base/multiply-high.js';

const any32 = fc.oneof(fc.integer(), fc.constantFrom(0, 1, -1, 0x7fffffff, -0x80000000, 0xffff, 0x10000, -0x10000));

test('the upper half of every product, and the carry of every sum', () => {
  fc.assert(
    fc.property(any32, any32, (a, b) => {
      const product = BigInt(a >>> 0) * BigInt(b >>> 0);
      assert.equal(multiplyHigh(a, b), Number(BigInt.asIntN(32, product >> 32n)));
      const sum = BigInt(a >>> 0) + BigInt(b >>> 0);
      assert.equal(carry((a + b) | 0, b), Number(sum >> 32n));
    }),
    { numRuns: 5000 },
  );
});
