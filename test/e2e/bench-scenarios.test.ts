/** Every scenario of the bench as a test: short, through real processes, and of what is expected only what is counted. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Interruption } from '../../bench/interruption.js';
import { shortened } from '../../bench/lb.js';
import { readResult } from '../../bench/result/result.js';
import { ScenarioFigures } from '../../bench/scenario/figures.js';
import { type Policy, readPolicies } from '../../bench/scenario/policies.js';
import { ProxyConfig } from '../../bench/scenario/proxy-config.js';
import { readScenario, SCENARIOS, type Scenario, scenarioNames } from '../../bench/scenario/scenario.js';
import { runScenario } from '../../bench/scenario/scenario-run.js';
import { findings } from '../../bench/scenario/verdict.js';
import { COUNT_METRICS } from '../../bench/scenario/schema.js';

const MAIN = new URL('../../bench/main.js', import.meta.url).pathname;
const policies = readPolicies();
const interruption = new Interruption();

/**
 * A machine that has no time for a while makes all backends slow, and their shares alike, and a few hundred requests
 * have shares by chance: what is missed is measured again, for longer. What is wrong stays wrong.
 */
const DURATIONS_S = [1, 3, 6, 9];

async function missedBy(
  scenario: Scenario,
  config: ProxyConfig,
  measured: readonly Policy[],
): Promise<readonly string[]> {
  const seen: ScenarioFigures[] = [];
  for (const policy of measured) {
    const sample = await runScenario(scenario, config, policy, { interruption, say: () => {} });
    assert.ok(sample.load.sent > 100, `${sample.load.sent} requests`);
    seen.push(new ScenarioFigures(scenario, [sample], config.weights));
  }
  const found = findings(scenario, seen, false);
  assert.ok(found.length > 0, 'nothing is expected that can be counted');
  return found.filter(({ outcome }) => outcome === 'missed').map(({ text }) => text);
}

for (const name of scenarioNames())
  test(`${name}: what is expected of its counts`, async () => {
    const read = readScenario(
      join(SCENARIOS, name),
      policies.map((policy) => policy.name),
    );
    const config = new ProxyConfig(read);
    // The first, and those of which something is expected that can be counted.
    const wanted = read.expectations.filter(({ metric }) => (COUNT_METRICS as readonly string[]).includes(metric));
    const names = new Set([read.policies[0], ...wanted.map(({ policy }) => policy)]);
    const measured = policies.filter((each) => names.has(each.name) && config.refusal(each) === null);
    let missed: readonly string[] = [];
    for (const seconds of DURATIONS_S) {
      const scenario = shortened(read, seconds);
      missed = await missedBy(scenario, new ProxyConfig(scenario), measured);
      if (missed.length === 0) return;
    }
    assert.deepEqual(missed, []);
  });

test('a closed loop, to backends of node:http', async () => {
  const read = readScenario(
    join(SCENARIOS, 'uniform'),
    policies.map((policy) => policy.name),
  );
  const scenario = { ...read, load: { ...read.load, rate: null, connections: 4, warmUpS: 0, durationS: 1 } };
  const config = new ProxyConfig(scenario);
  const policy = policies.find(({ name }) => name === 'round_robin') as Policy;
  const measured = await runScenario(scenario, config, policy, { interruption, server: 'node', say: () => {} });
  const figures = new ScenarioFigures(scenario, [measured], config.weights);
  assert.equal(measured.load.kind, 'closed');
  assert.equal(figures.errors, 0);
  assert.ok(measured.load.good > 10, `${measured.load.good} answers`);
  // What autocannon gave up at its end has been at a backend.
  assert.ok(figures.total >= measured.load.good, `${figures.total} at the backends`);
});

async function bench(...args: readonly string[]): Promise<{ code: number | null; text: string }> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, text };
}

test('what is not there is one line and exit code 2', async () => {
  for (const [args, line] of [
    [['lbs'], 'bench: there is no part "lbs"; did you mean lb?'],
    [['lb', '--policies', 'round_robbin'], 'bench: there is no policy "round_robbin"; did you mean round_robin?'],
    [['lb', '--scenario', 'unform'], 'bench: there is no scenario "unform"; did you mean uniform?'],
    [['lb', '--duration', 'long'], 'bench: --duration: long is no number of seconds from 0.5 to 3600'],
  ] as const) {
    const { code, text } = await bench(...args);
    assert.equal(text.split('\n')[0], line);
    assert.equal(code, 2);
  }
});

/** The process and all that it started, threads apart. */
function processTree(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(processTree)];
}

test('Ctrl-C leaves no process and keeps what was measured', async () => {
  const results = mkdtempSync(join(tmpdir(), 'millrace-results-'));
  const args = ['lb', '--scenario', 'uniform', '--policies', 'round_robin,random', '--results', results];
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  let pids: number[] = [];
  const take = (chunk: Buffer): void => {
    text += chunk.toString();
    // The second policy has begun: the first is measured.
    if (pids.length > 0 || !text.includes('uniform: random')) return;
    pids = [0];
    const look = setInterval(() => {
      pids = processTree(child.pid as number);
      if (pids.length < 2) return;
      clearInterval(look);
      child.kill('SIGINT');
    }, 20);
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  assert.equal(await new Promise((resolve) => child.once('close', resolve)), 130, text);
  assert.match(text, /interrupted: what was measured until then is kept/);
  assert.deepEqual(
    pids.filter((pid) => existsSync(`/proc/${pid}`)),
    [],
  );
  const [folder] = readdirSync(results);
  const result = readResult(join(results, folder as string, 'result.json'));
  assert.equal(result.isInterrupted, true);
  assert.equal(result.scenarios[0]?.policies[0]?.policy, 'round_robin');
  assert.match(readFileSync(join(results, folder as string, 'report.html'), 'utf8'), /Interrupted/);
  rmSync(results, { recursive: true });
});
