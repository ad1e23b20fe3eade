/** StreamStore beside a Map: whatever is added and removed, in whatever order, both hold the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Http2Stream } from '../../../engine/http2/stream.js';
import { StreamStore } from '../../../engine/http2/stream-store.js';

function streamOf(id: number): Http2Stream {
  const stream = new Http2Stream(null as never);
  stream.id = id;
  return stream;
}

test('the same as a Map', () => {
  // Ids that collide: the table begins with 16 slots.
  const ids = fc.constantFrom(1, 3, 5, 33, 35, 65, 67, 97, 129, 131, 1025, 2147483647, 2147483615);
  const steps = fc.array(fc.tuple(fc.boolean(), ids), { maxLength: 200 });
  fc.assert(
    fc.property(steps, (list) => {
      const store = new StreamStore();
      const map = new Map<number, Http2Stream>();
      for (const [isAdded, id] of list) {
        if (isAdded && !map.has(id)) {
          const stream = streamOf(id);
          map.set(id, stream);
          store.add(stream);
        } else if (!isAdded) {
          map.delete(id);
          store.remove(id);
        }
        assert.equal(store.count, map.size);
        for (const each of [1, 3, 5, 33, 35, 65, 67, 97, 129, 131, 1025, 2147483647, 2147483615])
          assert.equal(store.find(each), map.get(each) ?? null);
      }
      assert.deepEqual(new Set(store.all()), new Set(map.values()));
    }),
  );
});

test('many streams at a time, oldest first', () => {
  const store = new StreamStore();
  for (let id = 1; id < 4000; id += 2) store.add(streamOf(id));
  for (let id = 1; id < 100000; id += 2) {
    assert.equal(store.find(id)?.id, id);
    store.remove(id);
    assert.equal(store.find(id), null);
    store.add(streamOf(id + 4000));
  }
  assert.equal(store.count, 2000);
});
