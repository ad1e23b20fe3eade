/** Header blocks for tests: an arena, decoders, heads as lists of fields. */
import type { FaultCode } from '../../engine/fault/faults.js';
import { FAULTS } from '../../engine/fault/faults.js';
import { HOME_SLOT_INTS, Head } from '../../engine/http/head.js';
import {
  FieldInterns,
  LINE_KIND,
  LINE_START,
  LINE_STRIDE,
  LINE_VALUE_END,
  LINE_VALUE_START,
} from '../../engine/http2/field-interns.js';
import { LINE_AUTHORITY } from '../../engine/http2/header-rules.js';
import { type BlockKind, type HeaderLimits, HpackDecoder, type LineSink } from '../../engine/http2/hpack-decoder.js';
import { HpackEncoder } from '../../engine/http2/hpack-encoder.js';
import { keyOf } from '../../engine/http2/encoder-table.js';
import { idOfName, LineEncoder } from '../../engine/http2/line-encoder.js';
import { FIELD_NEVER_INDEXED } from '../../engine/http/head.js';
import type { Arena } from '../../engine/io/transport.js';

export const LIMITS: HeaderLimits = {
  maxHeadBytes: 60 * 1024,
  maxFields: 100,
  underscores: 'ALLOW',
  allowExtendedConnect: true,
};

export type Fields = readonly (readonly [string, string])[];

/** An arena that carves, at multiples of eight, and nothing else. */
export function carvingArena(byteCount = 2 << 20): Arena {
  let at = 0;
  return {
    bytes: new Uint8Array(byteCount),
    reserve: () => {
      throw new Error('not for tests');
    },
    commit: () => undefined,
    carve: (count) => {
      if (at + count > byteCount) return -1;
      const start = at;
      at = (at + count + 7) & ~7;
      return start;
    },
  };
}

export function newHead(storeBytes = 2048): Head {
  return new Head(new Uint8Array(storeBytes), 0, storeBytes, new Int32Array(HOME_SLOT_INTS), 0);
}

export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'));
}

/** What is decoded, in readable form; reason: '' or the fault's. */
export interface Decoded {
  readonly reason: string;
  readonly head: Head;
  readonly fields: [string, string][];
}

/** Fields that were not removed. */
export function fieldsOf(head: Head): [string, string][] {
  const fields: [string, string][] = [];
  for (let slot = 0; slot < head.fieldCount; slot++)
    if (!head.isRemoved(slot)) fields.push([head.nameString(slot), head.valueString(slot)]);
  return fields;
}

/** A literal without indexing and without Huffman coding for each field. */
export function literalBlock(fields: Fields): Uint8Array {
  const bytes: number[] = [];
  for (const [name, value] of fields) {
    bytes.push(0);
    pushString(bytes, name);
    pushString(bytes, value);
  }
  return Uint8Array.from(bytes);
}

function pushString(bytes: number[], text: string): void {
  const raw = Buffer.from(text, 'latin1');
  let rest = raw.length;
  if (rest < 0x7f) bytes.push(rest);
  else {
    bytes.push(0x7f);
    for (rest -= 0x7f; rest >= 0x80; rest >>= 7) bytes.push((rest & 0x7f) | 0x80);
    bytes.push(rest);
  }
  bytes.push(...raw);
}

/** Both directions of one connection, over one worker's interns. */
export class BlockPair {
  readonly interns: FieldInterns;
  readonly decoder: HpackDecoder;
  readonly encoder: HpackEncoder;

  constructor(limits: Partial<HeaderLimits> = {}, interns = new FieldInterns(carvingArena())) {
    const all = { ...LIMITS, ...limits };
    this.interns = interns;
    this.decoder = new HpackDecoder(interns, all);
    this.encoder = new HpackEncoder(interns, 4096);
  }

