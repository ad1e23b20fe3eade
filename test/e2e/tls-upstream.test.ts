/** TLS to upstreams end to end: the real proxy in front of openssl s_server and node:tls, with what it refuses and why. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { bootstrap } from '../support/bootstrap.js';
import { freePort } from '../support/free-port.js';
import { ProxyProcess } from '../support/proxy-process.js';
import { type Made, TlsFiles, tlsCertificate, upstreamTls } from '../support/tls-files.js';

const files = new TlsFiles();
const strangers = new TlsFiles('strangers', files.directory);
after(() => files.remove());

/** openssl s_server that answers with a page of its own. */
class OpensslServer {
  readonly port: number;
  readonly #child: ChildProcess;
  #log = '';

  private constructor(port: number, made: Made, args: readonly string[]) {
    this.port = port;
    const own = ['s_server', '-accept', `127.0.0.1:${port}`, '-cert', made.certificate, '-key', made.key, '-www'];
    this.#child = spawn('openssl', [...own, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      this.#log += chunk.toString();
    });
  }

  static async start(made: Made, ...args: string[]): Promise<OpensslServer> {
    const server = new OpensslServer(await freePort(), made, args);
    while (!server.#log.includes('ACCEPT')) await new Promise((resolve) => setTimeout(resolve, 10));
    return server;
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }
}

const ONE_WORKER = { args: ['--concurrency', '1'] };
const FORMAT =
  '%RESPONSE_CODE% %RESPONSE_FLAGS% v=%UPSTREAM_TLS_VERSION% c=%UPSTREAM_TLS_CIPHER% s=%UPSTREAM_PEER_SUBJECT% why=%UPSTREAM_TRANSPORT_FAILURE_REASON%\n';

interface Upstream {
  readonly port: number;
  readonly tls: object;
  readonly hostname?: string;
}

/** Asks each upstream once, through one proxy, and answers their lines in the log. */
async function lines(...upstreams: Upstream[]): Promise<string[]> {
  const access = files.path(`access-${upstreams[0]?.port}.log`);
  const proxy = await ProxyProcess.start((own, admin) => {
    const config = JSON.parse(
      bootstrap({
        origins: [1],
        routes: upstreams.map(({ port }) => ({ match: { path: `/${port}` }, route: { cluster: `c${port}` } })),
        manager: {
          access_log: [
            {
              name: 'f',
              typed_config: {
                '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
                path: access,
                log_format: { text_format: FORMAT },
              },
            },
          ],
        },
      })(own, admin),
    );
    config.static_resources.clusters = upstreams.map(({ port, tls, hostname = '' }) => {
      const endpoint = { hostname, address: { socket_address: { address: '127.0.0.1', port_value: port } } };
      const load = { cluster_name: 'x', endpoints: [{ lb_endpoints: [{ endpoint }] }] };
      return { name: `c${port}`, type: 'STATIC', connect_timeout: '5s', load_assignment: load, transport_socket: tls };
    });
    return JSON.stringify(config, null, 1);
    // One worker: its log has the lines in order.
  }, ONE_WORKER);
  try {
    for (const { port } of upstreams) await (await fetch(`http://127.0.0.1:${proxy.port}/${port}`)).text();
    const read = (): string[] => readFileSync(access, 'utf8').split('\n').slice(0, -1);
    await proxy.until(() => read().length === upstreams.length);
    return read();
  } finally {
    await proxy.stop();
  }
}

const trusting = (more: object = {}): object => ({
  validation_context: { trusted_ca: { filename: files.certificate }, ...more },
});

