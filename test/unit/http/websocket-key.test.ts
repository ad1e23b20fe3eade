/** WebSocket keys: the vector of RFC 6455, and keys that differ. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KEY_BYTES, websocketAccept, websocketKey } from '../../../engine/http/websocket-key.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

test('the accept value of RFC 6455 §1.3', () => {
  const line = encoder.encode('key: dGhlIHNhbXBsZSBub25jZQ==\r\n');
  assert.equal(decoder.decode(websocketAccept(line, 5, line.length - 2)), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
});

test('a key is base64 of 16 bytes, and another one for other random words', () => {
  const key = websocketKey([1, 2, 3, 0xffffffff]);
  assert.equal(key.length, KEY_BYTES);
  assert.equal(Buffer.from(decoder.decode(key), 'base64').length, 16);
  assert.notDeepEqual(websocketKey([1, 2, 3, 4]), key);
  // Words are used whole, whatever their sign.
  assert.deepEqual(websocketKey([1, 2, 3, -1]), key);
});
