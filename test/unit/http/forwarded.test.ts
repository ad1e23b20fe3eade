/** Forwarding: Envoy's worked examples of x-forwarded-for, and what untrusted clients may not say. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Forwarding, ForwardingResult } from '../../../engine/http/forwarded.js';
import { parseRequestHead } from '../../../engine/http1/head-parser.js';
import { newHead } from '../../support/fake-conn.js';
import { SERVER_OPTIONS } from '../../support/server-harness.js';

interface Case {
  readonly useRemoteAddress: boolean;
  readonly hops: number;
  readonly xff: string | null;
  readonly peer: string;
  /** scheme_to_overwrite. */
  readonly scheme?: '' | 'http' | 'https';
}

function run(
  { useRemoteAddress, hops, xff, peer, scheme = '' }: Case,
  fields = '',
  ranges: string[] = [],
): { trusted: string; xff: string | null; isInternal: boolean; head: ReturnType<typeof newHead> } {
  const forwarding = new Forwarding({
    useRemoteAddress,
    xffNumTrustedHops: hops,
    skipXffAppend: false,
    schemeToOverwrite: scheme,
    internalCidrRanges: ranges,
  });
  const bytes = Buffer.from(
    `GET / HTTP/1.1\r\nHost: a\r\n${xff === null ? '' : `X-Forwarded-For: ${xff}\r\n`}${fields}\r\n`,
  );
  const head = newHead();
  assert.ok(parseRequestHead(bytes, 0, bytes.length, head, SERVER_OPTIONS) > 0);
  const result = new ForwardingResult();
  const address = { family: 4, host: peer, port: 1 } as const;
  forwarding.apply(head, forwarding.hostOf(address, false), address, result);
  return {
    trusted: result.address.host,
    xff: head.joinedString('x-forwarded-for'),
    isInternal: result.isInternal,
    head,
  };
}

/** Envoy's worked examples (HTTP header manipulation, x-forwarded-for), in its numbering. */
test('worked examples of x-forwarded-for', () => {
  const three = '203.0.113.128, 203.0.113.10, 203.0.113.1';
  const four = `${three}, 192.0.2.5`;
  const outcome = (given: Case, ranges: string[] = []): (string | null)[] => {
    const { trusted, xff, head } = run(given, 'X-Envoy-Internal: true\r\n', ranges);
    const external = head.joinedString('x-envoy-external-address');
    return [trusted, external, xff?.replaceAll(/, ?/g, ', ') ?? null, head.joinedString('x-envoy-internal')];
  };
  // 1: edge, nobody trusted in front.
  assert.deepEqual(outcome({ useRemoteAddress: true, hops: 0, xff: three, peer: '192.0.2.5' }), [
    '192.0.2.5',
    '192.0.2.5',
    four,
    null,
  ]);
  // 2: internal, behind the edge of 1.
  assert.deepEqual(outcome({ useRemoteAddress: false, hops: 0, xff: four, peer: '10.11.12.13' }), [
    '192.0.2.5',
    null,
    four,
    null,
  ]);
  // 3: edge, two trusted proxies in front.
  assert.deepEqual(outcome({ useRemoteAddress: true, hops: 2, xff: three, peer: '192.0.2.5' }), [
    '203.0.113.10',
    '203.0.113.10',
    four,
    null,
  ]);
  // 4: internal, behind the edge of 3.
  assert.deepEqual(outcome({ useRemoteAddress: false, hops: 2, xff: four, peer: '10.11.12.13' }), [
    '203.0.113.10',
    null,
    four,
    null,
  ]);
  // 5: internal, an internal client without the header counts as external.
  const ranges = ['10.0.0.0/8'];
  assert.deepEqual(outcome({ useRemoteAddress: false, hops: 0, xff: null, peer: '10.20.30.40' }, ranges), [
    '10.20.30.40',
    null,
    null,
    null,
  ]);
  // 6: the same, proxied by another one.
  assert.deepEqual(outcome({ useRemoteAddress: false, hops: 0, xff: '10.20.30.40', peer: '10.20.30.50' }, ranges), [
    '10.20.30.40',
    null,
    '10.20.30.40',
    'true',
  ]);
});

test('too few entries, or one that is no address: the peer', () => {
  const three = '203.0.113.128,203.0.113.10,203.0.113.1';
  const edge = { useRemoteAddress: true, peer: '192.0.2.5' };
  assert.deepEqual(pick(run({ ...edge, hops: 4, xff: three })), ['192.0.2.5', `${three},192.0.2.5`]);
  assert.equal(run({ ...edge, hops: 3, xff: three }).trusted, '203.0.113.128');
  for (const odd of ['unknown', '', 'a.b.c.d', '1.2.3.4:80', '1.2.3', '1.2.3.4 5'])
    assert.equal(run({ ...edge, hops: 1, xff: `1.1.1.1,${odd}` }).trusted, '192.0.2.5', odd);
  assert.equal(run({ ...edge, hops: 1, xff: '2001:db8::1' }).trusted, '2001:db8::1');
  assert.equal(run({ ...edge, hops: 1, xff: '::ffff:10.0.0.1' }).trusted, '10.0.0.1');
  // With trusted hops, one entry alone says nothing about an internal caller.
  const inner = { useRemoteAddress: false, peer: '10.0.0.1', xff: '10.2.2.2' };
  assert.equal(run({ ...inner, hops: 1 }, '', ['10.0.0.0/8']).isInternal, false);
});

