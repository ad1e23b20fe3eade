/** CLIENT_SIDE_WEIGHTED_ROUND_ROBIN: weights from reports, when they count, and who has none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../../../engine/base/prng.js';
import {
  type ClientSideWeightedConfig,
  ClientSideWeightedPicker,
} from '../../../../engine/upstream/balance/client-side-weighted-round-robin.js';
import { NO_HASH } from '../../../../engine/upstream/balance/request-hash.js';
import { EndpointTable } from '../../../../engine/upstream/endpoint-table.js';
import { Fleet, tally } from '../../../support/balancing.js';
import { newHead } from '../../../support/fake-conn.js';
import { endpointRecord } from '../../../support/upstream-harness.js';

const CONFIG: ClientSideWeightedConfig = {
  blackoutUs: 10_000_000,
  expirationUs: 180_000_000,
  updateUs: 1_000_000,
  errorUtilizationPenalty: 1,
  metricNames: [],
};
const FIELD = Buffer.from('endpoint-load-metrics');

const picker = (fleet: Fleet, config = CONFIG): ClientSideWeightedPicker =>
  new ClientSideWeightedPicker(fleet.table, Prng.fromSeed(1), config);

function report(policy: ClientSideWeightedPicker, row: number, text: string): void {
  const head = newHead();
  const value = Buffer.from(`TEXT ${text}`);
  head.addName(FIELD, 0, value, 0, value.length);
  policy.responseHead(row, head);
}

/** Reports of all rows, again and again, until their blackout is over. */
function settle(fleet: Fleet, policy: ClientSideWeightedPicker, texts: readonly (string | null)[]): void {
  for (let second = 0; second <= 11; second++) {
    texts.forEach((text, row) => {
      if (text !== null) report(policy, row, text);
    });
    fleet.clock.passMs(1000);
  }
}

function shares(fleet: Fleet, policy: ClientSideWeightedPicker, picks = 12_000): number[] {
  return tally(fleet.table.size, picks, () => policy.pick(NO_HASH, 0)).map((count) => count / picks);
}

function assertShares(actual: readonly number[], want: readonly number[]): void {
  want.forEach((share, at) => {
    assert.ok(Math.abs((actual[at] as number) - share) < 0.01, `${actual.join()} instead of ${want.join()}`);
  });
}

test('turns by requests per second over utilization', () => {
  const fleet = Fleet.of(3);
  const policy = picker(fleet);
  settle(fleet, policy, [
    'rps_fractional=100,cpu_utilization=0.5',
    'rps_fractional=100,application_utilization=0.25,cpu_utilization=0.9',
    'rps_fractional=50,cpu_utilization=0.25',
  ]);
  assertShares(shares(fleet, policy), [0.25, 0.5, 0.25]);
});

test('errors lower the weight by the penalty', () => {
  const fleet = Fleet.of(2);
  const reports = ['rps_fractional=100,cpu_utilization=0.5,eps=50', 'rps_fractional=100,cpu_utilization=0.5'];
  const policy = picker(fleet);
  settle(fleet, policy, reports);
  assertShares(shares(fleet, policy), [1 / 3, 2 / 3]);
  const other = Fleet.of(2);
  const lenient = picker(other, { ...CONFIG, errorUtilizationPenalty: 0 });
  settle(other, lenient, reports);
  assertShares(shares(other, lenient), [0.5, 0.5]);
});

test('nothing counts in the blackout, and then only what was reported ever since', () => {
  const fleet = Fleet.of(2);
  const policy = picker(fleet);
  report(policy, 0, 'rps_fractional=300,cpu_utilization=1');
  report(policy, 1, 'rps_fractional=100,cpu_utilization=1');
  fleet.clock.passMs(9000);
  assertShares(shares(fleet, policy), [0.5, 0.5]);
  fleet.clock.passMs(1001);
  assertShares(shares(fleet, policy), [0.75, 0.25]);
});

test('weights are taken once a period, not with every report', () => {
  const fleet = Fleet.of(2);
  const policy = picker(fleet);
  settle(fleet, policy, ['rps_fractional=100,cpu_utilization=1', 'rps_fractional=100,cpu_utilization=1']);
  assertShares(shares(fleet, policy), [0.5, 0.5]);
  report(policy, 0, 'rps_fractional=300,cpu_utilization=1');
  fleet.clock.passMs(500);
  assertShares(shares(fleet, policy), [0.5, 0.5]);
  fleet.clock.passMs(501);
  assertShares(shares(fleet, policy), [0.75, 0.25]);
});

test('who has no weight has the median of the others', () => {
  const fleet = Fleet.of(4);
  const policy = picker(fleet);
  const text = (rps: number): string => `rps_fractional=${rps},cpu_utilization=1`;
  settle(fleet, policy, [text(100), text(200), text(600), null]);
  assertShares(shares(fleet, policy), [1 / 11, 2 / 11, 6 / 11, 2 / 11]);
  const even = Fleet.of(3);
  const two = picker(even);
  settle(even, two, [text(100), text(300), null]);
  assertShares(shares(even, two), [1 / 6, 3 / 6, 2 / 6]);
});

test('an old report is void, and after it there is a blackout again', () => {
  const fleet = Fleet.of(2);
  const policy = picker(fleet);
  const text = ['rps_fractional=300,cpu_utilization=1', 'rps_fractional=100,cpu_utilization=1'];
  settle(fleet, policy, text);
  assertShares(shares(fleet, policy), [0.75, 0.25]);
  fleet.clock.passMs(181_000);
  assertShares(shares(fleet, policy), [0.5, 0.5]);
  report(policy, 0, text[0] as string);
  report(policy, 1, text[1] as string);
  fleet.clock.passMs(2000);
  assertShares(shares(fleet, policy), [0.5, 0.5]);
  fleet.clock.passMs(8500);
  assertShares(shares(fleet, policy), [0.75, 0.25]);
});

test('reports without requests or without utilization set no weight', () => {
  const fleet = Fleet.of(2);
  const policy = picker(fleet);
  settle(fleet, policy, ['cpu_utilization=0.1', 'rps_fractional=100']);
  assertShares(shares(fleet, policy), [0.5, 0.5]);
});

test('what one worker hears all use, and it outlives a list', () => {
  const fleet = Fleet.of(3);
  settle(fleet, picker(fleet), ['rps_fractional=9,cpu_utilization=1', null, 'rps_fractional=1,cpu_utilization=1']);
  fleet.table = new EndpointTable([endpointRecord(2), endpointRecord(0)], 0, fleet.cells);
  assertShares(shares(fleet, picker(fleet)), [0.1, 0.9]);
});

test('slow start: a newcomer gets a part of the weight that it reports, more with time', () => {
  const config = { ...CONFIG, blackoutUs: 0, slowStart: { windowUs: 100e6, aggression: 1, minWeight: 0.1 } };
  const fleet = Fleet.of(1);
  picker(fleet, config);
  fleet.clock.passMs(200_000);
  fleet.table = new EndpointTable([endpointRecord(0), endpointRecord(1)], 0, fleet.cells);
  const policy = picker(fleet, config);
  const text = 'rps_fractional=100,cpu_utilization=1';
  report(policy, 0, text);
  report(policy, 1, text);
  fleet.clock.passMs(1000);
  assertShares(shares(fleet, policy), [10 / 11, 1 / 11]);
  fleet.clock.passMs(49_000);
  assertShares(shares(fleet, policy), [2 / 3, 1 / 3]);
  fleet.clock.passMs(60_000);
  assertShares(shares(fleet, policy), [1 / 2, 1 / 2]);
});
