/** Stats as text and JSON, the way /stats prints them. */
import type { Histogram } from 'hdr-histogram-js';
import { PlanRegistry, type ScopeKind } from '../control/registry.js';
import type { Totals } from '../metrics/totals.js';
import type { Regex } from '../format/regex.js';

export interface StatsQuery {
  readonly usedOnly: boolean;
  /** Part of the name has to match. */
  readonly filter: Regex | null;
  readonly type: string;
}

/** A gauge that is no slot in memory. kind: of a scope that has counters too, null = none. */
export interface Reading {
  readonly kind: ScopeKind | null;
  readonly scope: string;
  readonly name: string;
  readonly value: number;
}

function isWanted(filter: Regex | null, name: string): boolean {
  return filter === null || filter.matcher(name).find();
}

const QUANTILES = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100];

function prefixOf(kind: ScopeKind, name: string): string {
  const clean = name.replaceAll(':', '_');
  if (kind === 'http_local_rate_limit') return `${clean}.${kind}`;
  if (kind === 'http2') return `${clean}.http2`;
  if (kind === 'grpc') return `cluster.${clean}`;
  return kind === 'worker' ? `server.worker_${clean}` : `${kind}.${clean}`;
}

/** Counters and gauges in order of name. Endpoints are shown by /clusters. */
export function counters(
  registry: PlanRegistry,
  totals: Totals,
  extra: readonly Reading[],
  query: StatsQuery,
): [string, number][] {
  const found: [string, number][] = [];
  const wants = (kind: string): boolean =>
    query.type === '' || query.type === 'All' || query.type.toLowerCase().startsWith(kind);
  for (const { kind, name, base } of registry.scopes()) {
    if (kind === 'endpoint' || base.counters < 0) continue;
    const { names, kinds } = PlanRegistry.declaration(kind);
    const prefix = prefixOf(kind, name);
    names.forEach((each, at) => {
      const value = totals.counter(base.counters + at);
      if ((!query.usedOnly || value !== 0) && wants(kinds[at] as string)) found.push([`${prefix}.${each}`, value]);
    });
  }
  if (wants('gauge'))
    for (const { kind, scope, name, value } of extra)
      if (!query.usedOnly || value !== 0)
        found.push([`${kind === null ? scope : prefixOf(kind, scope)}.${name}`, value]);
  return found.filter(([name]) => isWanted(query.filter, name)).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

export function histograms(registry: PlanRegistry, totals: Totals, query: StatsQuery): [string, Histogram][] {
  const found: [string, Histogram][] = [];
  if (query.type !== '' && query.type !== 'All' && !query.type.toLowerCase().startsWith('histogram')) return found;
  for (const { kind, name, base } of registry.scopes()) {
    if (base.histograms < 0) continue;
    PlanRegistry.declaration(kind).histograms.forEach((each, at) => {
      const full = `${prefixOf(kind, name)}.${each}`;
      if (!isWanted(query.filter, full)) return;
      const histogram = totals.histogram(base.histograms + at);
      if (!query.usedOnly || histogram.totalCount > 0) found.push([full, histogram]);
    });
  }
  return found;
}

/** Recorded in microseconds, shown in milliseconds. */
function quantile(histogram: Histogram, at: number): string {
  if (histogram.totalCount === 0) return 'nan';
  const us = at === 0 ? histogram.minNonZeroValue : histogram.getValueAtPercentile(at);
  return String(Math.round(us) / 1000);
}

export function renderText(values: readonly [string, number][], found: readonly [string, Histogram][]): string {
  let text = values.map(([name, value]) => `${name}: ${value}\n`).join('');
  for (const [name, histogram] of found) {
    const summary =
      histogram.totalCount === 0
        ? 'No recorded values'
        : QUANTILES.map((at) => `P${at}(nan,${quantile(histogram, at)})`).join(' ');
    text += `${name}: ${summary}\n`;
  }
  return text;
}

export function renderJson(values: readonly [string, number][], found: readonly [string, Histogram][]): string {
  const computed = found.map(([name, histogram]) => ({
    name,
    values: QUANTILES.map((at) => ({
      interval: null,
      cumulative: histogram.totalCount === 0 ? null : Number(quantile(histogram, at)),
    })),
  }));
  const stats: unknown[] = values.map(([name, value]) => ({ name, value }));
  stats.push({ histograms: { supported_quantiles: QUANTILES, computed_quantiles: computed } });
  return JSON.stringify({ stats });
}
