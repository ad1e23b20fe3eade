/** BlockMemo: a block that comes again is the same head, for as long as its bytes mean the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FIELD_INTERNED } from '../../../engine/http/head.js';
import { N } from '../../../engine/http/names.js';
import { FieldInterns } from '../../../engine/http2/field-interns.js';
import { HeadBuilder } from '../../../engine/http2/head-builder.js';
import { BLOCK_REQUEST, BLOCK_RESPONSE, HpackDecoder } from '../../../engine/http2/hpack-decoder.js';
import {
  BlockPair,
  carvingArena,
  fieldsOf,
  fromHex,
  LIMITS,
  literalBlock,
  newHead,
} from '../../support/header-blocks.js';

const inserting = (name: string, value: string): number[] => [0x40, ...literalBlock([[name, value]]).subarray(1)];

test('a request that repeats, with a literal path: the same head, and then an interned path', () => {
  const pair = new BlockPair();
  const first = Uint8Array.from([0x82, 0x86, 0x84, ...inserting(':authority', 'a.example'), ...inserting('x-a', '1')]);
  assert.equal(pair.decode(first).reason, '');
  const block = Uint8Array.from([0x82, 0x87, 0x04, 3, 0x2f, 0x61, 0x62, 0xbf, 0xbe]);
  let interned = 0;
  for (let i = 0; i < 10; i++) {
    const { reason, head, fields } = pair.decode(block);
    assert.equal(reason, '');
    assert.equal(head.pathString(), '/ab');
    assert.equal(head.authorityString(), 'a.example');
    assert.equal(head.method, 1);
    assert.deepEqual(fields, [
      ['host', 'a.example'],
      ['x-a', '1'],
    ]);
    if (head.pathIntern !== 0) interned++;
    // Of another kind the same bytes are malformed, remembered or not.
    assert.equal(pair.decode(block, BLOCK_RESPONSE).reason, 'upstream_invalid_header');
  }
  assert.ok(interned >= 8);
});

test('what changed the table changes what a block means', () => {
  const pair = new BlockPair();
  const block = fromHex('88be');
  for (const value of ['1', '2', '3']) {
    pair.decode(Uint8Array.from([0x88, ...inserting('x-a', value)]), BLOCK_RESPONSE);
    for (let i = 0; i < 5; i++) assert.deepEqual(pair.decode(block, BLOCK_RESPONSE).fields, [['x-a', value]]);
  }
  // Evicted by a size of nothing, in a block that inserts nothing.
  assert.equal(pair.decode(fromHex('20 3fe11f 88'), BLOCK_RESPONSE).reason, '');
  assert.equal(pair.decode(block, BLOCK_RESPONSE).reason, 'http2_compression_error');
});

test('an allowance that was cut is not passed over', () => {
  const pair = new BlockPair();
  for (let i = 0; i < 5; i++) assert.equal(pair.decode(fromHex('88'), BLOCK_RESPONSE).reason, '');
  pair.decoder.setMaxTableBytes(100);
  assert.equal(pair.decode(fromHex('88'), BLOCK_RESPONSE).reason, 'http2_compression_error');
});

test('malformed blocks are not remembered, and secrets for their connection alone', () => {
  const pair = new BlockPair();
  const malformed = literalBlock([
    [':status', '200'],
    ['connection', 'close'],
  ]);
  const secret = Uint8Array.from([0x88, ...inserting('cookie', 'session=0123456789abcdef')]);
  pair.decode(secret, BLOCK_RESPONSE);
  for (let i = 0; i < 5; i++) {
    assert.equal(pair.decode(malformed, BLOCK_RESPONSE).reason, 'upstream_invalid_header');
    const { head, fields } = pair.decode(fromHex('88be'), BLOCK_RESPONSE);
    assert.deepEqual(fields, [['cookie', 'session=0123456789abcdef']]);
    assert.equal(head.fieldFlags(0) & FIELD_INTERNED, 0);
    assert.equal(head.fieldBytes(0), head.store);
  }
});

test('what was composed of several lines comes again as it was', () => {
  const pair = new BlockPair();
  const block = literalBlock([
    [':method', 'PURGE'],
    [':scheme', 'http'],
    [':path', '/ab'],
    [':authority', 'a'],
    ['cookie', 'a=1'],
    ['x-b', ''],
    ['cookie', 'b=2'],
  ]);
  for (let i = 0; i < 6; i++) {
    const { reason, head, fields } = pair.decode(block);
    assert.equal(reason, '');
    assert.deepEqual(fields, [
      ['host', 'a'],
      ['x-b', ''],
      ['cookie', 'a=1; b=2'],
    ]);
    assert.equal(head.authorityString(), 'a');
    assert.equal(head.pathString(), '/ab');
    const method = head.bytes.subarray(head.base + head.methodStart, head.base + head.methodEnd);
    assert.equal(Buffer.from(method).toString(), 'PURGE');
    // A filter adds behind what is there.
    head.add(N.server, Buffer.from('me'), 0, 2);
    assert.deepEqual(fieldsOf(head).slice(2), [
      ['cookie', 'a=1; b=2'],
      ['server', 'me'],
    ]);
  }
});

test('a path that nobody is to index stays out of the interned lines', () => {
  const pair = new BlockPair();
  const block = Uint8Array.from([0x82, 0x86, 0x14, 3, 0x2f, 0x61, 0x62, ...literalBlock([[':authority', 'a']])]);
  for (let i = 0; i < 5; i++) {
    const { reason, head } = pair.decode(block);
    assert.equal(reason, '');
    assert.equal(head.pathIntern, 0);
    const out = pair.encode(head, BLOCK_REQUEST);
    assert.equal((out[2] as number) & 0xf0, 0x10);
    assert.equal(pair.decode(out).head.pathString(), '/ab');
  }
});

test('with lines being given up all the time it answers what a decoder without it answers', () => {
  const interns = new FieldInterns(carvingArena(), { segments: 3, segmentBytes: 512, segmentLines: 6 });
  const remembering = new HpackDecoder(interns, LIMITS);
  const plain = new HpackDecoder(interns, LIMITS, new HeadBuilder(interns, LIMITS));
  const blocks: Uint8Array[] = [];
  for (let i = 0; i < 40; i++) {
    blocks.push(Uint8Array.from([0x88, ...inserting('x-n', `${i % 9}`), ...inserting('x-m', `${i % 4}`)]));
    for (let times = 0; times < 5; times++) blocks.push(fromHex('88bfbe'), fromHex('88be'));
    blocks.push(fromHex('88bebf'));
  }
  const one = newHead();
  const other = newHead();
  for (const block of blocks) {
    one.reset();
    other.reset();
    assert.equal(remembering.decode(block, 0, block.length, one, BLOCK_RESPONSE), 0);
    assert.equal(plain.decode(block, 0, block.length, other, BLOCK_RESPONSE), 0);
    assert.deepEqual(fieldsOf(one), fieldsOf(other));
    assert.equal(one.status, other.status);
  }
});
