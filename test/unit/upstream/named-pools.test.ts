/** NamedPools: one set of pools for each host and protocol, however it is written; bounded; along with new lists. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NamedPools } from '../../../engine/upstream/named-pools.js';
import type { Pool } from '../../../engine/upstream/pool.js';
import { endpointRecord, UpstreamHarness } from '../../support/upstream-harness.js';

function at(pools: NamedPools, index: number, protocol: 'HTTP1' | 'HTTP2', authority: string): Pool {
  const bytes = Buffer.from(authority);
  return pools.pool(index, protocol, bytes, 0, bytes.length);
}

function make(): NamedPools {
  const pools = new NamedPools(new UpstreamHarness().cluster);
  pools.place([endpointRecord(0), endpointRecord(1)]);
  return pools;
}

test('by host without port, in any letters; by protocol and endpoint', () => {
  const pools = make();
  const a = at(pools, 0, 'HTTP1', 'a.example');
  for (const authority of ['a.example', 'A.example', 'a.example:80', 'a.example:'])
    assert.equal(at(pools, 0, 'HTTP1', authority), a, authority);
  assert.equal(a.host, 'a.example');
  assert.notEqual(at(pools, 1, 'HTTP1', 'a.example'), a);
  assert.notEqual(at(pools, 0, 'HTTP2', 'a.example'), a);
  assert.notEqual(at(pools, 0, 'HTTP1', 'b.example'), a);
  assert.equal(at(pools, 0, 'HTTP1', '[2001:db8::1]:443').host, '2001:db8::1');
  assert.equal(at(pools, 0, 'HTTP1', '192.0.2.1:443').host, '192.0.2.1');
});

test('pools live on over a new list, and move with their endpoint', () => {
  const pools = make();
  const first = at(pools, 1, 'HTTP1', 'a');
  pools.place([endpointRecord(1)]);
  assert.equal(at(pools, 0, 'HTTP1', 'a'), first);
});

test('of too many names the oldest goes', () => {
  const pools = make();
  const oldest = at(pools, 0, 'HTTP1', 'n0');
  for (let i = 1; i <= 1024; i++) at(pools, 0, 'HTTP1', `n${i}`);
  const again = at(pools, 0, 'HTTP1', 'n1024');
  assert.equal(again.host, 'n1024');
  assert.notEqual(at(pools, 0, 'HTTP1', 'n0'), oldest);
});
