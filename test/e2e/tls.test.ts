/** TLS end to end: the real proxy against curl, openssl and node:tls, on the transport that is there. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { bootstrap } from '../support/bootstrap.js';
import { ProxyProcess } from '../support/proxy-process.js';
import { downstreamTls, type Made, TlsFiles, tlsCertificate, upstreamTls } from '../support/tls-files.js';

const run = promisify(execFile);
const files = new TlsFiles();
const strangers = new TlsFiles('strangers', files.directory);
let origin: http.Server;

before(async () => {
  origin = http.createServer((request, response) => response.end(JSON.stringify(request.headers)));
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
});
after(() => {
  origin.close();
  origin.closeAllConnections();
  files.remove();
});

/** A proxy with these chains in the place of the one that the bootstrap has; each gets its filters. */
function start(
  chains: readonly object[],
  options: Parameters<typeof bootstrap>[0] | object = {},
  listener: object = {},
): Promise<ProxyProcess> {
  const { port } = origin.address() as AddressInfo;
  return ProxyProcess.start((own, admin) => {
    const config = JSON.parse(bootstrap({ origins: [port], ...options })(own, admin));
    const [only] = config.static_resources.listeners;
    const { filters } = only.filter_chains[0];
    only.filter_chains = chains.map((chain) => ({ filters, ...chain }));
    Object.assign(only, listener);
    return JSON.stringify(config, null, 1);
  });
}

interface Seen {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Common name of the certificate that the proxy showed. */
  readonly subject: string;
  readonly protocol: string;
  readonly alpn: string | false;
}

/** One request over a connection of its own. */
function ask(proxy: ProxyProcess, options: tls.ConnectionOptions = {}, fields = ''): Promise<Seen> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      host: '127.0.0.1',
      port: proxy.port,
      ca: readFileSync(files.certificate),
      ...options,
    });
    let text = '';
    socket.on('error', reject);
    socket.on('secureConnect', () => {
      socket.write(`GET / HTTP/1.1\r\nHost: a\r\n${fields}Connection: close\r\n\r\n`);
    });
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    const { x509 = null } = { x509: () => socket.getPeerX509Certificate() };
    socket.on('end', () => {
      const seen = {
        subject: /CN=(.*)/.exec(x509?.()?.subject ?? '')?.[1] ?? '',
        protocol: socket.getProtocol() ?? '',
        alpn: socket.alpnProtocol ?? false,
      };
      socket.destroy();
      const status = Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0);
      if (status === 0) reject(new Error(`closed without an answer: ${text}`));
      else resolve({ status, headers: JSON.parse(/\{.*\}/s.exec(text)?.[0] ?? '{}'), ...seen });
    });
  });
}

const named = (name: string): tls.ConnectionOptions => ({ servername: name, checkServerIdentity: () => undefined });
const key = (made: Made): tls.ConnectionOptions => ({
  cert: readFileSync(made.certificate),
  key: readFileSync(made.key),
});

test('one certificate: curl verifies it, the origin hears of https', async () => {
  const made = files.issue('one', { san: 'DNS:one.example' });
  const proxy = await start([{ transport_socket: downstreamTls({ tls_certificates: [tlsCertificate(made)] }) }]);
  try {
    const { stdout } = await run('curl', [
      ...['-sS', '-i', '--cacert', files.certificate, '--resolve', `one.example:${proxy.port}:127.0.0.1`],
      `https://one.example:${proxy.port}/a`,
    ]);
    assert.match(stdout, /"x-forwarded-proto":"https"/);
    await proxy.until(async () => (await proxy.stat(`listener.127.0.0.1_${proxy.port}.ssl.handshake`)) === 1);
    // Plain bytes on a port of TLS are an error of TLS, and nothing is answered.
    const plain = net.connect(proxy.port, '127.0.0.1');
    plain.on('error', () => {});
    plain.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await new Promise((resolve) => plain.once('close', resolve));
    await proxy.until(async () => (await proxy.stat(`listener.127.0.0.1_${proxy.port}.ssl.connection_error`)) === 1);
  } finally {
    await proxy.stop();
  }
});

