/** Fuzz runner: mutates a corpus with a seed; `npm run fuzz -- [target] [--seconds N] [--seed S]`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Prng } from '../../engine/base/prng.js';
import { packageRoot } from '../../engine/io/addon.js';
import { CANARY, TARGETS, type Target } from './targets.js';

const TOKENS = [
  '\r\n',
  '\r',
  '\n',
  ':',
  ' ',
  '\t',
  '0',
  '\0',
  'Host: b\r\n',
  'Content-Length: 1\r\n',
  'chunked',
  '%',
  '{',
  '- ',
  '&a *a',
];

function mutate(input: Uint8Array, other: Uint8Array, random: Prng): Uint8Array {
  let bytes = [...input];
  for (let times = 1 + random.below(4); times > 0; times--) {
    const at = random.below(bytes.length + 1);
    switch (random.below(6)) {
      case 0:
        if (bytes.length > 0) bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ (1 << random.below(8));
        break;
      case 1:
        bytes.splice(at, random.below(8));
        break;
      case 2:
        bytes.splice(at, 0, ...Buffer.from(TOKENS[random.below(TOKENS.length)] as string));
        break;
      case 3:
        bytes.splice(at, 0, ...bytes.slice(random.below(bytes.length + 1)).slice(0, 40));
        break;
      case 4:
        bytes = [...bytes.slice(0, at), ...other.slice(random.below(other.length + 1))];
        break;
      default:
        bytes.splice(at, 0, random.below(256));
    }
  }
  return Uint8Array.from(bytes.slice(0, 4096));
}

/** The finding, or null when the time is over. */
export function fuzz(
  target: Target,
  milliseconds: number,
  seed: number,
): { input: Uint8Array; error: Error; runs: number } | number {
  const random = Prng.fromSeed(seed);
  const corpus: Uint8Array[] = target.corpus.map((text) => Uint8Array.from(Buffer.from(text, 'latin1')));
  const end = performance.now() + milliseconds;
  let runs = 0;
  while (performance.now() < end)
    for (let i = 0; i < 50; i++) {
      const input = mutate(
        corpus[random.below(corpus.length)] as Uint8Array,
        corpus[random.below(corpus.length)] as Uint8Array,
        random,
      );
      runs++;
      try {
        target.run(input);
      } catch (error) {
        return { input, error: error as Error, runs };
      }
      if (corpus.length < 200 && random.below(100) === 0) corpus.push(input);
    }
  return runs;
}

function main(): void {
  const { values, positionals } = parseArgs({
    options: { seconds: { type: 'string', default: '10' }, seed: { type: 'string', default: '1' } },
    allowPositionals: true,
  });
  const chosen = positionals.length === 0 ? TARGETS : TARGETS.filter(({ name }) => positionals.includes(name));
  const each = (Number(values.seconds) * 1000) / chosen.length;
  if (typeof fuzz(CANARY, 5000, Number(values.seed)) === 'number')
    throw new Error('the canary was not found: the runner finds nothing');
  for (const target of chosen) {
    const found = fuzz(target, each, Number(values.seed));
    if (typeof found === 'number')
      console.log(`${target.name.padEnd(14)} ${String(found).padStart(9)} inputs, nothing found`);
    else {
      const directory = join(packageRoot(), 'test', 'fuzz', 'regressions', target.name);
      mkdirSync(directory, { recursive: true });
      const path = join(directory, `${values.seed}-${found.runs}.bin`);
      writeFileSync(path, found.input);
      console.log(
        `${target.name}: ${found.error.message}\n  kept as ${path}\n  ${JSON.stringify(Buffer.from(found.input).toString('latin1'))}`,
      );
      process.exitCode = 1;
    }
  }
}

if (process.argv[1]?.endsWith('run.js') === true) main();
