/** Look-ups with times to live: of DNS, but never half an answer, and never past the hosts file. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { lookUpWithTtl, type TtlSources } from '../../../engine/discovery/lookup.js';

const directory = mkdtempSync(join(tmpdir(), 'millrace-hosts-'));
after(() => rmSync(directory, { recursive: true }));
const hostsPath = join(directory, 'hosts');
writeFileSync(hostsPath, '127.0.0.1 localhost # not.this\n10.9.9.9\tKnown.Test other\n');

type Records = { address: string; ttl: number }[] | string;

function sources(v4: Records, v6: Records): TtlSources {
  const answer = (records: Records): Promise<never> =>
    typeof records === 'string'
      ? Promise.reject(Object.assign(new Error(records), { code: records }))
      : Promise.resolve(records as never);
  return {
    hostsPath,
    resolver: { resolve4: () => answer(v4), resolve6: () => answer(v6) } as unknown as TtlSources['resolver'],
    bySystem: () => Promise.resolve([{ address: '10.0.0.99', family: 4 }]),
  };
}
const BY_SYSTEM = [{ address: '10.0.0.99', family: 4 }];
const A = [{ address: '10.0.0.1', ttl: 30 }];
const AAAA = [{ address: '::1', ttl: 60 }];

test('both families with their times', async () => {
  assert.deepEqual(await lookUpWithTtl('a.test', 'AUTO', sources(A, AAAA)), [
    { address: '10.0.0.1', family: 4, ttlMs: 30000 },
    { address: '::1', family: 6, ttlMs: 60000 },
  ]);
  assert.deepEqual(await lookUpWithTtl('a.test', 'V6_ONLY', sources(A, AAAA)), [
    { address: '::1', family: 6, ttlMs: 60000 },
  ]);
});

test('a family that has no address is an answer; one whose server failed is none', async () => {
  const only4 = [{ address: '10.0.0.1', family: 4, ttlMs: 30000 }];
  assert.deepEqual(await lookUpWithTtl('a.test', 'AUTO', sources(A, 'ENODATA')), only4);
  assert.deepEqual(await lookUpWithTtl('a.test', 'AUTO', sources(A, 'ETIMEOUT')), BY_SYSTEM);
  assert.deepEqual(await lookUpWithTtl('a.test', 'AUTO', sources('ENOTFOUND', 'ENOTFOUND')), BY_SYSTEM);
  assert.deepEqual(await lookUpWithTtl('a.test', 'V4_ONLY', sources(A, 'ETIMEOUT')), only4);
});

test('names of the hosts file are taken from there, comments are none', async () => {
  assert.deepEqual(await lookUpWithTtl('known.test', 'AUTO', sources(A, AAAA)), BY_SYSTEM);
  assert.deepEqual(await lookUpWithTtl('OTHER', 'AUTO', sources(A, AAAA)), BY_SYSTEM);
  assert.equal((await lookUpWithTtl('not.this', 'AUTO', sources(A, AAAA))).length, 2);
});
