/** Where tcp_proxy sends connections: clusters by weight, endpoints by the client's address, chains by names and addresses. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { message, records, serverName } from '../support/client-hello-bytes.js';
import { freePort } from '../support/free-port.js';
import { ProxyProcess } from '../support/proxy-process.js';

const TYPE = 'type.googleapis.com/envoy.extensions';
const address = (port: number): object => ({ socket_address: { address: '127.0.0.1', port_value: port } });

/** Each says its number and ends. */
const servers = [0, 1, 2, 3].map((number) =>
  net.createServer((socket) => {
    socket.on('error', () => {});
    socket.end(String(number));
  }),
);
let proxy: ProxyProcess;
let ports: Readonly<Record<'weighted' | 'hashed' | 'named', number>>;

function cluster(name: string, numbers: readonly number[], more: object = {}): object {
  const endpoints = numbers.map((number) => ({
    endpoint: { address: address((servers[number]?.address() as AddressInfo).port) },
  }));
  const assignment = { cluster_name: name, endpoints: [{ lb_endpoints: endpoints }] };
  return { name, type: 'STATIC', load_assignment: assignment, ...more };
}

function tcp(more: object): { filters: object[] } {
  const typed = { '@type': `${TYPE}.filters.network.tcp_proxy.v3.TcpProxy`, stat_prefix: 'tcp', ...more };
  return { filters: [{ name: 'envoy.filters.network.tcp_proxy', typed_config: typed }] };
}

function named(server_names: readonly string[], cluster: string): object {
  return { filter_chain_match: { server_names }, ...tcp({ cluster }) };
}

before(async () => {
  for (const server of servers) await once(server.listen(0, '127.0.0.1'), 'listening');
  ports = { weighted: await freePort(), hashed: await freePort(), named: await freePort() };
  const inspector = {
    name: 'envoy.filters.listener.tls_inspector',
    typed_config: { '@type': `${TYPE}.filters.listener.tls_inspector.v3.TlsInspector` },
  };
  const weights = [
    { name: 'c0', weight: 1 },
    { name: 'c1', weight: 3 },
  ];
  const listeners = [
    { address: address(ports.weighted), filter_chains: [tcp({ weighted_clusters: { clusters: weights } })] },
    {
      address: address(ports.hashed),
      filter_chains: [tcp({ cluster: 'ring', hash_policy: [{ source_ip: {} }] })],
    },
    {
      address: address(ports.named),
      listener_filters: [inspector],
      filter_chains: [
        named(['exact.a.example'], 'c0'),
        named(['*.a.example'], 'c1'),
        named(['*.example'], 'c2'),
        { filter_chain_match: { transport_protocol: 'raw_buffer' }, ...tcp({ cluster: 'c3' }) },
      ],
      default_filter_chain: tcp({ cluster: 'ring' }),
    },
  ];
  const clusters = [0, 1, 2, 3].map((number) => cluster(`c${number}`, [number]));
  clusters.push(cluster('ring', [0, 1, 2, 3], { lb_policy: 'RING_HASH' }));
  proxy = await ProxyProcess.start((_port, adminPort) =>
    JSON.stringify({ admin: { address: address(adminPort) }, static_resources: { listeners, clusters } }),
  );
});

after(async () => {
  await proxy?.stop();
  for (const server of servers) server.close();
});

const clientHello = (name: string | null): Uint8Array =>
  records(message({ extensions: name === null ? [] : [serverName(name)] }));

/** The number of the server that answered; '' = none. */
async function ask(port: number, bytes: Uint8Array | string, localAddress = '127.0.0.1'): Promise<string> {
  const socket = net.connect({ port, host: '127.0.0.1', localAddress });
  socket.on('error', () => {});
  let heard = '';
  socket.on('data', (chunk) => {
    heard += chunk.toString();
  });
  socket.write(bytes);
  await Promise.race([once(socket, 'end'), once(socket, 'close')]);
  socket.destroy();
  return heard;
}

test('clusters get connections by their weights', async () => {
  const counts = { '0': 0, '1': 0 };
  for (let at = 0; at < 400; at++) counts[(await ask(ports.weighted, 'x')) as '0' | '1']++;
  assert.equal(counts['0'] + counts['1'], 400);
  // Of 400 with a quarter each: 100, and 8.7 off is one standard deviation.
  assert.ok(counts['0'] > 50 && counts['0'] < 150, JSON.stringify(counts));
});

test('connections of one address go to one endpoint, those of others to others', async () => {
  const used = new Set<string>();
  for (let host = 1; host <= 40; host++) {
    const from = `127.0.1.${host}`;
    const first = await ask(ports.hashed, 'x', from);
    assert.match(first, /^[0-3]$/);
    for (let again = 0; again < 3; again++) assert.equal(await ask(ports.hashed, 'x', from), first);
    used.add(first);
  }
  assert.ok(used.size > 1);
});

test('the most specific name decides, whole labels at least, in any case of letters', async () => {
  const answers: Record<string, string> = {};
  const names = [
    'exact.a.example',
    'EXACT.A.Example',
    'other.a.example',
    'x.exact.a.example',
    'a.example',
    'deep.in.b.example',
  ];
  for (const name of names) answers[name] = await ask(ports.named, clientHello(name));
  assert.deepEqual(answers, {
    'exact.a.example': '0',
    'EXACT.A.Example': '0',
    'other.a.example': '1',
    'x.exact.a.example': '1',
    'a.example': '2',
    'deep.in.b.example': '2',
  });
  assert.equal(await ask(ports.named, 'no TLS at all'), '3');
  // A name that no chain has, and none at all: the default chain's, which is any of the four.
  for (const name of ['example', 'b.org', null]) assert.match(await ask(ports.named, clientHello(name)), /^[0-3]$/);
});
