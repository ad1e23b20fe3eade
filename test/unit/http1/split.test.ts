/** Split anywhere: the server codec says the same whatever pieces the bytes come in. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServerHarness } from '../../support/server-harness.js';

const MESSAGES = [
  'GET /a HTTP/1.1\r\nHost: a\r\nX-One: 1\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n',
  'POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /b HTTP/1.1\r\nHost: a\r\n\r\n',
  'POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x="y"\r\nabc\r\n0a\r\n0123456789\r\n0\r\nX-End: 1\r\n\r\n',
  'POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n',
  'GET /a HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n',
  '\r\nGET http://b/c HTTP/1.1\r\nHost: a\r\n\r\n',
];

for (const [index, message] of MESSAGES.entries())
  test(`message ${index}: whole, split at every byte, and byte by byte`, async () => {
    const bytes = Buffer.from(message, 'latin1');
    const whole = new ServerHarness();
    await whole.feed(bytes);
    const expected = joined(whole);
    assert.ok(expected.length > 0);
    for (let at = 1; at < bytes.length; at++) {
      const split = new ServerHarness();
      await split.feed(bytes.subarray(0, at), bytes.subarray(at));
      assert.deepEqual(joined(split), expected, `split at ${at}`);
    }
    const single = new ServerHarness();
    await single.feed(...[...bytes].map((_, at) => bytes.subarray(at, at + 1)));
    assert.deepEqual(joined(single), expected, 'byte by byte');
  });

/** Events, and what was written back. A body that a fault cut may have come in part. */
function joined(harness: ServerHarness): unknown[] {
  return [
    ...harness.events.filter((event) => !event.startsWith('data') || harness.faults.length === 0),
    harness.conn.written,
    harness.isFinished,
  ];
}
