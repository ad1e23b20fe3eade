/** FieldLine: a whole field line in wire form, composed once, for values that don't change per request. */
import { NAME_BYTES, type NameId } from './names.js';

export interface FieldLine {
  readonly id: NameId;
  readonly nameLength: number;
  readonly bytes: Uint8Array;
}

const encoder = new TextEncoder();

/** The same for a name that is not well known, in lower case. */
export function namedLine(name: string, value: string): FieldLine {
  return { id: 0, nameLength: name.length, bytes: encoder.encode(`${name}: ${value}\r\n`) };
}

export function fieldLine(id: NameId, value: string): FieldLine {
  const name = NAME_BYTES[id] as Uint8Array;
  return { id, nameLength: name.length, bytes: encoder.encode(`${String.fromCharCode(...name)}: ${value}\r\n`) };
}
