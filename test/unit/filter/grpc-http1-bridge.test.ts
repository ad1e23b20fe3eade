/** GrpcHttp1Bridge: which calls are bridged, where the status goes, frames put on and taken off. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FilterChain } from '../../../engine/filter/chain.js';
import { FILTER_KINDS } from '../../../engine/filter/filter-kinds.js';
import type { FilterRun } from '../../../engine/filter/filter-run.js';
import { GRPC_HTTP1_BRIDGE } from '../../../engine/filter/grpc-http1-bridge.js';
import type { Head } from '../../../engine/http/head.js';
import { N } from '../../../engine/http/names.js';
import type { GrpcHttp1BridgeRecord } from '../../../engine/plan/grpc-http1-bridge-record.js';
import { newHead } from '../../support/fake-conn.js';
import { FakeFiltered } from '../../support/fake-filtered.js';
import { requestHead } from '../../support/routes.js';

const RECORD: GrpcHttp1BridgeRecord = { upgradeProtobuf: true, ignoreQuery: true, maxBytes: 20 };
const PROTOBUF = 'application/x-protobuf';

interface Call {
  readonly x: FakeFiltered;
  readonly run: FilterRun;
}
function start(type: string, config: Partial<GrpcHttp1BridgeRecord> = {}, protocol = 'HTTP/1.1', fields = ''): Call {
  const record = { name: 'bridge', typeUrl: GRPC_HTTP1_BRIDGE.typeUrl, config: { ...RECORD, ...config } };
  const run = new FilterChain([record], FILTER_KINDS, []).take() as FilterRun;
  const x = Object.assign(new FakeFiltered(), { protocol });
  x.request = requestHead('/a.B/C?x=1', 'a', `Content-Type: ${type}\r\n${fields}`);
  x.response.status = 200;
  x.run = run;
  run.begin(x.asFiltered());
  run.requestHead(false);
  return { x, run };
}
function send(feed: FilterRun['requestData'], text: string, last = false): void {
  feed(Buffer.from(text, 'latin1'), 0, text.length, last);
}
function trailers(fields: Record<string, string>): Head {
  const head = newHead();
  for (const [name, value] of Object.entries(fields))
    head.addName(
      Buffer.from(name),
      (N as Readonly<Record<string, number>>)[name] ?? 0,
      Buffer.from(value),
      0,
      value.length,
    );
  return head;
}
const FRAMED = '\0\0\0\0\u0002hi';

test('of a call that fails the head has 503, status and message; the body comes whole, with its length', () => {
  const { x, run } = start('application/grpc');
  send(run.requestData.bind(run), FRAMED, true);
  assert.deepEqual(x.take(), ['request head', `request ${JSON.stringify(FRAMED)} end`, 'credit request 7']);
  assert.equal(x.request.pathString(), '/a.B/C');
  run.responseHead(false);
  send(run.responseData.bind(run), FRAMED.slice(0, 3));
  send(run.responseData.bind(run), FRAMED.slice(3));
  assert.ok(!x.take().includes('response head'));
  run.responseTrailers(trailers({ 'grpc-status': '9', 'grpc-message': 'not%20now', 'x-other': '1' }));
  assert.deepEqual(x.take(), ['response head', `response ${JSON.stringify(FRAMED)} end`]);
  assert.equal(x.response.status, 503);
  const told = ['grpc-status', 'grpc-message', 'content-length', 'x-other'].map((name) =>
    x.response.joinedString(name),
  );
  assert.deepEqual(told, ['9', 'not%20now', '7', null]);
});

test('a call that succeeds stays 200; a status that is none is a failure', () => {
  for (const [status, wanted] of [
    ['0', 200],
    ['abc', 503],
  ] as const) {
    const { x, run } = start('application/grpc+proto');
    run.responseHead(false);
    run.responseTrailers(trailers({ 'grpc-status': status }));
    assert.deepEqual(x.take().slice(-1), ['response head end']);
    assert.deepEqual([x.response.status, x.response.contentLength], [wanted, 0]);
  }
  const bare = start('application/grpc');
  bare.run.responseHead(true);
  assert.deepEqual(bare.x.take().slice(-1), ['response head end']);
});

test('HTTP/2, and what is no gRPC, passes as it is', () => {
  for (const [type, protocol, config] of [
    ['application/grpc', 'HTTP/2', {}],
    ['text/plain', 'HTTP/1.1', {}],
    [PROTOBUF, 'HTTP/1.1', { upgradeProtobuf: false }],
    [PROTOBUF, 'HTTP/2', {}],
  ] as const) {
    const { x, run } = start(type, config, protocol);
    send(run.requestData.bind(run), 'hi', true);
    run.responseHead(false);
    run.responseTrailers(trailers({ 'grpc-status': '9' }));
    assert.deepEqual(x.take().slice(-2), ['response head', 'response trailers grpc-status: 9'], type);
    assert.deepEqual([x.response.status, x.request.pathString()], [200, '/a.B/C?x=1']);
    assert.equal(x.request.joinedString('content-type'), type);
  }
});

test('protobuf gets a frame on its way, and its answer loses one', () => {
  const { x, run } = start(PROTOBUF, { ignoreQuery: false }, 'HTTP/1.1', 'Content-Length: 2\r\n');
  send(run.requestData.bind(run), 'h');
  assert.deepEqual(x.take(), ['keep request head', 'ask for body', 'credit request 1']);
  send(run.requestData.bind(run), 'i', true);
  assert.deepEqual(x.take(), [
    'request head',
    `request ${JSON.stringify(FRAMED.slice(0, 5))}`,
    'request "hi" end',
    'credit request 1',
  ]);
  const told = ['content-type', 'content-length'].map((name) => x.request.joinedString(name));
  assert.deepEqual([...told, x.request.pathString()], ['application/grpc', '7', '/a.B/C?x=1']);
  run.responseHead(false);
  send(run.responseData.bind(run), FRAMED);
  x.take();
  run.responseTrailers(trailers({ 'grpc-status': '0' }));
  assert.deepEqual(x.take(), ['response head', 'response "hi" end']);
  assert.equal(x.response.contentLength, 2);
  // An empty message has a frame as well, and one of trailers only has none to take off.
  const empty = start(PROTOBUF);
  send(empty.run.requestData.bind(empty.run), '', true);
  assert.ok(empty.x.take().includes('request "\\u0000\\u0000\\u0000\\u0000\\u0000" end'));
  empty.run.responseHead(false);
  empty.run.responseTrailers(trailers({ 'grpc-status': '5' }));
  assert.deepEqual(empty.x.take().slice(-1), ['response head end']);
});

test('no more is kept than the listener may buffer', () => {
  const announced = start(PROTOBUF, {}, 'HTTP/1.1', 'Content-Length: 21\r\n');
  assert.deepEqual(announced.x.take().slice(0, 1), ['reply 413']);
  const grown = start(PROTOBUF);
  send(grown.run.requestData.bind(grown.run), 'x'.repeat(21));
  assert.ok(grown.x.take().includes('reply 413'));
  const answer = start('application/grpc');
  answer.run.responseHead(false);
  send(answer.run.responseData.bind(answer.run), 'x'.repeat(20));
  assert.ok(!answer.x.take().includes('reply 500'));
  send(answer.run.responseData.bind(answer.run), 'x');
  assert.ok(answer.x.take().includes('reply 500'));
});
