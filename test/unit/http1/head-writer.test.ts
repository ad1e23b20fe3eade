/** Head writer: what leaves is what came in, without what belonged to the other connection, in few ranges. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Head } from '../../../engine/http/head.js';
import { N } from '../../../engine/http/names.js';
import { parseRequestHead, parseResponseHead } from '../../../engine/http1/head-parser.js';
import {
  WRITE_CHUNKED,
  WRITE_CLOSE,
  WRITE_END,
  WRITE_NO_LENGTH,
  WRITE_UPGRADE,
  writeRequestHead,
  writeResponseHead,
} from '../../../engine/http1/head-writer.js';
import { FakeArena, FakeConn, newHead } from '../../support/fake-conn.js';
import { SERVER_OPTIONS } from '../../support/server-harness.js';

class CountingConn extends FakeConn {
  ranges = 0;
  override write(bytes: Uint8Array, start: number, end: number): boolean {
    this.ranges++;
    return super.write(bytes, start, end);
  }
}

function request(text: string, what: number, change: (head: Head) => void = () => {}): CountingConn {
  const head = newHead();
  const bytes = new Uint8Array(Buffer.from(`..${text.replaceAll('\n', '\r\n')}`, 'latin1'));
  assert.equal(parseRequestHead(bytes, 2, bytes.length, head, SERVER_OPTIONS), bytes.length);
  change(head);
  const conn = new CountingConn();
  writeRequestHead(conn, head, new FakeArena(), what);
  return conn;
}

function response(text: string, what: number, change: (head: Head) => void = () => {}): CountingConn {
  const head = newHead();
  const bytes = new Uint8Array(Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1'));
  assert.equal(parseResponseHead(bytes, 0, bytes.length, head, SERVER_OPTIONS), bytes.length);
  change(head);
  const conn = new CountingConn();
  writeResponseHead(conn, head, new FakeArena(), what);
  return conn;
}

const value = Buffer.from('1.2.3.4');
const addXff = (head: Head): void => head.add(N['x-forwarded-for'], value, 0, value.length);
const lines = (conn: FakeConn): string => conn.written.replaceAll('\r\n', '\n');

test('a typical request is two ranges: what came, and what was added', () => {
  const conn = request('GET / HTTP/1.1\nHost: a\nAccept: */*\n\n', WRITE_END, addXff);
  assert.equal(lines(conn), 'GET / HTTP/1.1\nHost: a\nAccept: */*\nx-forwarded-for: 1.2.3.4\n\n');
  assert.equal(conn.ranges, 2);
});

test('an untouched head is one range', () => {
  assert.equal(request('GET / HTTP/1.1\nHost: a\n\n', WRITE_END).ranges, 1);
  assert.equal(response('HTTP/1.1 200 Fine\nContent-Length: 0\n\n', WRITE_END).ranges, 1);
});

test('TE: trailers goes on when it was added, too: by a filter, or by the decoder of HTTP/2', () => {
  const add = (text: string) => (head: Head) => head.add(N.te, Buffer.from(text), 0, text.length);
  const text = 'POST / HTTP/1.1\nHost: a\n\n';
  const wanted = `${text.slice(0, -1)}te: trailers\nconnection: te\n\n`;
  assert.equal(lines(request(text, WRITE_END, add('trailers'))), wanted);
  assert.equal(lines(request(text, WRITE_END, add('gzip'))), text);
});

test('hop-by-hop fields and what Connection nominates stay behind', () => {
  const conn = request(
    'GET / HTTP/1.1\nHost: a\nConnection: keep-alive, X-One,x-two\nKeep-Alive: timeout=5\nX-One: 1\nX-Three: 3\n' +
      'Proxy-Connection: close\nTE: gzip\nUpgrade: h2c\nHTTP2-Settings: AA\nx-TWO: 2\n\n',
    WRITE_END,
  );
  assert.equal(lines(conn), 'GET / HTTP/1.1\nHost: a\nX-Three: 3\n\n');
});

test('nominations reach neither framing, nor who the client is, nor what we added', () => {
  const conn = request(
    'POST / HTTP/1.1\nHost: a\nContent-Length: 1\nX-Forwarded-For: 9.9.9.9\nX-Request-Id: r\n' +
      'Connection: host, content-length, x-forwarded-for, x-request-id\n\n',
    0,
    (head) => {
      addXff(head);
      head.removeAll(N['x-request-id']);
      head.add(N['x-request-id'], value, 0, 1);
    },
  );
  assert.equal(
    lines(conn),
    'POST / HTTP/1.1\nHost: a\nContent-Length: 1\nX-Forwarded-For: 9.9.9.9\nx-forwarded-for: 1.2.3.4\nx-request-id: 1\n\n',
  );
});

