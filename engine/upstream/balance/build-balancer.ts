/** The balancer of a cluster, built from its record: subsets hold priorities, those hold localities, those a picker each. */
import type { Prng } from '../../base/prng.js';
import { CLUSTER } from '../../metrics/declare.js';
import type { LocalClusterRecord, ZoneAwareRecord } from '../../plan/locality-record.js';
import type { ClusterRecord } from '../../plan/records.js';
import { EndpointTable } from '../endpoint-table.js';
import { type PriorityLoad, priorityLoads } from '../priority-loads.js';
import type { SharedCells } from '../shared-cells.js';
import { Balancer, type ProbeTargets } from './balancer.js';
import { buildPicker } from './build-picker.js';
import { type HashTables, isHashPolicy } from './hash-tables.js';
import { effectiveWeights, type Locality, localitiesOf, sharedOutWeights } from './localities.js';
import { LocalityPicker } from './locality-picker.js';
import type { BalancingCounters, Probed } from './picker.js';
import { Positions } from './positions.js';
import { NO_PICKER, PriorityPicker, type PriorityView } from './priority-picker.js';
import { type Part, SubsetPicker } from './subset-picker.js';
import { Subsets } from './subsets.js';
import type { View } from './view-picker.js';
import { ZonePicker } from './zone-picker.js';
import { zoneRouting } from './zone-routing.js';

const RECALCULATED = CLUSTER.index.lb_recalculate_zone_structures;
const NOT_BY_ZONE = {
  FEW_LOCALITIES: -1,
  LOCAL_CLUSTER_NOT_OK: CLUSTER.index.lb_local_cluster_not_ok,
  CLUSTER_TOO_SMALL: CLUSTER.index.lb_zone_cluster_too_small,
} as const;

/** What all parts of one balancer are built with. */
interface Construction {
  readonly record: ClusterRecord;
  readonly table: EndpointTable;
  readonly random: Prng;
  readonly tables: HashTables;
  readonly counters: BalancingCounters;
  readonly positions: Positions;
  /** Filled with the pickers that go by probes, and with whom those may pick. */
  readonly probed: Probed[];
  readonly targets: Set<number>;
}

/** tables: those of the cluster, so that its next balancer finds them. */
export function buildBalancer(
  record: ClusterRecord,
  cells: SharedCells,
  random: Prng,
  tables: HashTables,
  counters: BalancingCounters,
): Balancer {
  const table = new EndpointTable(record.endpoints, record.index, cells);
  const positions = new Positions(record.index, table.rows);
  const construction: Construction = {
    record,
    table,
    random,
    tables,
    counters,
    positions,
    probed: [],
    targets: new Set(),
  };
  tables.nextList();
  if (record.subsets === null) {
    const all = record.endpoints.map((_, index) => index);
    return new Balancer(buildPart(construction, all), null, probesOf(construction));
  }
  const subsets = new Subsets(record.subsets, record.endpoints);
  const build = (members: readonly number[]): Part => buildPart(construction, members);
  const picker = new SubsetPicker(subsets, record.subsets.criteria, build, table, counters);
  return new Balancer({ pickable: new Int32Array(0), picker: NO_PICKER }, picker, probesOf(construction));
}

/** Of what has been built. */
function probesOf({ probed, targets }: Construction): ProbeTargets {
  return { probed, targets: Int32Array.from(targets) };
}

/** members: of all priorities, well or not. */
function buildPart(construction: Construction, members: readonly number[]): Part {
  const { record, random, counters } = construction;
  const loads = priorityLoads(record.endpoints, record.overprovisioningPercent, record.panicPercent, members);
  const views = loads.map((load): PriorityView => {
    const ofPriority = members.filter((index) => record.endpoints[index]?.priority === load.priority);
    return { load: load.load, isPanic: load.isPanic, ...buildView(construction, load, ofPriority) };
  });
  const pickable = Int32Array.from(new Set(loads.flatMap(({ indexes }) => indexes)));
  const first = views[0];
  if (first === undefined) return { pickable, picker: NO_PICKER };
  if (views.length === 1 && !first.isPanic) return { pickable, picker: first.picker };
  return { pickable, picker: new PriorityPicker(views, random, counters) };
}

