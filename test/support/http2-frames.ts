/** Http2Frames: HTTP/2 frames in a notation for people, both ways: composed by hand, and taken apart. */
import { newHead } from './fake-conn.js';
import type { FieldInterns } from '../../engine/http2/field-interns.js';
import { BLOCK_RESPONSE, BLOCK_TRAILERS, HpackDecoder } from '../../engine/http2/hpack-decoder.js';
import { LIMITS, literalBlock } from './header-blocks.js';

// A line is a frame: TYPE stream FLAGS payload. The payload is of parts with " + " between:
//   "text"  hex 00ff  u32 7  zero 100 (so many zero bytes)  NAME=1 (a setting)  PROTOCOL_ERROR (a code)
//   [name: value; name: value] (a header block of literals, as they are; GET, POST and HEAD stand for whole requests)
// length=n before the payload lies about its length. "3 x LINE" is LINE three times. RAW is its payload alone.

const TYPES = [
  'DATA',
  'HEADERS',
  'PRIORITY',
  'RST_STREAM',
  'SETTINGS',
  'PUSH_PROMISE',
  'PING',
  'GOAWAY',
  'WINDOW_UPDATE',
  'CONTINUATION',
];
/** Names of RFC 9113 §7, by code. */
export const ERROR_CODES: readonly string[] = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
];
const SETTINGS: Readonly<Record<string, number>> = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
  ENABLE_CONNECT_PROTOCOL: 8,
};
const FLAGS: Readonly<Record<string, number>> = {
  END_STREAM: 1,
  ACK: 1,
  END_HEADERS: 4,
  PADDED: 8,
  PRIORITY: 32,
};
export const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** "[a: b; c: d]" as a header block. */
export function block(text: string): Buffer {
  const inner = text
    .slice(1, -1)
    .replace(/^(GET|POST|HEAD)(?=; |$)/, (method) => `:method: ${method}; :scheme: http; :path: /; :authority: a`);
  const fields = inner === '' ? [] : inner.split('; ');
  return Buffer.from(
    literalBlock(
      fields.map((field): [string, string] => {
        const at = field.indexOf(':', 1);
        return [unescaped(field.slice(0, at)), unescaped(field.slice(at + 2))];
      }),
    ),
  );
}

function unescaped(text: string): string {
  return text.replace(/\\(x([0-9a-f]{2})|r|n|0|s)/g, (_, code: string, hex: string) =>
    code.startsWith('x')
      ? String.fromCharCode(Number.parseInt(hex, 16))
      : ({ r: '\r', n: '\n', '0': '\0', s: ' ' }[code] as string),
  );
}

function part(text: string): Buffer {
  if (text.startsWith('[')) return block(text);
  if (text.startsWith('"')) return Buffer.from(unescaped(text.slice(1, -1)), 'latin1');
  const [word, argument] = text.split(' ') as [string, string | undefined];
  if (word === 'hex') return Buffer.from(argument ?? '', 'hex');
  if (word === 'u32') return uint32(Number(argument));
  if (word === 'zero') return Buffer.alloc(Number(argument));
  if (ERROR_CODES.includes(word)) return uint32(ERROR_CODES.indexOf(word));
  const [, name, value] = /^(\w+)=(\d+)$/.exec(word) ?? [];
  if (name === undefined) throw new Error(`not a payload: ${text}`);
  const identifier = SETTINGS[name] ?? Number(name);
  return Buffer.concat([Buffer.from([identifier >> 8, identifier & 0xff]), uint32(Number(value))]);
}

export function frame(line: string): Buffer {
  const repeated = /^(\d+) x (.*)$/.exec(line);
  if (repeated !== null) {
    const one = frame(repeated[2] as string);
    return Buffer.concat(Array.from({ length: Number(repeated[1]) }, () => one));
  }
  const words = line.split(' ');
  const type = words.shift() as string;
  if (type === 'PREFACE') return Buffer.from(PREFACE, 'latin1');
  const id = type === 'RAW' ? 0 : Number(words.shift());
  let flags = 0;
  while (words.length > 0 && (words[0] as string) in FLAGS) flags |= FLAGS[words.shift() as string] as number;
  let length = -1;
  if (words[0]?.startsWith('length=')) length = Number((words.shift() as string).slice(7));
  const text = words.join(' ');
  const payload = text === '' ? Buffer.alloc(0) : Buffer.concat(text.split(' + ').map(part));
  if (type === 'RAW') return payload;
  if (length < 0) length = payload.length;
  const number = TYPES.includes(type) ? TYPES.indexOf(type) : Number(type);
  return Buffer.concat([
    Buffer.from([length >> 16, (length >> 8) & 0xff, length & 0xff, number, flags]),
    uint32(id),
    payload,
  ]);
}