test('certificates by name: exact, wildcard, none of them, without a name; passwords and inline ones', async () => {
  const a = files.issue('a', { san: 'DNS:a.example', password: 'secret' });
  const wild = files.issue('wild', { san: 'DNS:*.example', key: 'rsa' });
  const inline = {
    certificate_chain: { inline_string: readFileSync(wild.certificate, 'utf8') },
    private_key: { inline_bytes: readFileSync(wild.key).toString('base64') },
  };
  const proxy = await start([
    {
      transport_socket: downstreamTls({
        tls_certificates: [tlsCertificate(a, { password: { inline_string: 'secret' } }), inline],
        alpn_protocols: ['http/1.1'],
      }),
    },
  ]);
  try {
    assert.equal((await ask(proxy, named('a.example'))).subject, 'a');
    assert.equal((await ask(proxy, named('A.Example'))).subject, 'a');
    assert.equal((await ask(proxy, named('b.example'))).subject, 'wild');
    assert.equal((await ask(proxy, named('c.b.example'))).subject, 'a');
    assert.equal((await ask(proxy, { checkServerIdentity: () => undefined })).subject, 'a');
    assert.equal((await ask(proxy, { ...named('b.example'), ALPNProtocols: ['h3', 'http/1.1'] })).alpn, 'http/1.1');
    assert.equal((await ask(proxy, { ...named('b.example'), ALPNProtocols: ['h3'] })).alpn, false);
  } finally {
    await proxy.stop();
  }
});

test('one port: chains by name and protocol, plain HTTP beside TLS, the default chain, and nobody for the rest', async () => {
  const a = files.issue('chain-a', { san: 'DNS:a.chain' });
  const b = files.issue('chain-b', { san: 'DNS:*.b.chain' });
  const socket = (made: Made): object => downstreamTls({ tls_certificates: [tlsCertificate(made)] });
  const inspector = {
    listener_filters: [
      {
        name: 'envoy.filters.listener.tls_inspector',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector',
        },
      },
    ],
    listener_filters_timeout: '0.3s',
  };
  const proxy = await start(
    [
      { name: 'a', filter_chain_match: { server_names: ['a.chain'] }, transport_socket: socket(a) },
      { name: 'b', filter_chain_match: { server_names: ['*.b.chain'] }, transport_socket: socket(b) },
      { name: 'plain', filter_chain_match: { transport_protocol: 'raw_buffer' } },
    ],
    {},
    inspector,
  );
  const scope = `listener.127.0.0.1_${proxy.port}`;
  try {
    assert.equal((await ask(proxy, named('a.chain'))).subject, 'chain-a');
    assert.equal((await ask(proxy, named('x.b.chain'))).subject, 'chain-b');
    const plain = (await (await fetch(`http://127.0.0.1:${proxy.port}/`)).json()) as Record<string, string>;
    assert.equal(plain['x-forwarded-proto'], 'http');
    await assert.rejects(ask(proxy, named('b.chain')));
    await proxy.until(async () => (await proxy.stat(`${scope}.no_filter_chain_match`)) === 1);
    // Whoever says nothing is closed.
    const silent = net.connect(proxy.port, '127.0.0.1');
    silent.on('error', () => {});
    await new Promise((resolve) => silent.once('close', resolve));
    assert.equal(await proxy.stat(`${scope}.downstream_pre_cx_timeout`), 1);
    // A hello in pieces is one.
    const slow = net.connect({ port: proxy.port, host: '127.0.0.1', noDelay: true });
    const through = new net.Socket();
    through.destroy();
    const hello = await firstBytes('a.chain');
    for (const byte of hello) slow.write(Buffer.of(byte));
    const [answer] = (await new Promise((resolve) => slow.once('data', (chunk) => resolve([chunk])))) as [Buffer];
    assert.equal(answer[0], 22);
    slow.destroy();
    await proxy.until(async () => (await proxy.stat(`${scope}.downstream_pre_cx_active`)) === 0);
  } finally {
    await proxy.stop();
  }
});

/** What a client of node:tls sends first. */
async function firstBytes(servername: string): Promise<Buffer> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = tls.connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, servername });
  client.on('error', () => {});
  const accepted = (await new Promise((resolve) => server.once('connection', resolve))) as net.Socket;
  const bytes = (await new Promise((resolve) => accepted.once('data', resolve))) as Buffer;
  accepted.destroy();
  client.destroy();
  server.close();
  return bytes;
}

