/** PREQUAL: the rule over shared counts; and under load: latency by load is stable where the plain median runs away. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../../../engine/base/prng.js';
import { type PrequalConfig, PrequalPicker } from '../../../../engine/upstream/balance/prequal.js';
import { PROBE_POOL_DEFAULTS, ProbePool } from '../../../../engine/upstream/balance/probe-pool.js';
import { NO_HASH } from '../../../../engine/upstream/balance/request-hash.js';
import { TAGGED_INTS, TaggedLatencies } from '../../../../engine/upstream/balance/tagged-latencies.js';
import { EndpointTable } from '../../../../engine/upstream/endpoint-table.js';
import { failingFast, Fleet, tally } from '../../../support/balancing.js';
import {
  type Dispatcher,
  quantileOf,
  type QueueingModel,
  type QueueServer,
  runQueueing,
} from '../../../support/queueing.js';
import { endpointRecord } from '../../../support/upstream-harness.js';

const CONFIG: PrequalConfig = {
  quantile: 0.6,
  choiceCount: 3,
  failurePenaltyUs: 5_000_000,
  expiryUs: 60_000_000,
};

const picker = (fleet: Fleet, config = CONFIG): PrequalPicker =>
  new PrequalPicker(fleet.table, Prng.fromSeed(2), config);

test('the fastest that is not hot', () => {
  const fleet = Fleet.of(4);
  const policy = picker(fleet, { ...CONFIG, choiceCount: 4 });
  [1000, 2000, 500, 4000].forEach((latencyUs, row) => {
    for (const rif of [0, 1, 9]) policy.requestEnded(row, latencyUs, rif, false);
  });
  fleet.setActive(2, 9);
  fleet.setActive(3, 1);
  for (let i = 0; i < 20; i++) policy.pick(NO_HASH, 0);
  assert.deepEqual(
    tally(4, 100, () => policy.pick(NO_HASH, 0)),
    [100, 0, 0, 0],
    'the busy fast one is left alone',
  );
  fleet.setActive(2, 0);
  assert.deepEqual(
    tally(4, 100, () => policy.pick(NO_HASH, 0)),
    [0, 0, 100, 0],
  );
});

test('nothing known: all alike, in turn by chance', () => {
  for (const size of [4, 12]) {
    const fleet = Fleet.of(size);
    const policy = picker(fleet);
    const counts = tally(size, 12_000, () => policy.pick(NO_HASH, 0));
    for (const count of counts) assert.ok(Math.abs(count * size - 12_000) < 1800, counts.join());
  }
});

test('a request weighs more where the weight is less', () => {
  const fleet = new Fleet([endpointRecord(0, { weight: 1 }), endpointRecord(1, { weight: 4 })]);
  const policy = picker(fleet, { ...CONFIG, quantile: 0 });
  fleet.setActive(0, 1);
  fleet.setActive(1, 3);
  assert.deepEqual(
    tally(2, 50, () => policy.pick(NO_HASH, 0)),
    [0, 50],
  );
  fleet.setActive(1, 5);
  assert.deepEqual(
    tally(2, 50, () => policy.pick(NO_HASH, 0)),
    [50, 0],
  );
});

test('an endpoint that fails fast draws no more than 1.5 times its share', () => {
  const fleet = Fleet.of(10);
  const counts = failingFast(fleet, picker(fleet), 10_000, true);
  assert.ok((counts[0] as number) <= 1500, counts.join());
  const other = Fleet.of(10);
  const trapped = failingFast(other, picker(other), 10_000, false);
  // One of three drawn in three of ten times.
  assert.ok((trapped[0] as number) > 2500, trapped.join());
});

test('what is known outlives a list, and another worker knows it', () => {
  const fleet = Fleet.of(3);
  for (const row of [0, 1, 2]) picker(fleet).requestEnded(row, row === 1 ? 100 : 900, 0, false);
  fleet.table = new EndpointTable([endpointRecord(1), endpointRecord(2)], 0, fleet.cells);
  const next = picker(fleet);
  assert.deepEqual(
    tally(2, 50, () => next.pick(NO_HASH, 0)),
    [50, 0],
  );
});

// ---- under load -----------------------------------------------------------------------------------------------

const EXPIRY_US = 60_000_000;
const ONE_SPEED: QueueingModel = {
  speeds: new Array(20).fill(1),
  cores: 1,
  load: 0.85,
  requests: 60_000,
  seed: 3,
};
const TWO_SPEEDS: QueueingModel = {
  speeds: Array.from({ length: 100 }, (_, at) => (at % 2 === 0 ? 1 : 0.5)),
  cores: 8,
  load: 0.85,
  requests: 60_000,
  seed: 3,
};

/** The picker itself, with the servers' loads in its cells. */
function bySharedCounts(config: PrequalConfig): (servers: readonly QueueServer[]) => Dispatcher {
  return (servers) => {
    const fleet = Fleet.of(servers.length);
    const policy = picker(fleet, config);
    return {
      pick(nowUs) {
        fleet.clock.us = nowUs;
        const row = policy.pick(NO_HASH, 0);
        fleet.setActive(row, fleet.table.active(row) + 1);
        return row;
      },
      ended(row, latencyUs, rifAtStart, nowUs) {
        fleet.clock.us = nowUs;
        fleet.setActive(row, fleet.table.active(row) - 1);
        policy.requestEnded(row, latencyUs, rifAtStart, false);
      },
    };
  };
}

