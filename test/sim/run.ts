/** Simulation runner: `npm run sim -- [--seed N] [--runs K]`; prints the seeds of runs that break a rule, one told in full. */
import { parseArgs } from 'node:util';
import { World } from './world.js';

const { values } = parseArgs({
  options: { seed: { type: 'string' }, runs: { type: 'string', default: '1000' } },
});
const first = Number(values.seed ?? 1);
const runs = values.seed === undefined ? Number(values.runs) : 1;
let exchanges = 0;
let failed = 0;
for (let seed = first; seed < first + runs; seed++) {
  const world = new World(seed);
  if (values.seed !== undefined) world.onTrace = console.log;
  await world.run();
  exchanges += world.exchanges;
  if (world.violations.length === 0) continue;
  failed++;
  console.log(`seed ${seed}: ${JSON.stringify(world.climate)}\n  ${world.violations.join('\n  ')}`);
}
console.log(`${runs} runs, ${exchanges} exchanges, ${failed} runs broke a rule`);
if (failed > 0) process.exitCode = 1;