test('mutual TLS: who must show what, and what the origin and the log hear of it', async () => {
  const server = files.issue('mutual', { san: 'DNS:mutual.example,URI:spiffe://mesh/proxy' });
  const client = files.issue('client', {
    subject: '/O=Mill\\, Race/OU=a/CN=client',
    san: 'URI:spiffe://mesh/client,DNS:client.example,DNS:other.example',
  });
  const other = files.issue('other', { san: 'URI:spiffe://elsewhere/x' });
  const stranger = strangers.issue('stranger', { san: 'URI:spiffe://mesh/client' });
  const access = files.path('access.log');
  const format =
    'v=%DOWNSTREAM_TLS_VERSION% c=%DOWNSTREAM_TLS_CIPHER% n=%REQUESTED_SERVER_NAME% s=%DOWNSTREAM_PEER_SUBJECT% i=%DOWNSTREAM_PEER_ISSUER% u=%DOWNSTREAM_PEER_URI_SAN% d=%DOWNSTREAM_PEER_DNS_SAN% l=%DOWNSTREAM_LOCAL_URI_SAN% f=%DOWNSTREAM_PEER_FINGERPRINT_256% e=%DOWNSTREAM_PEER_CERT_V_END(%Y)%\n';
  const proxy = await start(
    [
      {
        transport_socket: downstreamTls(
          {
            tls_certificates: [tlsCertificate(server)],
            validation_context: {
              trusted_ca: { filename: files.certificate },
              match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { prefix: 'spiffe://mesh/' } }],
            },
          },
          { require_client_certificate: true },
        ),
      },
    ],
    {
      manager: {
        forward_client_cert_details: 'APPEND_FORWARD',
        set_current_client_cert_details: { subject: true, uri: true, dns: true },
        access_log: [
          {
            name: 'f',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
              path: access,
              log_format: { text_format: format },
            },
          },
        ],
      },
    },
  );
  const scope = `listener.127.0.0.1_${proxy.port}.ssl`;
  const hash = (await run('openssl', ['x509', '-in', client.certificate, '-noout', '-fingerprint', '-sha256'])).stdout
    .replace(/.*=/, '')
    .replaceAll(':', '')
    .trim()
    .toLowerCase();
  try {
    const seen = await ask(
      proxy,
      { ...named('mutual.example'), ...key(client) },
      'x-forwarded-client-cert: Hash=1\r\n',
    );
    assert.equal(
      seen.headers['x-forwarded-client-cert'],
      `Hash=1, By=spiffe://mesh/proxy;Hash=${hash};Subject="CN=client,OU=a,O=Mill\\, Race";URI=spiffe://mesh/client;DNS=client.example;DNS=other.example`,
    );
    for (const options of [named('mutual.example'), { ...named('mutual.example'), ...key(stranger) }])
      await assert.rejects(ask(proxy, options));
    await assert.rejects(ask(proxy, { ...named('mutual.example'), ...key(other) }));
    await proxy.until(async () => (await proxy.stat(`${scope}.fail_verify_san`)) === 1);
    assert.equal(await proxy.stat(`${scope}.fail_verify_no_cert`), 1);
    assert.equal(await proxy.stat(`${scope}.fail_verify_error`), 1);
    await proxy.until(() => readFileSync(access, 'utf8').endsWith('\n'));
    const [line] = readFileSync(access, 'utf8').split('\n') as [string];
    const year = new Date(Date.now() + 90 * 86400000).getUTCFullYear();
    assert.match(line, /^v=TLSv1\.3 c=TLS_AES_128_GCM_SHA256 n=mutual\.example s=CN=client,OU=a,O=Mill\\, Race /);
    assert.ok(
      line.endsWith(
        ` i=CN=root,O=millrace u=spiffe://mesh/client d=client.example,other.example l=spiffe://mesh/proxy f=${hash} e=${year}`,
      ),
      line,
    );
  } finally {
    await proxy.stop();
  }
});

