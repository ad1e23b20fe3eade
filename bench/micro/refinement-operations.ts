/** Refinements: picks through what surrounds a policy: localities, zones, subsets, priorities. */
import { managersOf } from '../../engine/plan/managers.js';
import { Prng } from '../../engine/base/prng.js';
import { TimerWheel } from '../../engine/base/timer-wheel.js';
import { loadConfig, planOf } from '../../engine/control/load.js';
import { PlanRegistry } from '../../engine/control/registry.js';
import type { Head } from '../../engine/http/head.js';
import { newMetricsMemory, WorkerMetrics } from '../../engine/metrics/slots.js';
import type { ClusterRecord } from '../../engine/plan/records.js';
import { PrequalPicker } from '../../engine/upstream/balance/prequal.js';
import { NO_HASH } from '../../engine/upstream/balance/request-hash.js';
import { Cluster, type UpstreamContext } from '../../engine/upstream/cluster.js';
import { EndpointTable } from '../../engine/upstream/endpoint-table.js';
import { newSharedCellsMemory, SharedCells } from '../../engine/upstream/shared-cells.js';
import { bootstrap } from '../../test/support/bootstrap.js';
import { newHead } from '../../test/support/fake-conn.js';
import { endpointRecord } from '../../test/support/upstream-harness.js';
import type { Operation } from './operations.js';

type Fields = Readonly<Record<string, unknown>>;

interface Refinement {
  readonly name: string;
  readonly cluster: Fields;
  /** More fields of the locality of this number. */
  readonly locality: (at: number) => Fields;
  readonly health?: string;
  readonly route?: Fields;
  readonly top?: Fields;
}

const LOCALITIES = 5;
const WEIGHTED = { locality_weighted_lb_config: {} };
const SUBSETS = { lb_subset_config: { subset_selectors: [{ keys: ['version'] }] } };
const ASKING = { metadata_match: { filter_metadata: { 'envoy.lb': { version: 1 } } } };
const zone = (at: number): Fields => ({ locality: { zone: `z${at}` } });
const weighed = (at: number): Fields => ({ ...zone(at), load_balancing_weight: at + 1 });

const REFINEMENTS: readonly Refinement[] = [
  { name: 'none', cluster: {}, locality: zone },
  { name: 'locality weights', cluster: { common_lb_config: WEIGHTED }, locality: weighed },
  {
    name: 'zone aware',
    cluster: { common_lb_config: { zone_aware_lb_config: {} } },
    locality: zone,
    top: { node: { locality: { zone: 'z1' } }, cluster_manager: { local_cluster_name: 'origin' } },
  },
  { name: 'subsets', cluster: SUBSETS, locality: zone, route: ASKING },
  {
    name: 'priorities',
    cluster: {},
    locality: (at) => ({ ...zone(at), priority: at > 0 ? 1 : 0 }),
    health: 'UNHEALTHY',
  },
  {
    name: 'subsets, priorities, locality weights',
    cluster: {
      lb_subset_config: { ...SUBSETS.lb_subset_config, locality_weight_aware: true },
      common_lb_config: WEIGHTED,
    },
    locality: (at) => ({ ...weighed(at), priority: at > 1 ? 1 : 0 }),
    health: 'UNHEALTHY',
    route: ASKING,
  },
];

