/** Authorities: hosts and ports that every reader reads in the same way. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAuthority, isAuthorityWithPort } from '../../../engine/http/authority.js';

const is = (text: string): boolean => {
  const bytes = new Uint8Array(Buffer.from(`[${text}]`, 'latin1'));
  return isAuthority(bytes, 1, bytes.length - 1);
};

test('good ones', () => {
  for (const text of ['a', 'a.example:80', '1.2.3.4', 'a_b', 'a%41', 'a:0', 'a:65535', "x!$&'()*+,;=~-"])
    assert.equal(is(text), true, text);
  for (const text of [
    '[::]',
    '[::1]:8080',
    '[1:2:3:4:5:6:7:8]',
    '[1::8]',
    '[1:2:3:4:5:6:7::]',
    '[::ffff:1.2.3.4]',
    '[1:2:3:4:5:6:1.2.3.4]',
  ])
    assert.equal(is(text), true, text);
});

test('bad ones', () => {
  for (const text of [
    '',
    ':80',
    'a:',
    'a:x',
    'a:65536',
    'a:000080',
    'a:80:80',
    'a@b',
    'a/b',
    'a b',
    'a\\b',
    'a#',
    'a?b',
    'a"',
    '\xe4',
  ])
    assert.equal(is(text), false, text);
  for (const text of [
    '[::ffff:1.2.3.04]',
    '[::ffff:01.2.3.4]',
    'a%',
    'a%4',
    'a%zz',
    '[',
    '[]',
    '[1]',
    '[::1',
    '::1',
    '[:::]',
    '[1::2::3]',
    '[12345::]',
    '[::1]x',
    '[::1]]',
    '[::1%25eth0]',
  ])
    assert.equal(is(text), false, text);
  for (const text of [
    '[1:2:3:4:5:6:7:8:9]',
    '[1:2:3:4:5:6:7]',
    '[:1]',
    '[1:]',
    '[::1.2.3]',
    '[::1.2.3.256]',
    '[1:2:3:4:5:6:7:1.2.3.4]',
    '[1.2.3.4::]',
  ])
    assert.equal(is(text), false, text);
});

test('with a port', () => {
  const withPort = (text: string): boolean => isAuthorityWithPort(new Uint8Array(Buffer.from(text)), 0, text.length);
  assert.deepEqual(['a:1', '[::1]:1', 'a', '[::1]', 'a1'].map(withPort), [true, true, false, false, false]);
});
