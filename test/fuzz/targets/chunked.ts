/** Fuzz target: chunked bodies. However the bytes are cut, the same data comes out, and the same fault. */
import { CHUNK_DATA, CHUNK_FAULT, CHUNK_LAST, CHUNK_MORE, ChunkedReader } from '../../../engine/http1/chunked.js';
import { corpusOf } from '../corpus.js';

export const name = 'chunked';
export const corpus = corpusOf(name);

interface Outcome {
  readonly data: string;
  readonly end: string;
}

/** Feeds pieces of so many bytes. */
function read(input: Uint8Array, pieceBytes: number): Outcome {
  const reader = new ChunkedReader();
  let data = '';
  for (let start = 0; start < input.length; start += pieceBytes) {
    const end = Math.min(input.length, start + pieceBytes);
    // A piece lies in an array of its own, between bytes that are not its.
    const lent = new Uint8Array(end - start + 20).fill(0x30);
    lent.set(input.subarray(start, end), 10);
    let at = 10;
    for (;;) {
      const what = reader.next(lent, at, end - start + 10);
      if (reader.at < at || reader.at > end - start + 10) throw new Error('read outside of the piece');
      at = reader.at;
      if (what === CHUNK_DATA) {
        if (reader.dataStart < 10 || reader.dataEnd > end - start + 10) throw new Error('lent outside of the piece');
        data += Buffer.from(lent.subarray(reader.dataStart, reader.dataEnd)).toString('latin1');
      } else if (what === CHUNK_LAST) return { data, end: `last at ${start + at - 10}` };
      else if (what === CHUNK_FAULT) return { data, end: `fault ${reader.fault}` };
      else if (what === CHUNK_MORE) break;
    }
  }
  return { data, end: 'more' };
}

export function run(input: Uint8Array): void {
  const whole = read(input, Math.max(1, input.length));
  for (const pieceBytes of [1, 2, 3, 7]) {
    const cut = read(input, pieceBytes);
    if (cut.end !== whole.end) throw new Error(`pieces of ${pieceBytes}: ${cut.end} instead of ${whole.end}`);
    if (cut.data !== whole.data) throw new Error(`pieces of ${pieceBytes}: other data`);
  }
}
