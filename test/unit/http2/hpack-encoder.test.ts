/** HpackEncoder: what it writes is read back as it was, repeats cost a byte, secrets stay out of the table. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HEAD_NOMINATES, type Head } from '../../../engine/http/head.js';
import { METHOD_GET } from '../../../engine/http/methods.js';
import { nameIdOf } from '../../../engine/http/names.js';
import { BLOCK_REQUEST, BLOCK_RESPONSE, BLOCK_TRAILERS } from '../../../engine/http2/hpack-decoder.js';
import { BlockPair, type Fields, literalBlock, newHead } from '../../support/header-blocks.js';

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));

function withFields(head: Head, fields: Fields): Head {
  for (const [name, value] of fields)
    head.addName(bytes(name), nameIdOf(name.toLowerCase()), bytes(value), 0, value.length);
  return head;
}

function response(status: number, fields: Fields): Head {
  const head = newHead();
  head.status = status;
  return withFields(head, fields);
}

function request(path: string, fields: Fields): Head {
  const head = newHead();
  head.method = METHOD_GET;
  head.setPath(bytes(path), 0, path.length);
  head.setAuthority(bytes('a.example'), 0, 9);
  return withFields(head, fields);
}

const ANSWER: Fields = [
  ['server', 'origin'],
  ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
  ['content-type', 'text/plain'],
  ['content-length', '1024'],
  ['x-envoy-upstream-service-time', '0'],
  ['x-of-mine', 'one'],
];

test('a response that repeats costs a byte per field', () => {
  const pair = new BlockPair();
  const sizes: number[] = [];
  for (let i = 0; i < 4; i++) {
    const block = pair.encode(response(200, ANSWER), BLOCK_RESPONSE);
    sizes.push(block.length);
    const decoded = pair.decode(block, BLOCK_RESPONSE);
    assert.equal(decoded.reason, '');
    assert.equal(decoded.head.status, 200);
    assert.deepEqual(decoded.fields, ANSWER);
  }
  assert.deepEqual(sizes.slice(2), [7, 7]);
});

test('a decoded request goes on by the numbers of its lines', () => {
  const from = new BlockPair();
  const to = new BlockPair({}, from.interns);
  const fields: Fields = [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':path', '/a/b'],
    [':authority', 'a.example'],
    ['user-agent', 'h2load nghttp2/1.52.0'],
    ['x-of-mine', 'one'],
  ];
  // With indexing: 0x40 instead of 0.
  const block = literalBlock(fields).map((byte) => byte);
  for (let at = 0; at < block.length; ) {
    block[at] = 0x40;
    at += 1;
    at += 1 + (block[at] as number);
    at += 1 + (block[at] as number);
  }
  assert.equal(from.decode(block).reason, '');
  const indexed = Uint8Array.from([0xc3, 0xc2, 0xc1, 0xc0, 0xbf, 0xbe]);
  indexed.set([0x82, 0x87]);
  const sizes: number[] = [];
  for (let i = 0; i < 4; i++) {
    const decoded = from.decode(indexed);
    assert.equal(decoded.reason, '');
    const out = to.encode(decoded.head, BLOCK_REQUEST);
    sizes.push(out.length);
    const again = to.decode(out);
    assert.equal(again.reason, '');
    assert.equal(again.head.pathString(), '/a/b');
    assert.equal(again.head.authorityString(), 'a.example');
    assert.deepEqual(again.fields, decoded.fields);
  }
  // The path is seen twice before it gets a place.
  assert.deepEqual(sizes.slice(2), [6, 6]);
});

test('secrets are literals that nobody may index, every time', () => {
  const pair = new BlockPair();
  const secrets: Fields = [
    ['authorization', 'Basic Zm9vOmJhcg=='],
    ['proxy-authorization', 'Basic Zm9vOmJhcg=='],
    ['cookie', 'id=1'],
    ['set-cookie', 'id=1234567890123456789'],
  ];
  for (const secret of secrets) {
    const sizes = new Set<number>();
    for (let i = 0; i < 3; i++) {
      const block = pair.encode(response(200, [secret]), BLOCK_RESPONSE);
      assert.equal((block[1] as number) & 0xf0, 0x10, secret[0]);
      assert.deepEqual(pair.decode(block, BLOCK_RESPONSE).fields, [secret]);
      sizes.add(block.length);
    }
    assert.equal(sizes.size, 1);
  }
});

test('a field that was not to be indexed is passed on as one', () => {
  const pair = new BlockPair();
  const block = literalBlock([
    [':status', '200'],
    ['x-key', 'secret'],
  ]);
  block[block.indexOf(5, 12) - 1] = 0x10;
  for (let i = 0; i < 2; i++) {
    const { head, fields } = pair.decode(block, BLOCK_RESPONSE);
    assert.deepEqual(fields, [['x-key', 'secret']]);
    const out = pair.encode(head, BLOCK_RESPONSE);
    assert.equal(out[1], 0x10);
    assert.deepEqual(pair.decode(out, BLOCK_RESPONSE).fields, fields);
  }
});

test('what belongs to a connection stays behind', () => {
  const pair = new BlockPair();
  const head = request('/', [
    ['connection', 'keep-alive, x-nominated'],
    ['keep-alive', 'timeout=5'],
    ['Host', 'a.example'],
    ['Proxy-Connection', 'close'],
    ['transfer-encoding', 'chunked'],
    ['upgrade', 'h2c'],
    ['http2-settings', 'AAMAAABk'],
    ['te', 'gzip, trailers;q=1, trailers'],
    ['X-Added', 'kept'],
    ['Accept', 'text/html'],
  ]);
  head.flags |= HEAD_NOMINATES;
  const decoded = pair.decode(pair.encode(head, BLOCK_REQUEST));
  assert.equal(decoded.reason, '');
  assert.deepEqual(decoded.fields, [
    ['host', 'a.example'],
    ['te', 'trailers'],
    ['x-added', 'kept'],
    ['accept', 'text/html'],
  ]);
});

test('no length where none may be, and one at most', () => {
  const pair = new BlockPair();
  const lengths = (status: number): number =>
    pair.decode(
      pair.encode(
        response(status, [
          ['content-length', '5'],
          ['content-length', '5'],
        ]),
        BLOCK_RESPONSE,
      ),
      BLOCK_RESPONSE,
    ).fields.length;
  assert.deepEqual([100, 103, 204, 200, 304].map(lengths), [0, 0, 0, 1, 1]);
});

test('trailers lose what may not come late', () => {
  const pair = new BlockPair();
  const head = withFields(newHead(), [
    ['grpc-status', '0'],
    ['content-type', 'text/plain'],
    ['x-checksum', 'abc'],
  ]);
  const decoded = pair.decode(pair.encode(head, BLOCK_TRAILERS), BLOCK_TRAILERS);
  assert.equal(decoded.reason, '');
  assert.deepEqual(decoded.fields, [
    ['grpc-status', '0'],
    ['x-checksum', 'abc'],
  ]);
});

test('size updates: the smallest and the last since the block before (RFC 7541 §4.2)', () => {
  const pair = new BlockPair();
  pair.encoder.setPeerMaxTableBytes(1 << 20);
  assert.deepEqual([...pair.encode(response(200, []), BLOCK_RESPONSE)], [0x3f, 0xe1, 0x1f, 0x88]);
  pair.encoder.setPeerMaxTableBytes(0);
  pair.encoder.setPeerMaxTableBytes(256);
  assert.deepEqual([...pair.encode(response(200, []), BLOCK_RESPONSE)], [0x20, 0x3f, 0xe1, 0x01, 0x88]);
  assert.deepEqual([...pair.encode(response(200, []), BLOCK_RESPONSE)], [0x88]);
});

test('a table of nothing is used for nothing', () => {
  const pair = new BlockPair();
  pair.encoder.setPeerMaxTableBytes(0);
  for (let i = 0; i < 3; i++) {
    const decoded = pair.decode(pair.encode(response(200, ANSWER), BLOCK_RESPONSE), BLOCK_RESPONSE);
    assert.equal(decoded.reason, '');
    assert.deepEqual(decoded.fields, ANSWER);
  }
});

// Of the second nobody expects that a value comes again; its name does.
for (const name of ['x-of-mine', 'x-request-id'])
  test(`ids of requests take no places from what repeats, and their name is an index: ${name}`, () => {
    const pair = new BlockPair();
    let size = 0;
    for (let i = 0; i < 200; i++) {
      const id = `0af7651916cd43dd8448eb211c80${i + 1000}`;
      const block = pair.encode(
        response(200, [
          [name, id],
          ['server', 'origin'],
        ]),
        BLOCK_RESPONSE,
      );
      size = block.length - id.length;
      assert.equal(pair.decode(block, BLOCK_RESPONSE).reason, '');
    }
    // Status, the index of the name, a length, and Server's index; the id itself is coded.
    assert.ok(size <= 4, `${size} bytes beside the id`);
  });

test('cookies of which one was not to be indexed are one that is not', () => {
  const pair = new BlockPair();
  const block = Uint8Array.from([
    0x88,
    ...literalBlock([['cookie', 'a=0123456789']]),
    0x10,
    ...literalBlock([['cookie', 'b=0123456789']]).subarray(1),
  ]);
  for (let i = 0; i < 3; i++) {
    const { head } = pair.decode(block, BLOCK_RESPONSE);
    const out = pair.encode(head, BLOCK_RESPONSE);
    assert.equal((out[1] as number) & 0xf0, 0x10);
    assert.deepEqual(pair.decode(out, BLOCK_RESPONSE).fields, [['cookie', 'a=0123456789; b=0123456789']]);
  }
});
