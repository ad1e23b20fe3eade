/** Scenarios: the simulations that have a name. */
import { UsageError } from '../usage-error.js';
import type { Scenario, ServerGroup } from './scenario.js';

const GROUP: ServerGroup = { count: 100, cores: 8, speed: 1, discipline: 'sharing' };

/** What the others change. */
const USUAL: Scenario = {
  name: 'uniform',
  summary: '100 proxies, 100 equal servers of 8 cores, load 0.85',
  proxies: 100,
  workers: 1,
  servers: [GROUP],
  demand: { kind: 'normal', deviation: 1 },
  load: 0.85,
  timeout: 40,
  cancelsLate: false,
  startsInStep: false,
  warmUpRequests: 50_000,
  requests: 200_000,
};

const HALF_SLOW: readonly ServerGroup[] = [
  { ...GROUP, count: 50, speed: 0.5 },
  { ...GROUP, count: 50 },
];

/** Mean of the normal demand once what is below 0 has become 0, over its mean before. */
const TRUNCATION = 1.0833;

/** The model of the published comparison (and of its golden figures): loads are of the demand before truncation. */
export function halfSlow(load: number): Scenario {
  return {
    ...USUAL,
    name: 'half-slow',
    summary: `100 proxies, 100 servers of 8 cores, half of them at half speed, load ${load} of the demand`,
    servers: HALF_SLOW,
    load: load * TRUNCATION,
    startsInStep: true,
    warmUpRequests: 20_000,
  };
}

/** Like the testbed of the paper: unequal machines with neighbours that come and go; late requests are cancelled. */
export function testbed(load: number): Scenario {
  const antagonist = { factor: 0.7, meanOn: 60, meanOff: 60 };
  return {
    ...USUAL,
    name: `testbed-${Math.round(load * 100)}`,
    summary: `half at half speed, antagonists take 30 % of each half of the time, load ${load} of what is left`,
    servers: HALF_SLOW.map((group) => ({ ...group, antagonist })),
    load: (load * (1 + antagonist.factor)) / 2,
    timeout: 62.5,
    cancelsLate: true,
  };
}

/** One proxy, 20 servers of one core, half of them at half speed; the load is of the demand before truncation. */
export function oneDispatcher(load: number): Scenario {
  return {
    ...USUAL,
    name: `one-proxy-${Math.round(load * 100)}`,
    summary: `one proxy, 20 servers of one core, half of them at half speed, load ${load} of the demand`,
    proxies: 1,
    servers: HALF_SLOW.map((group) => ({ ...group, count: 10, cores: 1 })),
    load: load * TRUNCATION,
    timeout: 0,
    requests: 300_000,
  };
}

/** One proxy with many workers: what worker-local counts cost. */
export function manyWorkers(workers: number): Scenario {
  return {
    ...USUAL,
    name: `workers-${workers}`,
    summary: `one proxy with ${workers} workers, 20 servers, exponential demand, load 0.85`,
    proxies: 1,
    workers,
    servers: [{ ...GROUP, count: 20, cores: 1 }],
    demand: { kind: 'exponential' },
    timeout: 0,
    warmUpRequests: 100_000,
    requests: 1_000_000,
  };
}

/** Many queues with one server each, FIFO, exponential: the supermarket model. */
export function supermarket(load: number, servers: number, requests: number): Scenario {
  return {
    ...USUAL,
    name: `supermarket-${load}`,
    summary: `one proxy, ${servers} FIFO servers, exponential demand, load ${load}`,
    proxies: 1,
    servers: [{ count: servers, cores: 1, speed: 1, discipline: 'fifo' }],
    demand: { kind: 'exponential' },
    load,
    timeout: 0,
    warmUpRequests: Math.round(requests / 4),
    requests,
  };
}

export const SCENARIOS: readonly Scenario[] = [
  USUAL,
  halfSlow(0.65),
  { ...halfSlow(0.85), name: 'half-slow-85' },
  {
    ...USUAL,
    name: 'one-slow',
    summary: 'ten servers of 8 cores, one of them ten times slower, load 0.6',
    proxies: 10,
    servers: [
      { ...GROUP, count: 1, speed: 0.1 },
      { ...GROUP, count: 9 },
    ],
    load: 0.6,
  },
  {
    ...USUAL,
    name: 'antagonist',
    summary: 'a fifth of the machines lose 70 % of their speed now and then, load 0.7',
    servers: [
      { ...GROUP, count: 80 },
      { ...GROUP, count: 20, antagonist: { factor: 0.3, meanOn: 50, meanOff: 50 } },
    ],
    load: 0.7,
  },
  {
    ...USUAL,
    name: 'failing-fast',
    summary: 'one server of twenty answers half of its requests at once with an error, load 0.7',
    proxies: 10,
    servers: [
      { ...GROUP, count: 1, failures: { share: 0.5, latency: 0.01 } },
      { ...GROUP, count: 19 },
    ],
    load: 0.7,
  },
  {
    ...USUAL,
    name: 'timeouts',
    summary: 'half at half speed, load 0.85, late requests are cancelled after 10 service times',
    servers: HALF_SLOW,
    timeout: 10,
    cancelsLate: true,
  },
  {
    ...USUAL,
    name: 'heavy-tail',
    summary: 'lognormal demand (sigma 1.5) on 100 equal servers, load 0.8',
    demand: { kind: 'lognormal', sigma: 1.5 },
    load: 0.8,
    timeout: 0,
  },
  oneDispatcher(0.85),
  testbed(0.7),
  testbed(0.9),
  {
    ...USUAL,
    name: 'hot-keys',
    summary: '10,000 keys, the hottest has 10 % of the requests, 50 equal servers, load 0.7',
    proxies: 1,
    workers: 4,
    servers: [{ ...GROUP, count: 50 }],
    keys: { count: 10_000, exponent: 1 },
    load: 0.7,
  },
  manyWorkers(8),
  manyWorkers(32),
  supermarket(0.9, 500, 2_000_000),
  {
    ...USUAL,
    name: 'large',
    summary: '100 proxies, 1,000 servers of 8 cores, half of them at half speed, load 0.85',
    servers: HALF_SLOW.map((group) => ({ ...group, count: 500 })),
    warmUpRequests: 500_000,
    requests: 2_000_000,
  },
];

/** Throws UsageError when there is none of this name. */
export function scenarioNamed(name: string): Scenario {
  const scenario = SCENARIOS.find((each) => each.name === name);
  if (scenario === undefined)
    throw new UsageError(`no scenario ${name}; there are: ${SCENARIOS.map((each) => each.name).join(', ')}`);
  return scenario;
}
