/** Properties of HPACK: what is written is read as it was, whatever the fields, the sizes of the tables and their changes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FieldInterns } from '../../engine/http2/field-interns.js';
import { huffmanDecode, huffmanEncode, huffmanLength } from '../../engine/http2/hpack-huffman.js';
import { BLOCK_REQUEST, BLOCK_RESPONSE } from '../../engine/http2/hpack-decoder.js';
import { BlockPair, carvingArena, type Fields, LinePair, literalBlock } from '../support/header-blocks.js';
import { ReferenceHpack } from '../support/reference-hpack.js';

const interns = new FieldInterns(carvingArena(), { segments: 4, segmentBytes: 2048, segmentLines: 32 });

const text = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('', '0', 'a', 'text/plain', 'gzip, deflate', 'GET', '/', '200') },
  { weight: 3, arbitrary: fc.string({ unit: 'binary-ascii', maxLength: 30 }) },
  {
    weight: 1,
    arbitrary: fc.string({ minLength: 100, maxLength: 700 }).map((value) => value.replaceAll(/[^\0-\xff]/g, '?')),
  },
);
const lineName = fc.constantFrom(
  ':method',
  ':path',
  ':scheme',
  ':status',
  ':authority',
  ':protocol',
  ':odd',
  'accept',
  'accept-encoding',
  'cookie',
  'authorization',
  'date',
  'etag',
  'content-length',
  'x-request-id',
  'x-a',
  'x-bb',
  'x-ccc',
  'x_under',
  '',
);
const lines = fc.array(fc.tuple(lineName, text), { maxLength: 14 });
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ lines, isNever: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({ size: fc.oneof(fc.integer({ min: 0, max: 6000 }), fc.constantFrom(0, 32, 64)) }),
  },
);

test('lists of lines, with changes of the size between the blocks', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 24 }), fc.constantFrom(0, 100, 4096, 65536), (steps, maxTableBytes) => {
      const pair = new LinePair(maxTableBytes, interns);
      const reference = new ReferenceHpack();
      for (const one of steps) {
        if ('size' in one) {
          // As the codec does it: the setting is acknowledged before the next block.
          pair.encoder.setPeerMaxTableBytes(one.size);
          pair.decoder.setMaxTableBytes(one.size);
          reference.allow(one.size);
          continue;
        }
        const block = pair.encode(one.lines, one.isNever);
        assert.deepEqual(pair.decode(block), one.lines);
        assert.deepEqual(reference.decode(block), one.lines);
        if (one.isNever)
          assert.deepEqual(
            pair.neverIndexed,
            one.lines.map(([name]) => name),
          );
      }
    }),
    { numRuns: 400 },
  );
});

test('Huffman coding: its length is what was said, and it is read again', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const coded = new Uint8Array(huffmanLength(bytes, 0, bytes.length) + 4);
      const end = huffmanEncode(bytes, 0, bytes.length, coded, 0);
      assert.equal(end, huffmanLength(bytes, 0, bytes.length));
      const into = new Uint8Array(bytes.length + 2);
      assert.equal(huffmanDecode(coded, 0, end, into, 0), bytes.length);
      assert.deepEqual(into.subarray(0, bytes.length), bytes);
    }),
    { numRuns: 500 },
  );
});

const fieldName = fc.constantFrom(
  'accept',
  'cookie',
  'date',
  'etag',
  'x-a',
  'x-bb',
  'user-agent',
  'content-type',
  'set-cookie',
);
const fieldValue = fc.stringMatching(/^([!-~\x80-\xff]([ \t!-~\x80-\xff]{0,20}[!-~\x80-\xff])?)?$/);
const fields = fc.array(fc.tuple(fieldName, fieldValue), { maxLength: 8 });
const path = fc.oneof(fc.constantFrom('/', '/index.html', '/a/b?c=d'), fc.stringMatching(/^\/[!"$-~]{0,30}$/));

/** One cookie, where several were joined. */
function joined(all: Fields): [string, string][] {
  const cookies = all.filter(([name]) => name === 'cookie').map(([, value]) => value);
  const others = all.filter(([name]) => name !== 'cookie').map(([name, value]): [string, string] => [name, value]);
  if (cookies.length === 1) return all.map(([name, value]) => [name, value]);
  return cookies.length === 0 ? others : [...others, ['cookie', cookies.filter((cookie) => cookie !== '').join('; ')]];
}

test('heads that are passed on hop by hop stay the same, over shared lines', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ path, fields, isRequest: fc.boolean() }), { maxLength: 12 }), (messages) => {
      const first = new BlockPair({}, interns);
      const second = new BlockPair({}, interns);
      for (const { path: target, fields: some, isRequest } of messages) {
        const kind = isRequest ? BLOCK_REQUEST : BLOCK_RESPONSE;
        const pseudo: Fields = isRequest
          ? [
              [':method', 'POST'],
              [':scheme', 'https'],
              [':path', target],
              [':authority', 'a.example'],
            ]
          : [[':status', '404']];
        let decoded = first.decode(literalBlock([...pseudo, ...some]), kind);
        const expected = joined(isRequest ? [['host', 'a.example'], ...some] : some);
        // Hop 1 has a table, hop 2 another; the second time around what was indexed is interned.
        for (const hop of [first, second, first, second]) {
          assert.equal(decoded.reason, '');
          assert.deepEqual(decoded.fields, expected);
          assert.equal(decoded.head.pathString(), isRequest ? target : '');
          assert.equal(decoded.head.status, isRequest ? 0 : 404);
          const next = hop.decode(hop.encode(decoded.head, kind), kind);
          decoded.head.reset();
          decoded = next;
        }
        decoded.head.reset();
      }
    }),
    { numRuns: 200 },
  );
});
