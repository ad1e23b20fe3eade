/** The PROXY protocol as HAProxy speaks it to us and as nginx hears it from us, over TCP and for requests. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { freePort } from '../support/free-port.js';
import { Haproxy } from '../support/haproxy.js';
import { Nginx } from '../support/nginx.js';
import { ProxyProcess } from '../support/proxy-process.js';
import { TlsFiles } from '../support/tls-files.js';

const TYPE = 'type.googleapis.com/envoy.extensions';
/** Another one than HAProxy's own. */
const CLIENT = '127.0.0.2';
const files = new TlsFiles();
const LOG = files.path('access.log');
const haproxy = new Haproxy();
const nginx = new Nginx();
let proxy: ProxyProcess;

/** Of HAProxy, each with another way to say who the client is. */
const FRONTS = {
  'v1 to TCP, v1 to nginx': ['tcp1', 'send-proxy'],
  'v2 to TCP, v2 to nginx': ['tcp2', 'send-proxy-v2'],
  'v2 with TLVs to TCP': ['tcp2', 'send-proxy-v2 proxy-v2-options crc32c,unique-id'],
  'v2 with the TLVs of TLS to TCP': ['tcp2', 'send-proxy-v2-ssl-cn', 'tls'],
  'v1 to requests': ['http', 'send-proxy'],
  'v2 to requests': ['http', 'send-proxy-v2'],
} as const;
type Front = keyof typeof FRONTS;
let fronts: Readonly<Record<Front, number>>;
let ours: Readonly<Record<'tcp1' | 'tcp2' | 'http', number>>;
let checkPort: number;

const address = (port: number): object => ({ socket_address: { address: '127.0.0.1', port_value: port } });

function cluster(name: string, port: number, more: object = {}): object {
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }];
  return { name, type: 'STATIC', load_assignment: { cluster_name: name, endpoints }, ...more };
}

function proxyOut(version: string): object {
  const transport_socket = { name: 'envoy.transport_sockets.raw_buffer' };
  const type = `${TYPE}.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport`;
  const typed = { '@type': type, config: { version }, transport_socket };
  return { transport_socket: { name: 'envoy.transport_sockets.upstream_proxy_protocol', typed_config: typed } };
}

function listener(name: keyof typeof ours, filter: object): object {
  const inbound = { '@type': `${TYPE}.filters.listener.proxy_protocol.v3.ProxyProtocol` };
  return {
    name,
    address: address(ours[name]),
    listener_filters: [{ name: 'envoy.filters.listener.proxy_protocol', typed_config: inbound }],
    filter_chains: [{ filters: [filter] }],
  };
}

function accessLog(): object {
  const inline_string = '%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %REQ(X-FORWARDED-FOR)%\n';
  const type = `${TYPE}.access_loggers.file.v3.FileAccessLog`;
  const typed = { '@type': type, path: LOG, log_format: { text_format_source: { inline_string } } };
  return { name: 'envoy.access_loggers.file', typed_config: typed };
}

function tcp(name: string): object {
  const type = `${TYPE}.filters.network.tcp_proxy.v3.TcpProxy`;
  const typed = { '@type': type, stat_prefix: name, cluster: name, access_log: [accessLog()] };
  return { name: 'envoy.filters.network.tcp_proxy', typed_config: typed };
}

