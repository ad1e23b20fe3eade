/** Http1ClientCodec: framing of requests, reuse, the keep-alive race, and what an upstream must not be able to do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TlsSession } from '../../../engine/io/tls.js';
import { FAULTS } from '../../../engine/fault/faults.js';
import type { MessageStream } from '../../../engine/http/codec.js';
import { HEAD_UPGRADE } from '../../../engine/http/head.js';
import { N } from '../../../engine/http/names.js';
import { Http1ClientCodec } from '../../../engine/http1/codec-client.js';
import { FakeConn, newHead, newShared } from '../../support/fake-conn.js';
import { RecordingSink } from '../../support/recording-sink.js';
import { SERVER_OPTIONS } from '../../support/server-harness.js';

const SLASH = Buffer.from('/');
const METHODS = { GET: 1, HEAD: 2, POST: 3 } as const;

class Manual {
  readonly conn = new FakeConn();
  readonly codec: Http1ClientCodec;
  sink = new RecordingSink();
  idle = 0;
  isFinished = false;

  constructor() {
    const host = {
      onIdle: () => {
        this.idle++;
      },
      onFinished: () => {
        this.isFinished = true;
      },
    };
    this.codec = new Http1ClientCodec(this.conn, host, SERVER_OPTIONS, newShared());
  }

  send(method: keyof typeof METHODS, end: boolean, length = -1, flags = 0): MessageStream {
    this.sink = new RecordingSink();
    const stream = this.codec.openStream(this.sink) as MessageStream;
    const head = newHead();
    head.method = METHODS[method];
    head.setPath(SLASH, 0, 1);
    head.setAuthority(Buffer.from('a'), 0, 1);
    head.flags |= flags;
    head.contentLength = length;
    const text = Buffer.from(String(length));
    if (length >= 0) head.add(N['content-length'], text, 0, text.length);
    stream.sendHead(head, end);
    return stream;
  }

  feed(text: string): string {
    const lent = new Uint8Array(Buffer.from(text, 'latin1'));
    const fault = this.codec.feed(lent, 0, lent.length);
    lent.fill(0xaa);
    return FAULTS[fault]?.reason as string;
  }
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const x = Buffer.from('xyz');

test('requests: no body, counted, chunked, with trailers', () => {
  const written = (send: (manual: Manual) => void): string => {
    const manual = new Manual();
    send(manual);
    return manual.conn.written;
  };
  assert.equal(
    written((manual) => manual.send('GET', true)),
    'GET / HTTP/1.1\r\nhost: a\r\n\r\n',
  );
  // RFC 9110 §8.6: who expects content would answer 411, or wait.
  assert.equal(
    written((manual) => manual.send('POST', true)),
    'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n',
  );
  assert.equal(
    written((manual) => manual.send('POST', false, 3).sendData(x, 0, 3, true)),
    'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nxyz',
  );
  const chunked = 'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nxyz\r\n';
  assert.equal(
    written((manual) => manual.send('POST', false).sendData(x, 0, 3, true)),
    `${chunked}0\r\n\r\n`,
  );
  const trailers = newHead();
  trailers.add(N['grpc-status'], x, 0, 1);
  trailers.add(N.authorization, x, 0, 1);
  const withTrailers = written((manual) => {
    const stream = manual.send('POST', false);
    stream.sendData(x, 0, 3, false);
    stream.sendTrailers(trailers);
  });
  assert.equal(withTrailers, `${chunked}0\r\ngrpc-status: x\r\n\r\n`);
});

test('both over: the connection is used again, in either order of the ends', () => {
  const manual = new Manual();
  const stream = manual.send('POST', false, 3);
  assert.equal(stream.isReused, false);
  manual.feed(OK);
  assert.equal(manual.codec.streamsFree(), 0);
  stream.sendData(x, 0, 3, true);
  assert.equal(manual.codec.streamsFree(), 1);
  assert.equal(manual.send('GET', true).isReused, true);
  manual.feed(OK);
  assert.equal(manual.idle, 2);
});

test('not used again: close, HTTP/1.0, until close, drained', () => {
  for (const response of [
    'HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n',
    'HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n',
  ]) {
    const manual = new Manual();
    manual.send('GET', true);
    manual.feed(response);
    assert.equal(manual.sink.ended, 1);
    assert.equal(manual.codec.streamsFree(), 0);
    assert.equal(manual.isFinished, true);
  }
  const kept = new Manual();
  kept.send('GET', true);
  kept.feed('HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: max=9, timeout=7\r\nContent-Length: 0\r\n\r\n');
  assert.equal(kept.codec.streamsFree(), 1);
  assert.equal(kept.codec.keepAliveTimeoutMs, 7000);
  kept.codec.drain();
  assert.equal(kept.codec.streamsFree(), 0);
});

test('bytes that no request asked for', () => {
  const idle = new Manual();
  idle.send('GET', true);
  idle.feed(OK);
  assert.equal(idle.feed(OK), 'upstream_unsolicited_bytes');
  const behind = new Manual();
  behind.send('GET', true);
  assert.equal(behind.feed(OK + OK), 'upstream_unsolicited_bytes');
  assert.equal(behind.sink.ended, 1);
  const early = new Manual();
  early.send('POST', false, 3);
  assert.equal(early.feed(OK + OK), 'upstream_unsolicited_bytes');
  assert.equal(early.codec.streamsFree(), 0);
});

test('the keep-alive race is told from an answer cut off', () => {
  const manual = new Manual();
  manual.send('GET', true);
  manual.feed(OK);
  const stream = manual.send('GET', true);
  assert.equal(stream.isReused, true);
  assert.equal(stream.sawResponseBytes, false);
  manual.codec.close(0);
  assert.deepEqual(manual.sink.faults, ['upstream_closed']);
  const begun = new Manual();
  const other = begun.send('GET', true);
  begun.feed('HT');
  assert.equal(other.sawResponseBytes, true);
  begun.codec.feedEnd();
  assert.deepEqual(begun.sink.faults, ['upstream_response_truncated']);
});

test('until close over TLS: a FIN without close_notify cuts it off, a counted body is whole all the same', () => {
  const ends = (isTruncated: boolean, response: string): [string, number] => {
    const manual = new Manual();
    manual.conn.tls = { isTruncated } as TlsSession;
    manual.send('GET', true);
    manual.feed(response);
    const reason = FAULTS[manual.codec.feedEnd()]?.reason as string;
    return [reason, manual.sink.ended];
  };
  assert.deepEqual(ends(false, 'HTTP/1.1 200 OK\r\n\r\nok'), ['', 1]);
  assert.deepEqual(ends(true, 'HTTP/1.1 200 OK\r\n\r\nok'), ['upstream_response_truncated', 0]);
  assert.deepEqual(ends(true, OK), ['', 1]);
});

test('until close ends with FIN, and with RST it is cut off', () => {
  const ended = new Manual();
  ended.send('GET', true);
  ended.feed('HTTP/1.1 200 OK\r\n\r\nok');
  assert.equal(ended.codec.feedEnd(), 0);
  assert.deepEqual(ended.sink.events.slice(-2), ['data "ok"', 'end']);
  const cut = new Manual();
  cut.send('GET', true);
  cut.feed('HTTP/1.1 200 OK\r\n\r\nok');
  cut.codec.close(1);
  assert.equal(cut.sink.ended, 0);
  assert.equal(cut.sink.faults.length, 1);
});

test('101 and the tunnel behind it', () => {
  const manual = new Manual();
  const stream = manual.send('GET', true, -1, HEAD_UPGRADE);
  manual.feed('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nraw');
  const before = manual.conn.written.length;
  stream.sendData(x, 0, 3, false);
  stream.sendData(x, 0, 0, true);
  assert.equal(manual.conn.written.slice(before), 'xyz');
  assert.equal(manual.conn.isShutDown, true);
  assert.equal(manual.isFinished, false);
  manual.codec.feedEnd();
  assert.deepEqual(manual.sink.events.slice(-2), ['data "raw"', 'end']);
  assert.equal(manual.isFinished, true);
});

test('a request body that differs from its length ends the connection', () => {
  for (const [length, last] of [
    [2, false],
    [2, true],
    [4, true],
  ] as const) {
    const manual = new Manual();
    manual.send('POST', false, length).sendData(x, 0, 3, last);
    assert.equal(FAULTS[manual.conn.abortedWith ?? 0]?.reason, 'upstream_invalid_framing');
    assert.doesNotMatch(manual.conn.written, /xyz/);
    manual.codec.close(manual.conn.abortedWith ?? 0);
    assert.equal(manual.sink.faults.length, 1);
  }
});

test('limits of a response head', () => {
  const manual = new Manual();
  manual.send('GET', true);
  assert.equal(manual.feed(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(70000)}\r\n\r\n`), 'upstream_headers_too_large');
  const many = new Manual();
  many.send('GET', true);
  assert.equal(many.feed(`HTTP/1.1 200 OK\r\n${'X: 1\r\n'.repeat(101)}\r\n`), 'upstream_too_many_headers');
});

test('interim responses without an end are cut off', () => {
  const manual = new Manual();
  manual.send('GET', true);
  const interim = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n';
  assert.equal(manual.feed(interim.repeat(64)), '');
  assert.equal(manual.feed(interim), 'upstream_too_many_interim_responses');
  // The next request on another connection begins anew.
  const next = new Manual();
  next.send('GET', true);
  assert.equal(next.feed(`${interim.repeat(64)}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n`), '');
});
