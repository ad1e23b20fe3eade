/** Regular expressions: RE2's replacement rules, and beginnings that are certain. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  checkSubstitution,
  compileRegex,
  literalPrefix,
  matchesWhole,
  RegexRewrite,
} from '../../../engine/format/regex.js';

const rewrite = (pattern: string, substitution: string, text: string): string =>
  new RegexRewrite({ pattern, substitution }).apply(text);

test('replacement as RE2 does it', () => {
  assert.equal(rewrite('a+', 'x', 'baac'), 'bxc');
  // An empty match right behind a match does not count.
  assert.equal(rewrite('a*', 'x', 'baac'), 'xbxcx');
  assert.equal(rewrite('(b)(c)?', '[\\2\\1\\0]', 'abcb'), 'a[cbbc][bb]');
  assert.equal(rewrite('(a)', '\\10$1\\\\', 'a'), 'a0$1\\');
  assert.equal(rewrite('/x', '/y', '/x/x'), '/y/y');
  assert.equal(rewrite('^/x', '/y', '/x/x'), '/y/x');
});

test('substitutions that mean nothing are found before they run', () => {
  assert.equal(checkSubstitution('(a)', '\\0\\1\\\\'), null);
  assert.match(checkSubstitution('(a)', '\\2') as string, /no group 2/);
  assert.match(checkSubstitution('(a)', '\\n') as string, /backslash/);
  assert.match(checkSubstitution('(a)', 'x\\') as string, /backslash/);
  assert.throws(() => new RegexRewrite({ pattern: 'a', substitution: '\\1' }), /no group 1/);
});

test('beginnings that every match has', () => {
  assert.equal(literalPrefix('/user/[0-9]+'), '/user/');
  assert.equal(literalPrefix('^/a\\.b.*$'), '/a.b');
  assert.equal(literalPrefix('/ab?c'), '/a');
  assert.equal(literalPrefix('/ab*c'), '/a');
  assert.equal(literalPrefix('/ab{0,2}c'), '/a');
  assert.equal(literalPrefix('/ab+c'), '/ab');
  assert.equal(literalPrefix('/a|/b'), '');
  assert.equal(literalPrefix('/a(?i)*'), '/');
  assert.equal(literalPrefix('(?i)/a'), '');
  assert.equal(literalPrefix('/\\d'), '/');
  assert.equal(literalPrefix('.*'), '');
});

test('what matches begins with it', () => {
  const piece = fc.constantFrom(
    '/',
    'a',
    'b',
    'a+',
    'b*',
    'a?',
    '(a|b)',
    '[ab]',
    '.',
    '\\.',
    'a{2}',
    '^',
    '$',
    '|',
    '\\w',
  );
  const someText = fc.array(fc.constantFrom('/', 'a', 'b', '.'), { maxLength: 6 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 6 }),
      fc.array(someText, { minLength: 20, maxLength: 20 }),
      (pieces, texts) => {
        const pattern = pieces.join('');
        let regex: ReturnType<typeof compileRegex>;
        try {
          regex = compileRegex(pattern);
        } catch {
          return;
        }
        const start = literalPrefix(pattern);
        for (const text of texts)
          if (matchesWhole(regex, text)) assert.ok(text.startsWith(start), `${pattern}: ${text}`);
      },
    ),
    { numRuns: 1500 },
  );
});
