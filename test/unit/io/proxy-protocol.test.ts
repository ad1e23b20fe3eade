/** PROXY preface: what is read and refused, and that what is written is read again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  PREFACE_BAD,
  PREFACE_MORE,
  PREFACE_NONE,
  ProxyPreface,
  writePreface,
} from '../../../engine/io/proxy-protocol.js';
import type { Address } from '../../../engine/io/transport.js';

function read(bytes: Uint8Array): { consumed: number; preface: ProxyPreface } {
  const preface = new ProxyPreface();
  // Between bytes that are not its own.
  const lent = new Uint8Array(bytes.length + 20).fill(0x50);
  lent.set(bytes, 10);
  return { consumed: preface.read(lent, 10, 10 + bytes.length), preface };
}

const latin1 = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const V2 = '\r\n\r\n\0\r\nQUIT\n';

test('version 1 names both ends', () => {
  const line = 'PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n';
  const { consumed, preface } = read(latin1(`${line}GET /`));
  assert.equal(consumed, line.length);
  assert.deepEqual(preface.source, { family: 4, host: '192.0.2.1', port: 56324 });
  assert.deepEqual(preface.destination, { family: 4, host: '198.51.100.2', port: 443 });
});

test('UNKNOWN and LOCAL say nothing of the client', () => {
  for (const text of [
    'PROXY UNKNOWN\r\n',
    'PROXY UNKNOWN ffff:: :: 1 2\r\n',
    `${V2}\x20\0\0\0`,
    `${V2}\x20\x11\0\x02ab`,
  ]) {
    const { consumed, preface } = read(latin1(text));
    assert.equal(consumed, text.length, JSON.stringify(text));
    assert.equal(preface.source, null);
  }
});

test('version 2 names both ends, and TLVs are passed over', () => {
  const { consumed, preface } = read(latin1(`${V2}\x21\x11\0\x10\x0a\0\0\x01\x0a\0\0\x02\x1f\x90\0\x50\x04\0\x01x`));
  assert.equal(consumed, 32);
  assert.deepEqual(preface.source, { family: 4, host: '10.0.0.1', port: 8080 });
  assert.deepEqual(preface.destination, { family: 4, host: '10.0.0.2', port: 80 });
});

test('version 2 names the paths of unix sockets', () => {
  const path = (text: string): string => text.padEnd(108, '\0');
  const { preface } = read(latin1(`${V2}\x21\x31\0\xd8${path('/run/a')}${path('/run/b')}`));
  assert.deepEqual(preface.source, { family: 'unix', host: '/run/a', port: 0 });
});

const REFUSED: readonly string[] = [
  'PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n',
  'PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 \r\n',
  'PROXY TCP4 192.0.2.1 198.51.100.2 056324 443\r\n',
  'PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n',
  'PROXY TCP4 192.0.2.1 198.51.100.2 -1 443\r\n',
  'PROXY TCP4 192.0.2.256 198.51.100.2 1 443\r\n',
  'PROXY TCP4 ::1 ::1 1 443\r\n',
  'PROXY TCP6 192.0.2.1 198.51.100.2 1 443\r\n',
  'PROXY TCP5 192.0.2.1 198.51.100.2 1 443\r\n',
  'PROXY TCP4 192.0.2.1 198.51.100.2 1 443\n',
  'PROXY  TCP4 192.0.2.1 198.51.100.2 1 443\r\n',
  `PROXY ${'x'.repeat(120)}`,
  `${V2}\x11\x11\0\x0caaaabbbbccdd`,
  `${V2}\x22\x11\0\x0caaaabbbbccdd`,
  `${V2}\x21\x11\0\x0baaaabbbbccd`,
  `${V2}\x21\x12\0\x0caaaabbbbccdd`,
  `${V2}\x21\x41\0\x0caaaabbbbccdd`,
  `${V2}\x21\x21\0\x0caaaabbbbccdd`,
  `${V2}\x21\x11\xff\xff`,
];

test('a preface that is none is refused', () => {
  for (const text of REFUSED) assert.equal(read(latin1(text)).consumed, PREFACE_BAD, JSON.stringify(text));
});

test('other bytes are no preface', () => {
  for (const text of ['GET / HTTP/1.1\r\n', 'PROXX', '\x16\x03\x01', '\r\n\r\nGET'])
    assert.equal(read(latin1(text)).consumed, PREFACE_NONE, JSON.stringify(text));
});

const port = fc.integer({ min: 0, max: 65535 });
const pair: fc.Arbitrary<[Address, Address]> = fc.oneof(
  ...([4, 6] as const).map((family) => {
    const host = family === 4 ? fc.ipV4() : fc.ipV6();
    const address = fc.record({ family: fc.constant(family), host, port });
    return fc.tuple(address, address) as fc.Arbitrary<[Address, Address]>;
  }),
);

/** The same address, however it is spelt. */
const spelt = ({ family, host, port: at }: Address): string =>
  family === 6 ? `${new URL(`http://[${host}]`).hostname} ${at}` : `${host} ${at}`;

test('what is written is read again, and every beginning of it asks for more', () => {
  fc.assert(
    fc.property(pair, fc.constantFrom(1 as const, 2 as const), ([source, destination], version) => {
      const bytes = writePreface(version, { source, destination });
      const { consumed, preface } = read(bytes);
      assert.equal(consumed, bytes.length);
      assert.equal(preface.version, version);
      assert.equal(spelt(preface.source as Address), spelt(source));
      assert.equal(spelt(preface.destination as Address), spelt(destination));
      for (let cut = 0; cut < bytes.length; cut++) assert.equal(read(bytes.subarray(0, cut)).consumed, PREFACE_MORE);
    }),
  );
});

test('ends that one preface cannot name are left out', () => {
  const four: Address = { family: 4, host: '10.0.0.1', port: 1 };
  const six: Address = { family: 6, host: '::1', port: 1 };
  const unix: Address = { family: 'unix', host: '/run/a', port: 0 };
  for (const version of [1, 2] as const)
    for (const [source, destination] of [
      [four, six],
      [unix, unix],
    ] as const) {
      const bytes = writePreface(version, { source, destination });
      const { consumed, preface } = read(bytes);
      assert.equal(consumed, bytes.length);
      assert.equal(preface.source, null);
    }
});

test('of a connection of our own: UNKNOWN, LOCAL', () => {
  assert.equal(Buffer.from(writePreface(1, null)).toString(), 'PROXY UNKNOWN\r\n');
  assert.equal(Buffer.from(writePreface(2, null)).toString('latin1'), '\r\n\r\n\0\r\nQUIT\n\x20\0\0\0');
});
