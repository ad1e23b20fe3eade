/** Policies that learn, end to end: an origin that fails fast, one that is slow, and origins that report their load. */
import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { bootstrap } from '../support/bootstrap.js';
import { ProxyProcess } from '../support/proxy-process.js';

const ENVOY = 'type.googleapis.com/envoy.extensions.load_balancing_policies';
const OURS = 'type.googleapis.com/millrace.load_balancing_policies';
const servers: http.Server[] = [];
after(() => {
  for (const server of servers) server.close();
});

/** How an origin answers, and how often it did. */
class Origin {
  hits = 0;
  port = 0;
  readonly status: number;
  readonly delayMs: number;
  readonly report: string;
  /** The report comes behind the body. */
  readonly inTrailers: boolean;

  constructor(status: number, delayMs: number, report = '', inTrailers = false) {
    this.status = status;
    this.delayMs = delayMs;
    this.report = report;
    this.inTrailers = inTrailers;
  }

  async listen(): Promise<this> {
    const server = http.createServer((_request, response) => {
      this.hits++;
      const fields = this.report === '' ? {} : { 'endpoint-load-metrics': this.report };
      const answer = (): void => {
        response.writeHead(this.status, this.inTrailers ? { trailer: 'endpoint-load-metrics' } : fields);
        response.write('x');
        if (this.inTrailers) response.addTrailers(fields);
        response.end();
      };
      if (this.delayMs === 0) answer();
      else setTimeout(answer, this.delayMs);
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.port = (server.address() as AddressInfo).port;
    return this;
  }
}

/** Eight at a time, each on a connection of its own. */
async function load(port: number, requests: number): Promise<void> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
  let left = requests;
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      http
        .get({ port, host: '127.0.0.1', agent, path: '/' }, (response) => {
          response.resume().on('end', resolve);
        })
        .on('error', reject);
    });
  const lane = async (): Promise<void> => {
    while (left-- > 0) await one();
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  agent.destroy();
}

async function throughProxy(
  origins: readonly Origin[],
  policy: Readonly<Record<string, unknown>>,
  run: (proxy: ProxyProcess) => Promise<void>,
): Promise<void> {
  for (const origin of origins) await origin.listen();
  const lbPolicy = { policies: [{ typed_extension_config: { name: 'policy', typed_config: policy } }] };
  const config = bootstrap({
    origins: origins.map(({ port }) => port),
    cluster: { load_balancing_policy: lbPolicy },
  });
  const proxy = await ProxyProcess.start(config);
  try {
    await run(proxy);
  } finally {
    assert.equal(await proxy.stop(), 0, proxy.log);
  }
}

const PENALTY = { failure_penalty: '5s' };
for (const [policy, isTrapped] of [
  [{ '@type': `${ENVOY}.peak_ewma.v3alpha.PeakEwma` }, false],
  [{ '@type': `${OURS}.peak_ewma.v1.PeakEwma`, selection_method: 'FULL_SCAN' }, false],
  [{ '@type': `${OURS}.prequal.v1.Prequal` }, false],
  [{ '@type': `${OURS}.least_request.v1.LeastRequest`, ...PENALTY }, false],
  [{ '@type': `${OURS}.least_request.v1.LeastRequest`, ...PENALTY, selection_method: 'FULL_SCAN' }, false],
  [{ '@type': `${ENVOY}.least_request.v3.LeastRequest`, selection_method: 'FULL_SCAN' }, true],
] as const)
  test(`an origin that fails fast ${isTrapped ? 'draws the load' : 'draws no more than 1.5 times its share'}: ${JSON.stringify(policy)}`, async () => {
    const failing = new Origin(500, 0);
    const origins = [failing, ...Array.from({ length: 4 }, () => new Origin(200, 5))];
    await throughProxy(origins, policy, async ({ port }) => {
      await load(port, 1000);
      const hits = origins.map((origin) => origin.hits).join();
      if (isTrapped) assert.ok(failing.hits > 300, hits);
      else assert.ok(failing.hits <= 300, hits);
    });
  });

test('peak_ewma leaves a slow origin alone, on all workers', async () => {
  // Slow also beside origins on a machine that has no time for them.
  const slow = new Origin(200, 400);
  const origins = [slow, new Origin(200, 1), new Origin(200, 1), new Origin(200, 1)];
  await throughProxy(origins, { '@type': `${ENVOY}.peak_ewma.v3alpha.PeakEwma` }, async ({ port }) => {
    await load(port, 800);
    assert.ok(slow.hits < 80, origins.map(({ hits }) => hits).join());
    const before = slow.hits;
    await load(port, 200);
    assert.ok(slow.hits - before < 20, String(slow.hits - before));
  });
});

test('client_side_weighted_round_robin: turns by what the origins report, in heads or in trailers', async () => {
  const origins = [
    new Origin(200, 0, 'TEXT rps_fractional=300,cpu_utilization=0.5', true),
    new Origin(200, 0, 'JSON {"rps_fractional": 100, "application_utilization": 0.5}'),
  ];
  const policy = {
    '@type': `${ENVOY}.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin`,
    blackout_period: '0s',
    weight_update_period: '0.1s',
  };
  const [many, few] = origins as [Origin, Origin];
  await throughProxy(origins, policy, async (proxy) => {
    // Until both workers have taken the weights: they do when they are next asked after a tenth of a second.
    await proxy.until(async () => {
      const before = [many.hits, few.hits] as const;
      await load(proxy.port, 80);
      return many.hits - before[0] >= 2.5 * (few.hits - before[1]);
    });
    many.hits = 0;
    few.hits = 0;
    await load(proxy.port, 800);
    assert.ok(Math.abs(many.hits - 600) <= 20, `${many.hits} and ${few.hits}`);
  });
});