test('TE: trailers is said anew to the next hop', () => {
  const conn = request('GET / HTTP/1.1\nHost: a\nTE: gzip;q=0.5 , Trailers\nConnection: TE\n\n', WRITE_END);
  assert.equal(lines(conn), 'GET / HTTP/1.1\nHost: a\nte: trailers\nconnection: te\n\n');
  assert.equal(lines(request('GET / HTTP/1.1\nHost: a\nTE: trailersx\n\n', WRITE_END)), 'GET / HTTP/1.1\nHost: a\n\n');
});

test('the target decides about Host: absolute form, CONNECT, a rewrite', () => {
  const absolute = request('GET http://b:81/x HTTP/1.1\nHost: a\nX: 1\n\n', WRITE_END);
  assert.equal(lines(absolute), 'GET /x HTTP/1.1\nhost: b:81\nX: 1\n\n');
  const connect = request('CONNECT b:1 HTTP/1.1\nHost: a:1\n\n', WRITE_END);
  assert.equal(lines(connect), 'CONNECT b:1 HTTP/1.1\nhost: b:1\n\n');
  const rewritten = request('GET /x HTTP/1.1\nHost: a\n\n', WRITE_END, (head) => head.setAuthority(value, 0, 7));
  assert.equal(lines(rewritten), 'GET /x HTTP/1.1\nhost: 1.2.3.4\n\n');
});

test('HTTP/1.0 goes on as HTTP/1.1, without its expectation', () => {
  const conn = request('POST / HTTP/1.0\nHost: a\nExpect: 100-continue\nContent-Length: 1\n\n', 0);
  assert.equal(lines(conn), 'POST / HTTP/1.1\nHost: a\nContent-Length: 1\n\n');
});

test('a line that was not in canonical form is composed anew', () => {
  const conn = request('GET / HTTP/1.1\nHost:a\nX: \t1 \nY: 2\n\n', WRITE_END);
  assert.equal(lines(conn), 'GET / HTTP/1.1\nHost: a\nX: 1\nY: 2\n\n');
});

test('one framing field and no second', () => {
  const chunked = response('HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n', WRITE_CHUNKED | WRITE_CLOSE);
  assert.equal(lines(chunked), 'HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nconnection: close\n\n');
  const counted = response('HTTP/1.1 200 OK\nContent-Length: 5\n\n', WRITE_CHUNKED);
  assert.equal(lines(counted), 'HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n');
  const added = response('HTTP/1.1 200 OK\nContent-Length: 5\n\n', 0, (head) => {
    head.add(N['content-length'], value, 0, 1);
    head.add(N['transfer-encoding'], value, 0, 1);
  });
  assert.equal(lines(added), 'HTTP/1.1 200 OK\nContent-Length: 5\n\n');
  const none = response('HTTP/1.1 204 No Content\nContent-Length: 5\n\n', WRITE_NO_LENGTH | WRITE_END);
  assert.equal(lines(none), 'HTTP/1.1 204 No Content\n\n');
});

test('removing Content-Length takes the announcement back', () => {
  response('HTTP/1.1 200 OK\nContent-Length: 5\n\n', WRITE_CHUNKED, (head) => {
    head.removeAll(N['content-length']);
    assert.equal(head.contentLength, -1);
  });
});

test('upgrade keeps its field', () => {
  const conn = request(
    'GET / HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: upgrade\n\n',
    WRITE_UPGRADE | WRITE_END,
  );
  assert.equal(lines(conn), 'GET / HTTP/1.1\nHost: a\nUpgrade: websocket\nconnection: upgrade\n\n');
});

test('a status line without a reason, or of HTTP/1.0, is composed anew', () => {
  assert.equal(lines(response('HTTP/1.1 200\n\n', WRITE_END)), 'HTTP/1.1 200 OK\n\n');
  assert.equal(lines(response('HTTP/1.0 404 Gone away\n\n', WRITE_END)), 'HTTP/1.1 404 Not Found\n\n');
});

test('a head written twice, as for a retry, is the same', () => {
  const head = newHead();
  const bytes = new Uint8Array(Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'));
  parseRequestHead(bytes, 0, bytes.length, head, SERVER_OPTIONS);
  addXff(head);
  const first = new FakeConn();
  writeRequestHead(first, head, new FakeArena(), WRITE_END);
  head.retain();
  bytes.fill(0xaa);
  const second = new FakeConn();
  writeRequestHead(second, head, new FakeArena(), WRITE_END);
  assert.equal(second.written, first.written);
});