test('servers that must not be trusted: each is refused with its reason', async () => {
  const good = files.issue('good', { san: 'DNS:good.example,IP:127.0.0.1' });
  const expired = files.issue('expired', { san: 'DNS:good.example', isExpired: true });
  const revoked = files.issue('revoked', { san: 'DNS:good.example' });
  const stranger = strangers.issue('stranger', { san: 'DNS:good.example' });
  const list = files.revoke(revoked.certificate);
  const self = { certificate: strangers.certificate, key: strangers.path('strangers.key') };
  const servers = await Promise.all(
    [good, expired, revoked, stranger, self, good].map((made) => OpensslServer.start(made)),
  );
  const [ok, old, gone, foreign, own, pinned] = servers.map(({ port }) => port) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  try {
    const named = { sni: 'good.example', auto_sni_san_validation: true };
    const found = await lines(
      { port: ok, tls: upstreamTls(trusting(), named) },
      { port: old, tls: upstreamTls(trusting(), named) },
      { port: gone, tls: upstreamTls(trusting({ crl: { filename: list } }), named) },
      { port: foreign, tls: upstreamTls(trusting(), named) },
      { port: own, tls: upstreamTls(trusting(), named) },
      { port: pinned, tls: upstreamTls(trusting({ verify_certificate_hash: ['ab'.repeat(32)] }), {}) },
    );
    assert.match(found[0] as string, /^200 - v=TLSv1\.3 c=TLS_AES_\S+ s=CN=good,O=millrace why=-$/);
    const why = found
      .slice(1)
      .map((line) => /^503 UF v=- c=- s=- why=TLS_error:.*verify cert failed: (.*)$/.exec(line)?.[1]);
    assert.deepEqual(why, [
      'certificate has expired',
      'certificate revoked',
      'unable to get local issuer certificate',
      'self-signed certificate',
      'verify certificate hash or SPKI',
    ]);
  } finally {
    for (const server of servers) server.stop();
  }
});

test('names: what is asked for must be in the certificate; the host name of the endpoint; matchers', async () => {
  const made = files.issue('names', { san: 'DNS:*.names.example,URI:spiffe://mesh/server' });
  const servers = await Promise.all([1, 2, 3, 4, 5].map(() => OpensslServer.start(made)));
  const [a, b, c, d, e] = servers.map(({ port }) => port) as [number, number, number, number, number];
  const uri = (value: string): object => ({
    match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: value } }],
  });
  try {
    const found = await lines(
      { port: a, tls: upstreamTls(trusting(), { sni: 'x.names.example', auto_sni_san_validation: true }) },
      { port: b, tls: upstreamTls(trusting(), { sni: 'x.y.names.example', auto_sni_san_validation: true }) },
      {
        port: c,
        tls: upstreamTls(trusting(), { auto_host_sni: true, auto_sni_san_validation: true }),
        hostname: 'wrong.example',
      },
      { port: d, tls: upstreamTls(trusting(uri('spiffe://mesh/server'))) },
      { port: e, tls: upstreamTls(trusting(uri('spiffe://mesh/other'))) },
    );
    assert.deepEqual(
      found.map((line) => `${line.slice(0, 3)} ${/why=(.*)/.exec(line)?.[1]}`),
      [
        '200 -',
        '503 TLS_error:verify cert failed: verify SAN list',
        '503 TLS_error:verify cert failed: verify SAN list',
        '200 -',
        '503 TLS_error:verify cert failed: verify SAN list',
      ],
    );
  } finally {
    for (const server of servers) server.stop();
  }
});

test('a certificate of ours, SNI and resumption: what node:tls hears', async () => {
  const server = files.issue('node-server', { san: 'DNS:node.example' });
  const client = files.issue('proxy-client');
  const seen: string[] = [];
  const origin = https.createServer(
    {
      cert: readFileSync(server.certificate),
      key: readFileSync(server.key),
      ca: readFileSync(files.certificate),
      requestCert: true,
    },
    (request, response) => {
      const socket = request.socket as TLSSocket & { servername: string };
      const subject = socket.getPeerCertificate().subject.CN;
      seen.push(
        `${subject} ${socket.authorized} ${socket.servername} ${socket.isSessionReused()} ${socket.alpnProtocol}`,
      );
      response.setHeader('connection', 'close');
      response.end('ok');
    },
  );
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
  const { port } = origin.address() as AddressInfo;
  const common = { ...trusting(), tls_certificates: [tlsCertificate(client)] };
  const proxy = await ProxyProcess.start(
    bootstrap({
      origins: [port],
      cluster: { transport_socket: upstreamTls(common, { sni: 'node.example', auto_sni_san_validation: true }) },
    }),
    ONE_WORKER,
  );
  try {
    for (let i = 0; i < 2; i++) assert.equal(await (await fetch(`http://127.0.0.1:${proxy.port}/`)).text(), 'ok');
    assert.equal(seen[0], 'proxy-client true node.example false http/1.1');
    assert.equal(seen[1], 'proxy-client true node.example true http/1.1');
    assert.equal(await proxy.stat('cluster.origin.ssl.session_reused'), 1);
    assert.equal(await proxy.stat('cluster.origin.ssl.handshake'), 2);
  } finally {
    await proxy.stop();
    origin.close();
  }
});

