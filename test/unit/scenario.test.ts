/** Scenario files: what is right is read whole, what is wrong has its file, line, column and remedy. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, test } from 'node:test';
import { readPolicies } from '../../bench/scenario/policies.js';
import { ProxyConfig } from '../../bench/scenario/proxy-config.js';
import { readScenario, ScenarioError, SCENARIOS, scenarioNames } from '../../bench/scenario/scenario.js';

const directory = mkdtempSync(join(tmpdir(), 'millrace-scenario-'));
after(() => rmSync(directory, { recursive: true }));
const POLICIES = readPolicies().map(({ name }) => name);

/** "line:column: path: message" of each problem. */
function problemsOf(read: () => unknown): string[] {
  try {
    read();
  } catch (error) {
    if (!(error instanceof ScenarioError)) throw error;
    return error.problems.map(({ line, column, path, message }) => `${line}:${column}: ${path}: ${message}`);
  }
  return [];
}

function problems(text: string): string[] {
  writeFileSync(join(directory, 'scenario.yaml'), text);
  return problemsOf(() => readScenario(directory, POLICIES));
}

const GOOD = `title: t
policies: [round_robin, random]
backends:
  - { name: a, count: 2, latency: { mean_ms: 1.5 } }
load: { connections: 4, rate: 100, duration_s: 2 }
`;

test('the scenarios of this repository are read, with the configs that they run', () => {
  const names = scenarioNames();
  for (const name of [
    'uniform',
    'one-slow-of-ten',
    'heterogeneous-capacity',
    'antagonist',
    'cold-start',
    'failing-fast',
    'hot-keys',
    'backend-loss',
    'four-workers',
  ])
    assert.ok(names.includes(name), name);
  for (const name of names) {
    const scenario = readScenario(join(SCENARIOS, name), POLICIES);
    const config = new ProxyConfig(scenario);
    assert.ok(config.weights.length > 0, basename(scenario.directory));
    assert.equal(
      config.refusal({ name: '', note: '', cluster: { lb_policy: 'RANDOM' }, route: {}, isPerWorker: false }),
      null,
    );
  }
});

test('a scenario has its defaults', () => {
  assert.deepEqual(problems(GOOD), []);
  const { groups, load, workers } = readScenario(directory, POLICIES);
  assert.deepEqual(groups, [
    {
      name: 'a',
      count: 2,
      latency: { distribution: 'EXPONENTIAL', meanMs: 1.5, sigma: 0.5 },
      concurrency: 0,
      queue: 0,
      failures: null,
      speed: 1,
      bodyBytes: 128,
      isMember: true,
    },
  ]);
  assert.equal(workers, 1);
  assert.deepEqual(load.mix, [{ method: 'GET', path: '/', bodyBytes: 0, weight: 1 }]);
});

test('a slip of the pen has its place and its remedy', () => {
  assert.deepEqual(problems(GOOD.replace('connections', 'conections')), [
    '5:9: load.conections: unknown field conections in Load; did you mean connections?',
  ]);
  assert.deepEqual(problems(GOOD.replace('random', 'rnadom')), [
    '2:25: policies[1]: there is no policy "rnadom"; did you mean random?',
  ]);
  assert.deepEqual(problems(GOOD.replace('1.5', 'fast')), [
    '4:46: backends[0].latency.mean_ms: must be a number from 0 to 600000, not "fast"',
  ]);
});

test('what contradicts itself is said', () => {
  const changes = `changes:
  - { at_s: 9, group: a, speed: 0.5 }
  - { at_s: 1, group: b, speed: 0.5 }
  - { at_s: 1, group: a, backends: 3, speed: 0.5 }
  - { at_s: 1, every_s: 1, group: a, speed: 0.5 }
  - { at_s: 1, for_s: 2, every_s: 1, group: a, speed: 0.5 }
`;
  assert.deepEqual(problems(GOOD + changes), [
    '7:13: changes[0].at_s: comes after the load has ended (2 s with the warm-up)',
    '8:23: changes[1].group: there is no group "b"; did you mean a?',
    '9:36: changes[2].backends: the group has 2',
    '10:25: changes[3].every_s: what comes again must go: for_s says after how long',
    '11:23: changes[4].for_s: is not shorter than every_s: the change would never be undone',
  ]);
  const expectations = `expectations:
  - { metric: errors }
  - { metric: group_share, max: 1 }
  - { metric: errors, policy: maglev, max: 1 }
`;
  assert.deepEqual(problems(GOOD + expectations), [
    '7:15: expectations[0].metric: min or max is required: nothing is expected here',
    '8:15: expectations[1].metric: a group belongs to group_share, and only there',
    '9:31: expectations[2].policy: there is no policy "maglev"; there are: round_robin, random',
  ]);
});

test('a file that is not there or empty is one line', () => {
  assert.deepEqual(problems(''), ['0:0: : is empty']);
  assert.deepEqual(
    problemsOf(() => readScenario(join(directory, 'nothing'), POLICIES)),
    ['0:0: : does not exist'],
  );
});