/** Lines to bytes. */
export function frames(...lines: readonly string[]): Buffer {
  return Buffer.concat(lines.map(frame));
}

/** Takes apart what a codec writes; header blocks are decoded, so all of a connection has to pass through. */
export class FrameLines {
  readonly #isRequest: boolean;
  readonly #decoder: HpackDecoder;
  /** Streams whose final head has passed: what follows are trailers. */
  readonly #answered = new Set<number>();
  #rest = Buffer.alloc(0);

  /** isRequest: the blocks are of requests, which nobody here reads. */
  constructor(isRequest: boolean, interns: FieldInterns) {
    this.#isRequest = isRequest;
    this.#decoder = new HpackDecoder(interns, LIMITS);
  }

  /** bytes as a string of latin1, as FakeConn keeps them. */
  read(written: string): string[] {
    let bytes = Buffer.concat([this.#rest, Buffer.from(written, 'latin1')]);
    const lines: string[] = [];
    if (bytes.subarray(0, 24).toString('latin1') === PREFACE) {
      lines.push('PREFACE');
      bytes = bytes.subarray(24);
    }
    while (bytes.length >= 9) {
      const length = bytes.readUIntBE(0, 3);
      if (bytes.length < 9 + length) break;
      lines.push(this.#describe(bytes.subarray(0, 9 + length)));
      bytes = bytes.subarray(9 + length);
    }
    this.#rest = bytes;
    return lines;
  }

  get hasRest(): boolean {
    return this.#rest.length > 0;
  }

  #describe(bytes: Buffer): string {
    const type = TYPES[bytes[3] as number] ?? `type${bytes[3]}`;
    const flags = bytes[4] as number;
    const id = bytes.readUInt32BE(5);
    const payload = bytes.subarray(9);
    const words = [type, String(id)];
    if (type === 'DATA' || type === 'HEADERS') {
      if ((flags & 1) !== 0) words.push('END_STREAM');
    } else if ((type === 'SETTINGS' || type === 'PING') && (flags & 1) !== 0) words.push('ACK');
    if (type === 'DATA')
      words.push(payload.length > 40 ? `${payload.length} bytes` : `"${payload.toString('latin1')}"`);
    else if (type === 'HEADERS') words.push(this.#headers(payload, id));
    else if (type === 'RST_STREAM') words.push(ERROR_CODES[payload.readUInt32BE(0)] as string);
    else if (type === 'GOAWAY')
      words.push(`last=${payload.readUInt32BE(0)}`, ERROR_CODES[payload.readUInt32BE(4)] as string);
    else if (type === 'WINDOW_UPDATE') words.push(String(payload.readUInt32BE(0)));
    else if (type === 'PING') words.push(`"${payload.toString('latin1')}"`);
    else if (type === 'SETTINGS') words.push(...settingsOf(payload));
    return words.filter((word) => word !== '').join(' ');
  }

  #headers(payload: Buffer, id: number): string {
    if (this.#isRequest) return '';
    const head = newHead();
    const bytes = new Uint8Array(payload);
    const isTrailers = this.#answered.has(id);
    this.#decoder.decode(bytes, 0, bytes.length, head, isTrailers ? BLOCK_TRAILERS : BLOCK_RESPONSE);
    if (head.status >= 200) this.#answered.add(id);
    const fields: string[] = [];
    for (let slot = 0; slot < head.fieldCount; slot++)
      fields.push(`${head.nameString(slot)}: ${head.valueString(slot)}`);
    return `${isTrailers ? 'trailers' : head.status} [${fields.join('; ')}]`;
  }
}

function settingsOf(payload: Buffer): string[] {
  const settings: string[] = [];
  for (let at = 0; at < payload.length; at += 6) {
    const identifier = payload.readUInt16BE(at);
    const name = Object.keys(SETTINGS).find((each) => SETTINGS[each] === identifier) ?? `0x${identifier.toString(16)}`;
    settings.push(`${name}=${payload.readUInt32BE(at + 2)}`);
  }
  return settings;
}
