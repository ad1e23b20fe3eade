/** Weighted clusters end to end: shares, and requests that are tried again. */
import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { bootstrap } from '../support/bootstrap.js';
import { freePort } from '../support/free-port.js';
import { ProxyProcess } from '../support/proxy-process.js';

const REQUESTS = 1200;

async function origin(name: string): Promise<{ readonly server: http.Server; readonly port: number }> {
  const server = http.createServer((_, response) => response.end(name));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, port: (server.address() as AddressInfo).port };
}

test('a request whose endpoint refuses is tried again in the cluster that was drawn for it', async () => {
  const [one, other] = await Promise.all([origin('one'), origin('other')]);
  const dead = await freePort();
  const split = { clusters: ['origin', 'other'].map((name) => ({ name, weight: 1 })) };
  const write = bootstrap({
    origins: [dead, one.port],
    routes: [{ match: { prefix: '/' }, route: { weighted_clusters: split } }],
  });
  const proxy = await ProxyProcess.start((port, adminPort) => {
    const config = JSON.parse(write(port, adminPort));
    const address = { socket_address: { address: '127.0.0.1', port_value: other.port } };
    const assignment = { cluster_name: 'other', endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] };
    config.static_resources.clusters.push({ name: 'other', type: 'STATIC', load_assignment: assignment });
    return JSON.stringify(config);
  });
  const counts = { one: 0, other: 0 };
  for (let i = 0; i < REQUESTS; i += 20)
    for (const answer of await Promise.all(Array.from({ length: 20 }, () => fetch(`http://127.0.0.1:${proxy.port}/`))))
      counts[(await answer.text()) as keyof typeof counts]++;
  await proxy.stop();
  for (const { server } of [one, other]) {
    server.closeAllConnections();
    server.close();
  }
  // Half of the first cluster's are refused; drawn again, a quarter of its share would go to the other. 600 +- 17.
  assert.equal(counts.one + counts.other, REQUESTS);
  assert.ok(counts.one > REQUESTS / 2 - 90, JSON.stringify(counts));
});
