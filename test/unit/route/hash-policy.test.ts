/** HashPolicies: what each policy hashes, how several are mixed, and the cookies that are given out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Hash64 } from '../../../engine/base/hash64.js';
import { Prng } from '../../../engine/base/prng.js';
import { xxHash64 } from '../../../engine/base/xxhash64.js';
import { N } from '../../../engine/http/names.js';
import type { HashPolicyRecord } from '../../../engine/plan/hash-policy-record.js';
import { type HashedRequest, HashPolicies } from '../../../engine/route/hash-policy.js';
import { requestHead, requestView } from '../../support/routes.js';

// Envoy's generateHash() for these requests is xxHash64 of the value; config_impl_test.cc has that of "bar"'s header.
const FOO = 3728699739546630719n;
const BAR = 5234164152756840025n;
const EMPTY = 17241709254077376921n;

const bits = (hash: Hash64): bigint => (BigInt(hash.high >>> 0) << 32n) | BigInt(hash.low >>> 0);

function xx(text: string, seed = 0n): bigint {
  const hash = new Hash64();
  const bytes = Buffer.from(text);
  xxHash64(hash, bytes, 0, bytes.length, Number(BigInt.asIntN(32, seed)), Number(BigInt.asIntN(32, seed >> 32n)));
  return bits(hash);
}

const rotated = (hash: bigint): bigint => BigInt.asUintN(64, (hash << 1n) | (hash >> 63n));

interface Asked {
  readonly fields?: string;
  readonly target?: string;
  readonly method?: string;
  readonly remote?: HashedRequest['remoteAddress'];
}

function request({ fields = '', target = '/', method = 'GET', remote }: Asked): HashedRequest {
  const view = requestView(requestHead(target, 'a.example', fields, method), {
    remoteAddress: remote ?? { family: 4, host: '4.3.2.1', port: 0 },
  });
  return Object.assign(view, { newCookies: 0, cookieLow: 0, cookieHigh: 0 });
}

/** Null: nothing was hashed. */
function hash(records: readonly HashPolicyRecord[], asked: Asked = {}, x = request(asked)): bigint | null {
  const into = new Hash64();
  return new HashPolicies(records).hash(x, into, Prng.fromSeed(1)) ? bits(into) : null;
}

const header = (name: string, more: object = {}): HashPolicyRecord => ({
  kind: 'header',
  name,
  rewrite: null,
  terminal: false,
  ...more,
});
const cookie = (name: string, more: object = {}): HashPolicyRecord => ({
  kind: 'cookie',
  name,
  maxAgeSeconds: null,
  path: '',
  attributes: [],
  terminal: false,
  ...more,
});
const SOURCE: HashPolicyRecord = { kind: 'source_ip', terminal: false };

test('a header: its value, or nothing when it is missing', () => {
  assert.equal(hash([header('foo_header')], { fields: 'Foo_Header: foo\r\n' }), FOO);
  assert.equal(hash([header('user-agent')], { fields: 'User-Agent: bar\r\n' }), BAR);
  assert.equal(hash([header('foo_header')], { fields: 'foo_header:\r\n' }), EMPTY);
  assert.equal(hash([header('foo_header')]), null);
});

test('a repeated header: each value seeds the next, in the order of their bytes', () => {
  const both = xx('foo', xx('bar'));
  assert.equal(hash([header('x')], { fields: 'X: foo\r\nX: bar\r\n' }), both);
  assert.equal(hash([header('x')], { fields: 'X: bar\r\nY: 1\r\nx: foo\r\n' }), both);
  assert.notEqual(both, xx('foo'));
  const many = Array.from(
    { length: 40 },
    (_, i) => `X: ${String.fromCharCode(60 + ((i * 7) % 40))}${'z'.repeat(i % 3)}\r\n`,
  );
  const wanted = hash([header('x')], { fields: many.join('') });
  assert.equal(hash([header('x')], { fields: many.reverse().join('') }), wanted);
  assert.equal(hash([header('x')], { fields: 'X: a\r\nX: ab\r\n' }), xx('ab', xx('a')));
});

test('a header as an expression leaves it', () => {
  const rewrite = { pattern: '^/user/([0-9]+)/.*$', substitution: '\\1' };
  assert.equal(hash([header('x', { rewrite })], { fields: 'X: /user/42/cart\r\n' }), xx('42'));
  assert.equal(hash([header('x', { rewrite })], { fields: 'X: else\r\nX: /user/7/\r\n' }), xx('else', xx('7')));
  assert.equal(hash([header('x', { rewrite })]), null);
  assert.equal(hash([header(':path', { rewrite })], { target: '/user/42/a' }), xx('42'));
  const host = { pattern: '\\..*$', substitution: '' };
  assert.equal(hash([header('host', { rewrite: host })]), xx('a'));
});

test('pseudo-headers: the method, the path with its query, the host', () => {
  assert.equal(hash([header(':path')], { target: '/a?b=c' }), xx('/a?b=c'));
  for (const name of [':authority', 'host']) assert.equal(hash([header(name)]), xx('a.example'));
  assert.equal(hash([header(':method')], { method: 'PUT' }), xx('PUT'));
  assert.equal(hash([header(':method')], { method: 'BREW' }), xx('BREW'));
});

test('the address of the client, without its port; none for a unix socket', () => {
  assert.equal(hash([SOURCE]), xx('4.3.2.1'));
  assert.equal(hash([SOURCE], { remote: { family: 4, host: '4.3.2.1', port: 99 } }), xx('4.3.2.1'));
  assert.equal(hash([SOURCE], { remote: { family: 6, host: '1:2:3:4:5::', port: 1 } }), xx('1:2:3:4:5::'));
  assert.equal(hash([SOURCE], { remote: { family: 'unix', host: '/run/a', port: 0 } }), null);
});

