/** Fuzz target: ClientHellos. However the bytes are cut the outcome is one; a second reader, of whole messages, agrees. */
import {
  ClientHello,
  HELLO_BROKEN,
  HELLO_MAX_BYTES,
  HELLO_OTHER,
  HELLO_PARTIAL,
  HELLO_TLS,
} from '../../../engine/io/client-hello.js';
import { corpusOf } from '../corpus.js';

export const name = 'client-hello';
export const corpus = corpusOf(name);

function outcome(input: Uint8Array, pieceBytes: number): string {
  const hello = new ClientHello();
  for (let at = 0; at < input.length && hello.state === HELLO_PARTIAL; at += pieceBytes) {
    const piece = input.subarray(at, at + pieceBytes);
    // Between bytes that are not its, and overwritten when it has been lent.
    const lent = new Uint8Array(piece.length + 8).fill(22);
    lent.set(piece, 4);
    hello.feed(lent, 4, 4 + piece.length);
    lent.fill(0xaa);
  }
  const { state, serverName, alpn, version, signatureAlgorithms } = hello;
  return state === HELLO_TLS ? JSON.stringify([serverName, alpn, version, signatureAlgorithms]) : String(state);
}

/** The handshake message that the records carry; what stands in the way else. */
function messageOf(input: Uint8Array): Buffer | number {
  const parts: Buffer[] = [];
  let length = 0;
  for (let at = 0; at < input.length; ) {
    const head = input.subarray(at, at + 5);
    if (head[0] !== 22 || (head.length > 1 && head[1] !== 3)) return length === 0 ? HELLO_OTHER : HELLO_BROKEN;
    if (head.length < 5) return HELLO_PARTIAL;
    const size = ((head[3] as number) << 8) + (head[4] as number);
    if (size === 0 || size > 16384) return HELLO_BROKEN;
    parts.push(Buffer.from(input.subarray(at + 5, at + 5 + size)));
    const all = Buffer.concat(parts);
    length = all.length;
    if (length >= 4) {
      const wanted = 4 + all.readUIntBE(1, 3);
      if (all[0] !== 1 || wanted > HELLO_MAX_BYTES) return HELLO_BROKEN;
      if (length >= wanted) return all.subarray(0, wanted);
    }
    at += 5 + size;
  }
  return HELLO_PARTIAL;
}

/** Takes vectors off the front; throws where one is longer than what is there. */
class Vectors {
  #rest: Buffer;
  constructor(bytes: Buffer) {
    this.#rest = bytes;
  }
  get isEmpty(): boolean {
    return this.#rest.length === 0;
  }
  take(byteCount: number): Buffer {
    if (this.#rest.length < byteCount) throw new Error('short');
    const taken = this.#rest.subarray(0, byteCount);
    this.#rest = this.#rest.subarray(byteCount);
    return taken;
  }
  vector(lengthBytes: number, min = 0): Buffer {
    const found = this.take(this.take(lengthBytes).readUIntBE(0, lengthBytes));
    if (found.length < min) throw new Error('empty');
    return found;
  }
  end(): void {
    if (!this.isEmpty) throw new Error('more');
  }
}

function numbersOf(list: Buffer): number[] {
  if (list.length % 2 !== 0) throw new Error('half');
  return Array.from({ length: list.length / 2 }, (_, at) => list.readUInt16BE(at * 2));
}

function readWhole(message: Buffer): string {
  const body = new Vectors(message.subarray(4));
  let version = body.take(2).readUInt16BE();
  body.take(32);
  if (body.vector(1).length > 32) throw new Error('session');
  if (numbersOf(body.vector(2)).length === 0) throw new Error('suites');
  body.vector(1, 1);
  let serverName = '';
  const alpn: string[] = [];
  let signatureAlgorithms: number[] = [];
  const seen = new Set<number>();
  const extensions = body.isEmpty ? null : new Vectors(body.vector(2));
  body.end();
  while (extensions?.isEmpty === false) {
    const type = extensions.take(2).readUInt16BE();
    const content = new Vectors(extensions.vector(2));
    if (![0, 13, 16, 43].includes(type)) continue;
    if (seen.has(type)) throw new Error('twice');
    seen.add(type);
    if (type === 43) {
      const found = numbersOf(content.vector(1, 2));
      version = Math.max(0, ...found.filter((each) => (each & 0x0f0f) !== 0x0a0a));
    } else if (type === 13) signatureAlgorithms = numbersOf(content.vector(2));
    else {
      const list = new Vectors(content.vector(2));
      while (!list.isEmpty) {
        if (type === 16) alpn.push(list.vector(1, 1).toString('latin1'));
        else if (list.take(1)[0] !== 0) list.vector(2, 1);
        else {
          const host = list.vector(2, 1).toString('latin1');
          if (serverName !== '' || host.length > 255 || !/^[\x21-\x7e]+$/.test(host)) throw new Error('name');
          serverName = host.toLowerCase();
        }
      }
      if (type === 16 && alpn.length === 0) throw new Error('alpn');
    }
    content.end();
  }
  return JSON.stringify([serverName, alpn, version, signatureAlgorithms]);
}

function expected(input: Uint8Array): string {
  const message = messageOf(input);
  if (typeof message === 'number') return String(message);
  try {
    return readWhole(message);
  } catch {
    return String(HELLO_BROKEN);
  }
}

export function run(input: Uint8Array): void {
  const want = expected(input);
  for (const pieceBytes of [1, 7, Math.max(1, input.length)]) {
    const got = outcome(input, pieceBytes);
    if (got !== want) throw new Error(`in pieces of ${pieceBytes}: ${got}, by the other reader: ${want}`);
  }
}
