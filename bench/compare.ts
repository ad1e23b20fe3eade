/** `npm run bench -- compare A B`: what changed from one result to another, against the spread of their rounds. */
import { copyFileSync, existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { RESULTS } from './result/folder.js';
import { type Figure, median, readResult, type Result } from './result/result.js';
import { figure, table } from './terminal/table.js';
import { UsageError } from './usage-error.js';

const BASELINE = join(RESULTS, 'baseline.json');
/** Changes smaller than this are none, however close the rounds were. */
const CHANGE_MIN = 0.03;
/** With a single round there is no spread to compare with; a tail moves by this much by itself. */
const CHANGE_MIN_SINGLE = 0.3;

export interface Change {
  readonly name: string;
  readonly unit: string;
  readonly before: number;
  readonly after: number;
  /** After over before, less one; from 0 to something: infinite. */
  readonly change: number;
  /** What the rounds of the two spread by, as a part of the value before. */
  readonly spread: number;
  readonly verdict: 'better' | 'worse' | 'same';
}

export function changes(before: Result, after: Result): Change[] {
  return before.figures.flatMap((old) => {
    const now = after.figures.find(({ name }) => name === old.name);
    return now === undefined || old.samples.length === 0 || now.samples.length === 0 ? [] : [changeOf(old, now)];
  });
}

function changeOf(old: Figure, now: Figure): Change {
  const before = median(old.samples);
  const after = median(now.samples);
  const change = before === after ? 0 : after / before - 1;
  const range = (samples: readonly number[]): number => Math.max(...samples) - Math.min(...samples);
  const spread = before === 0 ? 0 : Math.max(range(old.samples), range(now.samples)) / before;
  const isSingle = old.samples.length < 2 || now.samples.length < 2;
  const areApart =
    Math.max(...old.samples) < Math.min(...now.samples) || Math.min(...old.samples) > Math.max(...now.samples);
  const isReal = areApart && Math.abs(change) > (isSingle ? CHANGE_MIN_SINGLE : CHANGE_MIN);
  const isWorse = old.better === 'lower' ? change > 0 : change < 0;
  const { name, unit } = old;
  return { name, unit, before, after, change, spread, verdict: !isReal ? 'same' : isWorse ? 'worse' : 'better' };
}

/** A folder of results, a result.json, "baseline", "last", or the beginning of a folder's name or its commit. */
export function resultPath(name: string, root = RESULTS): string {
  if (name === 'baseline') return existing(BASELINE, 'there is no baseline yet: compare --keep A makes one');
  if (existsSync(name)) return statSync(name).isDirectory() ? existing(join(name, 'result.json')) : name;
  const folders = existsSync(root)
    ? readdirSync(root)
        .sort()
        .filter((each) => existsSync(join(root, each, 'result.json')))
    : [];
  const found =
    name === 'last' ? folders : folders.filter((each) => each.startsWith(name) || each.includes(`-${name}`));
  const newest = found.at(-1);
  if (newest === undefined) throw new UsageError(`there is no result ${JSON.stringify(name)} under results/`);
  return join(root, newest, 'result.json');
}

function existing(path: string, otherwise = `${path} does not exist`): string {
  if (!existsSync(path)) throw new UsageError(otherwise);
  return path;
}

/** Answers the exit code: 1 when something is worse. Throws UsageError. */
export function compare(args: readonly string[]): number {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { keep: { type: 'boolean' } },
    allowPositionals: true,
  });
  if (values.keep === true) {
    if (positionals.length !== 1) throw new UsageError('compare --keep takes one result');
    const path = resultPath(positionals[0] as string);
    readResult(path);
    copyFileSync(path, BASELINE);
    process.stdout.write(`${path} is the baseline now\n`);
    return 0;
  }
  if (positionals.length !== 2) throw new UsageError('compare takes two results: A (before) and B (after)');
  const [before, after] = positionals.map((name) => readResult(resultPath(name))) as [Result, Result];
  const found = changes(before, after);
  if (found.length === 0) throw new UsageError('the two results have no figure in common');
  process.stdout.write(`${text(before, after, found)}\n`);
  return found.some(({ verdict }) => verdict === 'worse') ? 1 : 0;
}

function text(before: Result, after: Result, found: readonly Change[]): string {
  const percent = (value: number): string => `${value > 0 ? '+' : ''}${(value * 100).toFixed(1)} %`;
  const rows = found.map((each) => [
    each.name,
    figure(each.before),
    figure(each.after),
    percent(each.change),
    `${(each.spread * 100).toFixed(1)} %`,
    each.verdict === 'same' ? '' : each.verdict,
  ]);
  const count = (verdict: Change['verdict']): number => found.filter((each) => each.verdict === verdict).length;
  const title = (result: Result): string => `${result.version.commit} of ${result.date.slice(0, 16).replace('T', ' ')}`;
  const isOther = before.machine.cpu !== after.machine.cpu || before.machine.cores !== after.machine.cores;
  return [
    `${title(before)}  ->  ${title(after)}`,
    ...(isOther ? ['  the two were measured on different machines: only ratios mean something'] : []),
    '',
    table(['figure', 'before', 'after', 'change', 'spread', 'verdict'], rows),
    '',
    `  ${count('worse')} worse, ${count('better')} better, ${count('same')} within the spread`,
  ].join('\n');
}
