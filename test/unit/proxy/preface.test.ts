/** Preface: its line is HTTP/2's, what has anything of a request is HTTP/1's, and a broken preface is nobody's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NEITHER, protocolOf, UNDECIDED } from '../../../engine/proxy/preface.js';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

function told(text: string): number {
  const bytes = Buffer.from(`xx${text}yy`, 'latin1');
  return protocolOf(bytes, 2, bytes.length - 2);
}

test('the preface, by its first line', () => {
  const lineBytes = PREFACE.indexOf('\n') + 1;
  for (let length = 0; length <= PREFACE.length; length++)
    assert.equal(told(PREFACE.slice(0, length)), length < lineBytes ? UNDECIDED : 2, String(length));
  assert.equal(told(`${PREFACE.slice(0, lineBytes)}anything`), 2);
});

test('a request is HTTP/1, well formed or not, as soon as its target or its end says so', () => {
  assert.equal(told('G'), UNDECIDED);
  assert.equal(told('GET '), UNDECIDED);
  for (const request of [
    'GET /',
    'PRI * HTTP/1.1\r\n',
    'PRI * HTTP/2.1\r\n',
    'PRI\r\n',
    'GET / HTTP/1.1\r\n',
    'GET http:',
    'CONNECT a:1 HTTP/1.1\r\n',
    'OPTIONS *',
    'GET index.html HTTP/1.1\r\n',
    'GET /a b HTTP/1.1\r\n',
    'GET index.html\r\n',
    'GET index.html \r\n',
    'GET\tindex.html HTTP/1.1\r\n',
    'GET  / HTTP/1.1\r\n',
    '\r\nGET / HTTP/1.1\r\n',
    ' ',
    '   \r\n',
    '\x16\x03\x01',
    'A'.repeat(64),
  ])
    assert.equal(told(request), 1, request);
});

test('a broken preface is neither, however it is split', () => {
  const broken = 'INVALID CONNECTION PREFACE\r\n\r\n';
  for (let length = 0; length <= broken.length; length++)
    assert.equal(told(broken.slice(0, length)), length < 20 ? UNDECIDED : NEITHER, String(length));
});

test('a frame without a preface is neither', () => {
  assert.equal(told('\0\0\0\x04\0\0\0\0\0'), NEITHER);
});
