/** Fuzzing in small: the canary is found, every target stands a second, kept findings stay fixed. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../../engine/io/addon.js';
import { fuzz } from '../fuzz/run.js';
import { CANARY, TARGETS } from '../fuzz/targets.js';

test('the canary is found', () => {
  assert.notEqual(typeof fuzz(CANARY, 5000, 1), 'number');
});

for (const target of TARGETS)
  test(`${target.name}: corpus, regressions and a second of mutations`, () => {
    for (const text of target.corpus) target.run(Uint8Array.from(Buffer.from(text, 'latin1')));
    const kept = join(packageRoot(), 'test', 'fuzz', 'regressions', target.name);
    if (existsSync(kept))
      for (const name of readdirSync(kept)) target.run(Uint8Array.from(readFileSync(join(kept, name))));
    const found = fuzz(target, 1000, 42);
    if (typeof found !== 'number')
      assert.fail(`${found.error.message}: ${JSON.stringify(Buffer.from(found.input).toString('latin1'))}`);
  });
