/** Scalars: protobuf JSON's readings, and what the message says when there is none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readScalar } from '../../../engine/control/scalar.js';
import type { Field } from '../../../engine/control/schema.js';

function read(raw: unknown, field: Field, isPlain = true): unknown {
  const result = readScalar(raw, isPlain, field);
  if ('value' in result) return result.note === null ? result.value : [result.value, result.note];
  return 'wanted' in result ? `wanted ${result.wanted}` : result.refusal;
}

const DURATION: Field = { kind: 'duration' };
const UINT: Field = { kind: 'uint', max: 100 };

test('durations', () => {
  assert.equal(read('1s', DURATION), 1000);
  assert.equal(read('0s', DURATION), 0);
  assert.equal(read('1.5s', DURATION), 1500);
  assert.equal(read('0.000000001s', DURATION), 1, 'less than a millisecond is still on');
  assert.equal(read('0.0015s', DURATION), 2);
  assert.equal(read({ seconds: 2, nanos: 500000000 }, DURATION), 2500);
  assert.equal(read({ seconds: '2' }, DURATION), 2000);
  assert.equal(read({}, DURATION), 0);
  assert.deepEqual(read('315576000000s', DURATION), [2147483647, 'more than 24 days is taken as 24 days']);
  for (const [raw, hint] of [
    [5, ' (write "5s")'],
    ['5', ' (write "5s")'],
    ['5m', ' (write "300s")'],
    ['250ms', ' (write "0.25s")'],
    ['1h', ' (write "3600s")'],
    ['1.5 s', ' (write "1.5s")'],
    ['-1s', ''],
    ['forever', ''],
    [true, ''],
    [{ seconds: 1.5 }, ''],
    [{ seconds: -1 }, ''],
    [{ nanos: 1000000000 }, ''],
    [{ second: 1 }, ''],
    [undefined, ''],
  ] as const)
    assert.equal(read(raw, DURATION), `wanted a duration such as "0.25s" or "15s"${hint}`);
  assert.equal(read('0s', { kind: 'duration', min: 1 }), 'wanted a duration of at least 0.001s');
});

test('whole numbers: text too, within their range, exact', () => {
  assert.equal(read(7, UINT), 7);
  assert.equal(read('7', UINT), 7);
  assert.equal(read(7.0, UINT), 7);
  for (const raw of [101, -1, 1.5, '1.5', '0x7', '', 'seven', true, Number.NaN, Infinity, undefined])
    assert.equal(read(raw, UINT), 'wanted a whole number from 0 to 100', String(raw));
  assert.equal(read(4294967295, { kind: 'uint' }), 4294967295);
  assert.equal(read(4294967296, { kind: 'uint' }), 'wanted a whole number from 0 to 4294967295');
  assert.equal(read(-5, { kind: 'int' }), -5);
  assert.equal(read('9007199254740993', { kind: 'int' }), 'wanted a whole number', 'not exact as a double');
  assert.equal(read('0.5', { kind: 'number' }), 0.5);
  assert.equal(read(-0.5, { kind: 'number', min: 0 }), 'wanted a number from 0');
});

test('booleans: the words of YAML 1.1 are what Envoy reads, when not in quotes', () => {
  const BOOL: Field = { kind: 'bool' };
  assert.equal(read(true, BOOL), true);
  assert.deepEqual(read('yes', BOOL), [true, 'write true instead of yes']);
  assert.deepEqual(read('Off', BOOL), [false, 'write false instead of Off']);
  assert.equal(read('yes', BOOL, false), 'wanted true or false');
  assert.equal(read('true', BOOL, false), 'wanted true without quotes');
  assert.equal(read(1, BOOL), 'wanted true or false');
});

test('strings: numbers want quotes, field values no line breaks', () => {
  assert.equal(read('x', { kind: 'string' }), 'x');
  assert.equal(read('', { kind: 'string' }), '');
  assert.equal(read('', { kind: 'string', notEmpty: true }), 'wanted a string that is not empty');
  assert.equal(read(404, { kind: 'string' }), 'wanted a string: put it in quotes ("404")');
  assert.equal(read(true, { kind: 'string' }), 'wanted a string: put it in quotes ("true")');
  assert.equal(read('a\tb', { kind: 'string', isFieldValue: true }), 'a\tb');
  assert.equal(
    read('a\r\nb', { kind: 'string', isFieldValue: true }),
    'wanted text without line breaks and control characters',
  );
});

test('bytes are base64, both alphabets', () => {
  assert.deepEqual(read('aGk=', { kind: 'bytes' }), Buffer.from('hi'));
  assert.deepEqual(read('-_-_', { kind: 'bytes' }), Buffer.from([0xfb, 0xff, 0xbf]));
  assert.equal(read('hi there!', { kind: 'bytes' }), 'wanted base64 text');
});

test('named values: by name, by the number of the proto, in lower case with a note', () => {
  const ENUM: Field = {
    kind: 'enum',
    values: ['ROUND_ROBIN', 'RANDOM'],
    unsupported: ['RING_HASH'],
    numbers: ['ROUND_ROBIN', 'LEAST_REQUEST', 'RING_HASH', 'RANDOM'],
  };
  assert.equal(read('RANDOM', ENUM), 'RANDOM');
  assert.equal(read(3, ENUM), 'RANDOM');
  assert.equal(read(2, ENUM), 'RING_HASH is known to Envoy but not supported here yet; supported: ROUND_ROBIN, RANDOM');
  assert.equal(read(9, ENUM), 'wanted one of ROUND_ROBIN, RANDOM');
  assert.deepEqual(read('random', ENUM), ['RANDOM', 'values are named in capitals: write RANDOM']);
  assert.equal(read('RANDON', ENUM), 'wanted one of ROUND_ROBIN, RANDOM (did you mean RANDOM?)');
  assert.equal(read(-1, ENUM), 'wanted one of ROUND_ROBIN, RANDOM');
});
