/** Tests of the simulator's own pickers: probes are asked of different servers at the rate that is set; polls are stale. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointRecords } from '../../bench/simulate/fleet.js';
import { PolledPicker } from '../../bench/simulate/polled-picker.js';
import { PROBE_POOL_DEFAULTS } from '../../engine/upstream/balance/probe-pool.js';
import { CubicRule, LinearRule } from '../../bench/simulate/probe-rules.js';
import { ProbedPicker } from '../../bench/simulate/probed-picker.js';
import { SERVICE_US } from '../../bench/simulate/scenario.js';
import { Prng } from '../../engine/base/prng.js';
import { NO_HASH } from '../../engine/upstream/balance/request-hash.js';
import { EndpointTable } from '../../engine/upstream/endpoint-table.js';
import { newOwnCellsMemory, newSharedCellsMemory, SharedCells } from '../../engine/upstream/shared-cells.js';

class Clock {
  us = 1;
  nowUs(): number {
    return this.us;
  }
}

function table(servers: number, clock = new Clock()): EndpointTable {
  const cells = new SharedCells(newSharedCellsMemory(), newOwnCellsMemory(), clock);
  return new EndpointTable(endpointRecords(new Array<number>(servers).fill(1)), 0, cells);
}

test('a fraction of a probe per request adds up, and no request asks a server twice', () => {
  const config = { ...PROBE_POOL_DEFAULTS, probesPerRequest: 2.5 };
  const picker = new ProbedPicker(table(5), Prng.fromSeed(1), config);
  let sum = 0;
  for (let request = 0; request < 100; request++) {
    const due = picker.probesDue();
    const targets = Array.from({ length: due }, (_, at) => picker.target(at));
    assert.equal(new Set(targets).size, due);
    sum += due;
  }
  assert.equal(sum, 250);
});

test('probes go to all servers alike', () => {
  const picker = new ProbedPicker(table(10), Prng.fromSeed(1), PROBE_POOL_DEFAULTS);
  const counts = new Array<number>(10).fill(0);
  for (let request = 0; request < 10_000; request++) {
    const due = picker.probesDue();
    for (let at = 0; at < due; at++) {
      const target = picker.target(at);
      counts[target] = (counts[target] as number) + 1;
    }
  }
  assert.ok(Math.min(...counts) > 0.8 * Math.max(...counts), String(counts));
});

test('without answers a request goes anywhere, with them to the best, and a failure voids an answer', () => {
  const picker = new ProbedPicker(table(4), Prng.fromSeed(1), PROBE_POOL_DEFAULTS);
  const seen = new Set(Array.from({ length: 100 }, () => picker.pick(NO_HASH, 0)));
  assert.deepEqual([...seen].sort(), [0, 1, 2, 3]);
  for (const [server, rif] of [9, 0, 9].entries()) picker.pool.add(server, rif, 100, 1);
  picker.requestEnded(1, 100, 0, true);
  assert.equal(picker.pool.size, 2);
  picker.pool.add(1, 0, 100, 1);
  assert.equal(picker.pick(NO_HASH, 0), 1);
});

test('two choices over polled counts see what was there at the last poll', () => {
  const clock = new Clock();
  const servers = [{ inFlight: 0 }, { inFlight: 9 }];
  const picker = new PolledPicker(table(2, clock), Prng.fromSeed(1), servers, 1000);
  const shareOfFirst = (): number => {
    let count = 0;
    for (let i = 0; i < 1000; i++) if (picker.pick(NO_HASH, 0) === 0) count++;
    return count / 1000;
  };
  clock.us = 1000;
  assert.ok(shareOfFirst() > 0.7);
  servers.reverse();
  assert.ok(shareOfFirst() > 0.7, 'not polled again yet');
  clock.us = 2001;
  assert.ok(shareOfFirst() < 0.3);
});

test('the linear rule trades latency for load, the cubic one shuns load', () => {
  const linear = new LinearRule();
  assert.equal(linear.isBetter(1, 2 * SERVICE_US, 2, SERVICE_US / 2), false);
  assert.equal(linear.isBetter(1, SERVICE_US, 2, SERVICE_US / 2), true);
  const cubic = new CubicRule();
  assert.equal(cubic.isBetter(1, 7 * SERVICE_US, 3, SERVICE_US), true);
  assert.equal(cubic.isBetter(1, 9 * SERVICE_US, 3, SERVICE_US), false);
  // Unknown is not free: a server that nobody knows draws nobody when it is full.
  assert.equal(cubic.isBetter(50, 0, 1, SERVICE_US), false);
});
