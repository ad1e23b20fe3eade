/** HPACK's Huffman code (RFC 7541 Appendix B): a decoder that takes a byte per step, and an encoder. */

/** Bits of each byte's code, then of EOS; the code is canonical, so the lengths say all. */
const LENGTHS = Uint8Array.from(
  (
    '13 23 28 28 28 28 28 28 28 24 30 28 28 30 28 28 28 28 28 28 28 28 30 28 28 28 28 28 28 28 28 28 ' +
    '6 10 10 12 13 6 8 11 10 10 8 11 8 6 6 6 5 5 5 6 6 6 6 6 6 6 7 8 15 6 12 10 ' +
    '13 6 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 8 7 8 13 19 13 14 6 ' +
    '15 5 6 5 6 5 6 6 6 5 7 7 6 6 6 5 6 7 6 5 5 6 7 7 7 7 7 15 11 14 13 28 ' +
    '20 22 20 20 22 22 22 23 22 23 23 23 23 23 24 23 24 24 22 23 24 23 23 23 23 21 22 23 22 23 23 24 ' +
    '22 21 20 22 22 23 23 21 23 22 22 24 21 22 23 23 21 21 22 21 23 22 23 23 20 22 22 22 23 22 22 23 ' +
    '26 26 20 19 22 23 22 25 26 26 26 27 27 26 24 25 19 21 26 27 27 26 27 24 21 21 26 26 28 27 27 27 ' +
    '20 24 20 21 22 21 21 23 22 22 25 25 24 24 26 23 26 27 26 26 27 27 27 27 27 28 27 27 27 27 27 26 30'
  ).split(' '),
  Number,
);
const EOS = 256;
const SYMBOLS = 257;

const CODES = new Uint32Array(SYMBOLS);

function fillCodes(): void {
  let code = 0;
  for (let length = 1; length <= 30; length++) {
    code *= 2;
    for (let symbol = 0; symbol < SYMBOLS; symbol++) if (LENGTHS[symbol] === length) CODES[symbol] = code++;
  }
}
fillCodes();

// The code's tree, then a table over (inner node, next byte): a byte of input ends at most two symbols, the shortest
// being five bits long. Entry: next node in bits 0..7, how many symbols in 8..9, the symbols in 10..17 and 18..25, and
// whether the input may end there in 26: behind at most seven ones (RFC 7541 §5.2).

const COUNT_SHIFT = 8;
const FIRST_SHIFT = 10;
const SECOND_SHIFT = 18;
const MAY_END = 1 << 26;
/** EOS was decoded: an error (RFC 7541 §5.2). */
const FAILED = 1 << 27;

const CHILDREN = new Int16Array(256 * 2);
const STEPS = new Int32Array(256 * 256);

function fillTree(): void {
  let nodes = 1;
  for (let symbol = 0; symbol < SYMBOLS; symbol++) {
    const length = LENGTHS[symbol] as number;
    let node = 0;
    for (let bit = length - 1; bit >= 0; bit--) {
      const at = node * 2 + (((CODES[symbol] as number) >>> bit) & 1);
      if (bit === 0) CHILDREN[at] = -1 - symbol;
      else {
        if (CHILDREN[at] === 0) CHILDREN[at] = nodes++;
        node = CHILDREN[at] as number;
      }
    }
  }
}

/** Nodes on the way of EOS, all ones, whose depth is below eight: where padding may have led. */
function endNodes(): boolean[] {
  const may: boolean[] = new Array(256).fill(false);
  for (let node = 0, depth = 0; depth < 8; depth++) {
    may[node] = true;
    node = CHILDREN[node * 2 + 1] as number;
  }
  return may;
}

function stepOf(from: number, byte: number, may: boolean[]): number {
  let node = from;
  let count = 0;
  let symbols = 0;
  for (let bit = 7; bit >= 0; bit--) {
    const next = CHILDREN[node * 2 + ((byte >> bit) & 1)] as number;
    if (next >= 0) {
      node = next;
      continue;
    }
    if (-1 - next === EOS) return FAILED;
    symbols |= (-1 - next) << (count === 0 ? FIRST_SHIFT : SECOND_SHIFT);
    count++;
    node = 0;
  }
  return node | (count << COUNT_SHIFT) | symbols | (may[node] ? MAY_END : 0);
}

fillTree();
const mayEnd = endNodes();
for (let node = 0; node < 256; node++)
  for (let byte = 0; byte < 256; byte++) STEPS[node * 256 + byte] = stepOf(node, byte, mayEnd);

/** Bytes that byteCount coded ones become at most. */
export function decodedMax(byteCount: number): number {
  return ((byteCount * 8) / 5) | 0;
}

/** Decodes bytes[start, end) to into[at...], where decodedMax() + 1 bytes must be free; the end, or -1 on an error. */
export function huffmanDecode(bytes: Uint8Array, start: number, end: number, into: Uint8Array, at: number): number {
  let step = MAY_END;
  for (let from = start; from < end; from++) {
    step = STEPS[((step & 0xff) << 8) | (bytes[from] as number)] as number;
    // One of the two may be written over again: cheaper than a branch.
    into[at] = (step >> FIRST_SHIFT) & 0xff;
    into[at + 1] = (step >> SECOND_SHIFT) & 0xff;
    at += (step >> COUNT_SHIFT) & 3;
    if ((step & FAILED) !== 0) return -1;
  }
  return (step & MAY_END) !== 0 ? at : -1;
}

/** Bytes of bytes[start, end) once coded. */
export function huffmanLength(bytes: Uint8Array, start: number, end: number): number {
  let bits = 0;
  for (let at = start; at < end; at++) bits += LENGTHS[bytes[at] as number] as number;
  return (bits + 7) >> 3;
}

/** Codes bytes[start, end) to out[at...]; answers the end. */
export function huffmanEncode(bytes: Uint8Array, start: number, end: number, out: Uint8Array, at: number): number {
  // At most 7 bits are pending when the next code (up to 28 of a byte) comes: two parts keep it within 32.
  let pending = 0;
  let count = 0;
  for (let from = start; from < end; from++) {
    const byte = bytes[from] as number;
    let code = CODES[byte] as number;
    let length = LENGTHS[byte] as number;
    if (length > 16) {
      pending = (pending << (length - 16)) | (code >>> 16);
      count += length - 16;
      for (; count >= 8; count -= 8) out[at++] = pending >>> (count - 8);
      code &= 0xffff;
      length = 16;
    }
    pending = (pending << length) | code;
    count += length;
    for (; count >= 8; count -= 8) out[at++] = pending >>> (count - 8);
  }
  // The rest is filled with ones, the beginning of EOS.
  if (count > 0) out[at++] = (pending << (8 - count)) | (0xff >> count);
  return at;
}