test('a query parameter: the first of the name, as it is written', () => {
  const policy: HashPolicyRecord[] = [{ kind: 'query_parameter', name: 'key', terminal: false }];
  assert.equal(hash(policy, { target: '/?a=1&key=foo&key=bar' }), FOO);
  assert.equal(hash(policy, { target: '/?key=%66oo' }), xx('%66oo'));
  assert.equal(hash(policy, { target: '/?key' }), EMPTY);
  assert.equal(hash(policy, { target: '/?keys=1' }), null);
  assert.equal(hash(policy, { target: '/key=foo' }), null);
});

test('a cookie: its value without quotes; an empty or missing one is none', () => {
  const policy = [cookie('session')];
  for (const fields of [
    'Cookie: session=foo\r\n',
    'Cookie: a=1; session=foo; session=bar\r\n',
    'Cookie: session="foo"\r\n',
    'Cookie: a=1;session=foo \r\n',
    'Cookie: a=1\r\nCookie: session=foo\r\n',
    'Cookie: session=; session=foo\r\n',
  ])
    assert.equal(hash(policy, { fields }), FOO, fields);
  for (const fields of [
    '',
    'Cookie: session=\r\n',
    'Cookie: session\r\n',
    'Cookie: xsession=foo\r\n',
    'Cookie: sessions=foo\r\n',
    'Cookie: SESSION=foo\r\n',
    'Cookie: session=""\r\n',
    'Cookie: ;;\r\n',
  ])
    assert.equal(hash(policy, { fields }), null, fields);
});

test('several are mixed, each turned by a bit; equal ones do not cancel out', () => {
  const fields = 'A: foo\r\nB: bar\r\n';
  assert.equal(hash([header('a'), header('b')], { fields }), rotated(FOO) ^ BAR);
  assert.equal(hash([header('a'), header('none'), header('b')], { fields }), rotated(FOO) ^ BAR);
  assert.equal(hash([header('none'), header('b')], { fields }), BAR);
  assert.equal(hash([header('a'), header('a')], { fields }), rotated(FOO) ^ FOO);
  assert.equal(hash([header('a'), header('b'), header('a')], { fields }), rotated(rotated(FOO) ^ BAR) ^ FOO);
});

test('a terminal policy ends it once there is a hash, whichever policy gave it', () => {
  const terminal = { terminal: true };
  const fields = 'A: foo\r\nB: bar\r\n';
  assert.equal(hash([header('a', terminal), header('b')], { fields }), FOO);
  assert.equal(hash([header('none', terminal), header('b')], { fields }), BAR);
  assert.equal(hash([header('a'), header('none', terminal), header('b')], { fields }), FOO);
});

// ---- cookies that are given out -----------------------------------------------------------------------------------

function setCookies(x: HashedRequest): string[] {
  const head = x.response;
  const values: string[] = [];
  for (let slot = head.find(N['set-cookie']); slot >= 0; slot = head.find(N['set-cookie'], slot + 1))
    values.push(head.valueString(slot));
  return values;
}

test('a client without the cookie gets one, and is hashed as if it had it', () => {
  const attributes = [
    { name: 'SameSite', value: 'Lax' },
    { name: 'Secure', value: '' },
  ];
  const policies = [cookie('session', { maxAgeSeconds: 60, path: '/shop', attributes })];
  const x = request({});
  const first = hash(policies, {}, x);
  new HashPolicies(policies).addCookies(x);
  const [line, ...rest] = setCookies(x);
  assert.deepEqual(rest, []);
  const found = /^session="([0-9a-f]{16})"; Max-Age=60; Path=\/shop; SameSite=Lax; Secure; HttpOnly$/.exec(line ?? '');
  assert.ok(found, line);
  assert.equal(first, xx(found[1] as string));
  assert.equal(hash(policies, { fields: `Cookie: session=${found[1]}\r\n` }), first);
  assert.equal(hash(policies, { fields: `Cookie: session="${found[1]}"\r\n` }), first);
});

test('one that has the cookie gets none; ttl 0 is a cookie until the browser ends', () => {
  const policies = [cookie('session', { maxAgeSeconds: 0 })];
  const known = request({ fields: 'Cookie: session=foo\r\n' });
  assert.equal(hash(policies, {}, known), FOO);
  assert.equal(known.newCookies, 0);
  new HashPolicies(policies).addCookies(known);
  assert.deepEqual(setCookies(known), []);
  const unknown = request({});
  hash(policies, {}, unknown);
  new HashPolicies(policies).addCookies(unknown);
  assert.match(setCookies(unknown)[0] as string, /^session="[0-9a-f]{16}"; HttpOnly$/);
});

test('asked again for the same request it gives the same cookie, another request another one', () => {
  const policies = [cookie('a', { maxAgeSeconds: 1 })];
  const compiled = new HashPolicies(policies);
  const random = Prng.fromSeed(1);
  const into = new Hash64();
  const values = [request({}), request({})].map((x) => {
    compiled.hash(x, into, random);
    const once = bits(into);
    compiled.hash(x, into, random);
    assert.equal(bits(into), once);
    compiled.addCookies(x);
    return setCookies(x).join();
  });
  assert.notEqual(values[0], values[1]);
});

test('of several cookies only those that are missing and reached are given', () => {
  const policies = [
    cookie('a', { maxAgeSeconds: 1 }),
    cookie('b', { maxAgeSeconds: 2, terminal: true }),
    cookie('c', { maxAgeSeconds: 3 }),
  ];
  const x = request({ fields: 'Cookie: a=foo\r\n' });
  hash(policies, {}, x);
  new HashPolicies(policies).addCookies(x);
  assert.deepEqual(
    setCookies(x).map((line) => line.slice(0, 2)),
    ['b='],
  );
});
