/** The spine is read top to bottom: the steps of ARCHITECTURE.md stand in exchange.ts in that order. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ENGINE, ROOT } from './sources.js';

const SPINE = 'engine/proxy/exchange.ts';
const STEPS = [
  'admit',
  'route',
  'filterRequest',
  'pick',
  'acquire',
  'sendHead',
  'onUpstreamHead',
  'onUpstreamData',
  'finish',
];

test('exchange.ts has the steps in order', () => {
  const lines = ENGINE.find(({ path }) => path === SPINE)?.lines ?? [];
  const at = STEPS.map((step) => lines.findIndex((line) => new RegExp(`^  #?${step}\\(`).test(line)));
  assert.deepEqual(
    STEPS.filter((_, index) => at[index] === -1),
    [],
  );
  assert.deepEqual(
    at,
    [...at].sort((a, b) => a - b),
  );
});

test('ARCHITECTURE.md lists the same steps in the same order', () => {
  const text = readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8');
  const section = text.slice(text.indexOf('## Life of a request'), text.indexOf('## Where is'));
  const listed = [...section.matchAll(/\d\. `(\w+)`/g)].map((match) => match[1]);
  assert.deepEqual(listed, STEPS);
});
