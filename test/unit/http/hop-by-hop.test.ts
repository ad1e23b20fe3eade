/** Which fields end at this hop, stay whatever is nominated, or may not come late. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isForbiddenTrailer, isFramingTrailer, mayBeNominated } from '../../../engine/http/hop-by-hop.js';
import { N } from '../../../engine/http/names.js';

test('nominations', () => {
  const names = ['host', 'content-length', 'transfer-encoding', 'x-forwarded-for', 'x-envoy-internal', 'via'] as const;
  for (const name of names) assert.equal(mayBeNominated(N[name]), false, name);
  for (const id of [0, N.te, N.cookie, N['keep-alive']]) assert.equal(mayBeNominated(id), true);
});

test('trailers', () => {
  for (const name of ['host', 'content-length', 'connection', 'te'] as const)
    assert.equal(isFramingTrailer(N[name]), true);
  for (const name of ['authorization', 'set-cookie', 'x-forwarded-for', 'content-type', 'if-match', 'age'] as const) {
    assert.equal(isFramingTrailer(N[name]), false, name);
    assert.equal(isForbiddenTrailer(N[name]), true, name);
  }
  for (const id of [0, N['grpc-status'], N['grpc-message'], N.etag]) assert.equal(isForbiddenTrailer(id), false);
});
