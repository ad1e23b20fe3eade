/** Policies: what the simulator compares, by name: a picker of the engine, its settings, and who shares its counts. */
import type { Prng } from '../../engine/base/prng.js';
import type { LbPolicyRecord } from '../../engine/plan/lb-policy-record.js';
import { buildPicker } from '../../engine/upstream/balance/build-picker.js';
import { type HashPolicyRecord, HashTables } from '../../engine/upstream/balance/hash-tables.js';
import type { Picker } from '../../engine/upstream/balance/picker.js';
import { PROBE_POOL_DEFAULTS, type ProbeRule } from '../../engine/upstream/balance/probe-pool.js';
import type { EndpointTable } from '../../engine/upstream/endpoint-table.js';
import { UsageError } from '../usage-error.js';
import { PolledPicker } from './polled-picker.js';
import { CubicRule, LinearRule } from './probe-rules.js';
import { ProbedPicker } from './probed-picker.js';
import { SERVICE_US } from './scenario.js';
import type { ServerView } from './server.js';

/**
 * process: the workers of a proxy share, as in the engine. worker: nobody shares (what other proxies do).
 * fleet: all proxies share, which nobody can have: the bound for what knowing more could bring.
 */
export type Sharing = 'process' | 'worker' | 'fleet';

/** Between two polls, in service times: 500 ms where a request takes 80 ms. */
const POLL_EVERY = 6.25;

export interface PolicyVariant {
  readonly name: string;
  /** One sentence. */
  readonly summary: string;
  readonly sharing: Sharing;
  /** speed: weights are the servers' true speeds. */
  readonly weights: 'equal' | 'speed';
  /** Servers keep latencies apart by load, unless false: the naive way. */
  readonly tagsLatencies?: boolean;
  build(table: EndpointTable, random: Prng, servers: readonly ServerView[]): Picker;
}

function ofEngine(
  name: string,
  summary: string,
  record: LbPolicyRecord,
  sharing: Sharing = 'process',
  weights: PolicyVariant['weights'] = 'equal',
): PolicyVariant {
  return { name, summary, sharing, weights, build: (table, random) => buildPicker(record, table, random) };
}

export function leastRequest(choiceCount: number, fullScan = false): LbPolicyRecord {
  return { name: 'LEAST_REQUEST', choiceCount, fullScan, activeRequestBias: 1 };
}

const RING: HashPolicyRecord = {
  name: 'RING_HASH',
  minimumRingSize: 1024,
  maximumRingSize: 8_388_608,
  hashFunction: 'XX_HASH',
  useHostname: false,
  balanceFactor: 0,
};
const MAGLEV: HashPolicyRecord = { name: 'MAGLEV', tableSize: 65_537, useHostname: false, balanceFactor: 0 };

/** All proxies have the same table, so it is built once. */
function hashing(name: string, summary: string, record: HashPolicyRecord): PolicyVariant {
  const tables = new HashTables();
  const build = (table: EndpointTable, random: Prng): Picker => buildPicker(record, table, random, tables);
  return ofSimulator(name, summary, build);
}

/** decay: in service times; it must be far above the mean latency. */
function peakEwma(decay: number, fullScan = false): LbPolicyRecord {
  return {
    name: 'PEAK_EWMA',
    decayUs: decay * SERVICE_US,
    defaultRttUs: SERVICE_US,
    penaltyUs: 1e6 * SERVICE_US,
    failurePenaltyUs: 100 * SERVICE_US,
    fullScan,
  };
}

/** As the engine has it: what a proxy sent itself, no probes. */
function prequal(quantile: number, choiceCount = 3): LbPolicyRecord {
  const expiryUs = 6000 * SERVICE_US;
  return { name: 'PREQUAL', quantile, choiceCount, failurePenaltyUs: 100 * SERVICE_US, expiryUs };
}

/** Prequal as published, with probes to the servers; age of answers: 100 service times. */
function probed(name: string, summary: string, quantile: number, probesPerRequest = 3, maxReuse = 16): PolicyVariant {
  const removalsPerRequest = probesPerRequest < 3 ? 0.25 : 1;
  const config = { ...PROBE_POOL_DEFAULTS, quantile, probesPerRequest, removalsPerRequest, maxReuse };
  return ofSimulator(
    name,
    `Prequal with probes, ${summary}`,
    (table, random) => new ProbedPicker(table, random, config),
  );
}

/** Another rule over the same probes. */
function byRule(name: string, summary: string, newRule: () => ProbeRule): PolicyVariant {
  const build = (table: EndpointTable, random: Prng): Picker =>
    new ProbedPicker(table, random, PROBE_POOL_DEFAULTS, newRule());
  return ofSimulator(name, summary, build);
}

function ofSimulator(name: string, summary: string, build: PolicyVariant['build']): PolicyVariant {
  return { name, summary, sharing: 'process', weights: 'equal', build };
}

