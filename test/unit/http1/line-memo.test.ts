/** Remembered lines: whatever was read before, a head is parsed as if it were the first one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Head } from '../../../engine/http/head.js';
import { type HeadLimits, parseRequestHead } from '../../../engine/http1/head-parser.js';
import { REQUEST_LINES, rememberLines } from '../../../engine/http1/line-memo.js';
import { newHead } from '../../support/fake-conn.js';

const LIMITS: HeadLimits = {
  maxHeadBytes: 8192,
  maxFields: 20,
  acceptHttp10: false,
  allowAbsoluteUrl: true,
  underscores: 'ALLOW',
};
const watched = new Uint8Array(65536);
rememberLines(watched);

/** All that a parser can say of a head. */
function parse(text: string, at: number, bytes: Uint8Array, limits: HeadLimits): unknown {
  const { written } = new TextEncoder().encodeInto(text, bytes.subarray(at));
  const head = newHead();
  const after = parseRequestHead(bytes, at, at + written, head, limits);
  return after > 0 ? [after - at, head.method, head.flags, head.contentLength, fieldsOf(head)] : after;
}

function fieldsOf(head: Head): string[] {
  return Array.from(
    { length: head.fieldCount },
    (_, slot) => `${head.fieldId(slot)} ${head.fieldFlags(slot)} ${head.nameString(slot)}: ${head.valueString(slot)}`,
  );
}

/** Read alone, elsewhere, then in the watched bytes until every line of it is remembered. */
function assertSame(text: string, limits = LIMITS): void {
  const expected = parse(text, 0, new Uint8Array(16384), limits);
  for (let time = 0; time < 8; time++) assert.deepEqual(parse(text, time * 13, watched, limits), expected);
}

const LINES = [
  'Host: a.example:8080',
  'Host: b.example:8080',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) of 44 bytes or so',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) of 44 bytes or sp',
  'Accept: */*',
  'X-Tenant:acme and more',
  'X-Tenant: acme and more  ',
  'x_under_score: some value',
  'Content-Length: 17',
  'Content-Length: 18',
  'Transfer-Encoding: chunked',
  'Connection: keep-alive, x-tenant',
  'Cookie: session=0123456789abcdef',
  'X-Long: 0123456789abcdefghijklmnopqrstuvwxyz \u00e9 \t 0123456789',
  'X-Bad: 0123456789\u0001abcdef',
  'X-Del: 0123456789abc\u007fdef',
  'Bad Name: 0123456789',
] as const;

test('any mix of lines parses as it does where nothing is remembered', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...LINES), { maxLength: 8 }), (lines) => {
      assertSame(
        `GET /some/path HTTP/1.1\r\nHost: a.example:8080\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`,
      );
      assertSame(`GET / HTTP/1.1\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`);
    }),
    { numRuns: 300 },
  );
});

test('a remembered Host counts as a Host: two are refused, one is enough', () => {
  assertSame('GET / HTTP/1.1\r\nHost: once.example\r\nAccept-Encoding: gzip\r\n\r\n');
  assertSame('GET / HTTP/1.1\r\nHost: once.example\r\nHost: once.example\r\nAccept-Encoding: gzip\r\n\r\n');
});

test('limits hold for remembered lines', () => {
  const text = `GET / HTTP/1.1\r\nHost: limits.example\r\n${'Accept-Language: en-GB\r\n'.repeat(10)}\r\n`;
  assertSame(text);
  assertSame(text, { ...LIMITS, maxFields: 5 });
  assertSame(text, { ...LIMITS, maxHeadBytes: 128 });
  assertSame('GET / HTTP/1.1\r\nHost: limits.example\r\nx_under_score: some value\r\n\r\n', {
    ...LIMITS,
    underscores: 'REJECT_REQUEST',
  });
});

test('credentials and framing are not remembered, other fields are', () => {
  const isRemembered = (line: string): boolean => {
    const text = `GET / HTTP/1.1\r\nHost: a\r\n${line}\r\nAccept-Charset: utf-8\r\n\r\n`;
    for (let time = 0; time < 8; time++) parse(text, 0, watched, LIMITS);
    const at = text.indexOf(line);
    return REQUEST_LINES.find(at, text.length) >= 0;
  };
  assert.equal(isRemembered('X-Remembered: some value'), true);
  for (const line of ['Cookie: a=0123456789', 'Authorization: Basic Zm9v', 'Proxy-Authorization: Basic Zm9v'])
    assert.equal(isRemembered(line), false, line);
  assert.equal(isRemembered('Content-Length: 0'), false);
  assert.equal(isRemembered('Connection: keep-alive'), false);
});
