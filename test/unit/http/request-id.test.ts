/** RequestId: when an id is made, and that it is a UUID of version 4. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../../engine/base/prng.js';
import { RequestId, type RequestIdOptions } from '../../../engine/http/request-id.js';
import { requestHead } from '../../support/routes.js';

const UUID4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

function idOf(options: Partial<RequestIdOptions>, isEdge: boolean, own: string | null): string | null {
  const head = requestHead('/', 'a', own === null ? '' : `X-Request-Id: ${own}\r\n`);
  const all = { generateRequestId: true, preserveExternalRequestId: false, ...options };
  new RequestId(all, Prng.fromSeed(5)).apply(head, isEdge);
  return head.joinedString('x-request-id');
}

test('made for requests from outside, and where there is none', () => {
  assert.match(idOf({}, true, null) as string, UUID4);
  assert.match(idOf({}, true, 'forged') as string, UUID4);
  assert.match(idOf({}, false, null) as string, UUID4);
  assert.equal(idOf({}, false, 'theirs'), 'theirs');
  assert.equal(idOf({ preserveExternalRequestId: true }, true, 'theirs'), 'theirs');
  assert.match(idOf({ preserveExternalRequestId: true }, true, null) as string, UUID4);
  assert.equal(idOf({ generateRequestId: false }, true, null), null);
  assert.equal(idOf({ generateRequestId: false }, true, 'theirs'), 'theirs');
});

test('no two alike, every nibble in use', () => {
  const make = new RequestId({ generateRequestId: true, preserveExternalRequestId: false }, Prng.fromSeed(9));
  const seen = new Set<string>();
  const nibbles = Array.from({ length: 36 }, () => new Set<string>());
  for (let i = 0; i < 5000; i++) {
    const head = requestHead('/');
    make.apply(head, true);
    const id = head.joinedString('x-request-id') as string;
    assert.match(id, UUID4);
    seen.add(id);
    for (let at = 0; at < 36; at++) nibbles[at]?.add(id[at] as string);
  }
  assert.equal(seen.size, 5000);
  nibbles.forEach((values, at) => {
    const expected = [8, 13, 18, 23, 14].includes(at) ? 1 : at === 19 ? 4 : 16;
    assert.equal(values.size, expected, `position ${at}`);
  });
});