/** Probes that are answered at once, through the pool; latency as `estimate` has it. */
function byProbes(
  quantile: number,
  probesPerRequest: number,
  latencies: Pick<TaggedLatencies, 'estimate' | 'record'>,
): (servers: readonly QueueServer[]) => Dispatcher {
  return (servers) => {
    const random = Prng.fromSeed(9);
    const config = { ...PROBE_POOL_DEFAULTS, quantile, probesPerRequest };
    const answers = new ProbePool(config, servers.length, random);
    let owed = 0;
    return {
      pick(nowUs) {
        const found = answers.pick(nowUs);
        assert.ok(answers.size <= 16);
        for (owed += probesPerRequest; owed >= 1; owed--) {
          const server = random.below(servers.length);
          const rif = (servers[server] as QueueServer).jobs.length;
          answers.add(server, rif, latencies.estimate(server, rif, nowUs), nowUs);
        }
        return found < 0 ? random.below(servers.length) : found;
      },
      ended: (server, latencyUs, rifAtStart, nowUs) => latencies.record(server, rifAtStart, latencyUs, nowUs),
    };
  };
}

const tagged = (servers: number): TaggedLatencies =>
  new TaggedLatencies(new Int32Array(TAGGED_INTS * servers), EXPIRY_US);

/** Two choices over what is truly in flight. */
function twoChoices(servers: readonly QueueServer[]): Dispatcher {
  const random = Prng.fromSeed(9);
  const load = (at: number): number => (servers[at] as QueueServer).jobs.length;
  return {
    pick() {
      const a = random.below(servers.length);
      const b = random.below(servers.length);
      return load(b) < load(a) ? b : a;
    },
    ended() {},
  };
}

const p99 = (sorted: Float64Array): number => quantileOf(sorted, 0.99);

test('the median over all loads runs away, that by load does not', () => {
  const last: number[][] = ONE_SPEED.speeds.map(() => []);
  const naive = {
    estimate: (server: number): number => {
      const sorted = [...(last[server] as number[])].sort((a, b) => a - b);
      return sorted[(sorted.length - 1) >> 1] ?? 0;
    },
    record: (server: number, _rif: number, latencyUs: number): void => {
      const samples = last[server] as number[];
      samples.push(latencyUs);
      if (samples.length > 16) samples.shift();
    },
  };
  const runaway = p99(runQueueing(ONE_SPEED, byProbes(0.84, 3, naive)));
  const stable = p99(runQueueing(ONE_SPEED, byProbes(0.84, 3, tagged(20))));
  const ours = p99(runQueueing(ONE_SPEED, bySharedCounts({ ...CONFIG, quantile: 0.84 })));
  assert.ok(runaway > 500, `naive: ${runaway}`);
  assert.ok(stable < 60, `by load, through probes: ${stable}`);
  assert.ok(ours < 15, `by load, shared: ${ours}`);
});

test('Q = 0 and Q = 0.6 are within a tenth of two choices over true loads, or better, Q = 1 collapses', () => {
  const reference = p99(runQueueing(TWO_SPEEDS, twoChoices));
  const through = (quantile: number): number => p99(runQueueing(TWO_SPEEDS, byProbes(quantile, 3, tagged(100))));
  assert.ok(through(0) <= reference * 1.1, `${through(0)} against ${reference}`);
  assert.ok(through(0.6) <= reference * 1.1, `${through(0.6)} against ${reference}`);
  assert.ok(through(1) > reference * 3, `${through(1)} against ${reference}`);
  const shared = p99(runQueueing(TWO_SPEEDS, bySharedCounts(CONFIG)));
  assert.ok(shared <= reference, `${shared} against ${reference}`);
});

test('half a probe per request is at least 1.5 times worse than three', () => {
  const many = p99(runQueueing(TWO_SPEEDS, byProbes(0.6, 3, tagged(100))));
  const few = p99(runQueueing(TWO_SPEEDS, byProbes(0.6, 0.5, tagged(100))));
  assert.ok(few >= 1.5 * many, `${few} against ${many}`);
});

test('the defaults beat two choices by load: alike, in two halves, and with a few slow ones', () => {
  const fewSlow = { ...ONE_SPEED, speeds: [1, 1, 1, 1, 1, 1, 1, 1, 0.2, 0.2], cores: 4, load: 0.7 };
  for (const [model, limit] of [
    [ONE_SPEED, 1],
    [{ ...TWO_SPEEDS, load: 0.5 }, 1],
    [TWO_SPEEDS, 1],
    [fewSlow, 0.75],
  ] as const) {
    const ratio = p99(runQueueing(model, bySharedCounts(CONFIG))) / p99(runQueueing(model, twoChoices));
    assert.ok(ratio < limit, `p99 ${ratio} of that of two choices`);
  }
});
