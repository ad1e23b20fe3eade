/** House rules as tests: ranks of folders, first sentences, sizes, banned words, faults that exist and are used. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';
import { FAULTS } from '../../engine/fault/faults.js';
import { packageRoot } from '../../engine/io/addon.js';

const ROOT = packageRoot();
const RANKS: Readonly<Record<string, number>> = {
  base: 0,
  metrics: 1,
  fault: 1,
  io: 2,
  http: 2,
  http1: 3,
  plan: 4,
  format: 5,
  route: 6,
  filter: 6,
  upstream: 6,
  proxy: 7,
  worker: 8,
  discovery: 9,
  control: 10,
  admin: 11,
  '': 12,
};

/** Files that are longer than 400 lines, each with its reason; the list may only shrink. */
const LONG: Readonly<Record<string, string>> = {
  'engine/http/head.ts': 'one class: the accessors of one layout',
  'engine/io/transport-native.ts': 'connection, arena and transport share the rings',
  'engine/proxy/exchange.ts': 'the spine is read in one piece',
  'engine/http1/codec-server.ts': 'one state machine',
  'engine/control/document.ts': 'one reader: each kind of field a method',
  'engine/control/compile.ts': 'listeners and clusters of one document',
};

function files(directory: string): string[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    return statSync(path).isDirectory() ? files(path) : path.endsWith('.ts') ? [path] : [];
  });
}

const engine = files(join(ROOT, 'engine'));
const all = ['engine', 'test', 'bench', 'scenarios'].flatMap((name) => files(join(ROOT, name)));
const nameOf = (path: string): string => relative(ROOT, path);

function folderOf(path: string): string {
  const parts = relative(join(ROOT, 'engine'), path).split('/');
  return parts.length === 1 ? '' : (parts[0] as string);
}

test('imports go to lower ranks', () => {
  const wrong: string[] = [];
  for (const path of engine) {
    const folder = folderOf(path);
    for (const [line] of readFileSync(path, 'utf8').matchAll(/^(import|export) [^;]*from '(\.[^']+)';/gm)) {
      const target = resolve(dirname(path), (/from '(\.[^']+)'/.exec(line) as RegExpExecArray)[1] as string);
      const to = folderOf(target);
      if (to === folder) continue;
      // Types of what main holds are handed down to the parts of main.
      const isMainType = line.startsWith('import type') && (RANKS[folder] as number) >= 10;
      if ((RANKS[to] as number) >= (RANKS[folder] as number) && !isMainType && !isSameRankAllowed(folder, to, line))
        wrong.push(`${nameOf(path)} (${RANKS[folder]}) imports ${to || 'engine'} (${RANKS[to]})`);
    }
  }
  assert.deepEqual(wrong, []);
});

/** http knows the types of io and the numbers of hold bits; metrics and fault stand alone. */
function isSameRankAllowed(folder: string, to: string, line: string): boolean {
  return folder === 'http' && to === 'io' && line.startsWith('import type');
}

test('every file begins with one sentence', () => {
  const wrong = all.filter((path) => {
    const lines = readFileSync(path, 'utf8').split('\n');
    const first = lines[0]?.startsWith('#!') ? lines[1] : lines[0];
    return !/^\/\*\* .+[.?]( \*\/)?$/.test(first as string);
  });
  assert.deepEqual(wrong.map(nameOf), []);
});

test('files are at most 400 lines', () => {
  const long = engine.filter((path) => readFileSync(path, 'utf8').split('\n').length > 401).map(nameOf);
  assert.deepEqual(
    long.filter((path) => !(path in LONG)),
    [],
  );
});

test('names say what a thing is', () => {
  const banned = /(manager|helper|utils?|common|misc|processor|service|impl)(\.ts|-|$)/i;
  assert.deepEqual(
    engine.map(nameOf).filter((path) => banned.test(path)),
    [],
  );
});

test('no left-overs and no paths of a machine', () => {
  const wrong: string[] = [];
  for (const path of all) {
    if (path.includes('test/tidy/')) continue;
    const text = readFileSync(path, 'utf8');
    for (const [pattern, instead] of [
      [/\b(TODO|FIXME|XXX)\b/, 'do it, or say it in ARCHITECTURE.md'],
      [/\/(work|home|root)\//, 'paths come from packageRoot() or tmpdir()'],
      [/@ts-(ignore|expect-error)/, 'fix the type'],
      [/: any[;,)=[]|\bas any[;,)\]. ]/, 'unknown, or the type'],
    ] as const)
      if (pattern.test(text)) wrong.push(`${nameOf(path)}: ${String(pattern)}: ${instead}`);
  }
  assert.deepEqual(wrong, []);
});

test('the data path has no promise and reads no environment', () => {
  const wrong: string[] = [];
  for (const path of engine) {
    const rank = RANKS[folderOf(path)] as number;
    const text = readFileSync(path, 'utf8');
    if (rank <= 6 && /\basync\b|\bawait\b/.test(text)) wrong.push(`${nameOf(path)}: async belongs to main`);
    if (!/engine\/(main|options)\.ts$/.test(path) && /process\.env\b/.test(text))
      wrong.push(`${nameOf(path)}: environment is read by options.ts`);
  }
  assert.deepEqual(wrong, []);
});

test('fault reasons are unique where they answer a request, and every fault is used', () => {
  const text = engine
    .filter((path) => !path.endsWith('faults.ts'))
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n');
  const names = [
    ...readFileSync(join(ROOT, 'engine/fault/faults.ts'), 'utf8').matchAll(/^export const ([A-Z_0-9]+) =/gm),
  ].map((match) => match[1] as string);
  assert.deepEqual(
    names.filter((name) => !new RegExp(`\\b${name}\\b`).test(text)),
    [],
  );
  const reasons = FAULTS.map((fault) => fault.reason).filter((reason) => reason !== 'stream_idle_timeout');
  assert.equal(new Set(reasons).size, reasons.length);
});
