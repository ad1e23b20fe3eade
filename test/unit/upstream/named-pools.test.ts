/** NamedPools: one set of pools for each host and protocol, however it is written; bounded; along with new lists. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Head } from '../../../engine/http/head.js';
import { NamedPools } from '../../../engine/upstream/named-pools.js';
import { newHead } from '../../support/fake-conn.js';
import { endpointRecord, UpstreamHarness } from '../../support/upstream-harness.js';

function asking(authority: string): Head {
  const head = newHead();
  const bytes = Buffer.from(authority);
  head.setAuthority(bytes, 0, bytes.length);
  return head;
}

function make(): NamedPools {
  const pools = new NamedPools(new UpstreamHarness().cluster);
  pools.place([endpointRecord(0), endpointRecord(1)]);
  return pools;
}

test('by host without port, in any letters; by protocol and endpoint', () => {
  const pools = make();
  const a = pools.pool(0, 'HTTP1', asking('a.example'));
  for (const authority of ['a.example', 'A.example', 'a.example:80', 'a.example:'])
    assert.equal(pools.pool(0, 'HTTP1', asking(authority)), a, authority);
  assert.equal(a.host, 'a.example');
  assert.notEqual(pools.pool(1, 'HTTP1', asking('a.example')), a);
  assert.notEqual(pools.pool(0, 'HTTP2', asking('a.example')), a);
  assert.notEqual(pools.pool(0, 'HTTP1', asking('b.example')), a);
  assert.equal(pools.pool(0, 'HTTP1', asking('[2001:db8::1]:443')).host, '2001:db8::1');
  assert.equal(pools.pool(0, 'HTTP1', asking('192.0.2.1:443')).host, '192.0.2.1');
});

test('pools live on over a new list, and move with their endpoint', () => {
  const pools = make();
  const first = pools.pool(1, 'HTTP1', asking('a'));
  pools.place([endpointRecord(1)]);
  assert.equal(pools.pool(0, 'HTTP1', asking('a')), first);
});

test('of too many names the oldest goes', () => {
  const pools = make();
  const oldest = pools.pool(0, 'HTTP1', asking('n0'));
  for (let i = 1; i <= 1024; i++) pools.pool(0, 'HTTP1', asking(`n${i}`));
  const again = pools.pool(0, 'HTTP1', asking('n1024'));
  assert.equal(again.host, 'n1024');
  assert.notEqual(pools.pool(0, 'HTTP1', asking('n0')), oldest);
});