  decode(bytes: Uint8Array, kind: BlockKind = 0): Decoded {
    const head = newHead();
    const fault: FaultCode = this.decoder.decode(bytes, 0, bytes.length, head, kind);
    return { reason: FAULTS[fault]?.reason ?? `unknown ${fault}`, head, fields: fieldsOf(head) };
  }

  encode(head: Head, kind: BlockKind = 0): Uint8Array {
    const out = new Uint8Array(this.encoder.sizeBound(head));
    return out.slice(0, this.encoder.encode(head, kind, out, 0));
  }
}

/** Takes lines as they come, without a rule of HTTP. */
class LineList implements LineSink {
  readonly isOver = false;
  readonly sizeBytes = 0;
  readonly fields: [string, string][] = [];
  readonly neverIndexed: string[] = [];
  readonly #interns: FieldInterns;
  #head = newHead();

  constructor(interns: FieldInterns) {
    this.#interns = interns;
  }

  begin(head: Head): void {
    this.#head = head;
    head.beginOwn(this.#interns.lines);
  }

  takeInterned(number: number): void {
    const at = number * LINE_STRIDE;
    const facts = this.#interns.facts;
    const line = Buffer.from(this.#interns.lines.bytes);
    const valueStart = facts[at + LINE_VALUE_START] as number;
    const name = line.toString('latin1', facts[at + LINE_START], valueStart - 2);
    const value = line.toString('latin1', valueStart, facts[at + LINE_VALUE_END]);
    this.fields.push([facts[at + LINE_KIND] === LINE_AUTHORITY ? ':authority' : name, value]);
  }

  takeLine(start: number, nameLength: number, valueLength: number, _facts: number, _arg: number, never: 0 | 1): void {
    const line = Buffer.from(this.#head.store.subarray(start, start + nameLength + 2 + valueLength)).toString('latin1');
    this.fields.push([line.slice(0, nameLength), line.slice(nameLength + 2)]);
    if (never === 1) this.neverIndexed.push(line.slice(0, nameLength));
  }

  finish(): FaultCode {
    return 0;
  }
}

/** HPACK alone, both directions: lists of lines, whatever HTTP says about them. */
export class LinePair {
  readonly interns: FieldInterns;
  readonly decoder: HpackDecoder;
  readonly encoder: LineEncoder;
  readonly #list: LineList;

  constructor(maxTableBytes = 4096, interns = new FieldInterns(carvingArena())) {
    this.interns = interns;
    this.#list = new LineList(interns);
    this.decoder = new HpackDecoder(interns, LIMITS, this.#list);
    this.encoder = new LineEncoder(interns, maxTableBytes);
  }

  /** The lines, or the reason of the fault. */
  decode(bytes: Uint8Array): [string, string][] | string {
    this.#list.fields.length = 0;
    this.#list.neverIndexed.length = 0;
    const fault = this.decoder.decode(bytes, 0, bytes.length, newHead(), 0);
    return fault === 0 ? [...this.#list.fields] : (FAULTS[fault]?.reason ?? '');
  }

  /** Names of the lines that came as never to be indexed, of the last block. */
  get neverIndexed(): readonly string[] {
    return this.#list.neverIndexed;
  }

  encode(fields: Fields, neverIndexed = false): Uint8Array {
    let bound = 32;
    for (const [name, value] of fields) bound += name.length + value.length + 15;
    const out = new Uint8Array(bound);
    let at = this.encoder.writeSizes(out, 0);
    const flags = neverIndexed ? FIELD_NEVER_INDEXED : 0;
    fields.forEach(([name, value], slot) => {
      const id = idOfName(name);
      const line = Buffer.from(`${name}: ${value}`, 'latin1');
      const valueStart = name.length + 2;
      at = this.encoder.line(keyOf(id, slot), id, line, 0, valueStart, line.length, flags, out, at);
    });
    if (at > bound) throw new Error(`${at} bytes, more than ${bound}`);
    return out.slice(0, at);
  }
}