/** One priority's endpoints of one kind of health, or in panic all. */
function buildView(construction: Construction, load: PriorityLoad, members: readonly number[]): View {
  const { record, table, random } = construction;
  const { locality, lbPolicy, endpoints, overprovisioningPercent } = record;
  const pickable = load.indexes;
  if (load.isPanic && locality.kind === 'ZONE_AWARE' && locality.failsOnPanic)
    return { table: partOf(construction, members, pickable), picker: NO_PICKER };
  if (isHashPolicy(lbPolicy)) return plainView(construction, members, pickable, hashWeights(construction, members));
  if (load.isPanic) return plainView(construction, members, pickable);
  if (isWeighted(record)) {
    const localities = scaled(record, localitiesOf(endpoints, members, pickable));
    const weights = effectiveWeights(localities, overprovisioningPercent);
    const used = localities.filter((_, at) => (weights[at] as number) > 0);
    if (used.length > 0) {
      const whole = partOf(construction, members, pickable);
      const views = used.map((each) => plainView(construction, each.members, each.eligible));
      const above0 = weights.filter((weight) => weight > 0);
      return { table: whole, picker: new LocalityPicker(views, above0, whole, whole.positionCell, random) };
    }
  }
  const isFirst = load.priority === 0 && pickable.every((index) => table.records[index]?.health === 'HEALTHY');
  if (isFirst && locality.kind === 'ZONE_AWARE' && locality.local !== null)
    return zoneView(construction, locality, locality.local, members, pickable);
  return plainView(construction, members, pickable);
}

function plainView(
  construction: Construction,
  members: readonly number[],
  pickable: readonly number[],
  weights?: Float64Array | null,
): View {
  const { record, random, tables } = construction;
  const table = partOf(construction, members, pickable, weights ?? null);
  const picker = buildPicker(record.lbPolicy, table, random, tables);
  if (picker.probed !== undefined) {
    construction.probed.push(picker.probed);
    for (const index of pickable) construction.targets.add(index);
  }
  return { table, picker };
}

function partOf(
  { table, positions }: Construction,
  members: readonly number[],
  pickable: readonly number[],
  weights: Float64Array | null = null,
): EndpointTable {
  const part = { pickable, members, positionCell: positions.take(pickable) };
  return table.part(weights === null ? part : { ...part, weights });
}

function zoneView(
  construction: Construction,
  zone: ZoneAwareRecord,
  local: LocalClusterRecord,
  members: readonly number[],
  pickable: readonly number[],
): View {
  const { record, random, counters } = construction;
  const localities = localitiesOf(record.endpoints, members, pickable, local.locality);
  const routing = zoneRouting(zone, local, localities, record.endpoints);
  const all = plainView(construction, members, pickable);
  counters.count(RECALCULATED, 1);
  if (typeof routing === 'string') {
    if (NOT_BY_ZONE[routing] >= 0) counters.count(NOT_BY_ZONE[routing], 1);
    return all;
  }
  const views = localities.map((each) => plainView(construction, each.members, each.eligible));
  return { table: all.table, picker: new ZonePicker([...views, all], zone, routing, random, counters) };
}

/** Do locality weights count? Within subsets only if they are to. */
function isWeighted(record: ClusterRecord): boolean {
  return record.locality.kind === 'WEIGHTED' && (record.subsets === null || record.subsets.isLocalityWeightAware);
}

function hashWeights({ record }: Construction, members: readonly number[]): Float64Array | null {
  if (!isWeighted(record)) return null;
  return sharedOutWeights(scaled(record, localitiesOf(record.endpoints, members, members)), record.endpoints);
}

/** A subset that has few of a locality's endpoints gives it as much less weight, where that is asked for (Envoy's rounding). */
function scaled(record: ClusterRecord, localities: readonly Locality[]): readonly Locality[] {
  if (record.subsets?.scalesLocalityWeight !== true) return localities;
  return localities.map((locality) => {
    const first = record.endpoints[locality.members[0] as number];
    const all = record.endpoints.map((_, index) => index);
    const peers = localitiesOf(
      record.endpoints,
      all.filter((index) => record.endpoints[index]?.priority === first?.priority),
      [],
    ).find(({ name }) => name === locality.name);
    const share = locality.members.length / (peers as Locality).members.length;
    return { ...locality, weight: Math.round(locality.weight * share) };
  });
}
