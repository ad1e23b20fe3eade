/** ZoneRouting: Envoy's percentages and residual capacities, in ten-thousandths, and when zones don't matter. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { LocalClusterRecord, ZoneAwareRecord } from '../../../../engine/plan/locality-record.js';
import type { Locality } from '../../../../engine/upstream/balance/localities.js';
import { type ZoneRouting, zoneRouting } from '../../../../engine/upstream/balance/zone-routing.js';
import { endpointRecord } from '../../../support/upstream-harness.js';

const ZONE: ZoneAwareRecord = {
  kind: 'ZONE_AWARE',
  routingPercent: 100,
  minClusterSize: 6,
  failsOnPanic: false,
  forceLocalMinSize: null,
  isByWeight: false,
  local: null,
};

/** Healthy members by zone; this proxy is in the first one. */
function proxies(...counts: number[]): LocalClusterRecord {
  const names = counts.map((_, at) => `z${at}`);
  const healthy = Object.fromEntries(names.map((name, at) => [name, counts[at] as number]));
  return { locality: 'z0', localities: names, healthy, healthyWeights: healthy, isPanic: false };
}
function servers(...counts: number[]): Locality[] {
  let row = 0;
  return counts.map((count, at) => {
    const members = Array.from({ length: count }, () => row++);
    return { name: `z${at}`, weight: 0, members, eligible: members };
  });
}
const RECORDS = Array.from({ length: 400 }, (_, row) => endpointRecord(row, { weight: row < 10 ? 3 : 1 }));
const route = (local: LocalClusterRecord, localities: readonly Locality[], zone = ZONE) =>
  zoneRouting(zone, local, localities, RECORDS);

test("Envoy's example: proxies 40, 40, 20 and servers 25, 50, 25", () => {
  const { ownPart, isDirect, residual } = route(proxies(40, 40, 20), servers(25, 50, 25)) as ZoneRouting;
  assert.equal(isDirect, false);
  assert.equal(ownPart, 6250);
  assert.deepEqual([...residual], [0, 1000, 1500]);
});

test('a zone with as many servers as proxies, in proportion, keeps everything', () => {
  for (const counts of [
    [10, 10],
    [12, 8],
  ])
    assert.equal((route(proxies(5, 5), servers(...counts)) as ZoneRouting).isDirect, true);
  assert.equal((route(proxies(5, 5), servers(9, 11)) as ZoneRouting).isDirect, false);
});

test('without a server in the own zone everything goes to zones that have some to spare', () => {
  const [, ...others] = servers(0, 5, 5);
  const { ownPart, isDirect, residual } = route(proxies(2, 1, 1), others) as ZoneRouting;
  assert.deepEqual([ownPart, isDirect, [...residual]], [0, false, [2500, 5000]]);
});

test('zones do not matter in small clusters, with one zone, or when this proxy is not among those of its cluster', () => {
  assert.equal(route(proxies(1, 1), servers(3, 2)), 'CLUSTER_TOO_SMALL');
  assert.notEqual(typeof route(proxies(1, 1), servers(3, 3)), 'string');
  assert.equal(route(proxies(1, 1), servers(9)), 'FEW_LOCALITIES');
  assert.equal(route(proxies(9), servers(9, 9)), 'FEW_LOCALITIES');
  assert.equal(route({ ...proxies(9, 9), locality: 'elsewhere' }, servers(9, 9)), 'LOCAL_CLUSTER_NOT_OK');
});

test('a forced local zone takes all once it has servers enough', () => {
  const forced = (forceLocalMinSize: number): ZoneAwareRecord => ({ ...ZONE, forceLocalMinSize });
  assert.equal((route(proxies(9, 1), servers(2, 8), forced(2)) as ZoneRouting).isDirect, true);
  assert.equal((route(proxies(9, 1), servers(2, 8), forced(3)) as ZoneRouting).isDirect, false);
  assert.equal((route(proxies(9), servers(2, 8), forced(1)) as ZoneRouting).isDirect, true);
});

test('by weight: sums of weights, not numbers of endpoints', () => {
  // Ten servers of weight 3 beside thirty of weight 1.
  assert.equal((route(proxies(5, 5), servers(10, 30)) as ZoneRouting).isDirect, false);
  assert.equal((route(proxies(5, 5), servers(10, 30), { ...ZONE, isByWeight: true }) as ZoneRouting).isDirect, true);
});

test('no zone is sent more than the share of all requests that its servers are, whoever sends', () => {
  const counts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 2, maxLength: 6 });
  fc.assert(
    fc.property(counts, counts, (here, there) => {
      const zones = Math.min(here.length, there.length);
      const [local, upstream] = [here.slice(0, zones), there.slice(0, zones)];
      const sumOf = (each: readonly number[]): number => each.reduce((sum, count) => sum + count, 0);
      if (sumOf(upstream) < 6) return;
      const received = new Array<number>(zones).fill(0);
      for (let from = 0; from < zones; from++) {
        // The own zone comes first.
        const order = [from, ...upstream.keys()].filter((zone, at, all) => all.indexOf(zone) === at);
        const named = order.map((zone) => ({ ...(servers(...upstream)[zone] as Locality) }));
        const cluster = { ...proxies(...local), locality: `z${from}` };
        const { ownPart, residual } = route(cluster, named) as ZoneRouting;
        const share = (local[from] as number) / sumOf(local);
        const left = residual[zones - 1] as number;
        if (left === 0 && ownPart < 9990) return;
        order.forEach((zone, at) => {
          const spare =
            left === 0 ? 0 : ((residual[at] as number) - (at === 0 ? 0 : (residual[at - 1] as number))) / left;
          const part = at === 0 ? ownPart / 10000 : (1 - ownPart / 10000) * spare;
          received[zone] = (received[zone] as number) + share * part;
        });
      }
      upstream.forEach((count, zone) => {
        assert.ok((received[zone] as number) <= count / sumOf(upstream) + 0.01, `${local} to ${upstream}: ${received}`);
      });
    }),
  );
});
