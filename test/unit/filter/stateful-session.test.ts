/** StatefulSession: which values of a cookie name an endpoint, how long, and for which paths. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STATEFUL_SESSION } from '../../../engine/filter/stateful-session.js';
import { type FilterContext, NEXT, STATELESS } from '../../../engine/filter/filter.js';
import type { StatefulSessionRecord } from '../../../engine/plan/stateful-session-record.js';
import { newHead } from '../../support/fake-conn.js';
import { requestHead } from '../../support/routes.js';

const MARK = 4;
const NOW_SECONDS = 1_700_000_000;
type Kind = Required<typeof STATEFUL_SESSION>;
const { build, onRequestHead, onResponseHead } = STATEFUL_SESSION as Kind;

function cookie(changes: { path?: string; maxAgeSeconds?: number } = {}, strict = false): StatefulSessionRecord {
  return { strict, state: { kind: 'cookie', name: 'home', maxAgeSeconds: 60, path: '', attributes: [], ...changes } };
}

/** What the filter sees of an exchange, and what it asks for. */
class Seen {
  readonly request;
  readonly response = newHead();
  readonly upstreamAddress = { family: 4, host: '10.0.0.2', port: 80 };
  startWallMs = NOW_SECONDS * 1000;
  upstreamHeadUs = 1;
  isAtOverrideHost = false;
  marks = 0;
  named: string | null = null;

  constructor(target: string, fields = '') {
    this.request = requestHead(target, 'a', fields);
  }
  overrideHost(address: Uint8Array, start: number, end: number, isStrict: boolean): void {
    this.named = Buffer.from(address.subarray(start, end)).toString() + (isStrict ? ' strictly' : '');
  }
  asked(record: StatefulSessionRecord): this {
    assert.equal(onRequestHead(this as unknown as FilterContext, build(record, MARK), STATELESS, true), NEXT);
    return this;
  }
  given(record: StatefulSessionRecord): string | null {
    onResponseHead(this as unknown as FilterContext, build(record, MARK), STATELESS, true);
    return this.response.joinedString('set-cookie') ?? this.response.joinedString('x-home');
  }
}

const base64 = (...bytes: (number | string)[]): string =>
  Buffer.concat(bytes.map((each) => (typeof each === 'string' ? Buffer.from(each) : Buffer.from([each])))).toString(
    'base64',
  );
const named = (value: string, record = cookie()): string | null =>
  new Seen('/', `Cookie: home=${value}\r\n`).asked(record).named;

test('the bare address and the message with it', () => {
  assert.equal(named(base64('10.0.0.1:80')), '10.0.0.1:80');
  assert.equal(named(base64('10.0.0.1:80'), cookie({}, true)), '10.0.0.1:80 strictly');
  assert.equal(named(base64(0x0a, 11, '10.0.0.1:80')), '10.0.0.1:80');
});

test('a message that is cut off, empty, or has what does not belong in it names nothing', () => {
  const cases = [
    base64(0x0a),
    base64(0x0a, 0),
    base64(0x0a, 12, '10.0.0.1:80'),
    base64(0x0a, 0x8b, 1, '10.0.0.1:80'),
    base64(0x0a, 11, '10.0.0.1:80', 0x18, 1),
    base64(0x0a, 11, '10.0.0.1:80', 0x10),
    base64(0x0a, 11, '10.0.0.1:80', 0x10, 0xff),
    '!',
    base64('x'.repeat(300)),
  ];
  for (const value of cases) assert.equal(named(value), null, value);
});

test('what is given out comes back, until it expires', () => {
  const first = new Seen('/').asked(cookie());
  assert.equal(first.marks, MARK);
  const line = first.given(cookie()) as string;
  const found = /^home="([^"]+)"; Max-Age=60; HttpOnly$/.exec(line);
  assert.ok(found, line);
  for (const [seconds, wanted] of [
    [0, '10.0.0.2:80'],
    [60, '10.0.0.2:80'],
    [61, null],
  ] as const) {
    const later = new Seen('/', `Cookie: home=${found[1]}\r\n`);
    later.startWallMs += seconds * 1000;
    assert.equal(later.asked(cookie()).named, wanted, `${seconds} s`);
  }
  const forever = new Seen('/').asked(cookie({ maxAgeSeconds: 0 })).given(cookie({ maxAgeSeconds: 0 }));
  assert.equal(forever, `home="${base64(0x0a, 11, '10.0.0.2:80')}"; HttpOnly`);
});

test("nothing is given to who came with it, by an answer of the proxy's own, or outside of the path", () => {
  const there = new Seen('/').asked(cookie());
  there.isAtOverrideHost = true;
  assert.equal(there.given(cookie()), null);
  const own = new Seen('/').asked(cookie());
  own.upstreamHeadUs = 0;
  assert.equal(own.given(cookie()), null);
  const below = (path: string, target: string): boolean =>
    new Seen(target).asked(cookie({ path })).given(cookie({ path })) !== null;
  for (const target of ['/a', '/a/b', '/a?b']) assert.ok(below('/a', target), target);
  for (const target of ['/', '/ab', '/b/a']) assert.ok(!below('/a', target), target);
  assert.ok(below('/a/', '/a/b') && !below('/a/', '/a') && below('/', '/x'));
});

test('a header: the address alone, in place of what the origin may have set', () => {
  const record: StatefulSessionRecord = { strict: false, state: { kind: 'header', name: 'x-home' } };
  const x = new Seen('/', `X-Home: ${base64('10.0.0.1:80')}\r\n`).asked(record);
  assert.equal(x.named, '10.0.0.1:80');
  const forged = Buffer.from('forged');
  x.response.addName(Buffer.from('x-home'), 0, forged, 0, forged.length);
  assert.equal(x.given(record), base64('10.0.0.2:80'));
  assert.equal(new Seen('/', 'X-Home:\r\n').asked(record).named, null);
});
