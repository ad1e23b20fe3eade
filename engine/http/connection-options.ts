/** What Connection and TE ask of this hop: nominated fields, trailers; for the writers of every version. */
import { equalsIgnoreCase, TOKEN } from '../base/ascii.js';
import type { Head } from './head.js';
import { mayBeNominated } from './hop-by-hop.js';
import { N, type NameId } from './names.js';

const CONNECTION = N.connection;
const TRAILERS = new TextEncoder().encode('trailers');

/** Is this received field, with the name in bytes[start, end), among the options of any Connection field of the head? */
export function isNominated(head: Head, id: NameId, bytes: Uint8Array, start: number, end: number): boolean {
  if (!mayBeNominated(id)) return false;
  for (let slot = head.find(CONNECTION); slot >= 0; slot = head.find(CONNECTION, slot + 1)) {
    const value = head.fieldBytes(slot);
    let at = head.valueStart(slot);
    const to = head.valueEnd(slot);
    while (at < to) {
      while (at < to && TOKEN[value[at] as number] === 0) at++;
      const from = at;
      while (at < to && TOKEN[value[at] as number] !== 0) at++;
      if (at - from === end - start && sameIgnoringCase(value, from, bytes, start, end - start)) return true;
    }
  }
  return false;
}

function sameIgnoringCase(a: Uint8Array, aStart: number, b: Uint8Array, bStart: number, length: number): boolean {
  for (let i = 0; i < length; i++) {
    const x = a[aStart + i] as number;
    const y = b[bStart + i] as number;
    if (x !== y && ((x | 0x20) !== (y | 0x20) || (x | 0x20) < 0x61 || (x | 0x20) > 0x7a)) return false;
  }
  return true;
}

/** Does a TE field list "trailers"? It is the one member that a proxy may ask the next hop for (RFC 9110 §10.1.4). */
export function listsTrailers(head: Head, slot: number): boolean {
  const bytes = head.fieldBytes(slot);
  const to = head.valueEnd(slot);
  let at = head.valueStart(slot);
  while (at < to) {
    while (at < to && (bytes[at] === 0x2c || bytes[at] === 0x20 || bytes[at] === 9)) at++;
    const from = at;
    while (at < to && bytes[at] !== 0x2c) at++;
    let end = at;
    while (end > from && (bytes[end - 1] === 0x20 || bytes[end - 1] === 9)) end--;
    if (equalsIgnoreCase(bytes, from, end, TRAILERS)) return true;
  }
  return false;
}
