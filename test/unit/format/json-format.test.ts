/** JSON formats: types of values, what is missing, and output that any JSON reader takes, whatever a peer sent. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteOutput } from '../../../engine/base/byte-output.js';
import type { ExchangeView } from '../../../engine/format/exchange-view.js';
import { compileJsonFormat } from '../../../engine/format/json-format.js';
import { requestHead, requestView } from '../../support/routes.js';

function written(json: unknown, view: ExchangeView, omitsEmpty = false): string {
  const out = new ByteOutput(1);
  compileJsonFormat(json, omitsEmpty).write(out, view);
  return out.toText();
}

const view = requestView(requestHead('/a?b=c', 'example.com', 'X-A: one\r\nX-A: two\r\n'), {
  protocol: 'HTTP/1.1',
  responseStatus: 503,
  bytesSent: 12,
  responseCodeDetails: '',
  upstreamAddress: null,
});

test('an operator alone keeps its type; beside other text it is text', () => {
  assert.equal(written({ code: '%RESPONSE_CODE%' }, view), '{"code":503}');
  assert.equal(written({ code: 'is %RESPONSE_CODE%' }, view), '{"code":"is 503"}');
  assert.equal(written({ sent: '%BYTES_SENT%%BYTES_SENT%' }, view), '{"sent":"1212"}');
  assert.equal(written({ all: '%REQ(X-A)%' }, view), '{"all":"one,two"}');
});

test('numbers, booleans, null, lists and maps of the document stay what they are', () => {
  const json = { a: 1.5, b: true, c: null, d: [1, 'x', ['%PROTOCOL%']], e: { f: {} }, 'g"\n': '100%%' };
  assert.deepEqual(JSON.parse(written(json, view)), {
    a: 1.5,
    b: true,
    c: null,
    d: [1, 'x', ['HTTP/1.1']],
    e: { f: {} },
    'g"\n': '100%',
  });
});

test('a missing value is null, a dash inside of text, and left out when the format says so', () => {
  const json = { a: '%UPSTREAM_HOST%', b: 'to %UPSTREAM_HOST%', c: ['%REQ(X-NONE)%', '%PROTOCOL%', '%REQ(X-NONE)%'] };
  assert.equal(written(json, view), '{"a":null,"b":"to -","c":[null,"HTTP/1.1",null]}');
  assert.equal(written(json, view, true), '{"b":"to ","c":["HTTP/1.1"]}');
  assert.equal(written({ a: '%REQ(X-NONE)%' }, view, true), '{}');
});

test('a wrong operator anywhere is an error that names it', () => {
  assert.throws(() => compileJsonFormat({ a: [{ b: '%NONSENSE%' }] }, false), /unknown operator %NONSENSE%/);
  assert.throws(() => compileJsonFormat(['50% off'], false), /not an operator/);
});

test('whatever bytes a client sends, the line is JSON and holds them', () => {
  const value = fc
    .uint8Array({ minLength: 1, maxLength: 40 })
    .map((bytes) => Buffer.from(bytes.map((byte) => (byte < 0x21 || byte === 0x7f ? 0x5c : byte))).toString('latin1'));
  fc.assert(
    fc.property(value, (text) => {
      const head = requestHead('/', 'a', `X-A: ${text}\r\n`);
      const out = new ByteOutput(1);
      compileJsonFormat({ a: '%REQ(X-A)%', b: '>%REQ(X-A):3%' }, false).write(out, requestView(head));
      const bytes = out.bytes.subarray(0, out.length);
      assert.doesNotMatch(Buffer.from(bytes).toString('latin1'), /[\x00-\x1f]/);
      const line = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
      const { a } = JSON.parse(line) as { a: string };
      // Valid UTF-8 comes through as text, every other byte as the character of its number.
      const valid = Buffer.from(text, 'latin1').toString('utf8');
      if (!valid.includes('\ufffd')) assert.equal(a, valid);
      else assert.ok(a.length >= 1);
    }),
    { numRuns: 500 },
  );
  const surrogate = requestHead('/', 'a', 'X-A: \xed\xa0\x80\xc0\xaf\xf4\x90\x80\x80\r\n');
  assert.equal(
    written({ a: '%REQ(X-A)%' }, requestView(surrogate)),
    '{"a":"\\u00ed\\u00a0\\u0080\\u00c0\\u00af\\u00f4\\u0090\\u0080\\u0080"}',
  );
});
