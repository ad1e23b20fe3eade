/** Request rules: Content-Length as HTTP/1.1 gets it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BlockPair, literalBlock } from '../../support/header-blocks.js';

const REQUEST = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'a'],
] as const;

test('a length with leading zeros is written down anew: it would be octal to somebody', () => {
  for (const [written, meant] of [
    ['005', 5],
    ['00', 0],
    ['0000000000000000000000000000000017', 17],
  ] as const) {
    // The second time it may come as an interned line.
    const pair = new BlockPair();
    for (let i = 0; i < 3; i++) {
      const { reason, head, fields } = pair.decode(literalBlock([...REQUEST, ['content-length', written]]));
      assert.equal(reason, '');
      assert.equal(head.contentLength, meant);
      assert.deepEqual(fields, [
        ['host', 'a'],
        ['content-length', String(meant)],
      ]);
    }
  }
});

test('what is no length, or one too many, is refused', () => {
  for (const lengths of [['+5'], ['5 '], [''], ['5,5'], ['99999999999999999999'], ['5', '5'], ['05', '5']])
    assert.match(
      new BlockPair().decode(literalBlock([...REQUEST, ...lengths.map((each) => ['content-length', each] as const)]))
        .reason,
      /content_length|invalid_field_value/,
      lengths.join(),
    );
});
