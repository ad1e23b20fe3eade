/** Http1ServerCodec: order, persistence, backpressure and the ways in which two messages could run into each other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DOWN_GONE, FAULTS, REQUEST_HEADERS_TIMEOUT } from '../../../engine/fault/faults.js';
import type { MessageStream } from '../../../engine/http/codec.js';
import { HEAD_UPGRADE, type Head } from '../../../engine/http/head.js';
import { N } from '../../../engine/http/names.js';
import { Http1ServerCodec, type Http1ServerOptions } from '../../../engine/http1/codec-server.js';
import { HOLD_CONNECTING, HOLD_PEER_FULL } from '../../../engine/io/transport.js';
import { FakeConn, newHead, newShared } from '../../support/fake-conn.js';
import { RecordingSink } from '../../support/recording-sink.js';
import { SERVER_OPTIONS } from '../../support/server-harness.js';

/** A codec whose requests are answered by hand. */
class Manual {
  readonly conn = new FakeConn();
  readonly sinks: RecordingSink[] = [];
  readonly codec: Http1ServerCodec;
  stream: MessageStream | null = null;
  isFinished = false;
  /** Called inside onHead, as a local reply is. */
  atHead: (head: Head) => void = () => {};

  constructor(options: Http1ServerOptions = SERVER_OPTIONS) {
    const host = {
      onIdle: () => {},
      onFinished: () => {
        this.isFinished = true;
      },
    };
    const acceptor = {
      onStream: (stream: MessageStream) => {
        this.stream = stream;
        const sink = new RecordingSink();
        const record = sink.onHead.bind(sink);
        sink.onHead = (head, end) => {
          const spare = record(head, end);
          this.atHead(head);
          return spare;
        };
        this.sinks.push(sink);
        return sink;
      },
    };
    this.codec = new Http1ServerCodec(this.conn, host, acceptor, options, newShared());
  }

  feed(text: string): void {
    const lent = new Uint8Array(Buffer.from(text, 'latin1'));
    this.codec.feed(lent, 0, lent.length);
    lent.fill(0xaa);
  }

  answer(status: number, body: string | null, length = body === null ? -1 : body.length): void {
    const head = newHead();
    head.status = status;
    head.contentLength = length;
    if (length >= 0) {
      const text = Buffer.from(String(length));
      head.add(N['content-length'], text, 0, text.length);
    }
    this.stream?.sendHead(head, body === null);
    if (body !== null) this.stream?.sendData(Buffer.from(body), 0, body.length, true);
  }

  get events(): string[] {
    return this.sinks.flatMap((sink) => sink.events);
  }
}