test('several fields count as one list, and the list keeps its form', () => {
  const edge = { useRemoteAddress: true, hops: 2, peer: '192.0.2.5', xff: '1.1.1.1' };
  const more = 'X-Forwarded-For: 2.2.2.2 , 3.3.3.3\r\n';
  assert.deepEqual(pick(run(edge, more)), ['2.2.2.2', '1.1.1.1,2.2.2.2 , 3.3.3.3,192.0.2.5']);
  assert.equal(run({ ...edge, hops: 3 }, more).trusted, '1.1.1.1');
  assert.equal(run({ ...edge, hops: 3 }, more).head.joinedString('x-envoy-external-address'), '1.1.1.1');
});

test('x-forwarded-proto of a trusted proxy stands', () => {
  const given = { hops: 0, xff: null, peer: '1.1.1.1' };
  const proto = (useRemoteAddress: boolean, hops: number, field: string): string | null =>
    run({ ...given, useRemoteAddress, hops }, field).head.joinedString('x-forwarded-proto');
  assert.equal(proto(true, 0, 'X-Forwarded-Proto: https\r\n'), 'http');
  assert.equal(proto(true, 1, 'X-Forwarded-Proto: https\r\n'), 'https');
  assert.equal(proto(false, 0, 'X-Forwarded-Proto: https\r\n'), 'https');
  assert.equal(proto(false, 0, ''), 'http');
});

test('scheme_to_overwrite comes before what the connection and any proxy say', () => {
  for (const useRemoteAddress of [true, false])
    for (const field of ['', 'X-Forwarded-Proto: http\r\n']) {
      const given: Case = { useRemoteAddress, hops: 1, xff: null, peer: '192.0.2.5', scheme: 'https' };
      assert.equal(run(given, field).head.joinedString('x-forwarded-proto'), 'https');
    }
});

test('internal callers keep their x-envoy headers', () => {
  const { head, isInternal } = run(
    { useRemoteAddress: true, hops: 0, xff: null, peer: '10.1.1.1' },
    'X-Envoy-Max-Retries: 9\r\nX-Envoy-Original-Path: /p\r\nX-Envoy-Decorator-Operation: d\r\n',
    ['10.0.0.0/8'],
  );
  assert.equal(isInternal, true);
  assert.equal(head.joinedString('x-envoy-internal'), 'true');
  assert.equal(head.joinedString('x-envoy-max-retries'), '9');
  assert.equal(head.joinedString('x-envoy-original-path'), '/p');
  assert.equal(head.joinedString('x-envoy-decorator-operation'), 'd');
});

function pick(result: { trusted: string; xff: string | null }): [string, string | null] {
  return [result.trusted, result.xff];
}

test('internal: without x-forwarded-for at the edge, exactly one internal entry behind it', () => {
  const ranges = ['10.0.0.0/8'];
  assert.equal(run({ useRemoteAddress: true, hops: 0, xff: null, peer: '10.1.1.1' }, '', ranges).isInternal, true);
  assert.equal(
    run({ useRemoteAddress: true, hops: 0, xff: '10.2.2.2', peer: '10.1.1.1' }, '', ranges).isInternal,
    false,
  );
  assert.equal(
    run({ useRemoteAddress: false, hops: 0, xff: '10.2.2.2', peer: '1.1.1.1' }, '', ranges).isInternal,
    true,
  );
  assert.equal(
    run({ useRemoteAddress: false, hops: 0, xff: '10.2.2.2, 10.3.3.3', peer: '1.1.1.1' }, '', ranges).isInternal,
    false,
  );
  assert.equal(run({ useRemoteAddress: true, hops: 0, xff: null, peer: '10.1.1.1' }).isInternal, false);
});

test('x-envoy-* from outside is dropped, x-forwarded-proto is ours', () => {
  const { head } = run(
    { useRemoteAddress: true, hops: 0, xff: null, peer: '1.1.1.1' },
    'X-Envoy-Max-Retries: 9\r\nX-Envoy-Internal: true\r\nX-Envoy-Original-Path: /forged\r\n' +
      'X-Envoy-Decorator-Operation: d\r\nX-Envoy-External-Address: 9.9.9.9\r\nX-Forwarded-Proto: https\r\nX-Other: 1\r\n',
  );
  assert.equal(head.joinedString('x-envoy-max-retries'), null);
  assert.equal(head.joinedString('x-envoy-internal'), null);
  assert.equal(head.joinedString('x-envoy-original-path'), null);
  assert.equal(head.joinedString('x-envoy-decorator-operation'), null);
  assert.equal(head.joinedString('x-envoy-external-address'), '1.1.1.1');
  assert.equal(head.joinedString('x-forwarded-proto'), 'http');
  assert.equal(head.joinedString('x-other'), '1');
});