/** Answers each request with an empty object, as whom the certificate names. */
async function secureOrigin({ certificate, key: keyPath }: Made): Promise<tls.Server> {
  const server = tls.createServer({ cert: readFileSync(certificate), key: readFileSync(keyPath) }, (socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

test("ACCEPT_UNTRUSTED: strangers' certificates are let in and counted, once for each that was verified", async () => {
  const server = files.issue('tolerant', { san: 'DNS:tolerant.example' });
  const stranger = strangers.issue('tolerated');
  const friend = files.issue('friend');
  const validation = { trusted_ca: { filename: files.certificate }, trust_chain_verification: 'ACCEPT_UNTRUSTED' };
  const common = { tls_certificates: [tlsCertificate(server)], validation_context: validation };
  const upstream = await secureOrigin(stranger);
  const cluster = { transport_socket: upstreamTls({ validation_context: validation }, { max_session_keys: 0 }) };
  const { port } = upstream.address() as AddressInfo;
  const proxy = await start([{ transport_socket: downstreamTls(common) }], { origins: [port], cluster });
  const scope = `listener.127.0.0.1_${proxy.port}.ssl`;
  try {
    for (const made of [stranger, friend, null]) {
      const seen = await ask(proxy, { ...named('tolerant.example'), ...(made === null ? {} : key(made)) });
      assert.equal(seen.status, 200);
    }
    const socket = tls.connect({
      host: '127.0.0.1',
      port: proxy.port,
      ...named(''),
      ...key(stranger),
      ca: readFileSync(files.certificate),
    });
    const session = await new Promise<Buffer>((resolve) => socket.once('session', resolve));
    socket.destroy();
    assert.equal((await ask(proxy, { ...named(''), ...key(stranger), session })).status, 200);
    await proxy.until(async () => (await proxy.stat(`${scope}.session_reused`)) === 1);
    assert.deepEqual([await proxy.stat(`${scope}.fail_verify_error`), await proxy.stat(`${scope}.handshake`)], [2, 5]);
    assert.equal(await proxy.stat('cluster.origin.ssl.fail_verify_error'), 4);
  } finally {
    await proxy.stop();
    upstream.close();
  }
});

test('ACCEPT_UNTRUSTED: names and pins that do not match only count', async () => {
  const server = files.issue('lenient', { san: 'DNS:lenient.example' });
  const friend = files.issue('pal', { san: 'DNS:pal.example' });
  const upstream = await secureOrigin(friend);
  const any = { trust_chain_verification: 'ACCEPT_UNTRUSTED' };
  const trusted_ca = { filename: files.certificate };
  const names = { match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: 'else.example' } }] };
  const pins = { verify_certificate_hash: ['ab'.repeat(32)] };
  const cluster = {
    transport_socket: upstreamTls({ validation_context: { ...any, ...names, trusted_ca } }, { max_session_keys: 0 }),
  };
  const chains = [
    {
      transport_socket: downstreamTls({
        tls_certificates: [tlsCertificate(server)],
        validation_context: { ...any, ...pins },
      }),
    },
  ];
  const { port } = upstream.address() as AddressInfo;
  const proxy = await start(chains, { origins: [port], cluster });
  try {
    for (const made of [friend, null])
      assert.equal(
        (await ask(proxy, { ...named('lenient.example'), ...(made === null ? {} : key(made)) })).status,
        200,
      );
    const scope = `listener.127.0.0.1_${proxy.port}.ssl`;
    assert.deepEqual(
      [await proxy.stat(`${scope}.fail_verify_cert_hash`), await proxy.stat(`${scope}.fail_verify_error`)],
      [1, 0],
    );
    assert.equal(await proxy.stat('cluster.origin.ssl.fail_verify_san'), 2);
    assert.equal(await proxy.stat('cluster.origin.ssl.fail_verify_error'), 0);
  } finally {
    await proxy.stop();
    upstream.close();
  }
});

test('HTTP/2 by ALPN beside HTTP/1.1, and require_tls: plain requests are sent to https', async () => {
  const made = files.issue('both', { san: 'DNS:both.example' });
  const secure = downstreamTls({ tls_certificates: [tlsCertificate(made)], alpn_protocols: ['h2', 'http/1.1'] });
  const proxy = await start(
    [
      { filter_chain_match: { transport_protocol: 'tls' }, transport_socket: secure },
      { filter_chain_match: { transport_protocol: 'raw_buffer' } },
    ],
    {
      manager: {
        route_config: {
          virtual_hosts: [
            {
              name: 'all',
              domains: ['*'],
              require_tls: 'ALL',
              routes: [{ match: { prefix: '/' }, route: { cluster: 'origin' } }],
            },
          ],
        },
      },
    },
  );
  const url = `https://both.example:${proxy.port}/x`;
  const args = ['-sS', '--cacert', files.certificate, '--resolve', `both.example:${proxy.port}:127.0.0.1`];
  try {
    for (const [version, flag] of [
      ['2', '--http2'],
      ['1.1', '--http1.1'],
    ] as const) {
      const { stdout } = await run('curl', [...args, flag, '-w', ' v%{http_version}', url]);
      assert.match(stdout, new RegExp(`"x-forwarded-proto":"https".* v${version.replace('.', '\\.')}$`));
    }
    const plain = await fetch(`http://127.0.0.1:${proxy.port}/x`, { redirect: 'manual' });
    assert.equal(plain.status, 301);
    assert.match(plain.headers.get('location') ?? '', /^https:\/\//);
  } finally {
    await proxy.stop();
  }
});

test('an OCSP response is stapled for who asks', async () => {
  const made = files.issue('stapled', { san: 'DNS:stapled.example' });
  const staple = files.ocspResponse(made);
  const socket = downstreamTls({ tls_certificates: [tlsCertificate(made, { ocsp_staple: { filename: staple } })] });
  const proxy = await start([{ transport_socket: socket }]);
  try {
    const asking = run('openssl', ['s_client', '-connect', `127.0.0.1:${proxy.port}`, '-status']);
    asking.child.stdin?.end();
    assert.match((await asking).stdout, /OCSP Response Status: successful[\s\S]*Cert Status: good/);
  } finally {
    await proxy.stop();
  }
});