/** Lets microtasks run, as between two turns. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const GET = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;

test('a pipelined request waits, held, for the response before it', async () => {
  const manual = new Manual();
  manual.feed(GET('/a') + GET('/b') + GET('/c').slice(0, 9));
  assert.equal(manual.sinks.length, 1);
  assert.notEqual(manual.conn.holds, 0);
  manual.answer(200, 'a');
  await turn();
  assert.equal(manual.sinks.length, 2);
  manual.answer(200, 'b');
  await turn();
  assert.equal(manual.conn.holds, 0);
  assert.equal(manual.codec.hasPartialHead, true);
  manual.feed(GET('/c').slice(9));
  manual.answer(200, 'c');
  assert.deepEqual(
    manual.events.filter((event) => event.startsWith('head')),
    ['head GET /a [host: a]', 'head GET /b [host: a]', 'head GET /c [host: a]'],
  );
  assert.equal(manual.conn.written.match(/200 OK/g)?.length, 3);
});

test('a pipelined request with a part of its trailers goes on reading', async () => {
  const manual = new Manual();
  const chunked = 'POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-End: ';
  manual.feed(GET('/a') + chunked);
  manual.answer(200, 'a');
  await turn();
  assert.equal(manual.conn.holds, 0);
  manual.feed('1\r\n\r\n');
  assert.equal(manual.events.at(-1), 'trailers [x-end: 1]');
});

test('a pipelined body stays held while nobody can take it', async () => {
  const manual = new Manual();
  manual.feed(`${GET('/a')}POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n`);
  manual.atHead = () => manual.stream?.hold(HOLD_CONNECTING);
  manual.answer(200, 'a');
  await turn();
  assert.equal(manual.conn.holds, HOLD_CONNECTING);
  manual.feed('body');
  assert.equal(manual.sinks[1]?.ended, 0);
  manual.stream?.release(HOLD_CONNECTING);
  await turn();
  assert.deepEqual(manual.events.slice(-2), ['data "body"', 'end']);
  assert.equal(manual.conn.holds, 0);
});

test('room downstream lets a held body wait on', () => {
  const manual = new Manual();
  manual.atHead = () => {
    manual.stream?.hold(HOLD_CONNECTING);
    manual.stream?.hold(HOLD_PEER_FULL);
  };
  manual.feed('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody');
  manual.stream?.release(HOLD_PEER_FULL);
  assert.equal(manual.conn.holds, HOLD_CONNECTING);
  assert.equal(manual.sinks[0]?.ended, 0);
});

test('the end of the client behind a held body does not cut it', async () => {
  const manual = new Manual();
  manual.atHead = () => manual.stream?.hold(HOLD_CONNECTING);
  manual.feed('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody');
  assert.equal(manual.codec.feedEnd(), 0);
  manual.stream?.release(HOLD_CONNECTING);
  await turn();
  assert.deepEqual(manual.events.slice(-2), ['data "body"', 'end']);
  manual.answer(200, 'ok');
  assert.equal(manual.isFinished, true);
});

test('the end of the client in the same turn as the response before a pipelined request', () => {
  const manual = new Manual();
  manual.feed(GET('/a') + GET('/b'));
  manual.answer(200, 'a');
  // No turn in between: the transport tells everything of a turn in one go.
  assert.equal(manual.codec.feedEnd(), 0);
  assert.equal(manual.sinks.length, 2);
  assert.equal(manual.isFinished, false);
  manual.answer(200, 'b');
  assert.equal(manual.isFinished, true);
});

test('the end of the client in the middle of a pipelined body is a fault', async () => {
  const manual = new Manual();
  manual.feed(`${GET('/a')}POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nbody`);
  manual.codec.feedEnd();
  manual.answer(200, 'a');
  await turn();
  assert.equal(manual.events.at(-1), 'reset incomplete_request');
});

test('a client that ends its side after a whole request is answered', () => {
  const manual = new Manual();
  manual.feed(GET('/a'));
  assert.equal(manual.codec.feedEnd(), 0);
  assert.equal(manual.isFinished, false);
  manual.answer(200, 'a');
  assert.match(manual.conn.written, /\r\n\r\na$/);
  assert.equal(manual.isFinished, true);
});

test('an early answer says that the connection closes, and what is left of the body is not read', () => {
  const manual = new Manual();
  manual.feed('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\nbody');
  manual.answer(413, 'no');
  assert.match(manual.conn.written, /connection: close\r\n\r\nno$/);
  assert.equal(manual.isFinished, true);
  manual.feed(GET('/smuggled'));
  assert.equal(manual.sinks.length, 1);
});

test('a local reply within onHead ends the request, and the next is read', () => {
  const manual = new Manual();
  manual.atHead = () => manual.answer(204, null);
  manual.feed(GET('/a') + GET('/b'));
  assert.equal(manual.sinks.length, 2);
  assert.equal(manual.conn.written, 'HTTP/1.1 204 No Content\r\n\r\n'.repeat(2));
});

test('bodies: chunked to 1.1, until close to 1.0, none to HEAD, 204 and 304', () => {
  const written = (request: string, status: number, length: number, body: string | null): string => {
    const manual = new Manual();
    manual.feed(request);
    manual.answer(status, body, length);
    assert.equal(manual.conn.abortedWith, null);
    return manual.conn.written;
  };
  const head = 'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n';
  const chunked = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n';
  assert.equal(written(GET('/'), 200, -1, 'ok'), chunked);
  assert.equal(written('GET / HTTP/1.0\r\n\r\n', 200, -1, 'ok'), 'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nok');
  assert.equal(written(head, 200, 2, 'ok'), 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n');
  assert.equal(written(head, 200, -1, 'ok'), 'HTTP/1.1 200 OK\r\n\r\n');
  assert.equal(written(GET('/'), 304, 2, null), 'HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n\r\n');
  // HTTP/2 ends a stream with the head alone.
  assert.equal(written(GET('/'), 200, -1, null), 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
  const keptOpen = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n';
  assert.equal(written('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n', 200, -1, null), keptOpen);
  // RFC 9110 §8.6: no length in a 204.
  assert.equal(written(GET('/'), 204, 0, null), 'HTTP/1.1 204 No Content\r\n\r\n');
});

test('a body that is longer or shorter than announced ends the connection at once', () => {
  for (const body of ['four', 'o']) {
    const manual = new Manual();
    manual.feed(GET('/a') + GET('/b'));
    manual.answer(200, body, 2);
    assert.equal(FAULTS[manual.conn.abortedWith ?? 0]?.reason, 'upstream_invalid_framing');
    assert.equal(manual.sinks.length, 1);
  }
});

test('interim responses pass to 1.1 and not to 1.0', () => {
  for (const [request, expected] of [
    [GET('/'), 'HTTP/1.1 100 Continue\r\n\r\n'],
    ['GET / HTTP/1.0\r\n\r\n', ''],
  ] as const) {
    const manual = new Manual();
    manual.feed(request);
    manual.answer(100, null);
    assert.equal(manual.conn.written, expected);
  }
});

test('upgrade: bytes behind the request wait for 101, then flow; each side ends on its own', async () => {
  const manual = new Manual();
  manual.feed('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nearly');
  assert.equal(manual.sinks[0]?.body, '');
  const head = newHead();
  head.status = 101;
  head.flags |= HEAD_UPGRADE;
  const x = Buffer.from('x');
  head.add(N.upgrade, x, 0, 1);
  manual.stream?.sendHead(head, false);
  await turn();
  assert.equal(manual.conn.written, 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n');
  assert.equal(manual.sinks[0]?.body, 'early');
  manual.feed('GET /raw');
  manual.stream?.sendData(x, 0, 1, false);
  manual.codec.feedEnd();
  assert.equal(manual.events.at(-2), 'data "earlyGET /raw"');
  assert.equal(manual.isFinished, false);
  manual.stream?.sendData(x, 0, 1, true);
  assert.equal(manual.conn.isShutDown, true);
  assert.equal(manual.isFinished, true);
});

test('an upgrade whose other end has ended its side with the head', async () => {
  const manual = new Manual();
  manual.feed('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n');
  const head = newHead();
  head.status = 101;
  head.flags |= HEAD_UPGRADE;
  manual.stream?.sendHead(head, true);
  assert.equal(manual.conn.isShutDown, true);
  manual.feed('more');
  await turn();
  assert.equal(manual.sinks[0]?.body, 'more');
  assert.equal(manual.isFinished, false);
  manual.codec.feedEnd();
  assert.equal(manual.isFinished, true);
  const { length } = manual.events;
  manual.codec.close(DOWN_GONE);
  assert.equal(manual.events.length, length);
});

test('an upgrade with a body, or in HTTP/1.0, is an ordinary request', () => {
  const flags: number[] = [];
  for (const [version, field] of [
    ['1.1', 'Content-Length: 1'],
    ['1.1', 'Transfer-Encoding: chunked'],
    ['1.0', 'X: 1'],
  ]) {
    const manual = new Manual();
    manual.atHead = (head) => flags.push(head.flags & HEAD_UPGRADE);
    manual.feed(`POST / HTTP/${version}\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n${field}\r\n\r\n`);
  }
  assert.deepEqual(flags, [0, 0, 0]);
});

test('2xx to CONNECT is a tunnel without a length', () => {
  const manual = new Manual();
  manual.feed('CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n');
  manual.answer(200, null, 5);
  assert.equal(manual.conn.written, 'HTTP/1.1 200 OK\r\n\r\n');
  manual.feed('raw');
  assert.equal(manual.sinks[0]?.body, 'raw');
});

test('a fault before the head still gets a stream; nothing more is read; the answer closes', () => {
  const manual = new Manual();
  manual.feed(`${GET('/a').slice(0, -2)}X : 1\r\n\r\n${GET('/b')}`);
  assert.deepEqual(manual.events, ['invalid space_before_colon']);
  manual.answer(400, 'bad');
  assert.match(manual.conn.written, /connection: close\r\n\r\nbad$/);
  assert.equal(manual.isFinished, true);
  manual.feed(GET('/c'));
  assert.equal(manual.sinks.length, 1);
});

test('a head that does not come in time is refused with a body', () => {
  const manual = new Manual();
  manual.feed('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n');
  manual.answer(200, null, 5);
  manual.feed('GET / HT');
  assert.equal(manual.codec.hasPartialHead, true);
  manual.codec.refuse(REQUEST_HEADERS_TIMEOUT);
  manual.answer(408, 'late');
  assert.match(manual.conn.written, /408 Request Timeout\r\n.*late$/s);
});

test('limits: head bytes, fields, target, trailers', () => {
  const options = { ...SERVER_OPTIONS, maxHeadBytes: 200, maxFields: 3 };
  const fault = (...pieces: string[]): string => {
    const manual = new Manual(options);
    for (const piece of pieces) manual.feed(piece);
    return manual.events.at(-1) as string;
  };
  const long = 'x'.repeat(201);
  assert.equal(fault(`GET /${long} HTTP/1.1\r\n`), 'invalid target_too_long');
  assert.equal(fault(...`GET /${long}`), 'invalid target_too_long');
  assert.equal(fault(`GET / HTTP/1.1\r\nHost: a\r\nX: ${long}\r\n\r\n`), 'invalid headers_too_large');
  assert.equal(fault('GET / HTTP/1.1\r\nX: ', ...long), 'invalid headers_too_large');
  assert.equal(fault('GET / HTTP/1.1\r\nA: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\n'), 'invalid too_many_headers');
  const chunked = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n';
  assert.equal(fault(`${chunked}X: ${long}\r\n`), 'invalid trailers_too_large');
  assert.equal(fault(`${chunked}A: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\n`), 'invalid trailers_too_large');
  assert.equal(fault(`${chunked.slice(0, -3)}1;${'x'.repeat(17000)}`), 'invalid invalid_chunk_extension');
});

test('an idle connection behind an empty line has no partial head', () => {
  const manual = new Manual();
  manual.feed('\r\n');
  assert.equal(manual.codec.hasPartialHead, false);
  manual.feed(GET('/'));
  assert.equal(manual.sinks.length, 1);
});

test('drain: the next response closes', () => {
  const manual = new Manual();
  manual.feed(GET('/a'));
  manual.codec.drain();
  manual.answer(200, 'a');
  assert.match(manual.conn.written, /connection: close/);
  assert.equal(manual.isFinished, true);
});

test('after reset, and after the connection is gone, the stream is dead', () => {
  const manual = new Manual();
  manual.feed(GET('/a'));
  manual.codec.close(1);
  assert.match(manual.events.at(-1) as string, /^reset /);
  manual.answer(200, 'a');
  manual.stream?.reset(1);
  assert.equal(manual.conn.written, '');
  assert.equal(manual.conn.abortedWith, null);
});
