/** Buffer: what is kept, what is refused, and what the request's head says afterwards. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BUFFER } from '../../../engine/filter/buffer.js';
import { FilterChain } from '../../../engine/filter/chain.js';
import { FILTER_KINDS } from '../../../engine/filter/filter-kinds.js';
import type { FilterRun } from '../../../engine/filter/filter-run.js';
import { HEAD_CHUNKED } from '../../../engine/http/head.js';
import { newHead } from '../../support/fake-conn.js';
import { FakeFiltered } from '../../support/fake-filtered.js';
import { requestHead } from '../../support/routes.js';

function start(fields: string, end = false): { x: FakeFiltered; run: FilterRun } {
  const record = { name: 'buffer', typeUrl: BUFFER.typeUrl, config: { maxRequestBytes: 10 } };
  const run = new FilterChain([record], FILTER_KINDS, []).take() as FilterRun;
  const x = new FakeFiltered();
  x.request = requestHead('/', 'a', fields);
  x.run = run;
  run.begin(x.asFiltered());
  run.requestHead(end);
  return { x, run };
}
function send(run: FilterRun, text: string, last = false): void {
  run.requestData(Buffer.from(text), 0, text.length, last);
}

test('a request goes on whole, with a length where it had none', () => {
  const { x, run } = start('Transfer-Encoding: chunked\r\n');
  x.request.flags |= HEAD_CHUNKED;
  send(run, '12345');
  send(run, '67');
  assert.ok(!x.take().includes('request head'));
  send(run, '890', true);
  assert.deepEqual(x.take(), ['request head', 'request "1234567890" end', 'credit request 3']);
  assert.deepEqual([x.request.contentLength, x.request.flags & HEAD_CHUNKED], [10, 0]);
  assert.equal(x.request.joinedString('content-length'), '10');
  const announced = start('Content-Length: 4\r\n');
  send(announced.run, '1234', true);
  assert.deepEqual(announced.x.take().slice(2), ['request head', 'request "1234" end', 'credit request 4']);
  assert.equal(announced.x.request.joinedString('content-length'), '4');
});

test('without a body, nothing waits; with an empty one, it ends', () => {
  assert.deepEqual(start('', true).x.take(), ['request head']);
  const empty = start('');
  send(empty.run, '', true);
  assert.deepEqual(empty.x.take().slice(2), ['request head', 'request "" end', 'credit request 0']);
  assert.equal(empty.x.request.contentLength, 0);
});

test('before trailers no length is announced', () => {
  const { x, run } = start('Transfer-Encoding: chunked\r\n');
  x.request.flags |= HEAD_CHUNKED;
  send(run, '12');
  x.take();
  run.requestTrailers(newHead());
  assert.deepEqual(x.take(), ['request head', 'request "12"', 'request trailers ']);
  assert.equal(x.request.contentLength, -1);
});

test('too much is refused, at once where it is announced; nothing goes on', () => {
  const announced = start('Content-Length: 11\r\n');
  assert.deepEqual(announced.x.take().slice(0, 1), ['reply 413']);
  for (const last of [false, true]) {
    const { x, run } = start('');
    send(run, '123456789');
    send(run, '01', last);
    const events = x.take();
    assert.ok(events.includes('reply 413'), String(events));
    send(run, 'more', true);
    assert.ok(![...events, ...x.take()].includes('request head'));
  }
});

test('the next request begins anew', () => {
  const { x, run } = start('');
  send(run, '123456789');
  run.end();
  run.begin(x.asFiltered());
  x.request = requestHead('/', 'a', '');
  run.requestHead(false);
  send(run, '1');
  x.take();
  send(run, '2', true);
  assert.deepEqual(x.take(), ['request head', 'request "12" end', 'credit request 1']);
});
