/** Properties of HTTP/1.1: what is written reads back the same; pieces don't matter; nothing malformed is passed on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ChunkedReader, CHUNK_DATA, CHUNK_FAULT, CHUNK_LAST, CHUNK_MORE } from '../../engine/http1/chunked.js';
import { InMemoryProxy } from '../support/in-memory-proxy.js';
import { parseRequests } from '../support/reference-parser.js';

const token = fc.stringMatching(/^[!#$%&'*+\-.^`|~0-9A-Za-z]{1,12}$/);
const value = fc.stringMatching(/^([!-~\x80-\xff]([ \t!-~\x80-\xff]{0,20}[!-~\x80-\xff])?)?$/);
/** Names that mean something to a proxy are left to the wire vectors. */
const field = fc
  .tuple(token, value)
  .filter(
    ([name]) => !/^(host|te|trailer|upgrade|expect|connection|keep-alive|proxy-connection|http2-settings)$/i.test(name),
  )
  .filter(([name]) => !/^(content-length|transfer-encoding)$/i.test(name));
const body = fc.oneof(
  fc.constant(null),
  fc.record({
    text: fc.string({ unit: 'binary-ascii', maxLength: 60 }),
    chunks: fc.array(fc.integer({ min: 1, max: 20 })),
  }),
);
const request = fc.record({
  method: fc.constantFrom('GET', 'POST', 'PURGE', 'DELETE'),
  path: fc.stringMatching(/^\/[!"$-~]{0,30}$/),
  fields: fc.array(field, { maxLength: 8 }),
  spaces: fc.constantFrom('', ' ', '\t', '  '),
  body,
  isChunked: fc.boolean(),
});
type Request = typeof request extends fc.Arbitrary<infer T> ? T : never;

function chunked(text: string, sizes: readonly number[]): string {
  let out = '';
  let at = 0;
  for (let index = 0; at < text.length; index++) {
    const size = Math.min(sizes[index] ?? text.length, text.length - at);
    out += `${size.toString(16)}${index % 2 === 0 ? '' : ';x="y"'}\r\n${text.slice(at, at + size)}\r\n`;
    at += size;
  }
  return `${out}0\r\n\r\n`;
}

function wireOf(each: Request): string {
  const lines = [`${each.method} ${each.path} HTTP/1.1`, 'Host: a'];
  for (const [name, text] of each.fields) lines.push(`${name}:${each.spaces}${text}${each.spaces}`);
  if (each.body === null) return `${lines.join('\r\n')}\r\n\r\n`;
  lines.push(each.isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${each.body.text.length}`);
  const content = each.isChunked ? chunked(each.body.text, each.body.chunks) : each.body.text;
  return `${lines.join('\r\n')}\r\n\r\n${content}`;
}

function cut(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set([0, ...cuts.map((each) => each % (bytes.length + 1)), bytes.length])].sort(
    (a, b) => a - b,
  );
  return places.slice(1).map((to, index) => bytes.subarray(places[index], to));
}

test('requests come to the origin as they were sent, whatever the pieces', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 4 }), fc.array(fc.nat(2000)), async (all, cuts) => {
      const bytes = Buffer.from(all.map(wireOf).join(''), 'latin1');
      const proxy = new InMemoryProxy();
      await proxy.feed(...cut(bytes, cuts));
      assert.deepEqual(proxy.faults, []);
      assert.deepEqual(proxy.violations, []);
      assert.deepEqual(
        proxy.requests.map(({ method, target, body: content }) => ({ method, target, content })),
        all.map((each) => ({ method: each.method, target: each.path, content: each.body?.text ?? '' })),
      );
      for (const [index, { fields }] of proxy.requests.entries()) {
        const sent = (all[index] as Request).fields.map(([name, text]) => [name.toLowerCase(), text]);
        assert.deepEqual(
          fields.filter(([name]) => !/^(host|content-length|transfer-encoding)$/.test(name)),
          sent,
        );
      }
    }),
    { numRuns: 300 },
  );
});

const attack = fc.constantFrom(
  '\r',
  '\n',
  '\0',
  ' ',
  '\t',
  ':',
  '\r\n',
  '\r\n\r\n',
  '\x0b',
  '\x7f',
  '\xa0',
  '0',
  '+',
  ',',
  ';',
  '_',
  'Content-Length: 3\r\n',
  'Transfer-Encoding: chunked\r\n',
  'transfer_encoding: chunked\r\n',
  'Host: b\r\n',
  'Connection: content-length\r\n',
  'chunked',
  'HTTP/1.0',
  'GET /x HTTP/1.1\r\nHost: a\r\n\r\n',
  '0\r\n\r\n',
  'http://b',
);

test('mangled requests: no origin ever gets a malformed byte, and pieces make no difference', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(request, { minLength: 1, maxLength: 3 }),
      fc.array(fc.tuple(fc.nat(400), fc.nat(3), attack), { minLength: 1, maxLength: 3 }),
      fc.array(fc.nat(600), { maxLength: 6 }),
      async (all, changes, cuts) => {
        let text = all.map(wireOf).join('');
        for (const [at, removed, inserted] of changes) {
          const place = at % (text.length + 1);
          text = text.slice(0, place) + inserted + text.slice(place + removed);
        }
        // A line is judged when it is whole: the last one is made so.
        const bytes = Buffer.from(`${text}\n`, 'latin1');
        const whole = new InMemoryProxy();
        await whole.feed(bytes);
        assert.deepEqual(whole.violations, []);
        const split = new InMemoryProxy();
        await split.feed(...cut(bytes, cuts));
        assert.deepEqual(split.violations, []);
        assert.deepEqual(split.requests, whole.requests);
        assert.deepEqual(split.faults, whole.faults);
      },
    ),
    { numRuns: 3000 },
  );
});

test('chunks read back as they were written, however they are cut', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary-ascii', maxLength: 200 }),
      fc.array(fc.integer({ min: 1, max: 50 })),
      fc.array(fc.nat(400)),
      (text, sizes, cuts) => {
        const reader = new ChunkedReader();
        let read = '';
        let isOver = false;
        for (const piece of cut(Buffer.from(chunked(text, sizes), 'latin1'), cuts))
          for (let at = 0; at < piece.length && !isOver; at = reader.at) {
            const what = reader.next(piece, at, piece.length);
            assert.notEqual(what, CHUNK_FAULT);
            if (what === CHUNK_DATA) read += piece.toString('latin1', reader.dataStart, reader.dataEnd);
            if (what === CHUNK_LAST) isOver = true;
            if (what === CHUNK_MORE) assert.equal(reader.at, piece.length);
          }
        assert.equal(isOver, true);
        assert.equal(read, text);
      },
    ),
  );
});

test('the reference parser itself refuses what it should', () => {
  for (const bad of ['GET / HTTP/1.1\nHost: a\n\n', 'GET / HTTP/1.1\r\nHost : a\r\n\r\n', 'GET / HTTP/1.1\r\n\r\n'])
    assert.notEqual(parseRequests(bad).violation, '');
});
