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
}

function run(
  { useRemoteAddress, hops, xff, peer }: Case,
  fields = '',
  ranges: string[] = [],
): { trusted: string; xff: string | null; isInternal: boolean; head: ReturnType<typeof newHead> } {
  const forwarding = new Forwarding({
    useRemoteAddress,
    xffNumTrustedHops: hops,
    skipXffAppend: false,
    internalCidrRanges: ranges,
  });
  const bytes = Buffer.from(
    `GET / HTTP/1.1\r\nHost: a\r\n${xff === null ? '' : `X-Forwarded-For: ${xff}\r\n`}${fields}\r\n`,
  );
  const head = newHead();
  assert.ok(parseRequestHead(bytes, 0, bytes.length, head, SERVER_OPTIONS) > 0);
  const result = new ForwardingResult();
  forwarding.apply(head, forwarding.identify({ family: 4, host: peer, port: 1 }, false), result);
  return {
    trusted: result.address.host,
    xff: head.joinedString('x-forwarded-for'),
    isInternal: result.isInternal,
    head,
  };
}

test('worked examples of x-forwarded-for', () => {
  const edge = { useRemoteAddress: true, peer: '192.0.2.5' };
  const inner = { useRemoteAddress: false, peer: '192.0.2.11' };
  const three = '203.0.113.128,203.0.113.10,203.0.113.1';
  // 1 and 2: an edge without trusted hops trusts its peer and appends it.
  assert.deepEqual(pick(run({ ...edge, hops: 0, xff: null })), ['192.0.2.5', '192.0.2.5']);
  assert.deepEqual(pick(run({ ...edge, hops: 0, xff: three })), ['192.0.2.5', `${three},192.0.2.5`]);
  // 3: an inner proxy behind it takes the rightmost and leaves the header.
  assert.deepEqual(pick(run({ ...inner, hops: 0, xff: `${three},192.0.2.5` })), ['192.0.2.5', `${three},192.0.2.5`]);
  // 4: an edge behind two trusted proxies takes the second from the right.
  assert.deepEqual(pick(run({ ...edge, hops: 2, xff: three })), ['203.0.113.10', `${three},192.0.2.5`]);
  // 5: an inner proxy behind that one, third from the right.
  assert.deepEqual(pick(run({ ...inner, hops: 2, xff: `${three},192.0.2.5` })), ['203.0.113.10', `${three},192.0.2.5`]);
  // Too few entries: the peer.
  assert.deepEqual(pick(run({ ...edge, hops: 4, xff: three })), ['192.0.2.5', `${three},192.0.2.5`]);
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
    'X-Envoy-Max-Retries: 9\r\nX-Envoy-Internal: true\r\nX-Forwarded-Proto: https\r\nX-Other: 1\r\n',
  );
  assert.equal(head.joinedString('x-envoy-max-retries'), null);
  assert.equal(head.joinedString('x-envoy-internal'), null);
  assert.equal(head.joinedString('x-forwarded-proto'), 'http');
  assert.equal(head.joinedString('x-other'), '1');
});
