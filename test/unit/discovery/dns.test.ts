/** DNS discovery: who is asked and when, what stays when there is no answer, and which addresses are used. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { chooseAddresses, DnsDiscovery, type DnsQuestion } from '../../../engine/discovery/dns.js';
import type { FoundAddress } from '../../../engine/discovery/lookup.js';

beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
afterEach(() => mock.timers.reset());

/** Answers are given by hand, or none ever. */
class Resolver {
  readonly asked: string[] = [];
  answer: (host: string) => Promise<readonly FoundAddress[]> = () => Promise.resolve([]);
  changes = 0;
  readonly troubles: string[] = [];
  readonly lookups: string[] = [];
  readonly dns = new DnsDiscovery(
    () => {
      this.changes++;
    },
    {
      lookUp: (host, _family, respectsTtl) => {
        this.asked.push(`${host}${respectsTtl ? ' ttl' : ''}`);
        return this.answer(host);
      },
      onTrouble: (message) => this.troubles.push(message),
      onLookup: (key, what) => this.lookups.push(`${key} ${what}`),
      firstAnswerMs: 5000,
    },
  );
}

function four(...addresses: string[]): FoundAddress[] {
  return addresses.map((address) => ({ address, family: 4 }));
}
function questions(...list: [string, Partial<DnsQuestion>?][]): Map<string, DnsQuestion> {
  return new Map(list.map(([host, more]) => [host, { host, family: 'AUTO', refreshMs: 1000, ...more }]));
}
/** Time goes by, and what waits for it happens; the jitter is at most a tenth. */
async function pass(milliseconds: number): Promise<void> {
  mock.timers.tick(milliseconds);
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

test('the first answers are waited for; then names are asked at their pace', async () => {
  const resolver = new Resolver();
  resolver.answer = () => Promise.resolve(four('10.0.0.1'));
  await resolver.dns.watch(questions(['a'], ['b', { refreshMs: 10000 }]));
  assert.deepEqual(resolver.dns.answers.get('a'), { addresses: ['10.0.0.1'], failed: false });
  assert.deepEqual(resolver.asked, ['a', 'b']);
  await pass(999);
  assert.equal(resolver.asked.length, 2);
  for (let i = 0; i < 4; i++) await pass(1100);
  assert.deepEqual(resolver.asked.slice(2), ['a', 'a', 'a', 'a']);
  assert.equal(resolver.changes, 0);
});

test('a change is told once; another order of the same addresses is none', async () => {
  const resolver = new Resolver();
  resolver.answer = () => Promise.resolve(four('10.0.0.2', '10.0.0.1'));
  await resolver.dns.watch(questions(['a']));
  resolver.answer = () => Promise.resolve(four('10.0.0.1', '10.0.0.2'));
  await pass(1100);
  assert.equal(resolver.changes, 0);
  resolver.answer = () => Promise.resolve(four('10.0.0.3'));
  await pass(1100);
  await pass(1100);
  assert.equal(resolver.changes, 1);
  assert.deepEqual(resolver.dns.answers.get('a')?.addresses, ['10.0.0.3']);
});

test('without an answer the last good list stays, and it is said once', async () => {
  const resolver = new Resolver();
  resolver.answer = () => Promise.resolve(four('10.0.0.1'));
  await resolver.dns.watch(questions(['a']));
  resolver.answer = () => Promise.reject(Object.assign(new Error('timed out'), { code: 'ETIMEOUT' }));
  await pass(1100);
  await pass(1100);
  assert.deepEqual(resolver.dns.answers.get('a'), { addresses: ['10.0.0.1'], failed: true });
  assert.equal(resolver.changes, 0);
  resolver.answer = () => Promise.resolve(four('10.0.0.1'));
  await pass(1100);
  assert.deepEqual(resolver.troubles, ['a: timed out; its 1 endpoints stay', 'a: found again']);
});

test('look-ups are told apart: an answer, a resolver that fails, an answer without addresses', async () => {
  const resolver = new Resolver();
  resolver.answer = () => Promise.resolve(four('10.0.0.1'));
  await resolver.dns.watch(questions(['a']));
  resolver.answer = () => Promise.reject(Object.assign(new Error('timed out'), { code: 'ETIMEOUT' }));
  await pass(1100);
  resolver.answer = () => Promise.reject(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }));
  await pass(1100);
  resolver.answer = () => Promise.resolve([]);
  await pass(1100);
  const ends = resolver.lookups.filter((each) => each !== 'a attempt');
  assert.deepEqual(ends, ['a success', 'a failure', 'a empty', 'a empty']);
  assert.equal(resolver.lookups.length, 8);
});

