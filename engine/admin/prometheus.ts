/** Prometheus text: every scope's counters, gauges and histograms under Envoy's names and labels. */
import { bucketHigh, BUCKETS } from '../metrics/histogram.js';
import { PlanRegistry, type MetricsScope, type ScopeKind } from '../control/registry.js';
import type { Totals } from '../metrics/totals.js';
import type { Reading } from './stats.js';

const LABELS: Readonly<Record<Exclude<ScopeKind, 'http2'>, string>> = {
  http: 'envoy_http_conn_manager_prefix',
  tcp: 'envoy_tcp_prefix',
  cluster: 'envoy_cluster_name',
  grpc: 'envoy_grpc_method',
  listener: 'envoy_listener_address',
  worker: 'worker',
  endpoint: 'envoy_endpoint',
  http_local_rate_limit: 'envoy_local_http_ratelimit_prefix',
};
/** Bucket bounds in milliseconds, as Envoy has them. */
const BOUNDS_MS = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000,
];

export function renderPrometheus(
  registry: PlanRegistry,
  totals: Totals,
  extra: readonly Reading[],
  usedOnly: boolean,
): string {
  const families = new Map<string, { type: string; lines: string[] }>();
  const add = (name: string, type: string, line: string): void => {
    const family = families.get(name) ?? { type, lines: [] };
    family.lines.push(line);
    families.set(name, family);
  };
  for (const scope of registry.scopes()) addScope(scope, totals, usedOnly, add);
  for (const { kind, scope, name, value } of extra) {
    if (usedOnly && value === 0) continue;
    const metric = `envoy_${clean(kind ?? scope)}_${clean(name)}`;
    add(metric, 'gauge', `${metric}{${kind === null ? '' : labelOf(kind, scope)}} ${value}`);
  }
  let text = '';
  for (const [name, { type, lines }] of families) text += `# TYPE ${name} ${type}\n${lines.join('\n')}\n`;
  return text;
}

function labelOf(kind: ScopeKind, name: string): string {
  if (kind === 'http2') return labelOf(ownerOf(name), name.slice(name.indexOf('.') + 1));
  const escaped = name.replace(/[\\"\n]/g, (char) => (char === '\n' ? '\\n' : `\\${char}`));
  return `${LABELS[kind]}="${escaped}"`;
}

/** Of a scope of HTTP/2, whose name begins with what it is below. */
function ownerOf(name: string): 'http' | 'cluster' {
  return name.startsWith('cluster.') ? 'cluster' : 'http';
}

type Add = (name: string, type: string, line: string) => void;

function addScope(scope: MetricsScope, totals: Totals, usedOnly: boolean, add: Add): void {
  const declaration = PlanRegistry.declaration(scope.kind);
  const label = labelOf(scope.kind, scope.name);
  const family = scope.kind === 'http2' ? `${ownerOf(scope.name)}_http2` : scope.kind;
  const isHttpCode = (name: string): RegExpExecArray | null => /_rq_(\d)xx$/.exec(name);
  if (scope.base.counters >= 0)
    declaration.names.forEach((name, at) => {
      const value = totals.counter(scope.base.counters + at);
      if (usedOnly && value === 0) return;
      const kind = declaration.kinds[at] as string;
      const code = isHttpCode(name);
      const metric = `envoy_${family}_${clean(code === null ? name : name.replace(/_\dxx$/, '_xx'))}`;
      const labels = code === null ? label : `envoy_response_code_class="${code[1] as string}",${label}`;
      add(metric, kind, `${metric}{${labels}} ${value}`);
    });
  if (scope.base.histograms < 0) return;
  declaration.histograms.forEach((name, at) => {
    const metric = `envoy_${family}_${clean(name)}`;
    const buckets = totals.buckets(scope.base.histograms + at);
    if (usedOnly && buckets.every((count) => count === 0)) return;
    for (const line of histogramLines(metric, label, buckets)) add(metric, 'histogram', line);
  });
}

function histogramLines(metric: string, label: string, buckets: Float64Array): string[] {
  const lines: string[] = [];
  let cumulative = 0;
  let sumUs = 0;
  let at = 0;
  for (const bound of BOUNDS_MS) {
    while (at < BUCKETS && bucketHigh(at) <= bound * 1000) {
      cumulative += buckets[at] as number;
      sumUs += (buckets[at] as number) * bucketHigh(at);
      at++;
    }
    lines.push(`${metric}_bucket{${label},le="${bound}"} ${cumulative}`);
  }
  for (; at < BUCKETS; at++) {
    cumulative += buckets[at] as number;
    sumUs += (buckets[at] as number) * bucketHigh(at);
  }
  lines.push(`${metric}_bucket{${label},le="+Inf"} ${cumulative}`);
  lines.push(`${metric}_sum{${label}} ${sumUs / 1000}`, `${metric}_count{${label}} ${cumulative}`);
  return lines;
}

function clean(name: string): string {
  return name.replace(/[^a-zA-Z0-9_]/g, '_');
}
