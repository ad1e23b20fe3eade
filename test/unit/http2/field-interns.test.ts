/** FieldInterns: bounded, found again by their bytes, and never written over while a head may point to them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FieldInterns, LINE_SERIAL, LINE_STRIDE } from '../../../engine/http2/field-interns.js';
import { kindOf, lineArg, nameFacts } from '../../../engine/http2/header-rules.js';
import { carvingArena, newHead } from '../../support/header-blocks.js';

function intern(interns: FieldInterns, name: string, value: string): number {
  const line = new Uint8Array(Buffer.from(`${name}: ${value}`, 'latin1'));
  const known = nameFacts(line, 0, name.length);
  const arg = lineArg(kindOf(known), line, name.length + 2, line.length);
  return interns.intern(line, 0, name.length, value.length, known, arg);
}

const SMALL = { segments: 3, segmentBytes: 256, segmentLines: 4 };

test('a line is interned once', () => {
  const interns = new FieldInterns(carvingArena());
  const one = intern(interns, 'x-a', '1');
  assert.ok(one > 61);
  assert.equal(intern(interns, 'x-a', '1'), one);
  assert.notEqual(intern(interns, 'x-a', '2'), one);
  assert.notEqual(intern(interns, 'x-', 'a: 1'), one);
});

test('lines of the static table are there from the start', () => {
  const interns = new FieldInterns(carvingArena());
  assert.equal(intern(interns, ':method', 'GET'), 2);
  assert.equal(intern(interns, 'accept-encoding', 'gzip, deflate'), 16);
  assert.equal(intern(interns, 'www-authenticate', ''), 61);
});

test('secrets and long lines are not', () => {
  const interns = new FieldInterns(carvingArena());
  for (const name of ['authorization', 'proxy-authorization', 'cookie', 'set-cookie'])
    assert.equal(intern(interns, name, 'abc'), 0, name);
  assert.equal(intern(interns, 'x-long', 'a'.repeat(600)), 0);
});

test(':authority and host of the same value are two lines', () => {
  const interns = new FieldInterns(carvingArena());
  const authority = intern(interns, ':authority', 'a.example');
  const host = intern(interns, 'host', 'a.example');
  assert.notEqual(authority, host);
  assert.equal(intern(interns, ':authority', 'a.example'), authority);
  assert.equal(intern(interns, 'host', 'a.example'), host);
});

test('without a place in the arena they have an array of their own', () => {
  const interns = new FieldInterns(carvingArena(16));
  assert.equal(intern(interns, 'x-a', '1'), intern(interns, 'x-a', '1'));
});

test('the oldest segment is given up for another, its numbers with new serials', () => {
  const interns = new FieldInterns(carvingArena(), SMALL);
  const first = intern(interns, 'x-n', '0');
  const serial = (number: number): number => interns.facts[number * LINE_STRIDE + LINE_SERIAL] as number;
  const before = serial(first);
  for (let i = 1; i < 12; i++) assert.ok(intern(interns, 'x-n', `${i}`) > 0);
  // The last segment is being filled, so the first was given up: the line is no longer known by its number.
  assert.equal(serial(first), before + 1);
  const again = intern(interns, 'x-n', '0');
  assert.equal(again, first);
  assert.equal(serial(first), before + 2);
  for (let i = 12; i < 200; i++) assert.ok(intern(interns, 'x-n', `${i}`) > 0);
});

test('nothing is written over while a head of before may point to it', () => {
  const interns = new FieldInterns(carvingArena(), SMALL);
  const first = intern(interns, 'x-n', 'first');
  const start = interns.nameStart(first);
  const head = newHead();
  head.beginOwn(interns.lines);
  const text = (): string => Buffer.from(interns.lines.bytes.subarray(start, start + 10)).toString();
  assert.equal(text(), 'x-n: first');
  let refused = 0;
  for (let i = 0; i < 40; i++) if (intern(interns, 'x-n', `v${i}`) === 0) refused++;
  assert.ok(refused > 0);
  assert.equal(text(), 'x-n: first');
  const later = newHead();
  later.beginOwn(interns.lines);
  head.reset();
  assert.ok(intern(interns, 'x-n', 'other') > 0);
  assert.notEqual(text(), 'x-n: first');
  later.reset();
});

test('a peer that knows the hash does not make lookups long', () => {
  const interns = new FieldInterns(carvingArena(), { segments: 2, segmentBytes: 1 << 16, segmentLines: 8192 });
  let refused = 0;
  for (let i = 0; i < 8000; i++) if (intern(interns, 'x-n', `${i}`) === 0) refused++;
  assert.ok(refused < 800, `${refused} refused with 8000 lines in 4096 buckets`);
});
