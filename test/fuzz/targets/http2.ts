/** Fuzz targets: HTTP/2. Frames come out the same however bytes are cut; a connection survives any peer and any owner. */
import assert from 'node:assert/strict';
import type { MessageStream } from '../../../engine/http/codec.js';
import { FrameReader } from '../../../engine/http2/frame-reader.js';
import { writeFrameHeader } from '../../../engine/http2/frames.js';
import {
  Http2ClientHarness,
  Http2ServerHarness,
  newWorld,
  requestHead,
  responseHead,
  type World,
} from '../../support/http2-peer.js';
import { corpusOf } from '../corpus.js';

// ---- frames ------------------------------------------------------------------------------------------------

function read(input: Uint8Array, pieceBytes: number): string {
  const heard: string[] = [];
  let data = '';
  const hex = (bytes: Uint8Array, start: number, end: number): string =>
    Buffer.from(bytes.subarray(start, end)).toString('hex');
  const reader = new FrameReader({
    onFrame(type, flags, id, bytes, start, end) {
      heard.push(`${type} ${flags} ${id} ${hex(bytes, start, end)}`);
      return 0;
    },
    onDataFrame(flags, id, frameBytes, padding) {
      heard.push(`data ${flags} ${id} ${frameBytes} ${padding}`);
      data = '';
      return 0;
    },
    onDataBytes(bytes, start, end, isWhole) {
      data += hex(bytes, start, end);
      if (isWhole) heard.push(`whole ${data}`);
      return 0;
    },
  });
  for (let start = 0; start < input.length; start += pieceBytes) {
    // A piece lies between bytes that are not its, and is overwritten afterwards.
    const piece = input.subarray(start, start + pieceBytes);
    const lent = new Uint8Array(piece.length + 20).fill(0x30);
    lent.set(piece, 10);
    const error = reader.feed(lent, 10, 10 + piece.length);
    lent.fill(0xaa);
    if (error !== 0) return [...heard, `error ${error}`].join('\n');
  }
  return heard.join('\n');
}

export const frames = {
  name: 'http2-frames',
  corpus: corpusOf('http2-frames'),
  run(input: Uint8Array): void {
    const whole = read(input, Math.max(1, input.length));
    for (const pieceBytes of [1, 2, 3, 9, 10, 13]) assert.equal(read(input, pieceBytes), whole);
  },
};

// ---- whole connections -------------------------------------------------------------------------------------

// The input is a list of steps of four bytes each, and a payload: type, flags, stream, length. Types up to 11 are frames
// of the peer (10, 11: unknown), those above are what the owner does; streams are numbered from 0.

type Harness = Http2ServerHarness | Http2ClientHarness;

const FRAME_TYPES = 12;
const world: World = newWorld();
const BODY = new Uint8Array(70000).fill(0x62);

function frameOf(type: number, flags: number, id: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(9 + payload.length);
  writeFrameHeader(bytes, 0, payload.length, type, flags, id);
  bytes.set(payload, 9);
  return bytes;
}

function act(harness: Harness, what: number, stream: MessageStream | undefined, amount: number): void {
  switch (what % 10) {
    case 0:
      stream?.hold(1 << (amount & 3));
      break;
    case 1:
      stream?.release(1 << (amount & 3));
      break;
    case 2:
      stream?.reset(amount % 100);
      break;
    case 3:
      stream?.sendData(BODY, 0, Math.min(BODY.length, amount * 300), (amount & 1) === 1);
      break;
    case 4:
      stream?.consumed(amount);
      break;
    case 5:
      if (harness instanceof Http2ServerHarness) stream?.sendHead(responseHead(100 + amount * 2), (amount & 1) === 1);
      else if (harness.codec.streamsFree() > 0) harness.request('POST', (amount & 1) === 1);
      break;
    case 6:
      stream?.sendTrailers(requestHead());
      break;
    case 7:
      harness.codec.onWritable();
      break;
    case 8:
      harness.pass(amount * 100);
      break;
    default:
      if (amount > 250) harness.codec.drain();
      else harness.conn.queuedBytes = amount & 1;
  }
}

/** Laws that a sink has heard kept: one end, nothing behind it, and an end of some kind for all. */
function check(harness: Harness): void {
  harness.codec.close(1);
  for (const { events, ended, faults } of harness.sinks) {
    assert.ok(ended <= 1, 'a message ended twice');
    assert.ok(faults.length <= 1, 'a message failed twice');
    const last = events.at(-1) ?? '';
    assert.ok(events.length === 0 || ended + faults.length > 0 || last.startsWith('head'), 'a message was forgotten');
    const resetAt = events.findIndex((event) => event.startsWith('reset'));
    assert.ok(resetAt < 0 || resetAt === events.length - 1, 'something came behind a reset');
  }
  assert.equal(harness.codec.store.count, 0, 'streams are left');
  assert.equal(harness.count('streams_active'), 0, 'streams are still counted');
  // What was written is frames, whole ones, whose blocks decode.
  harness.written();
  assert.equal(harness.hasRest, false, 'a part of a frame was written');
}

function runOn(harness: Harness, input: Uint8Array): void {
  for (let at = 0; at + 4 <= input.length && harness.fault === ''; ) {
    const [type, flags, id, length] = input.subarray(at, at + 4) as unknown as [number, number, number, number];
    const payload = input.subarray(at + 4, at + 4 + length);
    at += 4 + payload.length;
    if (type < FRAME_TYPES) harness.feedBytes(frameOf(type, flags, id, payload));
    else act(harness, type - FRAME_TYPES, harness.streams[id], payload[0] ?? length);
  }
  if (harness.fault === '' && input.length % 3 === 0) harness.codec.feedEnd();
  check(harness);
}

export const server = {
  name: 'http2-server',
  corpus: corpusOf('http2-server'),
  run(input: Uint8Array): void {
    const harness = new Http2ServerHarness({ allowExtendedConnect: true, maxConcurrentStreams: 4 }, true, world);
    if ((input[0] ?? 0) % 2 === 1) harness.answer = () => {};
    runOn(harness, input.subarray(1));
  },
};

export const client = {
  name: 'http2-client',
  corpus: corpusOf('http2-client'),
  run(input: Uint8Array): void {
    const harness = new Http2ClientHarness({}, world);
    const kinds = input[0] ?? 0;
    for (const method of ['GET', 'POST', 'HEAD', 'CONNECT'])
      harness.request(method, (kinds & 1) === 1 && method !== 'CONNECT');
    harness.greet('INITIAL_WINDOW_SIZE=100', 'ENABLE_CONNECT_PROTOCOL=1');
    runOn(harness, input.subarray(1));
  },
};
