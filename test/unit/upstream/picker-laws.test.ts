/** The laws of picker.ts, for every policy and every form of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../../engine/base/prng.js';
import type { LbPolicyRecord } from '../../../engine/plan/lb-policy-record.js';
import type { EndpointRecord } from '../../../engine/plan/records.js';
import { buildPicker } from '../../../engine/upstream/balance/build-picker.js';
import type { Picker } from '../../../engine/upstream/balance/picker.js';
import { RequestHash } from '../../../engine/upstream/balance/request-hash.js';
import { EndpointTable } from '../../../engine/upstream/endpoint-table.js';
import { newHead } from '../../support/fake-conn.js';
import { Fleet } from '../../support/balancing.js';
import { endpointRecord } from '../../support/upstream-harness.js';

const SLOW_START = { windowUs: 1e9, aggression: 2, minWeight: 0.1 };
const LEAST = { name: 'LEAST_REQUEST', choiceCount: 2, fullScan: false, activeRequestBias: 1 } as const;
const EWMA = {
  name: 'PEAK_EWMA',
  decayUs: 1e7,
  defaultRttUs: 1e4,
  penaltyUs: 1e9,
  failurePenaltyUs: 5e6,
  fullScan: false,
} as const;
const PREQUAL = { name: 'PREQUAL', quantile: 0.6, choiceCount: 3, failurePenaltyUs: 5e6, expiryUs: 6e7 } as const;

const RING = {
  name: 'RING_HASH',
  minimumRingSize: 1024,
  maximumRingSize: 65536,
  hashFunction: 'XX_HASH',
  useHostname: false,
  balanceFactor: 0,
} as const;
const MAGLEV = { name: 'MAGLEV', tableSize: 1009, useHostname: false, balanceFactor: 0 } as const;

/** A policy that is not here does not compile. */
const FORMS: Readonly<Record<LbPolicyRecord['name'], readonly LbPolicyRecord[]>> = {
  ROUND_ROBIN: [{ name: 'ROUND_ROBIN' }, { name: 'ROUND_ROBIN', slowStart: SLOW_START }],
  RANDOM: [{ name: 'RANDOM' }],
  LEAST_REQUEST: [
    LEAST,
    { ...LEAST, choiceCount: 5 },
    { ...LEAST, fullScan: true },
    { ...LEAST, failurePenaltyUs: 5e6 },
    { ...LEAST, activeRequestBias: 0 },
    { ...LEAST, slowStart: SLOW_START },
  ],
  PEAK_EWMA: [EWMA, { ...EWMA, fullScan: true }],
  RING_HASH: [RING, { ...RING, hashFunction: 'MURMUR_HASH_2' }, { ...RING, balanceFactor: 125 }],
  MAGLEV: [MAGLEV, { ...MAGLEV, balanceFactor: 125 }],
  PREQUAL: [
    { ...PREQUAL, readsReports: true },
    {
      ...PREQUAL,
      probe: {
        path: '/',
        host: 'h',
        timeoutMs: 100,
        probesPerRequest: 3,
        poolSize: 16,
        maxAgeUs: 1e6,
        removalsPerRequest: 1,
      },
    },
    PREQUAL,
    { ...PREQUAL, quantile: 0 },
    { ...PREQUAL, quantile: 1, choiceCount: 100 },
  ],
  PICK_FIRST: [
    { name: 'PICK_FIRST', shuffle: false },
    { name: 'PICK_FIRST', shuffle: true },
  ],
  CLIENT_SIDE_WEIGHTED_ROUND_ROBIN: [
    {
      name: 'CLIENT_SIDE_WEIGHTED_ROUND_ROBIN',
      blackoutUs: 0,
      expirationUs: 1e9,
      updateUs: 1e6,
      errorUtilizationPenalty: 1,
      metricNames: [],
    },
  ],
};

/** Bytes for 20,000 picks: what the runtime needs for itself. */
const GARBAGE_MAX = 20_000;
const REPORTING = newHead();
{
  const [name, value] = ['endpoint-load-metrics', 'TEXT named_metrics.rif=12,named_metrics.latency_us=3400'].map(
    (text) => new TextEncoder().encode(text),
  ) as [Uint8Array, Uint8Array];
  REPORTING.addName(name, 0, value, 0, value.length);
}
const HASH = new RequestHash();
const random = Prng.fromSeed(11);

/** Another hash each time, and now and then none. */
function pick(picker: Picker, tried: number): number {
  HASH.low = random.next();
  HASH.high = random.next();
  HASH.isSet = (HASH.low & 3) !== 0;
  return picker.pick(HASH, tried);
}

