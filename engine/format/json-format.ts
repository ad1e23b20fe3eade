/** JSON formats: a tree of the document's shape whose leaves are formats; numbers stay numbers. */
import { ByteOutput } from '../base/byte-output.js';
import type { ExchangeView } from './exchange-view.js';
import { compileFormat, type Format } from './substitution.js';
import type { ValueWriter } from './value-writer.js';

const encoder = new TextEncoder();
const NULL = encoder.encode('null');
const DASH = encoder.encode('-');
const NOTHING = new Uint8Array(0);
const HEX = encoder.encode('0123456789abcdef');

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** One place of the tree. write() answers false when there was no value, having written null. */
export abstract class JsonNode {
  abstract write(out: ByteOutput, x: ExchangeView): boolean;
}

/** json: the document's value; leaves that are texts are formats. Throws with the reason when one is wrong. */
export function compileJsonFormat(json: unknown, omitsEmpty: boolean): JsonNode {
  if (typeof json === 'string') {
    const compiled = compileFormat(json);
    if ('error' in compiled) throw new Error(compiled.error);
    const { format } = compiled;
    if (format.constant !== null) return new ConstantNode(format.constant);
    return format.only === null ? new TextNode(format, omitsEmpty) : new ValueNode(format.only);
  }
  if (Array.isArray(json))
    return new ListNode(
      json.map((item) => compileJsonFormat(item, omitsEmpty)),
      omitsEmpty,
    );
  if (typeof json === 'object' && json !== null) {
    const names = Object.keys(json).map((name) => encoder.encode(`${JSON.stringify(name)}:`));
    const nodes = Object.values(json).map((item) => compileJsonFormat(item, omitsEmpty));
    return new ObjectNode(names, nodes, omitsEmpty);
  }
  return new ConstantNode(json);
}

class ConstantNode extends JsonNode {
  readonly #bytes: Uint8Array;

  constructor(value: unknown) {
    super();
    this.#bytes = encoder.encode(JSON.stringify(value));
  }

  override write(out: ByteOutput): boolean {
    out.all(this.#bytes);
    return true;
  }
}

/** Shared: nothing is kept in it between two uses. */
const raw = new ByteOutput();

/** One operator alone: its own type. */
class ValueNode extends JsonNode {
  readonly #value: ValueWriter;

  constructor(value: ValueWriter) {
    super();
    this.#value = value;
  }

  override write(out: ByteOutput, x: ExchangeView): boolean {
    if (this.#value.isNumber) {
      if (this.#value.write(out, x)) return true;
      out.all(NULL);
      return false;
    }
    raw.length = 0;
    if (!this.#value.write(raw, x)) {
      out.all(NULL);
      return false;
    }
    writeQuoted(out, raw);
    return true;
  }
}

/** Text and operators mixed: always a text. */
class TextNode extends JsonNode {
  readonly #format: Format;
  readonly #missing: Uint8Array;

  constructor(format: Format, omitsEmpty: boolean) {
    super();
    this.#format = format;
    this.#missing = omitsEmpty ? NOTHING : DASH;
  }

  override write(out: ByteOutput, x: ExchangeView): boolean {
    raw.length = 0;
    this.#format.write(raw, x, this.#missing);
    writeQuoted(out, raw);
    return true;
  }
}

class ListNode extends JsonNode {
  readonly #items: readonly JsonNode[];
  readonly #omitsEmpty: boolean;

  constructor(items: readonly JsonNode[], omitsEmpty: boolean) {
    super();
    this.#items = items;
    this.#omitsEmpty = omitsEmpty;
  }

  override write(out: ByteOutput, x: ExchangeView): boolean {
    out.byte(0x5b);
    let isFirst = true;
    for (let i = 0; i < this.#items.length; i++) {
      const start = out.length;
      if (!isFirst) out.byte(0x2c);
      if ((this.#items[i] as JsonNode).write(out, x) || !this.#omitsEmpty) isFirst = false;
      else out.length = start;
    }
    out.byte(0x5d);
    return true;
  }
}

class ObjectNode extends JsonNode {
  readonly #names: readonly Uint8Array[];
  readonly #nodes: readonly JsonNode[];
  readonly #omitsEmpty: boolean;

  constructor(names: readonly Uint8Array[], nodes: readonly JsonNode[], omitsEmpty: boolean) {
    super();
    this.#names = names;
    this.#nodes = nodes;
    this.#omitsEmpty = omitsEmpty;
  }

  override write(out: ByteOutput, x: ExchangeView): boolean {
    out.byte(0x7b);
    let isFirst = true;
    for (let i = 0; i < this.#nodes.length; i++) {
      const start = out.length;
      if (!isFirst) out.byte(0x2c);
      out.all(this.#names[i] as Uint8Array);
      if ((this.#nodes[i] as JsonNode).write(out, x) || !this.#omitsEmpty) isFirst = false;
      else out.length = start;
    }
    out.byte(0x7d);
    return true;
  }
}

/** What peers send is bytes: valid UTF-8 goes through, any other byte above 0x7f becomes \u00xx. */
function writeQuoted(out: ByteOutput, value: ByteOutput): void {
  const bytes = value.bytes;
  const length = value.length;
  out.reserve(length * 6 + 2);
  const target = out.bytes;
  let to = out.length;
  target[to++] = QUOTE;
  for (let at = 0; at < length; ) {
    const byte = bytes[at] as number;
    if (byte >= 0x20 && byte < 0x7f && byte !== QUOTE && byte !== BACKSLASH) {
      target[to++] = byte;
      at++;
      continue;
    }
    const sequence = byte < 0x80 ? 0 : utf8Length(bytes, at, length);
    if (sequence > 0) {
      for (const end = at + sequence; at < end; at++) target[to++] = bytes[at] as number;
      continue;
    }
    at++;
    target[to++] = BACKSLASH;
    if (byte === QUOTE || byte === BACKSLASH) {
      target[to++] = byte;
      continue;
    }
    target[to++] = 0x75;
    target[to++] = 0x30;
    target[to++] = 0x30;
    target[to++] = HEX[byte >> 4] as number;
    target[to++] = HEX[byte & 15] as number;
  }
  target[to++] = QUOTE;
  out.length = to;
}

/** Bytes of the UTF-8 sequence at `at`, 0 when it is none (RFC 3629 §4: no surrogates, nothing overlong). */
function utf8Length(bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at] as number;
  const count =
    first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0;
  if (count === 0 || at + count > end) return 0;
  for (let i = 1; i < count; i++) if (((bytes[at + i] as number) & 0xc0) !== 0x80) return 0;
  const second = bytes[at + 1] as number;
  if (first === 0xe0 && second < 0xa0) return 0;
  if (first === 0xed && second > 0x9f) return 0;
  if (first === 0xf0 && second < 0x90) return 0;
  if (first === 0xf4 && second > 0x8f) return 0;
  return count;
}
