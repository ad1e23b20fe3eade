/** A second, plain reader of HPACK to compare with: lists, strings, a code read bit by bit; null = a compression error. */
import { STATIC_TABLE } from '../../engine/http2/hpack-static.js';
import { huffmanEncode } from '../../engine/http2/hpack-huffman.js';

/** Codes as text of 0s and 1s, asked of the coder: padding with ones, so a code ends where its padding may begin. */
const CODES = new Map<string, number>();
for (let symbol = 0; symbol < 256; symbol++) {
  // Four times the same symbol shows its length: all of it is periodic but the padding.
  const out = new Uint8Array(64);
  const bitsOf = (count: number): string => {
    const end = huffmanEncode(new Uint8Array(count).fill(symbol), 0, count, out, 0);
    return [...out.subarray(0, end)].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  };
  // Eight symbols are a whole number of bytes.
  const eight = bitsOf(8);
  CODES.set(eight.slice(0, eight.length / 8), symbol);
}

function decodeHuffman(bytes: Uint8Array): string | null {
  let text = '';
  let code = '';
  for (const byte of bytes)
    for (const bit of byte.toString(2).padStart(8, '0')) {
      code += bit;
      if (code.length > 30) return null;
      const symbol = CODES.get(code);
      if (symbol === undefined) continue;
      text += String.fromCharCode(symbol);
      code = '';
    }
  return code.length < 8 && !code.includes('0') ? text : null;
}

export class ReferenceHpack {
  #entries: [string, string][] = [];
  #maxBytes = 4096;
  #allowedBytes = 4096;

  /** What the setting allows from now on. */
  allow(maxBytes: number): void {
    this.#allowedBytes = maxBytes;
  }

  decode(bytes: Uint8Array): [string, string][] | null {
    const fields: [string, string][] = [];
    let at = 0;
    let isStart = true;
    const integer = (bits: number): number => {
      const mask = (1 << bits) - 1;
      let value = (bytes[at++] as number) & mask;
      if (value < mask) return value;
      for (let i = 0; ; i++) {
        if (at >= bytes.length || i > 3) return -1;
        const byte = bytes[at++] as number;
        value += (byte & 0x7f) * 2 ** (7 * i);
        if (byte < 0x80) return value;
      }
    };
    const string = (): string | null => {
      if (at >= bytes.length) return null;
      const isCoded = (bytes[at] as number) >= 0x80;
      const length = integer(7);
      if (length < 0 || at + length > bytes.length) return null;
      const raw = bytes.subarray(at, at + length);
      at += length;
      return isCoded ? decodeHuffman(raw) : Buffer.from(raw).toString('latin1');
    };
    const entry = (index: number): readonly [string, string] | null =>
      index < 1 ? null : (STATIC_TABLE[index] ?? this.#entries[index - STATIC_TABLE.length] ?? null);
    while (at < bytes.length) {
      const byte = bytes[at] as number;
      if (byte >= 0x80) {
        const known = entry(integer(7));
        if (known === null) return null;
        fields.push([...known]);
      } else if ((byte & 0xe0) === 0x20) {
        const size = integer(5);
        if (!isStart || size < 0 || size > this.#allowedBytes) return null;
        this.#maxBytes = size;
        this.#evict();
        continue;
      } else {
        const index = integer(byte >= 0x40 ? 6 : 4);
        const name = index === 0 ? string() : (entry(index)?.[0] ?? null);
        const value = index < 0 || name === null ? null : string();
        if (name === null || value === null) return null;
        fields.push([name, value]);
        if (byte >= 0x40) {
          this.#entries.unshift([name, value]);
          this.#evict();
        }
      }
      isStart = false;
    }
    return fields;
  }

  #evict(): void {
    let size = 0;
    this.#entries = this.#entries.filter(([name, value]) => {
      size += name.length + value.length + 32;
      return size <= this.#maxBytes;
    });
  }
}
