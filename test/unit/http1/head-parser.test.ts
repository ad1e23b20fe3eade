/** Head parser: what the Head holds afterwards: offsets, ids, flags; and how a head that is not whole is told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FAULTS } from '../../../engine/fault/faults.js';
import {
  FIELD_ODD,
  HEAD_ABSOLUTE,
  HEAD_ASTERISK,
  HEAD_AUTHORITY_FORM,
  HEAD_CHUNKED,
  HEAD_CLOSE,
  HEAD_EXPECT_CONTINUE,
  HEAD_HTTP10,
  HEAD_HTTPS,
  HEAD_KEEP_ALIVE,
  HEAD_LINE_ODD,
  HEAD_NOMINATES,
  HEAD_UPGRADE,
  HEAD_UPGRADE_NAMED,
  type Head,
} from '../../../engine/http/head.js';
import { N } from '../../../engine/http/names.js';
import { type HeadLimits, parseRequestHead, parseResponseHead } from '../../../engine/http1/head-parser.js';
import { newHead } from '../../support/fake-conn.js';
import { SERVER_OPTIONS } from '../../support/server-harness.js';

function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1'));
}

function parsed(text: string): Head {
  const bytes = bytesOf(`junk${text}rest`);
  const head = newHead();
  assert.equal(parseRequestHead(bytes, 4, bytes.length, head, SERVER_OPTIONS), bytes.length - 4);
  return head;
}

function refusal(text: string, options: Partial<HeadLimits> = {}): string {
  const bytes = bytesOf(text);
  const result = parseRequestHead(bytes, 0, bytes.length, newHead(), { ...SERVER_OPTIONS, ...options });
  assert.ok(result < 0, `not refused: ${result}`);
  return FAULTS[-result]?.reason as string;
}

test('offsets, ids and forms of fields', () => {
  const head = parsed('GET /a?b HTTP/1.1\nhOST: x:1\nX-Odd:1\nX-Odd: 1 \nX-Fine: \nAccept: */*\n\n');
  assert.equal(head.method, 1);
  assert.equal(head.pathString(), '/a?b');
  assert.equal(head.authorityString(), 'x:1');
  assert.equal(head.length, head.linesEnd + 2);
  assert.equal(head.fieldCount, 5);
  assert.deepEqual(
    [0, 1, 2, 3, 4].map((slot) => head.fieldFlags(slot)),
    [0, FIELD_ODD, FIELD_ODD, 0, 0],
  );
  assert.equal(head.fieldId(0), N.host);
  assert.equal(head.fieldId(4), N.accept);
  assert.equal(head.valueString(4), '*/*');
  assert.equal(head.joinedString('x-odd'), '1, 1');
  assert.equal(head.flags, 0);
});

test('flags', () => {
  const flags = (text: string): number => parsed(text).flags;
  const line = 'GET / HTTP/1.1\nHost: a\n';
  assert.equal(flags(`${line}Connection: Close\n\n`), HEAD_CLOSE);
  assert.equal(flags(`${line}Connection: , keep-alive ,x\n\n`), HEAD_KEEP_ALIVE | HEAD_NOMINATES);
  assert.equal(flags(`${line}Expect: 100-Continue\n\n`), HEAD_EXPECT_CONTINUE);
  assert.equal(flags(`${line}Transfer-Encoding: CHUNKED\n\n`), HEAD_CHUNKED);
  assert.equal(flags(`${line}Connection: upgrade\nUpgrade: a/1, b\n\n`), HEAD_UPGRADE_NAMED | HEAD_UPGRADE);
  assert.equal(flags(`${line}Connection: upgrade\n\n`), HEAD_UPGRADE_NAMED);
  assert.equal(flags(`${line}Upgrade: a\n\n`), 0);
  assert.equal(flags('GET / HTTP/1.0\n\n'), HEAD_HTTP10 | HEAD_CLOSE | HEAD_LINE_ODD);
  assert.equal(flags('OPTIONS * HTTP/1.1\nHost: a\n\n'), HEAD_ASTERISK);
  assert.equal(flags('CONNECT a:1 HTTP/1.1\nHost: a\n\n'), HEAD_AUTHORITY_FORM | HEAD_LINE_ODD);
  assert.equal(flags('GET hTTps://b/ HTTP/1.1\nHost: a\n\n'), HEAD_ABSOLUTE | HEAD_HTTPS | HEAD_LINE_ODD);
  assert.equal(parsed('GET hTTps://b:1/ HTTP/1.1\nHost: a\n\n').authorityString(), 'b:1');
});

test('a head that is not whole asks for more, at every length', () => {
  const request = bytesOf('POST http://a/b HTTP/1.1\nHost: a\nContent-Length: 3\nX: y\n\n');
  const response = bytesOf('HTTP/1.1 200 OK\nContent-Length: 3\nX: y\n\n');
  for (let end = 0; end < request.length; end++)
    assert.equal(parseRequestHead(request, 0, end, newHead(), SERVER_OPTIONS), 0, `request of ${end}`);
  for (let end = 0; end < response.length; end++)
    assert.equal(parseResponseHead(response, 0, end, newHead(), SERVER_OPTIONS), 0, `response of ${end}`);
});

test('options', () => {
  const line = 'GET / HTTP/1.1\nHost: a\n';
  assert.equal(refusal('GET / HTTP/1.0\n\n', { acceptHttp10: false }), 'http10_not_accepted');
  assert.equal(refusal('GET http://a/ HTTP/1.1\nHost: a\n\n', { allowAbsoluteUrl: false }), 'invalid_target');
  assert.equal(refusal(`${line}X_Y: 1\n\n`, { underscores: 'REJECT_REQUEST' }), 'unexpected_underscore');
  const bytes = bytesOf(`${line}X_Y: 1\nContent_Length: 5\n\n`);
  const head = newHead();
  const options: HeadLimits = { ...SERVER_OPTIONS, underscores: 'DROP_HEADER' };
  assert.equal(parseRequestHead(bytes, 0, bytes.length, head, options), bytes.length);
  assert.deepEqual([head.isRemoved(1), head.isRemoved(2)], [true, true]);
});

test('Connection is bounded: every field is looked up in it', () => {
  const line = 'GET / HTTP/1.1\nHost: a\n';
  assert.equal(refusal(`${line}Connection: ${'a,'.repeat(300)}a\n\n`), 'invalid_connection_field');
  assert.equal(refusal(`${line}${'Connection: a\n'.repeat(5)}\n`), 'invalid_connection_field');
});

test('a head may be as long as the limit and not longer', () => {
  const text = 'GET / HTTP/1.1\nHost: a\n\n';
  const length = bytesOf(text).length;
  assert.equal(refusal(text, { maxHeadBytes: length - 1 }), 'headers_too_large');
  const bytes = bytesOf(text);
  assert.equal(parseRequestHead(bytes, 0, length, newHead(), { ...SERVER_OPTIONS, maxHeadBytes: length }), length);
});
