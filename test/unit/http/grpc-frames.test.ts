/** GrpcFrames: messages are counted and their ends found, in pieces of any size. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GrpcFrames } from '../../../engine/http/grpc-frames.js';

function frame(length: number): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, Buffer.alloc(length, 7)]);
}

test('every split counts the same messages and finds the same ends', () => {
  const lengths = [0, 3, 300, 0, 70000, 1];
  const body = Buffer.concat(lengths.map(frame));
  let end = 0;
  const ends = lengths.map((length) => (end += 5 + length));
  for (const size of [1, 2, 5, 6, 1000, body.length]) {
    const frames = new GrpcFrames();
    const found: number[] = [];
    for (let from = 0; from < body.length; from += size) {
      const to = Math.min(body.length, from + size);
      for (let at = from; at < to; ) {
        at = frames.advance(body, at, to);
        if (frames.isBetween) found.push(at);
      }
    }
    assert.deepEqual(found, ends, `pieces of ${size}`);
    assert.equal(frames.count, lengths.length);
    frames.reset();
    assert.equal(frames.countIn(body, 0, body.length), lengths.length);
  }
});

test('a message of 4 GiB is one message', () => {
  const frames = new GrpcFrames();
  const head = Buffer.from([0, 255, 255, 255, 255, 1, 2, 3]);
  assert.equal(frames.countIn(head, 0, head.length), 1);
  assert.ok(!frames.isBetween);
});
