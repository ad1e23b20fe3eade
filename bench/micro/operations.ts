/** Operations: the single steps of the data path that `npm run bench -- micro` times. */
import { Prng } from '../../engine/base/prng.js';
import { Timer, TimerWheel } from '../../engine/base/timer-wheel.js';
import { loadConfig, planOf } from '../../engine/control/load.js';
import { PlanRegistry } from '../../engine/control/registry.js';
import { parseRequestHead, parseResponseHead } from '../../engine/http1/head-parser.js';
import { newMetricsMemory, WorkerMetrics } from '../../engine/metrics/slots.js';
import type { ClusterRecord } from '../../engine/plan/records.js';
import { Router } from '../../engine/route/router.js';
import { RequestHash } from '../../engine/upstream/balance/request-hash.js';
import { Cluster, type UpstreamContext } from '../../engine/upstream/cluster.js';
import { newSharedCellsMemory, SharedCells } from '../../engine/upstream/shared-cells.js';
import { bootstrap } from '../../test/support/bootstrap.js';
import { newHead } from '../../test/support/fake-conn.js';
import { host, prefix, requestHead, requestView, table } from '../../test/support/routes.js';
import { SERVER_OPTIONS } from '../../test/support/server-harness.js';
import type { Policy } from '../scenario/policies.js';

export interface Operation {
  readonly group: string;
  readonly name: string;
  /** Does it so many times; what it answers is kept, so that nothing is optimised away. */
  run(times: number): number;
  /** Begins what goes on beside it, and answers how to end that. */
  readonly beside?: () => Promise<() => Promise<void>>;
}

const BROWSER = [
  'GET /api/users/42?fields=name HTTP/1.1',
  'Host: shop.example',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0',
  'Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8',
  'Accept-Language: en-US,en;q=0.5',
  'Accept-Encoding: gzip, deflate, br',
  'Cookie: session=0123456789abcdef0123456789abcdef; theme=dark',
  'Connection: keep-alive',
];
const SHORT = ['GET / HTTP/1.1', 'Host: a'];
const ANSWER = ['HTTP/1.1 200 OK', 'Server: origin', 'Content-Type: text/plain', 'Content-Length: 128'];

function bytesOf(lines: readonly string[]): Uint8Array {
  return new Uint8Array(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'));
}

export function parserOperations(): Operation[] {
  const request = (name: string, lines: readonly string[]): Operation => {
    const bytes = bytesOf(lines);
    const head = newHead();
    return {
      group: 'parser',
      name,
      run(times) {
        let sum = 0;
        for (let i = 0; i < times; i++) sum += parseRequestHead(bytes, 0, bytes.length, head, SERVER_OPTIONS);
        return sum;
      },
    };
  };
  const answer = bytesOf(ANSWER);
  const head = newHead();
  return [
    request(`request of ${bytesOf(SHORT).length} B`, SHORT),
    request(`request of ${bytesOf(BROWSER).length} B, 7 fields`, BROWSER),
    {
      group: 'parser',
      name: `response of ${answer.length} B`,
      run(times) {
        let sum = 0;
        for (let i = 0; i < times; i++) sum += parseResponseHead(answer, 0, answer.length, head, SERVER_OPTIONS);
        return sum;
      },
    },
  ];
}

export function routerOperations(): Operation[] {
  return [10, 10000].map((count) => {
    const routes = Array.from({ length: count }, (_, i) => prefix(`/service-${i}/`));
    const router = new Router(table([host({ routes })]), Prng.fromSeed(1));
    const view = requestView(requestHead(`/service-${count - 1}/users/42`));
    return {
      group: 'router',
      name: `last of ${count.toLocaleString('en-US')} prefixes`,
      run(times) {
        let found = 0;
        for (let i = 0; i < times; i++) if (router.route(view) !== null) found++;
        return found;
      },
    };
  });
}

/** Null: this build refuses the policy. */
function clusterOf(policy: Policy, endpoints: number): Cluster | null {
  const origins = Array.from({ length: endpoints }, (_, i) => 1 + i);
  const text = bootstrap({
    origins,
    cluster: policy.cluster,
    routes: [{ match: { prefix: '/' }, route: { cluster: 'origin', ...policy.route } }],
  })(1, 2);
  const loaded = loadConfig({ path: null, text, name: policy.name, allowsUnknownFields: false, environment: {} });
  if ('problems' in loaded) return null;
  const { plan } = planOf(loaded, new PlanRegistry(), new Map(), 1);
  const context = {
    cells: new SharedCells(newSharedCellsMemory(), newSharedCellsMemory()),
    random: Prng.fromSeed(1),
    wheel: new TimerWheel(0),
    metrics: new WorkerMetrics(newMetricsMemory()),
    transport: { nowMs: 0, nowUs: 0, wallMs: 0 },
  };
  return new Cluster(plan.clusters[0] as ClusterRecord, context as unknown as UpstreamContext);
}

/** With a hash of its own for every request, whether the policy looks at it or not. */
export function balancerOperations(policies: readonly Policy[]): Operation[] {
  return policies.flatMap((policy) =>
    [10, 1000].flatMap((endpoints): Operation[] => {
      const cluster = clusterOf(policy, endpoints);
      if (cluster === null) return [];
      const hash = new RequestHash();
      hash.isSet = true;
      return [
        {
          group: `pick of ${endpoints.toLocaleString('en-US')}`,
          name: policy.name,
          run(times) {
            let sum = 0;
            for (let i = 0; i < times; i++) {
              hash.low = Math.imul(hash.low, 1664525) + 1013904223;
              hash.high = Math.imul(hash.high, 22695477) + 1;
              sum += cluster.pick(hash, 0);
            }
            return sum;
          },
        },
      ];
    }),
  );
}

class Deadline extends Timer {
  onTimer(): void {}
}

export function timerOperations(): Operation[] {
  const wheel = new TimerWheel(0);
  const timers = Array.from({ length: 1024 }, () => new Deadline());
  let nowMs = 0;
  return [
    {
      group: 'timer wheel',
      name: 'arm and disarm',
      run(times) {
        for (let i = 0; i < times; i++) {
          const timer = timers[i & 1023] as Deadline;
          wheel.arm(timer, nowMs + 15000);
          wheel.disarm(timer);
        }
        nowMs += 1;
        wheel.advance(nowMs);
        return wheel.count;
      },
    },
  ];
}
