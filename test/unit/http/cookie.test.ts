/** Cookie: found in any Cookie field as by splitting it; its Set-Cookie line. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Cookie } from '../../../engine/http/cookie.js';
import { requestHead } from '../../support/routes.js';

const cookie = (name: string): Cookie => new Cookie({ name, maxAgeSeconds: null, path: '', attributes: [] });

function reference(values: readonly string[], name: string): string | null {
  for (const pair of values.flatMap((value) => value.split(';'))) {
    const bare = pair.replace(/^[ \t]+|[ \t]+$/g, '');
    if (!bare.startsWith(`${name}=`)) continue;
    const value = bare.slice(name.length + 1);
    const unquoted = /^".*"$/.test(value) && value.length >= 2 ? value.slice(1, -1) : value;
    if (unquoted !== '') return unquoted;
  }
  return null;
}

test('the first that is not empty, as by splitting at ";" and taking white space and quotes off', () => {
  const anyValue = fc.string({
    unit: fc.constantFrom('a', 'b', '=', ';', '"', ' ', '\t', 'a=', '; a='),
    maxLength: 12,
  });
  fc.assert(
    fc.property(fc.array(anyValue, { minLength: 1, maxLength: 3 }), fc.constantFrom('a', 'ab', 'b'), (values, name) => {
      const fields = values.map((value) => `Cookie: ${value}\r\nOther: a=no\r\n`).join('');
      const found = cookie(name);
      const isThere = found.find(requestHead('/', 'a', fields));
      const value = isThere ? Buffer.from(found.bytes.subarray(found.start, found.end)).toString() : null;
      assert.equal(value, reference(values, name), JSON.stringify(values));
    }),
    { numRuns: 2000 },
  );
});

test('Set-Cookie: room for a value in quotes, then what the config says', () => {
  const given = new Cookie({
    name: 'home',
    maxAgeSeconds: 60,
    path: '/a',
    attributes: [{ name: 'Secure', value: '' }],
  });
  const text = Buffer.from(given.line?.bytes as Uint8Array).toString();
  assert.equal(text, 'set-cookie: home="0000000000000000"; Max-Age=60; Path=/a; Secure; HttpOnly\r\n');
  assert.equal(text.slice(given.valueAt, given.valueAt + 17), '0000000000000000"');
  assert.equal(cookie('home').line, null);
});
