/** Tests of the command: what it prints and its exit codes. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { simulate } from '../../bench/simulate.js';

async function run(...args: string[]): Promise<{ code: number; out: string; error: string }> {
  const { log, error } = console;
  const lines: string[] = [];
  const errors: string[] = [];
  console.log = (line: string) => lines.push(line);
  console.error = (line: string) => errors.push(line);
  try {
    return { code: await simulate(args), out: lines.join('\n'), error: errors.join('\n') };
  } finally {
    console.log = log;
    console.error = error;
  }
}

test('a table per scenario with a row per policy', async () => {
  const { code, out } = await run('--scenario', 'one-slow', '--policies', 'rr,p2c', '--requests', '5000');
  assert.equal(code, 0);
  assert.match(out, /one-slow: ten servers/);
  assert.match(out, /^ +rr +\d/m);
  assert.match(out, /^ +p2c +\d/m);
});

test('what there is not is named with what there is', async () => {
  const { code, error } = await run('--policies', 'best');
  assert.equal(code, 2);
  assert.match(error, /no policy best; there are: random, rr/);
  assert.equal((await run('--scenario', 'none')).code, 2);
  assert.equal((await run('--load', 'x')).code, 2);
  assert.equal((await run('--wrong')).code, 2);
});

test('--list names every scenario and policy', async () => {
  const { out } = await run('--list');
  for (const name of ['half-slow', 'large', 'p2c-worker']) assert.match(out, new RegExp(` ${name} `));
});

test('the same runs as lines of JSON, as CSV and as a page', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-simulate-'));
  const path = (name: string): string => join(directory, name);
  const files = ['--json', path('a.ndjson'), '--csv', path('a.csv'), '--html', path('a.html')];
  const { code } = await run('--scenario', 'one-slow', '--policies', 'rr,p2c', '--requests', '5000', ...files);
  assert.equal(code, 0);
  const records = readFileSync(path('a.ndjson'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Row);
  assert.deepEqual(
    records.map(({ policy, requests }) => [policy, requests]),
    [
      ['rr', 5000],
      ['p2c', 5000],
    ],
  );
  const [head, ...rows] = readFileSync(path('a.csv'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(','));
  assert.deepEqual(head, Object.keys(records[0] as Row));
  assert.deepEqual(
    rows.map((row) => row.length),
    [head?.length, head?.length],
  );
  assert.equal(Number(rows[1]?.[head?.indexOf('p99') as number]), (records[1] as Row).p99);
  const page = readFileSync(path('a.html'), 'utf8');
  assert.match(page, /one-slow/);
  assert.doesNotMatch(page, /https?:|<script/);
  rmSync(directory, { recursive: true });
});

interface Row {
  readonly policy: string;
  readonly requests: number;
  readonly p99: number;
}
