/** Report: a result as one HTML file that needs nothing else: no network, no script. */
import { decode, percentileCurve, percentileMs } from '../latencies.js';
import { ratios } from '../peers/ratios.js';
import { median, type MicroResult, type PeersResult, type Result, type ScenarioResult } from '../result/result.js';
import { lagText } from '../terminal/lag-text.js';
import { figure, whole } from '../terminal/table.js';
import { type Bar, barList, spreadColumns } from './bar-list.js';
import { breakable, COLOURS, colour, escaped, tableMarkup } from './markup.js';
import { percentilePlot } from './percentile-plot.js';
import { STYLE } from './style.js';

export function renderReport(result: Result): string {
  const sections = [
    header(result),
    result.peers === null ? '' : peersSection(result.peers),
    result.scenarios.length === 0 ? '' : scenariosSection(result.scenarios),
    result.micro.length === 0 ? '' : microSection(result.micro),
    method(result),
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>millrace bench, ${result.date.slice(0, 10)}, ${escaped(result.version.commit)}</title>
<style>${STYLE}</style></head>
<body><main>${sections.join('\n')}</main></body></html>
`;
}

function header(result: Result): string {
  const { machine, version, date, command, isInterrupted, seconds } = result;
  const commit = `${version.commit}${version.isDirty ? ' with changes' : ''}`;
  const interrupted = isInterrupted ? '<p><b>Interrupted:</b> what was measured until then.</p>' : '';
  return `<header><h1>millrace bench</h1>
<p class="meta">${date.slice(0, 16).replace('T', ' ')} UTC, commit ${escaped(commit)}, ${seconds} s, <code>${escaped(command)}</code></p>
<p class="meta">${escaped(machine.cpu)}, ${machine.cores} ${machine.cores === 1 ? 'core' : 'cores'}, ${machine.memoryGiB} GiB, ${escaped(machine.system)}, Node.js ${escaped(machine.node)}, load average before ${machine.loadAverage}</p>
${interrupted}<div class="tiles">${tiles(result)
    .map(([value, text]) => `<div class="tile"><b>${escaped(value)}</b><span>${escaped(text)}</span></div>`)
    .join('')}</div></header>`;
}

/** The few numbers that one would say aloud. */
function tiles(result: Result): [string, string][] {
  const found: [string, string][] = [];
  const ours = result.peers?.peers.find(({ name }) => name === 'millrace');
  if (ours !== undefined) found.push([`${figure(median(ours.cpuUsPerRequest))} µs`, 'CPU per proxied request']);
  const all = result.peers === null ? [] : ratios(result.peers);
  for (const [name, text] of [
    ['floor', 'of the kernel floor (a relay in C)'],
    ['nginx', 'of nginx'],
    ['haproxy', 'of HAProxy'],
    ['http-proxy-3', 'of http-proxy-3'],
  ] as const) {
    const ratio = all.find((each) => each.name === name);
    if (ratio !== undefined && found.length < 4)
      found.push([`${figure(median(ratio.samples))} x`, `the CPU per request ${text}`]);
  }
  const { findings } = result;
  const met = findings.filter(({ outcome }) => outcome === 'met').length;
  const missed = findings.filter(({ outcome }) => outcome === 'missed').length;
  if (met + missed > 0) found.push([`${met} of ${met + missed}`, 'expectations of the scenarios met']);
  return found;
}

// ---- peers ----------------------------------------------------------------------------------------------------

function peersSection(result: PeersResult): string {
  const { peers } = result;
  const proxies = peers.filter(({ cpuUsPerRequest }) => cpuUsPerRequest.length > 0);
  // millrace has the first colour, and what is no proxy the last, which is grey.
  const order = [
    'millrace',
    ...peers.map(({ name }) => name).filter((name) => name !== 'millrace' && name !== 'direct'),
  ];
  const colourOf = (name: string): string => colour(name === 'direct' ? COLOURS - 1 : order.indexOf(name));
  const bars = (pick: (peer: (typeof peers)[number]) => readonly number[], text: (value: number) => string): Bar[] =>
    proxies.map((peer) => {
      const values = pick(peer);
      const value = median(values);
      return {
        name: peer.name,
        value,
        text: text(value),
        range: [Math.min(...values), Math.max(...values)],
        colour: colourOf(peer.name),
        isStrong: peer.name === 'millrace',
      };
    });
  const plot = percentilePlot(
    'Latency by percentile of each proxy',
    peers.map((peer) => ({
      name: peer.name,
      colour: colourOf(peer.name),
      points: percentileCurve(decode(peer.latencies)),
      isStrong: peer.name === 'millrace',
    })),
  );
  const cpu = barList(
    'CPU per request',
    'microseconds, less is better; the thin line spans the rounds',
    bars((peer) => peer.cpuUsPerRequest, figure).sort((a, b) => a.value - b.value),
  );
  const throughput = barList(
    'Throughput',
    'requests per second in a closed loop; the load shares the machine',
    bars((peer) => peer.requestsPerSecond, whole).sort((a, b) => b.value - a.value),
  );
  const memory = barList(
    'Memory',
    'MiB resident after the load',
    bars((peer) => peer.residentMiB, figure).sort((a, b) => a.value - b.value),
  );
  return `<section><h2>Beside other proxies</h2><p class="hint">${escaped(result.conditions)}.</p>
<div class="card">${cpu}</div>
<div class="card"><h3>Latency at a fixed rate</h3><p class="hint">client to origin and back, from the time at which each request was meant to be sent; every nine of the percentile is a step to the right. The generator itself sent late by ${escaped(lagText([result.lagMs]))}.</p>${plot}</div>
<div class="pair"><div class="card">${throughput}</div><div class="card">${memory}</div></div>
<div class="card">${peersTable(result)}${skippedText(result.skipped)}</div></section>`;
}

function peersTable(result: PeersResult): string {
  const all = ratios(result);
  const rows = result.peers.map((peer) => {
    const histogram = decode(peer.latencies);
    const ratio = all.find(({ name }) => name === peer.name);
    const isProxy = peer.cpuUsPerRequest.length > 0;
    return [
      escaped(`${peer.name} ${peer.version}`.trim()),
      isProxy ? figure(median(peer.cpuUsPerRequest)) : '',
      ratio === undefined ? '' : figure(median(ratio.samples)),
      whole(median(peer.requestsPerSecond)),
      figure(percentileMs(histogram, 50)),
      figure(percentileMs(histogram, 99)),
      isProxy ? figure(median(peer.residentMiB)) : '',
      whole(peer.errors),
    ];
  });
  return tableMarkup(
    ['', 'CPU µs/request', 'millrace over it', 'requests/s', 'p50 ms', 'p99 ms', 'MiB', 'failed'],
    rows,
  );
}

function skippedText(skipped: readonly { readonly name: string; readonly why: string }[]): string {
  if (skipped.length === 0) return '';
  const list = skipped.map(({ name, why }) => `${escaped(name)} (${escaped(why)})`);
  return `<p class="hint">Skipped: ${list.join(', ')}.</p>`;
}

// ---- balancers ------------------------------------------------------------------------------------------------

function scenariosSection(scenarios: readonly ScenarioResult[]): string {
  const names = [...new Set(scenarios.flatMap(({ policies }) => policies.map(({ policy }) => policy)))];
  const colourOf = (policy: string): string => colour(names.indexOf(policy));
  return `<section><h2>Balancers</h2><p class="hint">The same seeded load for each; latency from the time at which each request was meant to be sent.</p>${scenarios.map((scenario) => scenarioCard(scenario, colourOf)).join('')}</section>`;
}

function scenarioCard(scenario: ScenarioResult, colourOf: (policy: string) => string): string {
  const { title, question, load, policies, winner, reason } = scenario;
  const plot = percentilePlot(
    `Latency by percentile: ${title}`,
    policies.map(({ policy, latencies }) => ({
      name: policy,
      colour: colourOf(policy),
      points: percentileCurve(decode(latencies)),
      isStrong: policy === winner,
    })),
  );
  const best = (column: number): number =>
    Math.min(...policies.map(({ percentilesMs }) => percentilesMs[column] as number));
  const rows = policies.map((policy) => [
    `<span class="dotted"><i class="key-dot" style="background:${colourOf(policy.policy)}"></i><span>${breakable(policy.policy)}</span></span>`,
    ...policy.percentilesMs.map((ms, column) =>
      ms === best(column) && policies.length > 1 ? `<span class="best">${figure(ms)}</span>` : figure(ms),
    ),
    policy.errors === 0 ? '0' : `<span title="${escaped(policy.errorText)}">${whole(policy.errors)}</span>`,
    spreadColumns(policy.byBackend, colourOf(policy.policy)),
    figure(policy.overheadMs[0] as number),
    figure(policy.cpuUsPerRequest),
    ...(policy.keysMoved === null ? [] : [`${figure(policy.keysMoved * 100)} %`]),
  ]);
  const head = [
    '',
    'p50 ms',
    'p90',
    'p99',
    'p99.9',
    'max',
    'errors',
    'by backend',
    'proxy adds p50',
    'CPU µs',
    ...(policies[0]?.keysMoved == null ? [] : ['keys moved']),
  ];
  const won =
    reason === ''
      ? ''
      : `<p class="winner"><b>${escaped(winner === 'none' ? 'Nobody' : winner)}</b>: ${escaped(reason)}.</p>`;
  const skipped = scenario.skipped.map(({ policy, why }) => ({ name: policy, why: why.split(';')[0] as string }));
  return `<div class="card"><h3>${escaped(title)}</h3><p class="question">${escaped(question)}</p>${won}${plot}${tableMarkup(head, rows)}<p class="hint">${escaped(scenario.name)}: ${escaped(load)}. The generator itself sent late by ${escaped(lagText(policies.map(({ lagMs }) => lagMs)))}.</p>${skippedText(skipped)}</div>`;
}

// ---- micro ----------------------------------------------------------------------------------------------------

function microSection(results: readonly MicroResult[]): string {
  const groups = [...new Set(results.map(({ group }) => group))];
  const rows = groups.flatMap((group) =>
    results
      .filter((each) => each.group === group)
      .map(({ name, nsPerOp, marginPercent, bytesPerOp }) => [
        `${escaped(group)}: ${breakable(name)}`,
        figure(nsPerOp),
        `${figure(marginPercent)} %`,
        String(bytesPerOp),
      ]),
  );
  return `<section><h2>Single steps</h2><p class="hint">Nanoseconds and bytes of garbage per operation.</p><div class="card">${tableMarkup(['', 'ns', '±', 'bytes'], rows)}</div></section>`;
}

/** Of "scenarios/uniform/scenario.yaml: expectations[0]". */
function scenarioOf(place: string): string {
  return place.split('/').at(-2) ?? place;
}

// ---- how ------------------------------------------------------------------------------------------------------

function method(result: Result): string {
  const checks = result.findings
    .filter(({ outcome }) => outcome !== 'skipped')
    .map(({ outcome, place, text }) => `<li class="${outcome}">${escaped(scenarioOf(place))}: ${escaped(text)}</li>`);
  const list =
    checks.length === 0
      ? ''
      : `<details open><summary>Expectations</summary><ul class="checks">${checks.join('')}</ul></details>`;
  const notes = result.notes.map((note) => `<p class="hint">Note: ${escaped(note)}.</p>`).join('');
  return `<section><h2>How it was measured</h2><div class="card"><p>Percentiles come from open loops only: requests are sent at times drawn beforehand from a seed, whatever comes back, and their latency counts from those times, so that a proxy or a backend that stalls is charged for everybody who waited. Throughput and CPU per request come from closed loops. CPU is the time on a CPU of the proxy's threads, from the kernel, over the requests answered. Histograms have three digits in microseconds; the .hgrm files beside this report can be plotted by any HdrHistogram tool.</p>${notes}${list}</div></section>`;
}
