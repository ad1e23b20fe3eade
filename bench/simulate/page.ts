/** Page: a set of simulated runs as one HTML file: percentile plots and the order of the policies, no network, no script. */
import { percentileCurve } from '../latencies.js';
import { type Bar, barList } from '../report/bar-list.js';
import { colour, escaped, tableMarkup } from '../report/markup.js';
import { percentilePlot } from '../report/percentile-plot.js';
import { STYLE } from '../report/style.js';
import { figure } from '../terminal/table.js';
import { PERCENTILES } from './measurements.js';
import { percent } from './outputs.js';
import { type Run, type RunSet, scenariosOf } from './run-set.js';
import { type Scenario, SERVICE_US } from './scenario.js';

/** Requests that need as good as nothing would stretch the axis and say nothing. */
const SHOWN_FROM = 20;

export function renderPage(set: RunSet, command: string): string {
  const names = [...new Set(set.runs.map(({ policy }) => policy.name))];
  const colourOf = (name: string): string => colour(names.indexOf(name));
  const cards = scenariosOf(set).map((scenario) => {
    const runs = set.runs.filter((run) => run.scenario === scenario);
    return scenarioCard(scenario, runs, colourOf);
  });
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>millrace: balancers, simulated</title><style>${STYLE}</style></head>
<body><main><header><h1>Balancers, simulated</h1>
<p class="meta">The engine's own pickers on virtual time, the same seeded load for each; a service time is ${SERVICE_US / 1000} ms. Seed ${set.seed}, <code>${escaped(command)}</code></p></header>
<section>${cards.join('\n')}</section></main></body></html>
`;
}

function scenarioCard(scenario: Scenario, runs: readonly Run[], colourOf: (name: string) => string): string {
  const plot = percentilePlot(
    `Latency by percentile: ${scenario.name}`,
    runs.map(({ policy, measurements }) => ({
      name: policy.name,
      colour: colourOf(policy.name),
      points: percentileCurve(measurements.latencies).filter(({ percentile }) => percentile >= SHOWN_FROM),
    })),
  );
  const sorted = [...runs].sort((a, b) => tail(a) - tail(b));
  const bars = sorted.map(({ policy, measurements }, at): Bar => {
    const value = measurements.percentile(99);
    return { name: policy.name, value, text: figure(value), colour: colourOf(policy.name), isStrong: at === 0 };
  });
  const rows = sorted.map(({ policy, measurements }) => [
    escaped(policy.name),
    figure(measurements.mean),
    ...PERCENTILES.map((each) => figure(measurements.percentile(each))),
    percent(measurements.lateShare),
    percent(measurements.failureShare),
    String(measurements.found(99)),
  ]);
  const meanings = runs.map(({ policy }) => `<b>${escaped(policy.name)}</b> ${escaped(policy.summary)}`);
  const head = ['', 'mean', ...PERCENTILES.map((each) => `p${each}`), 'late', 'failed', 'in flight p99'];
  return `<div class="card"><h3>${escaped(scenario.name)}</h3><p class="hint">${escaped(scenario.summary)}</p>
${barList('Order', 'p99 in service times, less is better', bars)}${plot}${tableMarkup(head, rows)}<p class="hint">${meanings.join('; ')}.</p></div>`;
}

/** Where everything is late, the share that is late tells them apart. */
function tail({ measurements }: Run): number {
  return measurements.percentile(99) + measurements.lateShare;
}
