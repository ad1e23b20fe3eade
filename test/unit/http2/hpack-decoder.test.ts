/** HpackDecoder: the examples of RFC 7541 Appendix C. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BLOCK_RESPONSE } from '../../../engine/http2/hpack-decoder.js';
import { FIELD_INTERNED } from '../../../engine/http/head.js';
import { BlockPair, fromHex } from '../../support/header-blocks.js';

const REQUESTS = {
  'C.3 without Huffman': [
    '828684410f7777772e6578616d706c652e636f6d',
    '828684be58086e6f2d6361636865',
    '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
  ],
  'C.4 with Huffman': [
    '828684418cf1e3c2e5f23a6ba0ab90f4ff',
    '828684be5886a8eb10649cbf',
    '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
  ],
};

for (const [name, blocks] of Object.entries(REQUESTS))
  test(`RFC 7541 ${name}`, () => {
    const pair = new BlockPair();
    const [first, second, third] = blocks.map((hex) => pair.decode(fromHex(hex)));
    assert.deepEqual([first?.reason, second?.reason, third?.reason], ['', '', '']);
    assert.deepEqual(first?.fields, [['host', 'www.example.com']]);
    assert.equal(first?.head.authorityString(), 'www.example.com');
    assert.equal(first?.head.pathString(), '/');
    assert.equal(first?.head.method, 1);
    assert.deepEqual(second?.fields, [
      ['host', 'www.example.com'],
      ['cache-control', 'no-cache'],
    ]);
    assert.deepEqual(third?.fields, [
      ['host', 'www.example.com'],
      ['custom-key', 'custom-value'],
    ]);
    assert.equal(third?.head.pathString(), '/index.html');
  });

const RESPONSES = {
  'C.5 without Huffman': [
    '4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d',
    '4803333037c1c0bf',
    '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31',
  ],
  'C.6 with Huffman': [
    '488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3',
    '4883640effc1c0bf',
    '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
  ],
};

for (const [name, blocks] of Object.entries(RESPONSES))
  test(`RFC 7541 ${name}, with evictions from a table of 256 bytes`, () => {
    const pair = new BlockPair();
    const update = '3fe101';
    const [first, second, third] = blocks.map((hex, at) =>
      pair.decode(fromHex(at === 0 ? update + hex : hex), BLOCK_RESPONSE),
    );
    assert.deepEqual([first?.reason, second?.reason, third?.reason], ['', '', '']);
    const early = [
      ['cache-control', 'private'],
      ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
      ['location', 'https://www.example.com'],
    ];
    assert.deepEqual([first?.head.status, second?.head.status, third?.head.status], [302, 307, 200]);
    assert.deepEqual(first?.fields, early);
    assert.deepEqual(second?.fields, early);
    assert.deepEqual(third?.fields, [
      ['cache-control', 'private'],
      ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'],
      ['location', 'https://www.example.com'],
      ['content-encoding', 'gzip'],
      ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'],
    ]);
  });

test('a line is interned when it is referred to again, and copied until then', () => {
  const pair = new BlockPair();
  const isInterned = (block: string): boolean => {
    const { reason, head, fields } = pair.decode(fromHex(block), BLOCK_RESPONSE);
    assert.equal(reason, '');
    assert.deepEqual(fields, [['x-a', '1']]);
    return (head.fieldFlags(0) & FIELD_INTERNED) !== 0;
  };
  assert.equal(isInterned('8840 03782d61 0131'), false);
  assert.equal(isInterned('88be'), false);
  assert.equal(isInterned('88be'), true);
  assert.equal(isInterned('88be'), true);
});

const ERRORS: readonly [string, string][] = [
  ['§6.1 index 0', '80'],
  ['§2.3.3 an index behind the table', 'be'],
  ['§2.3.3 the index of a name behind the table', '7e0161'],
  ['§5.1 an integer that is cut off', 'ff'],
  ['§5.1 an integer that goes on for ever', 'ff8080808000'],
  ['§5.1 an integer above what anyone has', '7fffffffff7f00'],
  ['§5.2 a string behind the end', '0001610561'],
  ['§5.2 no string', '000161'],
  ['§5.2 padding with zeros', '0001618118'],
  ['§5.2 padding of eight ones', '000161821fff'],
  ['§5.2 EOS', '00016184ffffffff'],
  ['§4.2 a size above the allowance', '3fe2 1f'],
  ['§4.2 a size behind a field', '8820'],
];

for (const [name, hex] of ERRORS)
  test(`a compression error: RFC 7541 ${name}`, () => {
    assert.equal(new BlockPair().decode(fromHex(hex)).reason, 'http2_compression_error');
  });

test('RFC 7541 §4.4: an entry that is larger than the table empties it', () => {
  const pair = new BlockPair();
  assert.equal(pair.decode(fromHex('3f2188 4003782d610131'), BLOCK_RESPONSE).reason, '');
  assert.deepEqual(pair.decode(fromHex('88be'), BLOCK_RESPONSE).fields, [['x-a', '1']]);
  const large = `884003782d62 40${'61'.repeat(64)}`;
  assert.equal(pair.decode(fromHex(large), BLOCK_RESPONSE).reason, '');
  assert.equal(pair.decode(fromHex('88be'), BLOCK_RESPONSE).reason, 'http2_compression_error');
});

test('RFC 7541 §4.4: the name of an entry that its own insertion evicts', () => {
  const pair = new BlockPair();
  // 64 bytes hold one entry of 32 + 3 + 1, and not two.
  assert.equal(pair.decode(fromHex('3f2188 4003782d610131'), BLOCK_RESPONSE).reason, '');
  assert.deepEqual(pair.decode(fromHex('887e0132'), BLOCK_RESPONSE).fields, [['x-a', '2']]);
  assert.deepEqual(pair.decode(fromHex('88be'), BLOCK_RESPONSE).fields, [['x-a', '2']]);
});

test('RFC 9113 §4.3.1: an allowance that was cut has to be answered with a size', () => {
  const pair = new BlockPair();
  pair.decoder.setMaxTableBytes(64);
  assert.equal(pair.decode(fromHex('88'), BLOCK_RESPONSE).reason, 'http2_compression_error');
  const other = new BlockPair();
  other.decoder.setMaxTableBytes(64);
  assert.equal(other.decode(fromHex('3f2188'), BLOCK_RESPONSE).reason, '');
  assert.equal(other.decode(fromHex('88'), BLOCK_RESPONSE).reason, '');
});

test('a long name or value that makes the head grow while it is read', () => {
  const pair = new BlockPair();
  const value = 'v'.repeat(9000);
  const block = Uint8Array.from([0x88, 0, 3, 0x78, 0x2d, 0x61, 0x7f, 0xa9, 0x45, ...Buffer.from(value)]);
  assert.deepEqual(pair.decode(block, BLOCK_RESPONSE).fields, [['x-a', value]]);
});
