/** Fuzz target: HPACK. A plain second reader sees the same lines or the same error; what we write is read as it was. */
import assert from 'node:assert/strict';
import { FieldInterns } from '../../../engine/http2/field-interns.js';
import { carvingArena, LinePair } from '../../support/header-blocks.js';
import { ReferenceHpack } from '../../support/reference-hpack.js';
import { blocksOf, corpusOf } from '../corpus.js';

export const name = 'hpack';
export const corpus = corpusOf(name);

/** Small, so that segments are given up; shared, so that they live on from one input to the next. */
const interns = new FieldInterns(carvingArena(), { segments: 3, segmentBytes: 1024, segmentLines: 16 });

export function run(input: Uint8Array): void {
  const pair = new LinePair(4096, interns);
  const reference = new ReferenceHpack();
  for (const block of blocksOf(input)) {
    const expected = reference.decode(block);
    const decoded = pair.decode(block);
    if (expected === null || typeof decoded === 'string') {
      assert.equal(decoded, 'http2_compression_error');
      assert.equal(expected, null);
      return;
    }
    assert.deepEqual(decoded, expected);
  }
  // The same lines once more, by our encoder and with sizes that the input decides.
  const again = new LinePair(4096, interns);
  const other = new ReferenceHpack();
  const first = new ReferenceHpack();
  for (const block of blocksOf(input)) {
    const fields = (first.decode(block) as [string, string][]).map(([key, value]): [string, string] => [
      key.toLowerCase().replaceAll(/[^!-~]/g, '_'),
      value,
    ]);
    if ((block[0] as number) % 8 === 0) again.encoder.setPeerMaxTableBytes((block.length * 64) % 5000);
    const written = again.encode(fields);
    assert.deepEqual(again.decode(written), fields);
    assert.deepEqual(other.decode(written), fields);
  }
}
