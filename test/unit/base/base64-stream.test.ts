/** Base64Decoder and Base64Encoder: any split gives what the whole gives; what is no base64 is found out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Base64Decoder, Base64Encoder } from '../../../engine/base/base64-stream.js';

function pieces(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => bytes.subarray(at[i] as number, end));
}
function decode(parts: readonly Uint8Array[]): Buffer | null {
  const decoder = new Base64Decoder();
  const done: Buffer[] = [];
  for (const part of parts) {
    const out = new Uint8Array(part.length + 3);
    const count = decoder.decode(part, 0, part.length, out);
    if (count < 0) return null;
    done.push(Buffer.from(out.subarray(0, count)));
  }
  return decoder.isWhole ? Buffer.concat(done) : null;
}

test('texts behind each other, cut anywhere, are the bytes that they were', () => {
  const parts = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 5 });
  fc.assert(
    fc.property(parts, fc.array(fc.nat(), { maxLength: 6 }), (messages, cuts) => {
      const text = Buffer.from(messages.map((message) => Buffer.from(message).toString('base64')).join(''));
      assert.deepEqual(decode(pieces(text, cuts)), Buffer.concat(messages));
    }),
  );
});

test('the encoder writes what Buffer writes, however the bytes come', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.array(fc.nat(), { maxLength: 6 }), (bytes, cuts) => {
      const encoder = new Base64Encoder();
      const out = new Uint8Array(100);
      let at = 0;
      for (const part of pieces(bytes, cuts)) at = encoder.encode(part, 0, part.length, out, at);
      at = encoder.finish(out, at);
      assert.equal(Buffer.from(out.subarray(0, at)).toString(), Buffer.from(bytes).toString('base64'));
      assert.equal(encoder.finish(out, at), at);
    }),
  );
});

test('what is no base64 is found out', () => {
  for (const text of ['A', 'AA', 'AAA', '====', 'A===', 'AA=A', 'AA==AA=', 'A B=', 'AAA-', 'AB==', 'AAB=', 'AA\n='])
    assert.equal(decode([Buffer.from(text)]), null, text);
  assert.deepEqual(decode([]), Buffer.alloc(0));
});
