/** AddressIndex: every address leads to its endpoint, and nothing else does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Address } from '../../../engine/io/transport.js';
import { AddressIndex } from '../../../engine/upstream/address-index.js';
import { endpointRecord } from '../../support/upstream-harness.js';

const find = (index: AddressIndex, text: string): number => index.find(Buffer.from(text), text.length);
const at = (host: string, port: number, family: Address['family'] = 4): Address => ({ family, host, port });

test('addresses of every family', () => {
  const addresses = [at('10.0.0.1', 80), at('::1', 80, 6), at('/run/a.sock', 0, 'unix')];
  const index = new AddressIndex(addresses.map((address, i) => endpointRecord(i, { address })));
  assert.deepEqual(
    ['10.0.0.1:80', '[::1]:80', '/run/a.sock', '10.0.0.1:8', '10.0.0.1:800', '', '::1:80'].map((text) =>
      find(index, text),
    ),
    [0, 1, 2, -1, -1, -1, -1],
  );
  assert.equal(index.find(Buffer.from('10.0.0.1:8080'), 11), 0, 'the length given counts');
});

test('thousands, and none; the first of equal ones', () => {
  const records = Array.from({ length: 3000 }, (_, i) =>
    endpointRecord(i, { address: at(`10.0.${i >> 8}.${i & 255}`, 80) }),
  );
  const index = new AddressIndex(records);
  for (const [i, { address }] of records.entries()) assert.equal(find(index, `${address.host}:80`), i);
  assert.equal(find(index, '10.1.0.0:80'), -1);
  assert.equal(find(new AddressIndex([]), '10.0.0.0:80'), -1);
  assert.equal(find(new AddressIndex([endpointRecord(0), endpointRecord(0)]), addressOf(endpointRecord(0).address)), 0);
});

function addressOf({ host, port }: Address): string {
  return `${host}:${port}`;
}
