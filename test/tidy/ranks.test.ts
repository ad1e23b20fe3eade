/** Folder ranks: imports go to lower ranks, nobody is imported by no one, and ARCHITECTURE.md says the same. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isTypeAllowed, RANKS, rankedFolder } from './rank-table.js';
import { ALL, ENGINE, importsOf, ROOT } from './sources.js';

test('imports go to lower ranks', () => {
  const wrong: string[] = [];
  for (const source of ENGINE) {
    const from = rankedFolder(source.path);
    assert.ok(from in RANKS, `${from} has no row in test/tidy/rank-table.ts`);
    for (const { path, statement } of importsOf(source)) {
      const to = rankedFolder(path);
      if (to === from || (RANKS[to] as number) < (RANKS[from] as number)) continue;
      if (statement.startsWith('import type') && isTypeAllowed(from, to)) continue;
      wrong.push(`${source.path} (${RANKS[from]}) imports ${path} (${RANKS[to]})`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('only tests and benches import tests', () => {
  const wrong = ENGINE.flatMap((source) =>
    importsOf(source)
      .filter(({ path }) => !path.startsWith('engine/'))
      .map(({ path }) => `${source.path} imports ${path}`),
  );
  assert.deepEqual(wrong, []);
});

test('imports of a file that exists, and no cycles of values between files', () => {
  const known = new Set(ALL.map(({ path }) => path));
  const edges = new Map<string, string[]>();
  for (const source of ALL) {
    const targets = importsOf(source);
    for (const { path } of targets) assert.ok(known.has(path), `${source.path} imports ${path}, which is not there`);
    const values = targets.filter(({ statement }) => !statement.startsWith('import type') && !isTypesOnly(statement));
    edges.set(
      source.path,
      values.map(({ path }) => path),
    );
  }
  const cycles: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) {
      cycles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
      return;
    }
    if (done.has(path)) return;
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
  assert.deepEqual(cycles, []);
});

/** `import { type A, type B } from` is gone once compiled. */
function isTypesOnly(statement: string): boolean {
  const names = /^(?:import|export) \{ (.*?),? \} from/.exec(statement)?.[1];
  return names?.split(', ').every((name) => name.startsWith('type ')) === true;
}

test('every file of the engine is reached from main or from the worker entry', () => {
  const entries = ['engine/main.ts', 'engine/worker/worker.ts'];
  const reached = new Set<string>();
  const visit = (path: string): void => {
    if (reached.has(path)) return;
    reached.add(path);
    const source = ENGINE.find((each) => each.path === path);
    if (source !== undefined) for (const next of importsOf(source)) visit(next.path);
  };
  for (const entry of entries) visit(entry);
  const dead = ENGINE.map(({ path }) => path).filter((path) => !reached.has(path) && !(path in OUTSIDE));
  assert.deepEqual(dead, [], 'nothing imports it: delete it, or import it');
});

/** Reached otherwise, each with its reason. */
const OUTSIDE: Readonly<Record<string, string>> = {
  'engine/io/transport-sim.ts': 'the transport of the simulation in test/sim',
  'engine/base/assert.ts': 'for errors of ours; nothing needs one at present',
};

test('ARCHITECTURE.md quotes the rank table', () => {
  const quoted: Record<string, number> = {};
  for (const line of readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8').split('\n')) {
    const cells = line.split('|').map((cell) => cell.trim());
    if (!/^\d+$/.test(cells[1] ?? '')) continue;
    for (const folder of (cells[2] as string).split(', ')) quoted[folder] = Number(cells[1]);
  }
  assert.deepEqual(quoted, RANKS);
});
