/** Preface: every prefix of it is undecided up to its first line; anything else is HTTP/1. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { protocolOf, UNDECIDED } from '../../../engine/proxy/preface.js';

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

test('a byte that differs makes it HTTP/1 at once, wherever it is', () => {
  for (let at = 0; at < 16; at++) assert.equal(told(`${PREFACE.slice(0, at)}!`), 1, String(at));
  assert.equal(told('P'), UNDECIDED);
  assert.equal(told('PO'), 1);
  assert.equal(told('GET / HTTP/1.1\r\n'), 1);
  assert.equal(told('PRI * HTTP/1.1\r\n'), 1);
});
