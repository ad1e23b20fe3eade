/** Operations of header blocks: what a message costs in HPACK, when its like was there before and when it was not. */
import type { Head } from '../../engine/http/head.js';
import { HeadPool } from '../../engine/http/head-pool.js';
import { METHOD_GET } from '../../engine/http/methods.js';
import { nameIdOf } from '../../engine/http/names.js';
import { parseResponseHead } from '../../engine/http1/head-parser.js';
import { FieldInterns } from '../../engine/http2/field-interns.js';
import { BLOCK_REQUEST, BLOCK_RESPONSE, type BlockKind, HpackDecoder } from '../../engine/http2/hpack-decoder.js';
import { HpackEncoder } from '../../engine/http2/hpack-encoder.js';
import { carvingArena, fromHex, LIMITS } from '../../test/support/header-blocks.js';
import { SERVER_OPTIONS } from '../../test/support/server-harness.js';
import type { Operation } from './operations.js';

const GROUP = 'HPACK';
const TABLE_BYTES = 4096;
const OUT_BYTES = 4096;
/** Paths that come in turn, so that no block is like the one before it. */
const PATHS = 64;
/** Fields that a client sends with every request, which then are indices. */
const CLIENT: readonly (readonly [string, string])[] = [
  ['user-agent', 'h2load nghttp2/1.52.0'],
  ['accept', '*/*'],
  ['accept-encoding', 'gzip, deflate, br'],
];
const COOKIE: readonly [string, string] = ['cookie', 'session=0123456789abcdef0123456789abcdef; theme=dark'];
const ANSWER = [
  'HTTP/1.1 200 OK',
  'server: origin',
  'date: Mon, 21 Oct 2013 20:13:21 GMT',
  'content-type: text/plain',
  'content-length: 1024',
  'x-envoy-upstream-service-time: 0',
  'x-origin: a',
];

const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value, 'latin1'));

/** A worker's interned lines, its heads, and a client's connection that has sent its fields before. */
class Bed {
  readonly arena = carvingArena(8 << 20);
  readonly interns = new FieldInterns(this.arena);
  readonly decoder = new HpackDecoder(this.interns, LIMITS);
  readonly client = new HpackEncoder(this.interns, TABLE_BYTES);
  readonly out = new Uint8Array(OUT_BYTES);
  readonly #heads = new HeadPool(this.arena);

  newHead(): Head {
    return this.#heads.take();
  }

  request(path: string, fields: typeof CLIENT): Head {
    const head = this.newHead();
    head.reset();
    head.method = METHOD_GET;
    head.setPath(text(path), 0, path.length);
    head.setAuthority(text('127.0.0.1:8080'), 0, 14);
    for (const [name, value] of fields) head.addName(text(name), nameIdOf(name), text(value), 0, value.length);
    return head;
  }

  /** Blocks as a client with such a table sends them, in an array of the arena; the first ones were decoded. */
  blocks(paths: readonly string[], fields: typeof CLIENT): [number, number][] {
    const written = paths.map((path) => {
      const end = this.client.encode(this.request(path, fields), BLOCK_REQUEST, this.out, 0);
      const start = this.arena.carve(end);
      this.arena.bytes.set(this.out.subarray(0, end), start);
      return [start, start + end] as [number, number];
    });
    const head = this.newHead();
    for (const [start, end] of written) {
      head.reset();
      const fault = this.decoder.decode(this.arena.bytes, start, end, head, BLOCK_REQUEST);
      if (fault !== 0) throw new Error(`fault ${fault}`);
    }
    return written.slice(-PATHS);
  }

  /** Decodes the blocks in turn. */
  decoding(name: string, blocks: readonly [number, number][], kind: BlockKind): Operation {
    const head = this.newHead();
    const bytes = this.arena.bytes;
    return {
      group: GROUP,
      name,
      run: (times) => {
        let sum = 0;
        for (let i = 0; i < times; i++) {
          const block = blocks[i % blocks.length] as [number, number];
          head.reset();
          if (this.decoder.decode(bytes, block[0], block[1], head, kind) !== 0) throw new Error('malformed');
          sum += head.fieldCount;
        }
        return sum;
      },
    };
  }

  encoding(name: string, heads: readonly Head[], kind: BlockKind): Operation {
    const encoder = new HpackEncoder(this.interns, TABLE_BYTES);
    return {
      group: GROUP,
      name,
      run: (times) => {
        let sum = 0;
        for (let i = 0; i < times; i++) {
          const head = heads[i % heads.length] as Head;
          sum += encoder.sizeBound(head) + encoder.encode(head, kind, this.out, 0);
        }
        return sum;
      },
    };
  }

  decoded(block: readonly [number, number]): Head {
    const head = this.newHead();
    head.reset();
    this.decoder.decode(this.arena.bytes, block[0], block[1], head, BLOCK_REQUEST);
    return head;
  }
}

function answers(bed: Bed, count: number): Head[] {
  return Array.from({ length: count }, (_, i) => {
    const lines = ANSWER.map((line) => (count === 1 ? line : line.replace('1024', `${1024 + i}`)));
    const bytes = text(`${lines.join('\r\n')}\r\n\r\n`);
    const start = bed.arena.carve(bytes.length);
    bed.arena.bytes.set(bytes, start);
    const head = bed.newHead();
    parseResponseHead(bed.arena.bytes, start, start + bytes.length, head, SERVER_OPTIONS);
    return head;
  });
}

export function hpackOperations(): Operation[] {
  const bed = new Bed();
  const other = new Bed();
  const baked = new Bed();
  const repeated = Array.from({ length: 8 }, () => '/api/users?id=1234');
  const same = bed.blocks(repeated, CLIENT).slice(-1);
  const cookies = baked.blocks(repeated, [...CLIENT, COOKIE]).slice(-1);
  const paths = Array.from({ length: PATHS }, (_, i) => `/api/users?id=${1000 + i}`);
  const various = other.blocks([...paths, ...paths], CLIENT);
  const answer = bed.arena.carve(6);
  bed.arena.bytes.set(fromHex('88c1c0bfc1c0'), answer);
  return [
    bed.decoding('decode a request of 7 indexed fields, the same again', same, BLOCK_REQUEST),
    baked.decoding('decode the same with a cookie', cookies, BLOCK_REQUEST),
    other.decoding('decode a request of 6 indexed fields and another path', various, BLOCK_REQUEST),
    bed.decoding('decode a response of 6 indexed fields, the same again', [[answer, answer + 6]], BLOCK_RESPONSE),
    bed.encoding('encode a request that came by HTTP/2', [bed.decoded(same[0] as [number, number])], BLOCK_REQUEST),
    baked.encoding('encode the same with a cookie', [baked.decoded(cookies[0] as [number, number])], BLOCK_REQUEST),
    other.encoding(
      'encode a request that came by HTTP/2, another path',
      various.slice(0, 8).map((block) => other.decoded(block)),
      BLOCK_REQUEST,
    ),
    bed.encoding('encode a response of 6 fields that came by HTTP/1.1', answers(bed, 1), BLOCK_RESPONSE),
    other.encoding('encode the same, another length', answers(other, 16), BLOCK_RESPONSE),
  ];
}
