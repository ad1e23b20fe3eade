/** CIDR ranges and IPv4 literals. */
import assert from 'node:assert/strict';
import { BlockList, isIPv4 } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { CidrList, parseIpv4 } from '../../../engine/http/cidr.js';

function parse(text: string): number {
  const bytes = Buffer.from(text, 'latin1');
  return parseIpv4(bytes, 0, bytes.length);
}

test('literals as the platform reads them', () => {
  assert.equal(parse('10.0.0.1'), 0x0a000001);
  assert.equal(parse('255.255.255.255'), 0xffffffff);
  const octet = fc.oneof(fc.nat(300).map(String), fc.constantFrom('', '00', '01', '0', 'a', '-1', ' 1', '1000'));
  fc.assert(
    fc.property(fc.array(octet, { minLength: 3, maxLength: 5 }), (octets) => {
      const text = octets.join('.');
      assert.equal(parse(text) >= 0, isIPv4(text), text);
    }),
    { numRuns: 2000 },
  );
});

test('ranges as the platform checks them', () => {
  const address = fc.tuple(fc.nat(3), fc.nat(255), fc.nat(255), fc.nat(255)).map((octets) => octets.join('.'));
  fc.assert(
    fc.property(fc.array(fc.tuple(address, fc.nat(32)), { maxLength: 4 }), address, (ranges, host) => {
      const theirs = new BlockList();
      for (const [prefix, bits] of ranges) theirs.addSubnet(prefix, bits, 'ipv4');
      const ours = new CidrList(ranges.map(([prefix, bits]) => `${prefix}/${bits}`));
      assert.equal(ours.contains(host), theirs.check(host, 'ipv4'));
    }),
    { numRuns: 500 },
  );
  const six = new CidrList(['fd00::/8', '192.0.2.1']);
  assert.equal(six.contains('fd12::1'), true);
  assert.equal(six.contains('fe80::1'), false);
  assert.equal(six.contains('192.0.2.1'), true);
  assert.throws(() => new CidrList(['10.0.0/8']));
});