/** Endpoints take turns at being in each locality, and of each of two versions; a third of the first locality is down. */
function clusterOf(refinement: Refinement, lbPolicy: string, size: number): { cluster: Cluster; criteria: number } {
  const endpoints = Array.from({ length: LOCALITIES }, (_, at) => ({
    ...refinement.locality(at),
    lb_endpoints: Array.from({ length: size / LOCALITIES }, (_each, i) => ({
      endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: 1 + at + LOCALITIES * i } } },
      metadata: { filter_metadata: { 'envoy.lb': { version: size > 20 ? i % 2 : 1 } } },
      ...(at === 0 && i % 3 === 0 && refinement.health !== undefined ? { health_status: refinement.health } : {}),
    })),
  }));
  const document = JSON.parse(
    bootstrap({
      origins: [1],
      cluster: { lb_policy: lbPolicy, ...refinement.cluster, load_assignment: { endpoints } },
      routes: [{ match: { prefix: '/' }, route: { cluster: 'origin', ...refinement.route } }],
    })(1, 2),
  ) as Fields;
  const text = JSON.stringify({ ...document, ...refinement.top });
  const loaded = loadConfig({ path: null, text, name: refinement.name, allowsUnknownFields: false, environment: {} });
  if ('problems' in loaded) throw new Error(JSON.stringify(loaded.problems));
  const { plan } = planOf(loaded, new PlanRegistry(), new Map(), 1);
  const action = plan.listeners.flatMap(managersOf)[0]?.routeConfig.virtualHosts[0]?.routes[0]?.action;
  const context = {
    cells: new SharedCells(newSharedCellsMemory(), newSharedCellsMemory()),
    random: Prng.fromSeed(1),
    wheel: new TimerWheel(0),
    metrics: new WorkerMetrics(newMetricsMemory()),
    transport: { nowMs: 0, nowUs: 0, wallMs: 0 },
  };
  return {
    cluster: new Cluster(plan.clusters[0] as ClusterRecord, context as unknown as UpstreamContext),
    criteria: action?.kind === 'forward' ? action.criteria : 0,
  };
}

export function refinementOperations(): Operation[] {
  return [...surrounded(), ...probed()];
}

function surrounded(): Operation[] {
  return ['ROUND_ROBIN', 'LEAST_REQUEST'].flatMap((lbPolicy) =>
    REFINEMENTS.flatMap((refinement) =>
      [10, 1000].map((size): Operation => {
        const { cluster, criteria } = clusterOf(refinement, lbPolicy, size);
        return {
          group: `${lbPolicy.toLowerCase()} of ${size.toLocaleString('en-US')} with`,
          name: refinement.name,
          run(times) {
            let sum = 0;
            for (let i = 0; i < times; i++) sum += cluster.pick(NO_HASH, 0, criteria);
            return sum;
          },
        };
      }),
    ),
  );
}

const PROBE = {
  path: '/',
  host: 'probes',
  timeoutMs: 100,
  probesPerRequest: 1,
  poolSize: 16,
  maxAgeUs: 1e6,
  removalsPerRequest: 0.25,
} as const;

/** The pool is full: each pick finds sixteen answers, and each answer takes the place of another one. */
function probed(): Operation[] {
  const size = 1000;
  const clock = { us: 1e6, nowUs: () => clock.us };
  const cells = new SharedCells(newSharedCellsMemory(), newSharedCellsMemory(), clock);
  const records = Array.from({ length: size }, (_, row) => endpointRecord(row));
  const table = new EndpointTable(records, 0, cells);
  const random = Prng.fromSeed(1);
  const rule = { quantile: 0.6, choiceCount: 3, failurePenaltyUs: 5e6, expiryUs: 6e7 };
  const picker = new PrequalPicker(table, random, { ...rule, probe: PROBE });
  const heads = Array.from({ length: 8 }, (_, rif) =>
    reporting(`named_metrics.rif=${rif},named_metrics.latency_us=900`),
  );
  const answer = (at: number): void => picker.answered(random.below(size), heads[at & 7] as Head);
  return [
    {
      group: 'prequal with probes',
      name: 'an answer is read',
      run(times) {
        for (let i = 0; i < times; i++) answer(i);
        return times;
      },
    },
    {
      group: 'prequal with probes',
      name: 'an answer is read, and a pick among 16',
      run(times) {
        let sum = 0;
        for (let i = 0; i < times; i++) {
          clock.us++;
          answer(i);
          sum += picker.pick(NO_HASH, 0);
        }
        return sum;
      },
    },
  ];
}

function reporting(text: string): Head {
  const head = newHead();
  const value = Buffer.from(`TEXT ${text}`);
  head.addName(Buffer.from('endpoint-load-metrics'), 0, value, 0, value.length);
  return head;
}
