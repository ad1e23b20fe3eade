/** Prequal's signals from beyond the process: probes and reports of servers, which other proxies keep busy too. */
import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { bootstrap } from '../support/bootstrap.js';
import { ProxyProcess } from '../support/proxy-process.js';

const PREQUAL = 'type.googleapis.com/millrace.load_balancing_policies.prequal.v1.Prequal';
const servers: http.Server[] = [];
after(() => {
  for (const server of servers) server.close();
});

/** A server that says how busy it is; others keep it so. */
class Origin {
  hits = 0;
  probes = 0;
  port = 0;
  busy: number;

  constructor(busy: number) {
    this.busy = busy;
  }

  async listen(): Promise<this> {
    const server = http.createServer((request, response) => {
      const isProbe = request.url === '/load';
      if (isProbe) this.probes++;
      else this.hits++;
      response.setHeader('endpoint-load-metrics', `TEXT named_metrics.rif=${this.busy},named_metrics.latency_us=1000`);
      response.end(isProbe ? '' : 'x');
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.port = (server.address() as AddressInfo).port;
    return this;
  }
}

async function load(port: number, requests: number): Promise<void> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
  let left = requests;
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const request = http.get({ port, host: '127.0.0.1', agent, path: '/' }, (response) => {
        assert.equal(response.statusCode, 200);
        response.resume().on('end', resolve);
      });
      request.on('error', reject);
    });
  const lane = async (): Promise<void> => {
    while (left-- > 0) await one();
  };
  await Promise.all(Array.from({ length: 4 }, lane));
  agent.destroy();
}

async function through(fields: object, origins: Origin[], run: (proxy: ProxyProcess) => Promise<void>): Promise<void> {
  for (const origin of origins) await origin.listen();
  const typed = { '@type': PREQUAL, ...fields };
  const policy = { policies: [{ typed_extension_config: { name: 'prequal', typed_config: typed } }] };
  const proxy = await ProxyProcess.start(
    bootstrap({ origins: origins.map(({ port }) => port), cluster: { load_balancing_policy: policy } }),
  );
  try {
    await run(proxy);
  } finally {
    assert.equal(await proxy.stop(), 0, proxy.log);
  }
}

const fleet = (): Origin[] => [new Origin(200), ...Array.from({ length: 5 }, () => new Origin(1))];
const hitsOf = (origins: readonly Origin[]): string => origins.map(({ hits }) => hits).join();

test('probes find the server that others keep busy, and find out when it no longer is', async () => {
  const origins = fleet();
  const [busy, ...idle] = origins as [Origin, ...Origin[]];
  await through({ probe: { path: '/load', probes_per_request: 2 } }, origins, async (proxy) => {
    await load(proxy.port, 200);
    const before = busy.hits;
    await load(proxy.port, 600);
    assert.ok(busy.hits - before <= 12, hitsOf(origins));
    // All are asked alike.
    const probes = origins.map((origin) => origin.probes);
    assert.ok(Math.min(...probes) > 0.6 * Math.max(...probes), probes.join());
    assert.ok(Math.max(...probes) > 150, probes.join());
    busy.busy = 1;
    for (const origin of idle) origin.busy = 200;
    await load(proxy.port, 200);
    const then = origins.map(({ hits }) => hits);
    await load(proxy.port, 300);
    assert.ok(busy.hits - (then[0] as number) > 150, hitsOf(origins));
  });
});

test('without probes or reports nothing is known of other proxies', async () => {
  const origins = fleet();
  await through({}, origins, async (proxy) => {
    await load(proxy.port, 600);
    assert.ok((origins[0] as Origin).hits > 40, hitsOf(origins));
    assert.ok(origins.every(({ probes }) => probes === 0));
  });
});

test('reports in responses do too, without any probe', async () => {
  const origins = fleet();
  await through({ read_load_reports: true }, origins, async (proxy) => {
    await load(proxy.port, 600);
    assert.ok((origins[0] as Origin).hits < 30, hitsOf(origins));
    assert.ok(origins.every(({ probes }) => probes === 0));
  });
});
