/** Flow control beside a model: both sides of a connection, bodies and windows of any size, input cut anywhere. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { UP_TIMEOUT } from '../../../engine/fault/faults.js';
import type { MessageStream } from '../../../engine/http/codec.js';
import { Http2ClientHarness, Http2ServerHarness, newWorld, responseHead } from '../../support/http2-peer.js';

/** What crosses the wire, and what flow control says of it. */
class Wire {
  connection = 65535;
  readonly streams = new Map<number, number>();
  readonly initial: number;

  constructor(initial: number) {
    this.initial = initial;
  }

  sent(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
      if (bytes[at + 3] !== 0) continue;
      const id = bytes.readUInt32BE(at + 5);
      const length = bytes.readUIntBE(at, 3);
      const left = (this.streams.get(id) ?? this.initial) - length;
      this.connection -= length;
      this.streams.set(id, left);
      assert.ok(length === 0 || (left >= 0 && this.connection >= 0), 'beyond a window');
      assert.ok(length <= 16384, 'beyond the size of a frame');
    }
  }

  credited(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
      if (bytes[at + 3] !== 8) continue;
      const id = bytes.readUInt32BE(at + 5);
      const count = bytes.readUInt32BE(at + 9);
      if (id === 0) this.connection += count;
      else this.streams.set(id, (this.streams.get(id) ?? this.initial) + count);
    }
  }
}

test('nothing is sent beyond a window, and everything arrives', () => {
  const bodies = fc.array(fc.integer({ min: 0, max: 300000 }), { minLength: 1, maxLength: 5 });
  const windows = fc.record({
    initialStreamWindowBytes: fc.integer({ min: 65535, max: 200000 }),
    initialConnectionWindowBytes: fc.integer({ min: 65535, max: 400000 }),
  });
  fc.assert(
    fc.property(bodies, windows, fc.integer({ min: 997, max: 60000 }), (sizes, options, piece) => {
      const world = newWorld();
      const server = new Http2ServerHarness({}, false, world);
      const client = new Http2ClientHarness(options, world);
      const wire = new Wire(options.initialStreamWindowBytes);
      const bytes = new Uint8Array(300000);
      const consumed: number[] = [];
      server.answer = (stream) => {
        const size = sizes[server.streams.length - 1] as number;
        stream.sendHead(responseHead(200), false);
        for (let at = 0; at < size; at += piece) stream.sendData(bytes, at, Math.min(size, at + piece), false);
        stream.sendData(bytes, 0, 0, true);
      };
      for (const _ of sizes) client.request();
      for (;;) {
        const down = Buffer.from(server.conn.written, 'latin1');
        const up = Buffer.from(client.conn.written, 'latin1');
        server.conn.written = '';
        client.conn.written = '';
        if (down.length + up.length === 0) break;
        wire.credited(up.subarray(0, 3).toString('latin1') === 'PRI' ? up.subarray(24) : up);
        wire.sent(down);
        for (let at = 0; at < up.length; at += piece) server.feedBytes(up.subarray(at, at + piece));
        for (let at = 0; at < down.length; at += piece) client.feedBytes(down.subarray(at, at + piece));
        client.streams.forEach((stream: MessageStream, i) => {
          const { body } = client.sinks[i] as (typeof client.sinks)[number];
          // The sink forgets its body at the end.
          const more = body.length - (consumed[i] ?? 0);
          consumed[i] = body.length;
          if (more > 0) stream.consumed(more);
        });
      }
      assert.equal(client.fault + server.fault, '');
      sizes.forEach((size, i) => {
        const events = client.events.join('\n').split('head 200 []')[i + 1] as string;
        assert.ok(events.includes('end'), `answer ${i} ended`);
        if (size > 60) assert.ok(events.includes(`data of ${size} bytes`), `answer ${i} of ${size}: ${events}`);
      });
      assert.equal(server.codec.store.count, 0);
    }),
    { numRuns: 30 },
  );
});

/** DATA of so many bytes. */
function feedData(client: Http2ClientHarness, id: number, byteCount: number): void {
  for (let left = byteCount; left > 0; left -= 16384) {
    const frame = Buffer.alloc(9 + Math.min(left, 16384));
    frame.writeUIntBE(frame.length - 9, 0, 3);
    frame.writeUInt32BE(id, 5);
    client.feedBytes(frame);
  }
}

const NARROW = { initialStreamWindowBytes: 160000, initialConnectionWindowBytes: 240000 };

test('what one stream holds keeps nobody else from the credit of the connection', () => {
  const client = new Http2ClientHarness(NARROW);
  client.request();
  const reading = client.request();
  client.greet().feed('HEADERS 1 END_HEADERS [:status: 200]', 'HEADERS 3 END_HEADERS [:status: 200]');
  feedData(client, 1, 150000);
  client.written();
  // 90,000 bytes are left, less than the half of the whole window that is credited otherwise.
  for (let round = 0; round < 10; round++) {
    feedData(client, 3, 50000);
    reading.consumed(50000);
  }
  assert.equal(client.fault, '');
  const updates = client.written().filter((line) => line.startsWith('WINDOW_UPDATE 0 '));
  const credited = updates.reduce((sum, line) => sum + Number(line.split(' ')[2]), 0);
  assert.ok(credited >= 500000 - 90000 && updates.length <= 10, updates.join());
});

test('a connection most of whose window is held takes no new streams, until enough is given back', () => {
  const client = new Http2ClientHarness(NARROW);
  const slow = client.request();
  client.request();
  client.greet().feed('HEADERS 1 END_HEADERS [:status: 200]', 'HEADERS 3 END_HEADERS [:status: 200]');
  feedData(client, 1, 100000);
  feedData(client, 3, 80000);
  assert.ok(client.codec.streamsFree() > 0, 'a quarter is left');
  feedData(client, 3, 1);
  assert.equal(client.codec.streamsFree(), 0);
  assert.equal(client.codec.openStream(client.sinks[0] as never), null);
  slow.consumed(50000);
  assert.equal(client.codec.streamsFree(), 0);
  slow.consumed(20000);
  assert.ok(client.codec.streamsFree() > 0);
  feedData(client, 3, 70000);
  assert.equal(client.codec.streamsFree(), 0);
  client.feed('RST_STREAM 3 CANCEL');
  assert.ok(client.codec.streamsFree() > 0, 'what a closed stream held is given back');
  assert.equal(client.fault, '');
});

test('nothing is no credit, also where the whole window is held', () => {
  const client = new Http2ClientHarness(NARROW);
  client.request();
  client.request();
  client.request().reset(UP_TIMEOUT);
  client.greet().feed('HEADERS 1 END_HEADERS [:status: 200]', 'HEADERS 3 END_HEADERS [:status: 200]');
  feedData(client, 1, 160000);
  feedData(client, 3, 80000);
  client.written();
  client.feed('HEADERS 5 END_HEADERS [:status: 200]', 'DATA 5 END_STREAM ""');
  assert.deepEqual(client.written(), []);
  assert.equal(client.fault, '');
});