export const POLICIES: readonly PolicyVariant[] = [
  ofEngine('random', 'RANDOM', { name: 'RANDOM' }),
  ofEngine('rr', 'ROUND_ROBIN', { name: 'ROUND_ROBIN' }),
  ofEngine('wrr', 'ROUND_ROBIN with true speeds as weights', { name: 'ROUND_ROBIN' }, 'process', 'speed'),
  ofEngine('cswrr', 'CLIENT_SIDE_WEIGHTED_ROUND_ROBIN: weights from load reports', {
    name: 'CLIENT_SIDE_WEIGHTED_ROUND_ROBIN',
    blackoutUs: 20 * SERVICE_US,
    expirationUs: 1800 * SERVICE_US,
    updateUs: 10 * SERVICE_US,
    errorUtilizationPenalty: 1,
    metricNames: [],
  }),
  ofEngine('p2c', 'LEAST_REQUEST, two choices', leastRequest(2)),
  ofEngine('p3c', 'LEAST_REQUEST, three choices', leastRequest(3)),
  ofEngine('scan', 'LEAST_REQUEST, full scan', leastRequest(2, true)),
  ofEngine('p2c-worker', 'two choices, each worker with counts of its own', leastRequest(2), 'worker'),
  ofEngine('scan-worker', 'full scan, each worker with counts of its own', leastRequest(2, true), 'worker'),
  ofEngine('p2c-true', 'two choices over the true counts of the whole fleet', leastRequest(2), 'fleet'),
  ofEngine('scan-true', 'full scan over the true counts of the whole fleet', leastRequest(2, true), 'fleet'),
  hashing('ring', 'RING_HASH, 1,024 entries', RING),
  hashing('maglev', 'MAGLEV, 65,537 slots', MAGLEV),
  hashing('maglev-125', 'MAGLEV, at most 125 % of the mean in flight', { ...MAGLEV, balanceFactor: 125 }),
  ofEngine('peak-ewma', 'PEAK_EWMA, two choices, decay of 10 service times', peakEwma(10)),
  ofEngine('peak-ewma-1', 'PEAK_EWMA, two choices, decay of one service time', peakEwma(1)),
  ofEngine('peak-ewma-1000', 'PEAK_EWMA, two choices, decay of 1,000 service times', peakEwma(1000)),
  ofEngine('prequal', 'PREQUAL, Q = 0.6, three looks at shared counts, no probes', prequal(0.6)),
  ofEngine('prequal-q0', 'PREQUAL, Q = 0', prequal(0)),
  ofEngine('prequal-q75', 'PREQUAL, Q = 0.75', prequal(0.75)),
  ofEngine('prequal-q84', 'PREQUAL, Q = 0.84', prequal(0.84)),
  ofEngine('prequal-q100', 'PREQUAL, Q = 1', prequal(1)),
  ofEngine('prequal-true', 'PREQUAL over the true counts of the whole fleet', prequal(0.6), 'fleet'),
  ofEngine('prequal-worker', 'PREQUAL, each worker with counts of its own', prequal(0.6), 'worker'),
  ofSimulator('yarp', 'two choices over counts polled from all servers', (table, random, servers) => {
    return new PolledPicker(table, random, servers, POLL_EVERY * SERVICE_US);
  }),
  byRule('linear', "latency and requests in flight, half each, over Prequal's probes", () => new LinearRule()),
  byRule('c3', "C3's cubic score over Prequal's probes", () => new CubicRule()),
  probed('probed-q0', 'Q = 0: requests in flight alone', 0),
  probed('probed', 'Q = 0.6, three per request', 0.6),
  probed('probed-q84', 'Q = 0.84, the default of the paper', 0.84),
  { ...probed('probed-naive', 'Q = 0.84, latencies not kept apart by load', 0.84), tagsLatencies: false },
  probed('probed-q99', 'Q = 0.99', 0.99),
  probed('probed-q100', 'Q = 1: latency alone', 1),
  probed('probed-r1', 'Q = 0.6, one per request', 0.6, 1),
  probed('probed-r0.5', 'Q = 0.6, one per two requests', 0.6, 0.5),
  probed('probed-q84-r1', 'Q = 0.84, one per request', 0.84, 1),
  probed('probed-few-q0', 'Q = 0, an answer is used twice at most', 0, 3, 2),
  probed('probed-few', 'Q = 0.6, an answer is used twice at most', 0.6, 3, 2),
  probed('probed-few-q84', 'Q = 0.84, an answer is used twice at most', 0.84, 3, 2),
  probed('probed-q84-r0.5', 'Q = 0.84, one per two requests', 0.84, 0.5),
];

/** The nine rules that Prequal's paper compares; wrr by true speeds and by reports. */
export const RULES = ['rr', 'random', 'wrr', 'cswrr', 'scan', 'p2c', 'yarp', 'linear', 'c3', 'probed'] as const;

/** Throws UsageError when there is none of this name. */
export function policyNamed(name: string): PolicyVariant {
  const policy = POLICIES.find((each) => each.name === name);
  if (policy === undefined)
    throw new UsageError(`no policy ${name}; there are: ${POLICIES.map((each) => each.name).join(', ')}`);
  return policy;
}