function manager(): object {
  const router = {
    name: 'envoy.filters.http.router',
    typed_config: { '@type': `${TYPE}.filters.http.router.v3.Router` },
  };
  const routes = [{ match: { prefix: '/' }, route: { cluster: 'origin' } }];
  const typed = {
    '@type': `${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'http',
    use_remote_address: true,
    access_log: [accessLog()],
    http_filters: [router],
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes }] },
  };
  return { name: 'envoy.filters.network.http_connection_manager', typed_config: typed };
}

const origin = http.createServer((request, response) => response.end(request.headers['x-forwarded-for']));

before(async () => {
  await once(origin.listen(0, '127.0.0.1'), 'listening');
  const nginxPort = await freePort();
  ours = { tcp1: await freePort(), tcp2: await freePort(), http: await freePort() };
  const body = '$proxy_protocol_addr:$proxy_protocol_port $proxy_protocol_server_addr:$proxy_protocol_server_port';
  await nginx.start(
    `server { listen 127.0.0.1:${nginxPort} proxy_protocol; location / { return 200 "${body}"; } }`,
    nginxPort,
  );
  proxy = await ProxyProcess.start((_port, adminPort) =>
    JSON.stringify({
      admin: { address: address(adminPort) },
      static_resources: {
        listeners: [listener('tcp1', tcp('nginx1')), listener('tcp2', tcp('nginx2')), listener('http', manager())],
        clusters: [
          cluster('nginx1', nginxPort, proxyOut('V1')),
          cluster('nginx2', nginxPort, proxyOut('V2')),
          cluster('origin', (origin.address() as AddressInfo).port),
        ],
      },
    }),
  );
  const made = files.issue('front', { san: 'IP:127.0.0.1' });
  writeFileSync(files.path('both.pem'), readFileSync(made.certificate, 'utf8') + readFileSync(made.key, 'utf8'));
  const ports: Record<string, number> = {};
  let sections = '';
  for (const [at, [name, [to, says, secure]]] of Object.entries(FRONTS).entries()) {
    const port = await freePort();
    ports[name] = port;
    const bind = `127.0.0.1:${port}${secure === undefined ? '' : ` ssl crt ${files.path('both.pem')}`}`;
    sections += `listen l${at}\n bind ${bind}\n unique-id-format %[uuid]\n server s 127.0.0.1:${ours[to]} ${says}\n`;
  }
  fronts = ports as typeof fronts;
  checkPort = await freePort();
  // Its checks begin with a preface that says LOCAL; who asks hears whether they are answered.
  sections += [
    'backend checked',
    ' option tcp-check',
    ' timeout check 10s',
    ' tcp-check connect default',
    ' tcp-check send "GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n"',
    ' tcp-check expect string 127.0.0.1',
    ` server s 127.0.0.1:${ours.http} send-proxy-v2 check-send-proxy check inter 50ms fall 1 rise 1`,
    'frontend health',
    ` bind 127.0.0.1:${checkPort}`,
    ' mode http',
    ' http-request return status 200 if { srv_is_up(checked/s) }',
    ' http-request return status 503',
    '',
  ].join('\n');
  await haproxy.start(sections, checkPort);
});

after(async () => {
  await haproxy.stop();
  await proxy?.stop();
  await nginx.stop();
  origin.closeAllConnections();
  origin.close();
  files.remove();
});

/** The answer's body, and the client's own end as HAProxy saw it. */
async function get(port: number, isSecure: boolean): Promise<{ body: string; client: string; server: string }> {
  const plain = net.connect({ port, host: '127.0.0.1', localAddress: CLIENT });
  const socket = isSecure ? tls.connect({ socket: plain, rejectUnauthorized: false }) : plain;
  await once(socket, isSecure ? 'secureConnect' : 'connect');
  const client = `${CLIENT}:${plain.localPort}`;
  socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await once(socket, 'end');
  socket.destroy();
  return { body: text.slice(text.indexOf('\r\n\r\n') + 4), client, server: `127.0.0.1:${port}` };
}

for (const [name, [to, , secure]] of Object.entries(FRONTS) as [Front, readonly string[]][]) {
  test(`HAProxy says who the client is: ${name}`, async () => {
    const { body, client, server } = await get(fronts[name], secure === 'tls');
    assert.equal(body, to === 'http' ? CLIENT : `${client} ${server}`);
    const line = to === 'http' ? `${client} ${server} ${CLIENT}` : `${client} ${server} -`;
    await proxy.until(() => readFileSync(LOG, 'utf8').split('\n').includes(line));
  });
}

test("HAProxy's own checks name no client, and are let in", async () => {
  const isUp = async (): Promise<boolean> => (await fetch(`http://127.0.0.1:${checkPort}/`)).status === 200;
  await proxy.until(isUp);
  const checks = (): number =>
    readFileSync(LOG, 'utf8').match(new RegExp(`:${ours.http} 127.0.0.1$`, 'gm'))?.length ?? 0;
  await proxy.until(() => checks() > 2);
  assert.ok(await isUp());
});
