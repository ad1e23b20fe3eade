/** Fuzz target: header blocks. What passes is in canonical form, is taken by the HTTP/1.1 parser too, and goes on as it is. */
import assert from 'node:assert/strict';
import { HEAD_EXTENDED_CONNECT, type Head } from '../../../engine/http/head.js';
import { parseRequestHead } from '../../../engine/http1/head-parser.js';
import { writeRequestHead } from '../../../engine/http1/head-writer.js';
import { FieldInterns } from '../../../engine/http2/field-interns.js';
import { BLOCK_REQUEST, type BlockKind } from '../../../engine/http2/hpack-decoder.js';
import { FakeArena, FakeConn } from '../../support/fake-conn.js';
import { BlockPair, carvingArena, fieldsOf, newHead } from '../../support/header-blocks.js';
import { SERVER_OPTIONS } from '../../support/server-harness.js';
import { blocksOf, corpusOf } from '../corpus.js';

export const name = 'header-block';
export const corpus = corpusOf(name);

const interns = new FieldInterns(carvingArena(), { segments: 3, segmentBytes: 1024, segmentLines: 16 });
const arena = new FakeArena();

/** The first byte of the input says of which kind its blocks are. */
export function run(input: Uint8Array): void {
  const kind = ((input[0] ?? 0) % 3) as BlockKind;
  const pair = new BlockPair({ maxHeadBytes: 4096, maxFields: 20 }, interns);
  for (const block of blocksOf(input.subarray(1))) {
    const { reason, head } = pair.decode(block, kind);
    if (reason === 'http2_compression_error') return;
    if (reason === '') {
      checkLines(head);
      if (kind === BLOCK_REQUEST) checkWithHttp1(head);
      checkPassedOn(head, kind);
    }
    head.reset();
  }
}

function checkLines(head: Head): void {
  for (let slot = 0; slot < head.fieldCount; slot++) {
    if (head.isRemoved(slot)) continue;
    const bytes = head.fieldBytes(slot).subarray(head.nameStart(slot), head.valueEnd(slot) + 2);
    const line = Buffer.from(bytes).toString('latin1');
    assert.match(
      line,
      /^[!#$%&'*+\-.^_`|~0-9a-z]+: ([^\0-\x08\x0a-\x20\x7f]([^\0-\x08\x0a-\x1f\x7f]*[^\0-\x20\x7f])?)?\r\n$/,
    );
  }
}

/** At least as strict as HTTP/1.1: its parser takes what we pass on, and reads the same. */
function checkWithHttp1(head: Head): void {
  const conn = new FakeConn();
  writeRequestHead(conn, head, arena, 0);
  const bytes = new Uint8Array(Buffer.from(conn.written, 'latin1'));
  const read = newHead(8192);
  const after = parseRequestHead(bytes, 0, bytes.length, read, SERVER_OPTIONS);
  assert.equal(after, bytes.length, conn.written);
  assert.equal(read.method, head.method);
  assert.equal(read.pathString(), head.pathString());
  assert.equal(read.authorityString(), head.authorityString());
  assert.equal(read.contentLength, head.contentLength);
}

function checkPassedOn(head: Head, kind: BlockKind): void {
  const to = new BlockPair({}, interns);
  const fields = fieldsOf(head);
  for (let i = 0; i < 3; i++) {
    const again = to.decode(to.encode(head, kind), kind);
    assert.equal(again.reason, '');
    assert.equal(again.head.status, head.status);
    assert.equal(again.head.method, head.method);
    assert.equal(again.head.pathString(), head.pathString());
    assert.equal(again.head.authorityString(), head.authorityString());
    assert.equal(again.head.flags & HEAD_EXTENDED_CONNECT, head.flags & HEAD_EXTENDED_CONNECT);
    assert.ok(again.fields.length <= fields.length);
    for (const field of again.fields)
      assert.ok(fields.some(([name, value]) => name === field[0] && sameValue(value, field[1])));
    again.head.reset();
  }
}

/** "te: Trailers" goes on as "te: trailers". */
function sameValue(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}
