/** ZonePicker: where requests go by zone, what is counted, and what panic does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ZoneAwareRecord } from '../../../../engine/plan/locality-record.js';
import { localityOf } from '../../../../engine/plan/locality-record.js';
import type { EndpointRecord } from '../../../../engine/plan/records.js';
import { NO_HASH } from '../../../../engine/upstream/balance/request-hash.js';
import { tally } from '../../../support/balancing.js';
import { endpointRecord, UpstreamHarness } from '../../../support/upstream-harness.js';

const nameOf = (zone: string): string => localityOf({ region: '', zone, subZone: '' });
const [A, B, C] = [nameOf('a'), nameOf('b'), nameOf('c')] as const;

function zoneAware(
  healthy: Record<string, number>,
  more: Partial<ZoneAwareRecord> = {},
  isPanic = false,
): ZoneAwareRecord {
  return {
    kind: 'ZONE_AWARE',
    routingPercent: 100,
    minClusterSize: 6,
    failsOnPanic: false,
    forceLocalMinSize: null,
    isByWeight: false,
    local: { locality: A, localities: Object.keys(healthy), healthy, healthyWeights: healthy, isPanic },
    ...more,
  };
}
/** By letter: where each endpoint is. */
function at(zones: string, more: (row: number) => Partial<EndpointRecord> = () => ({})): EndpointRecord[] {
  return [...zones].map((zone, row) => endpointRecord(row, { zone, ...more(row) }));
}
const PICKS = 40_000;
function picks(locality: ZoneAwareRecord, endpoints: EndpointRecord[]): { counts: number[]; harness: UpstreamHarness } {
  const harness = new UpstreamHarness({ endpoints, locality });
  return { counts: tally(endpoints.length, PICKS, () => harness.cluster.pick(NO_HASH, 0)), harness };
}

test('everything stays in a zone that has its share of the servers', () => {
  const { counts, harness } = picks(zoneAware({ [A]: 5, [B]: 5 }), at('aaabbb'));
  assert.deepEqual(counts.slice(3), [0, 0, 0]);
  assert.ok(
    counts.slice(0, 3).every((count) => Math.abs(count - PICKS / 3) <= 1),
    'round robin within the zone',
  );
  assert.equal(harness.count('lb_zone_routing_all_directly'), PICKS);
  assert.equal(harness.count('lb_recalculate_zone_structures'), 1);
});

test('what the own zone cannot take goes to others by what they have to spare', () => {
  // Servers 25, 50, 25 %, proxies 40, 40, 20: 62.5 % stay, the rest goes 1000 to 500.
  const { counts, harness } = picks(zoneAware({ [A]: 4, [B]: 4, [C]: 2 }), at('aabbbbcc'));
  const zoneA = (counts[0] as number) + (counts[1] as number);
  const zoneC = (counts[6] as number) + (counts[7] as number);
  assert.ok(Math.abs(zoneA - 0.625 * PICKS) < 400, counts.join());
  assert.ok(Math.abs(zoneC - 0.125 * PICKS) < 400, counts.join());
  assert.equal(harness.count('lb_zone_routing_sampled'), zoneA);
  assert.equal(harness.count('lb_zone_routing_cross_zone'), PICKS - zoneA);
});

test('a part of the requests may be left out of it', () => {
  const { counts, harness } = picks(zoneAware({ [A]: 5, [B]: 5 }, { routingPercent: 40 }), at('aaabbb'));
  const direct = harness.count('lb_zone_routing_all_directly');
  assert.ok(Math.abs(direct - 0.4 * PICKS) < 400);
  const zoneB = counts.slice(3).reduce((sum, count) => sum + count, 0);
  assert.ok(Math.abs(zoneB - (PICKS - direct) / 2) < 3, counts.join());
});

test('small clusters and a proxy that its cluster does not know are counted, and balance as without zones', () => {
  const small = picks(zoneAware({ [A]: 5, [B]: 5 }), at('aabbb'));
  assert.equal(small.harness.count('lb_zone_cluster_too_small'), 1);
  assert.ok(small.counts.every((count) => count === PICKS / 5));
  const unknown = picks(zoneAware({ [B]: 5, [C]: 5 }), at('aaabbb'));
  assert.equal(unknown.harness.count('lb_local_cluster_not_ok'), 1);
  assert.ok(unknown.counts.every((count) => Math.abs(count - PICKS / 6) <= 1));
});

test('panic among the proxies: zones do not matter, or nobody is picked', () => {
  const calm = picks(zoneAware({ [A]: 5, [B]: 5 }, {}, true), at('aaabbb'));
  assert.ok(calm.counts.every((count) => Math.abs(count - PICKS / 6) <= 1));
  assert.equal(calm.harness.count('lb_local_cluster_not_ok'), PICKS);
  const locality = zoneAware({ [A]: 5, [B]: 5 }, { failsOnPanic: true }, true);
  const harness = new UpstreamHarness({ endpoints: at('aaabbb'), locality });
  assert.equal(harness.cluster.pick(NO_HASH, 0), -1);
});

test('panic among the servers: fail_traffic_on_panic refuses what all would else share', () => {
  const endpoints = at('aaabbb', (row) => (row % 3 === 0 ? {} : { health: 'UNHEALTHY' }));
  for (const local of [zoneAware({ [A]: 1, [B]: 1 }).local, null]) {
    const refusing = new UpstreamHarness({ endpoints, locality: zoneAware({}, { failsOnPanic: true, local }) });
    assert.equal(refusing.cluster.pick(NO_HASH, 0), -1);
    assert.equal(refusing.count('lb_healthy_panic'), 1);
    const all = new UpstreamHarness({ endpoints, locality: zoneAware({}, { local }) });
    assert.ok(tally(6, 600, () => all.cluster.pick(NO_HASH, 0)).every((count) => count === 100));
  }
});

test('only the first priority goes by zone, and a retry leaves the zone when it has nobody else', () => {
  const endpoints = at('abbbbb');
  const locality = zoneAware({ [A]: 1, [B]: 9 });
  const { cluster } = new UpstreamHarness({ endpoints, locality });
  assert.equal(cluster.pick(NO_HASH, 0), 0);
  for (let i = 0; i < 30; i++) assert.ok(cluster.pick(NO_HASH, 1) > 0);
  const second = at('aaabbb', (row) => (row < 1 ? { health: 'UNHEALTHY' } : { priority: 1 }));
  const spilled = new UpstreamHarness({ endpoints: second, locality, panicPercent: 0 });
  assert.deepEqual(
    tally(6, 500, () => spilled.cluster.pick(NO_HASH, 0)),
    [0, 100, 100, 100, 100, 100],
  );
});
