/** GrpcWeb: requests of browsers to gRPC, answers back, in both encodings, in pieces of any size. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FilterChain } from '../../../engine/filter/chain.js';
import { FILTER_KINDS } from '../../../engine/filter/filter-kinds.js';
import type { FilterRun } from '../../../engine/filter/filter-run.js';
import { GRPC_WEB } from '../../../engine/filter/grpc-web.js';
import { N } from '../../../engine/http/names.js';
import { newHead } from '../../support/fake-conn.js';
import { FakeFiltered, textOf } from '../../support/fake-filtered.js';
import { requestHead } from '../../support/routes.js';

const BINARY = 'application/grpc-web+proto';
const TEXT = 'application/grpc-web-text';
const MESSAGES = [Buffer.from('hello'), Buffer.alloc(0), Buffer.alloc(70000, 'z')];

function frame(message: Buffer, flag = 0): Buffer {
  const head = Buffer.from([flag, 0, 0, 0, 0]);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

interface Got {
  readonly x: FakeFiltered;
  readonly run: FilterRun;
  /** Body that came out of the filter. */
  body: Buffer;
  isEnded: boolean;
}
function start(type: string, fields = ''): Got {
  const chain = new FilterChain([{ name: 'web', typeUrl: GRPC_WEB.typeUrl, config: {} }], FILTER_KINDS, []);
  const run = chain.take() as FilterRun;
  const x = new FakeFiltered();
  x.request = requestHead('/a.B/C', 'a', `Content-Type: ${type}\r\nContent-Length: 7\r\n${fields}`);
  x.run = run;
  const got: Got = { x, run, body: Buffer.alloc(0), isEnded: false };
  x.relayRequest = (bytes, from, to, last) => {
    got.body = Buffer.concat([got.body, bytes.subarray(from, to)]);
    got.isEnded ||= last;
  };
  x.relayResponse = x.relayRequest;
  run.begin(x.asFiltered());
  run.requestHead(false);
  return got;
}
function answer(got: Got, status = 200, type = 'application/grpc', end = false): void {
  got.x.response.status = status;
  got.x.response.add(N['content-type'], Buffer.from(type), 0, type.length);
  got.x.response.add(N['content-length'], Buffer.from('9'), 0, 1);
  got.run.responseHead(end);
}
function send(feed: FilterRun['requestData'], bytes: Buffer, size: number, last: boolean): void {
  for (let at = 0; at < bytes.length; at += size) {
    const end = Math.min(bytes.length, at + size);
    feed(new Uint8Array(bytes.subarray(at, end)), 0, end - at, last && end === bytes.length);
  }
}
function finish(got: Got): void {
  const trailers = newHead();
  const add = (name: string, value: string): void =>
    trailers.addName(Buffer.from(name), 0, Buffer.from(value), 0, value.length);
  add('Grpc-Status', '7');
  add('x-bin', 'AAE=');
  got.run.responseTrailers(trailers);
}
const TRAILERS = frame(Buffer.from('grpc-status:7\r\nx-bin:AAE=\r\n'), 0x80);

test('the request becomes one of gRPC', () => {
  const { x } = start(BINARY, 'TE: gzip\r\n');
  assert.equal(
    textOf(x.request).replace(/^host: a, /, ''),
    'content-type: application/grpc, te: trailers, grpc-accept-encoding: identity',
  );
  const own = start(TEXT, 'grpc-accept-encoding: gzip\r\n');
  assert.match(textOf(own.x.request), /grpc-accept-encoding: gzip, content-type: application\/grpc, te: trailers$/);
});

test('what is not gRPC-Web is left alone, gRPC too', () => {
  for (const type of ['application/grpc', 'application/json', 'application/grpc-webs']) {
    const got = start(type);
    assert.match(textOf(got.x.request), new RegExp(`content-type: ${type}, content-length: 7$`));
    answer(got, 500, 'text/html');
    finish(got);
    assert.deepEqual(got.x.take(), [
      'request head',
      'response head',
      'response trailers Grpc-Status: 7, x-bin: AAE='.toLowerCase().replace('aae=', 'AAE='),
    ]);
  }
});

