/** DerReader: walks the DER of certificates, bounded by what it was given; for what node:crypto does not tell. */

export const DER_INTEGER = 0x02;
export const DER_OCTET_STRING = 0x04;
export const DER_OID = 0x06;
export const DER_SEQUENCE = 0x30;

/** One element: tag, and where its content is. */
export interface DerElement {
  readonly tag: number;
  /** With tag and length. */
  readonly start: number;
  readonly from: number;
  readonly to: number;
}

/** Null: not an element that ends by `end`. Tags of one byte and definite lengths alone are DER as X.509 has it. */
export function readDer(bytes: Uint8Array, start: number, end: number): DerElement | null {
  if (start + 2 > end) return null;
  const tag = bytes[start] as number;
  if ((tag & 0x1f) === 0x1f) return null;
  let length = bytes[start + 1] as number;
  let from = start + 2;
  if (length >= 0x80) {
    const lengthBytes = length & 0x7f;
    if (lengthBytes === 0 || lengthBytes > 3 || from + lengthBytes > end) return null;
    length = 0;
    for (let i = 0; i < lengthBytes; i++) length = length * 256 + (bytes[from + i] as number);
    from += lengthBytes;
  }
  if (from + length > end) return null;
  return { tag, start, from, to: from + length };
}

/** The elements inside of another one; empty when they don't fill it. */
export function childrenOf(bytes: Uint8Array, element: Pick<DerElement, 'from' | 'to'>): readonly DerElement[] {
  const found: DerElement[] = [];
  for (let at = element.from; at < element.to; ) {
    const child = readDer(bytes, at, element.to);
    if (child === null) return [];
    found.push(child);
    at = child.to;
  }
  return found;
}

/** "2.5.29.17"; '' when it is none. */
export function oidText(bytes: Uint8Array, from: number, to: number): string {
  const parts: number[] = [];
  let value = 0;
  for (let at = from; at < to; at++) {
    const byte = bytes[at] as number;
    value = value * 128 + (byte & 0x7f);
    if (value > Number.MAX_SAFE_INTEGER / 128) return '';
    if ((byte & 0x80) !== 0) continue;
    if (parts.length === 0) {
      const first = Math.min(2, Math.floor(value / 40));
      parts.push(first, value - first * 40);
    } else parts.push(value);
    value = 0;
  }
  return parts.join('.');
}