/** Requests that end well, badly and not at all, so that there is something to know. */
function live(fleet: Fleet, picker: Picker): void {
  for (let i = 0; i < 300; i++) {
    fleet.clock.passMs(random.below(20));
    const row = fleet.table.rows[random.below(fleet.table.size)] as number;
    fleet.setActive(row, random.below(9));
    picker.feedback?.requestEnded(row, random.below(9000), random.below(40), random.below(5) === 0);
  }
}

const WEIGHTS: readonly (readonly number[])[] = [
  [1, 1, 1, 1, 1],
  [1, 7, 3, 1, 20],
];

for (const form of Object.values(FORMS).flat())
  for (const weights of WEIGHTS) {
    const title = `${JSON.stringify(form)}, weights ${weights.join()}`;
    const records = (health: Partial<Record<number, EndpointRecord['health']>> = {}): EndpointRecord[] =>
      weights.map((weight, row) => endpointRecord(row, { weight, health: health[row] ?? 'HEALTHY' }));
    const pickerOf = (fleet: Fleet, seed = 3): Picker => buildPicker(form, fleet.table, Prng.fromSeed(seed));

    test(`law 1: only what is pickable, -1 when nothing is: ${title}`, () => {
      const fleet = new Fleet(records({ 1: 'UNHEALTHY', 4: 'DEGRADED' }));
      const picker = pickerOf(fleet);
      for (let round = 0; round < 10; round++) {
        for (let i = 0; i < 50; i++) assert.ok([0, 2, 3].includes(pick(picker, 0)));
        live(fleet, picker);
      }
      const none = new Fleet(
        records({ 0: 'UNHEALTHY', 1: 'UNHEALTHY', 2: 'UNHEALTHY', 3: 'UNHEALTHY', 4: 'UNHEALTHY' }),
      );
      assert.equal(pick(pickerOf(none), 0), -1);
      assert.equal(pick(pickerOf(new Fleet([])), 0), -1);
      assert.equal(pick(pickerOf(new Fleet(records().slice(2, 3))), 0), 0);
    });

    test(`law 2: what was tried only when all were: ${title}`, () => {
      const fleet = new Fleet(records({ 1: 'UNHEALTHY' }));
      const picker = pickerOf(fleet);
      for (let round = 0; round < 10; round++) {
        for (let tried = 0; tried < 32; tried++) {
          const index = pick(picker, tried);
          const isLeft = [0, 2, 3, 4].some((each) => (tried & (1 << each)) === 0);
          assert.ok([0, 2, 3, 4].includes(index));
          if (isLeft) assert.equal(tried & (1 << index), 0, `${index} of ${tried.toString(2)}`);
        }
        live(fleet, picker);
      }
    });

    test(`law 3: nothing is allocated: ${title}`, () => {
      const fleet = new Fleet(records());
      const picker = pickerOf(fleet);
      const { feedback } = picker;
      const work = (): void => {
        for (let i = 0; i < 20_000; i++) {
          fleet.clock.us += 50;
          const index = picker.pick(HASH, i & 1);
          if (feedback !== null) feedback.requestEnded(index, 1000 + (i & 1023), i & 7, (i & 63) === 0);
          picker.loadReports?.responseHead(index, REPORTING);
          picker.probed?.answered((index + i) % 5, REPORTING);
        }
      };
      // Until it is compiled, and no longer; a compiler in another thread takes its time on a busy machine.
      let least = Number.POSITIVE_INFINITY;
      for (let round = 0; round < 300 && least > GARBAGE_MAX; round++) {
        const before = process.memoryUsage().heapUsed;
        work();
        least = Math.min(least, Math.abs(process.memoryUsage().heapUsed - before));
      }
      // A single object per pick would be 20,000 times 16 bytes at least.
      assert.ok(least <= GARBAGE_MAX, `${least} bytes`);
    });

    test(`law 4: what is known is not the picker's: ${title}`, () => {
      const fleet = new Fleet(records());
      const first = pickerOf(fleet);
      live(fleet, first);
      // The same list again, and the same chance: whoever comes anew answers what another newcomer answers.
      fleet.table = new EndpointTable(fleet.table.records, 0, fleet.cells);
      const [second, third] = [pickerOf(fleet), pickerOf(fleet)];
      const shares = [first, second, third].map((picker) => {
        const counts = new Array<number>(weights.length).fill(0);
        for (let i = 0; i < 4000; i++) {
          const index = pick(picker, 0);
          counts[index] = (counts[index] as number) + 1;
        }
        return counts;
      });
      for (const other of shares.slice(1))
        other.forEach((count, at) => {
          assert.ok(Math.abs(count - (shares[0]?.[at] as number)) < 400, shares.join(' and '));
        });
    });
  }
