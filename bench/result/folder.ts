/** ResultFolder: results/<date>-<commit>/ with the result, its histograms and the report, and a line in the history. */
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { packageRoot } from '../../engine/io/addon.js';
import { decode, hgrm } from '../latencies.js';
import { renderReport } from '../report/report.js';
import { median, type Result } from './result.js';

export const RESULTS = join(packageRoot(), 'results');

/** root: in the place of results/. Answers the folder's path. */
export function writeResult(result: Result, root = RESULTS): string {
  const stamp = result.date.slice(0, 19).replaceAll(':', '').replace('T', '-');
  const folder = join(root, `${stamp}-${result.version.commit}${result.version.isDirty ? '-dirty' : ''}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'result.json'), `${JSON.stringify(result, null, 1)}\n`);
  writeFileSync(join(folder, 'report.html'), renderReport(result));
  for (const scenario of result.scenarios)
    for (const { policy, latencies, service } of scenario.policies) {
      writeFileSync(join(folder, `${scenario.name}.${policy}.hgrm`), hgrm(decode(latencies)));
      writeFileSync(join(folder, `${scenario.name}.${policy}.backends.hgrm`), hgrm(decode(service)));
    }
  for (const { name, latencies } of result.peers?.peers ?? [])
    if (latencies !== '') writeFileSync(join(folder, `peers.${fileName(name)}.hgrm`), hgrm(decode(latencies)));
  const { date, version, command, machine, isInterrupted } = result;
  const figures = Object.fromEntries(result.figures.map(({ name, samples }) => [name, round(median(samples))]));
  const line = { date, ...version, command, cpu: machine.cpu, cores: machine.cores, figures };
  if (!isInterrupted) appendFileSync(join(root, 'history.ndjson'), `${JSON.stringify(line)}\n`);
  return relative(process.cwd(), folder) || '.';
}

function fileName(name: string): string {
  return name.replace(/[^\w.-]+/g, '-');
}

function round(value: number): number {
  return Number(value.toPrecision(5));
}