test("auto_sni: the request's host, after rewriting, is asked for and verified, on connections of its own", async () => {
  const made = files.issue('hosts', { san: 'DNS:a.hosts,DNS:b.hosts,DNS:c.hosts' });
  const origin = https.createServer(
    { cert: readFileSync(made.certificate), key: readFileSync(made.key) },
    (request, response) => {
      const socket = request.socket as TLSSocket & { servername: string };
      response.end(`${request.headers.host} ${socket.servername} ${socket.remotePort}`);
    },
  );
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
  const { port } = origin.address() as AddressInfo;
  const type = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  const options = {
    '@type': `type.googleapis.com/${type}`,
    explicit_http_config: { http_protocol_options: {} },
    upstream_http_protocol_options: { auto_sni: true, auto_san_validation: true },
  };
  const proxy = await ProxyProcess.start(
    bootstrap({
      origins: [port],
      routes: [
        { match: { path: '/literal' }, route: { cluster: 'origin', host_rewrite_literal: 'c.hosts' } },
        { match: { prefix: '/' }, route: { cluster: 'origin' } },
      ],
      cluster: {
        transport_socket: upstreamTls(trusting()),
        typed_extension_protocol_options: { [type]: options },
      },
    }),
    ONE_WORKER,
  );
  const ask = (host: string, path = '/'): Promise<[number, string]> =>
    new Promise((resolve, reject) => {
      const request = http.get({ host: '127.0.0.1', port: proxy.port, path, headers: { host } }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString();
        });
        response.on('end', () => resolve([response.statusCode ?? 0, text]));
      });
      request.on('error', reject);
    });
  try {
    const seen: string[] = [];
    for (const host of ['a.hosts', 'b.hosts:80', 'A.hosts']) {
      const [status, text] = await ask(host);
      assert.equal(status, 200, text);
      seen.push(text);
    }
    const [first, second, third] = seen.map((text) => text.split(' ')) as [string[], string[], string[]];
    assert.deepEqual([first[1], second[1], third[1]], ['a.hosts', 'b.hosts', 'a.hosts']);
    // Names don't mix on a connection; the same name in other letters is the same.
    assert.notEqual(first[2], second[2]);
    assert.equal(first[2], third[2]);
    assert.match((await ask('a.hosts', '/literal'))[1], /^c\.hosts c\.hosts /);
    assert.equal((await ask('d.hosts'))[0], 503);
    assert.equal((await ask('127.0.0.1'))[0], 503);
    assert.equal(await proxy.stat('cluster.origin.ssl.fail_verify_san'), 2);
  } finally {
    await proxy.stop();
    origin.close();
  }
});

test('override_auto_sni_header: the host that another field names, and the authority without it', async () => {
  const made = files.issue('headers', { san: 'DNS:a.header,DNS:b.header' });
  const origin = https.createServer(
    { cert: readFileSync(made.certificate), key: readFileSync(made.key) },
    (request, response) => {
      const socket = request.socket as TLSSocket & { servername: string };
      response.end(`${request.headers.host} ${socket.servername}`);
    },
  );
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
  const type = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  const options = {
    '@type': `type.googleapis.com/${type}`,
    explicit_http_config: { http_protocol_options: {} },
    upstream_http_protocol_options: {
      auto_sni: true,
      auto_san_validation: true,
      override_auto_sni_header: 'X-Backend',
    },
  };
  const proxy = await ProxyProcess.start(
    bootstrap({
      origins: [(origin.address() as AddressInfo).port],
      cluster: { transport_socket: upstreamTls(trusting()), typed_extension_protocol_options: { [type]: options } },
    }),
    ONE_WORKER,
  );
  const ask = (headers: Record<string, string>): Promise<string> =>
    new Promise((resolve, reject) => {
      const request = http.get({ host: '127.0.0.1', port: proxy.port, headers }, (response) => {
        let text = `${response.statusCode} `;
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString();
        });
        response.on('end', () => resolve(text));
      });
      request.on('error', reject);
    });
  try {
    assert.equal(await ask({ host: 'anything', 'x-backend': 'a.header' }), '200 anything a.header');
    assert.equal(await ask({ host: 'anything', 'x-backend': 'B.header:8443' }), '200 anything b.header');
    assert.equal(await ask({ host: 'a.header' }), '200 a.header a.header');
    assert.equal(await ask({ host: 'b.header', 'x-backend': '' }), '200 b.header b.header');
    assert.match(await ask({ host: 'a.header', 'x-backend': 'c.header' }), /^503 /);
  } finally {
    await proxy.stop();
    origin.close();
  }
});
