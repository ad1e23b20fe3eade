/** mergeReports: what several generator threads saw as one report: histograms and counts added up. */
import { decode, encode } from '../latencies.js';
import type { LoadReport } from './load-report.js';

/** reports: at least one, of the same load. */
export function mergeReports(reports: readonly LoadReport[]): LoadReport {
  const [first, ...others] = reports as [LoadReport, ...LoadReport[]];
  if (others.length === 0) return first;
  const errors: Record<string, number> = {};
  for (const report of reports)
    for (const [name, count] of Object.entries(report.errors)) errors[name] = (errors[name] ?? 0) + count;
  const total = (of: (report: LoadReport) => number): number => reports.reduce((sum, report) => sum + of(report), 0);
  const histogram = (of: (report: LoadReport) => string): string => encode(decode(...reports.map(of)));
  const columns = (of: (report: LoadReport) => readonly number[]): number[] =>
    of(first).map((_, at) => total((report) => of(report)[at] as number));
  return {
    kind: first.kind,
    sent: total(({ sent }) => sent),
    good: total(({ good }) => good),
    errors,
    latencies: histogram(({ latencies }) => latencies),
    overheads: histogram(({ overheads }) => overheads),
    lags: histogram(({ lags }) => lags),
    byBackend: columns(({ byBackend }) => byBackend),
    keyed: columns(({ keyed }) => keyed),
    moved: columns(({ moved }) => moved),
    seconds: Math.max(...reports.map(({ seconds }) => seconds)),
    busy: Math.max(...reports.map(({ busy }) => busy)),
    generators: reports.length,
  };
}
