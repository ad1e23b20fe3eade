/** Metrics: every counter that is declared is fed somewhere; one that stays at zero whatever happens would be a lie. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as declared from '../../engine/metrics/declare.js';
import { ENGINE } from './sources.js';

/** Reached by arithmetic from a neighbour: 1xx + n, and the table of single statuses; ciphers, curves and signatures by their name. */
const BY_PLACE = /_rq_([2-5]xx|\d{3})$|^\d+$|^ssl\.(ciphers|curves|sigalgs)\.(?!other$)|^[rt]x_reset\./;

test('every declared counter and histogram is named by what feeds it', () => {
  const text = ENGINE.filter(({ path }) => path !== 'engine/metrics/declare.ts')
    .map(({ lines }) => lines.join('\n'))
    .join('\n');
  const unfed: string[] = [];
  for (const [scope, declaration] of Object.entries(declared)) {
    if (!('names' in declaration)) continue;
    const { names, histograms } = declaration;
    for (const name of names)
      if (
        !BY_PLACE.test(name) &&
        !new RegExp(`\\b${scope}\\.index\\.${name}\\b`).test(text) &&
        !text.includes(`'${name}'`)
      )
        unfed.push(`${scope}: ${name}`);
    for (const name of histograms) if (!text.includes(`'${name}'`)) unfed.push(`${scope}: ${name}`);
  }
  assert.deepEqual(unfed, []);
});