test('a resolver that never answers does not keep anybody waiting for ever', async () => {
  const resolver = new Resolver();
  resolver.answer = () => new Promise(() => {});
  let isOver = false;
  const watched = resolver.dns.watch(questions(['a'])).then(() => {
    isOver = true;
  });
  await pass(4999);
  assert.equal(isOver, false);
  await pass(1);
  await watched;
  assert.deepEqual(resolver.dns.answers.get('a'), { addresses: [], failed: true });
});

test('with respect_dns_ttl the next question comes when the shortest time to live is over, a second at least', async () => {
  const resolver = new Resolver();
  const withTtl = (...ttls: number[]): FoundAddress[] =>
    ttls.map((ttlMs, at) => ({ address: `10.0.0.${at}`, family: 4, ttlMs }));
  resolver.answer = () => Promise.resolve(withTtl(60000, 30000));
  await resolver.dns.watch(questions(['a', { refreshMs: 5000, respectsTtl: true }]));
  await pass(29999);
  assert.deepEqual(resolver.asked, ['a ttl']);
  resolver.answer = () => Promise.resolve(withTtl(0));
  await pass(3001);
  assert.equal(resolver.asked.length, 2);
  await pass(999);
  assert.equal(resolver.asked.length, 2);
  resolver.answer = () => Promise.reject(new Error('down'));
  await pass(101);
  assert.equal(resolver.asked.length, 3);
  // A failure has no time to live: the pace is dns_refresh_rate's.
  await pass(4999);
  assert.equal(resolver.asked.length, 3);
  await pass(501);
  assert.equal(resolver.asked.length, 4);
});

test('names that are no longer asked for are forgotten; an answer that is under way is dropped', async () => {
  const resolver = new Resolver();
  let late: (found: readonly FoundAddress[]) => void = () => {};
  resolver.answer = (host) =>
    host === 'a' ? Promise.resolve(four('10.0.0.1')) : new Promise((resolve) => (late = resolve));
  const watched = resolver.dns.watch(questions(['a'], ['b']));
  await pass(5000);
  await watched;
  await resolver.dns.watch(questions(['a']));
  late(four('10.0.0.9'));
  await pass(0);
  assert.equal(resolver.dns.answers.has('b'), false);
  const before = resolver.asked.length;
  await resolver.dns.watch(new Map());
  await pass(100000);
  assert.equal(resolver.asked.length, before);
  assert.equal(resolver.dns.answers.size, 0);
});

test('families: what is wanted, IPv6 only where it can be reached, the first stays first', () => {
  const both: FoundAddress[] = [...four('10.0.0.2', '10.0.0.1'), { address: '::2', family: 6 }];
  const choose = (family: DnsQuestion['family'], first = '', reach = true): string[] =>
    chooseAddresses(both, family, first, () => reach);
  assert.deepEqual(choose('V4_ONLY'), ['10.0.0.2', '10.0.0.1']);
  assert.deepEqual(choose('V4_ONLY', '10.0.0.1'), ['10.0.0.1', '10.0.0.2']);
  assert.deepEqual(choose('V6_ONLY'), ['::2']);
  assert.deepEqual(choose('V4_PREFERRED'), ['10.0.0.2', '10.0.0.1']);
  assert.deepEqual(choose('ALL').length, 3);
  assert.deepEqual(choose('AUTO'), ['::2']);
  assert.deepEqual(choose('AUTO', '', false), ['10.0.0.2', '10.0.0.1']);
  assert.deepEqual(chooseAddresses([...both, ...both], 'V4_ONLY', ''), ['10.0.0.2', '10.0.0.1'], 'each once');
});