test('binary: messages pass as they are, trailers are the last one', () => {
  const got = start(BINARY);
  const body = Buffer.concat(MESSAGES.map((message) => frame(message)));
  send(got.run.requestData.bind(got.run), body, 1000, true);
  assert.deepEqual([got.body.equals(body), got.isEnded], [true, true]);
  got.body = Buffer.alloc(0);
  got.isEnded = false;
  answer(got);
  assert.equal(textOf(got.x.response), 'content-type: application/grpc-web+proto');
  send(got.run.responseData.bind(got.run), body, 1000, false);
  finish(got);
  assert.ok(got.isEnded && got.body.equals(Buffer.concat([body, TRAILERS])));
});

test('text: base64 in pieces of any size in, whole messages in base64 out', () => {
  const frames = MESSAGES.map((message) => frame(message));
  // Each message may be a text of its own, padded.
  const request = Buffer.from(frames.map((each) => each.toString('base64')).join(''));
  for (const size of [1, 2, 3, 5, 1000, 100000]) {
    const got = start(TEXT, `Accept: ${TEXT}\r\n`);
    send(got.run.requestData.bind(got.run), request, size, true);
    assert.ok(got.isEnded && got.body.equals(Buffer.concat(frames)), `request in pieces of ${size}`);
    got.body = Buffer.alloc(0);
    got.isEnded = false;
    answer(got);
    assert.equal(textOf(got.x.response), 'content-type: application/grpc-web-text+proto');
    const first = frames[0] as Buffer;
    send(got.run.responseData.bind(got.run), first, size, false);
    // A client that streams has the message before the next one comes.
    assert.equal(got.body.toString(), first.toString('base64'));
    send(got.run.responseData.bind(got.run), Buffer.concat(frames.slice(1)), size, false);
    finish(got);
    const wanted = [...frames, TRAILERS].map((each) => each.toString('base64')).join('');
    assert.ok(got.isEnded && got.body.toString() === wanted, `response in pieces of ${size}`);
  }
});

test('text: many tiny messages in one piece', () => {
  const got = start(TEXT, `Accept: ${TEXT}+proto\r\n`);
  answer(got);
  const tiny = frame(Buffer.from('a'));
  send(got.run.responseData.bind(got.run), Buffer.concat(Array(20000).fill(tiny)), 1e6, false);
  assert.equal(got.body.toString(), tiny.toString('base64').repeat(20000));
});

test('no base64, or half of it, is refused', () => {
  for (const body of ['AAAAAA', '*', 'AAAA=']) {
    const got = start(TEXT);
    send(got.run.requestData.bind(got.run), Buffer.from(body), 3, true);
    assert.ok(got.x.take().includes('reply 400'), body);
    assert.ok(!got.isEnded || got.body.toString().startsWith('Bad gRPC-web request'));
  }
});

test('an answer that is not gRPC becomes its status and a grpc-message; one of trailers only keeps its head', () => {
  const got = start(BINARY);
  answer(got, 503, 'text/html');
  send(got.run.responseData.bind(got.run), Buffer.from('<p>down\n'), 3, false);
  assert.equal(textOf(got.x.response), 'content-type: application/grpc-web+proto');
  send(got.run.responseData.bind(got.run), Buffer.alloc(30000, 'x'), 7000, true);
  assert.ok(got.x.take().includes('response head end'));
  assert.equal(got.x.response.joinedString('grpc-status'), '14');
  assert.equal(got.x.response.joinedString('grpc-message'), `<p>down%0A${'x'.repeat(16384 - 8)}`);
  const bare = start(TEXT, `Accept: ${TEXT}\r\n`);
  bare.x.response.add(N['grpc-status'], Buffer.from('5'), 0, 1);
  answer(bare, 200, 'application/grpc', true);
  assert.ok(bare.x.take().includes('response head end'));
  assert.equal(textOf(bare.x.response), 'grpc-status: 5, content-type: application/grpc-web-text+proto');
});

test('nothing of one call is left for the next', () => {
  const got = start(TEXT, `Accept: ${TEXT}\r\n`);
  send(got.run.requestData.bind(got.run), Buffer.from('AA'), 2, false);
  got.run.end();
  got.x.request = requestHead('/', 'a', 'Content-Type: text/plain\r\n');
  got.run.begin(got.x.asFiltered());
  got.run.requestHead(false);
  send(got.run.requestData.bind(got.run), Buffer.from('*plain'), 10, true);
  assert.equal(got.body.toString(), '*plain');
});
