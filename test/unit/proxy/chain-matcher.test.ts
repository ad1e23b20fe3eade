/** ChainMatcher: Envoy's order of criteria, the most specific of each, and no way back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Address } from '../../../engine/io/transport.js';
import type { FilterChainMatchRecord } from '../../../engine/plan/chain-records.js';
import { ChainMatcher, type ConnectionFacts } from '../../../engine/proxy/chain-matcher.js';

const ANY: FilterChainMatchRecord = {
  destinationPort: 0,
  prefixRanges: [],
  serverNames: [],
  transportProtocol: '',
  applicationProtocols: [],
  directSourcePrefixRanges: [],
  sourceType: 'ANY',
  sourcePrefixRanges: [],
  sourcePorts: [],
};

function facts(changes: Partial<ConnectionFacts> = {}, from = '192.0.2.7', fromPort = 40000): ConnectionFacts {
  const remoteAddress: Address = { family: from.includes(':') ? 6 : 4, host: from, port: fromPort };
  return {
    localAddress: { family: 4, host: '198.51.100.1', port: 443 },
    remoteAddress,
    directAddress: remoteAddress,
    serverName: '',
    transportProtocol: 'raw_buffer',
    applicationProtocols: [],
    ...changes,
  };
}

function chosen(matches: readonly Partial<FilterChainMatchRecord>[], ...all: ConnectionFacts[]): number[] {
  const matcher = new ChainMatcher(matches.map((match) => ({ ...ANY, ...match })));
  return all.map((each) => matcher.choose(each));
}
const name = (serverName: string): ConnectionFacts => facts({ serverName, transportProtocol: 'tls' });

test('names: exact, then the longest wildcard, then no name at all', () => {
  const matches = [
    { serverNames: ['a.example.com'] },
    { serverNames: ['*.example.com'] },
    { serverNames: ['*.com', 'b.org'] },
    {},
  ];
  const names = ['a.example.com', 'b.example.com', 'x.y.example.com', 'example.com', 'com', 'b.org', 'c.org', ''];
  assert.deepEqual(chosen(matches, ...names.map(name)), [0, 1, 1, 2, 3, 2, 3, 3]);
});

test('no way back: what is more specific at an early step wins, also when it fails later', () => {
  const matches = [
    { serverNames: ['a.com'], transportProtocol: 'raw_buffer' as const },
    { serverNames: ['*.com'] },
    {},
  ];
  assert.deepEqual(chosen(matches, name('a.com'), name('b.com')), [-1, 1]);
  // The port comes before the name.
  const ports = [{ destinationPort: 443, serverNames: ['x'] }, { serverNames: ['y'] }];
  assert.deepEqual(chosen(ports, name('y'), name('x')), [-1, 0]);
});

test('addresses: the longest prefix; mapped ones are IPv4', () => {
  const matches = [
    { prefixRanges: ['198.51.100.0/24'] },
    { prefixRanges: ['198.51.100.1/32', '2001:db8::/32'] },
    { prefixRanges: ['0.0.0.0/0'] },
  ];
  const to = (host: string): ConnectionFacts =>
    facts({ localAddress: { family: host.includes(':') ? 6 : 4, host, port: 1 } });
  const hosts = ['198.51.100.1', '198.51.100.2', '203.0.113.1', '::ffff:198.51.100.2', '2001:db8::1', '::1'];
  assert.deepEqual(chosen(matches, ...hosts.map(to)), [1, 0, 2, 0, 1, -1]);
  const sources = [
    { sourcePrefixRanges: ['192.0.2.0/24'] },
    { sourcePrefixRanges: ['192.0.2.0/25'], sourcePorts: [9] },
    {},
  ];
  assert.deepEqual(chosen(sources, facts(), facts({}, '192.0.2.7', 9), facts({}, '192.0.2.200')), [-1, 1, 0]);
  const direct = [{ directSourcePrefixRanges: ['192.0.2.0/24'] }, {}];
  assert.deepEqual(chosen(direct, facts(), facts({}, '203.0.113.5')), [0, 1]);
  const unix = facts({ localAddress: { family: 'unix', host: '/x', port: 0 } });
  assert.deepEqual(chosen([{ prefixRanges: ['0.0.0.0/0'] }, {}], unix), [1]);
});

test("protocols: of the transport, and the client's first choice", () => {
  const matches = [
    { transportProtocol: 'tls' as const, applicationProtocols: ['h2'] },
    { transportProtocol: 'tls' as const, applicationProtocols: ['http/1.1', 'x'] },
    { transportProtocol: 'tls' as const },
    { transportProtocol: 'raw_buffer' as const },
  ];
  const offers = (...applicationProtocols: string[]): ConnectionFacts =>
    facts({ transportProtocol: 'tls', applicationProtocols });
  assert.deepEqual(
    chosen(matches, offers('http/1.1', 'h2'), offers('h2', 'x'), offers('y'), offers(), facts()),
    [1, 0, 2, 2, 3],
  );
});

test('where from: this host, or elsewhere', () => {
  const matches = [{ sourceType: 'SAME_IP_OR_LOOPBACK' as const }, { sourceType: 'EXTERNAL' as const }, {}];
  assert.deepEqual(
    chosen(matches, facts(), facts({}, '127.0.0.9'), facts({}, '::1'), facts({}, '198.51.100.1')),
    [1, 0, 0, 0],
  );
  assert.deepEqual(chosen([{ sourceType: 'SAME_IP_OR_LOOPBACK' as const }, {}], facts()), [1]);
});
