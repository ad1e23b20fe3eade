/** Secrets of TLS end to end, on both transports: staples that end, files of secrets that change, alerts, two key types. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type net from 'node:net';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { bootstrap } from '../support/bootstrap.js';
import { ProxyProcess } from '../support/proxy-process.js';
import { downstreamTls, type Made, TlsFiles, tlsCertificate, upstreamTls } from '../support/tls-files.js';

const run = promisify(execFile);
const files = new TlsFiles();
const TRANSPORTS = ['native', 'node'] as const;
const SECRET_TYPE = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';
let origin: http.Server;

before(async () => {
  origin = http.createServer((_request, response) => response.end('plain'));
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
});
after(() => {
  origin.close();
  origin.closeAllConnections();
  files.remove();
});

function start(socket: object, transport: string, listener: object = {}): Promise<ProxyProcess> {
  const { port } = origin.address() as AddressInfo;
  return ProxyProcess.start(
    (own, admin) => {
      const config = JSON.parse(bootstrap({ origins: [port] })(own, admin));
      config.static_resources.listeners[0].filter_chains[0].transport_socket = socket;
      Object.assign(config.static_resources.listeners[0], listener);
      return JSON.stringify(config, null, 1);
    },
    { args: ['--concurrency', '1', '--transport', transport] },
  );
}

/** What openssl(1) sees of a connection that it begins and ends. */
async function shake(proxy: ProxyProcess, ...args: string[]): Promise<string> {
  const asking = run('openssl', ['s_client', '-connect', `127.0.0.1:${proxy.port}`, ...args]);
  asking.child.stdin?.end();
  const { stdout, stderr } = await asking.catch((error: { stdout: string; stderr: string }) => error);
  return stdout + stderr;
}

/** One request, for those whose refusal comes behind their own handshake (TLS 1.3). */
async function request(proxy: ProxyProcess, ...args: string[]): Promise<string> {
  const child = execFile('openssl', ['s_client', '-quiet', '-connect', `127.0.0.1:${proxy.port}`, ...args]);
  let text = '';
  child.stdout?.on('data', (chunk: string) => {
    text += chunk;
  });
  child.stderr?.on('data', (chunk: string) => {
    text += chunk;
  });
  child.stdin?.on('error', () => {});
  child.stdin?.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  await new Promise((resolve) => child.once('close', resolve));
  return text;
}

const subjectIn = (text: string): string => /subject=.*CN = ?(\S+)/.exec(text)?.[1] ?? '';

for (const transport of TRANSPORTS) {
  test(`${transport}: a staple is sent until it is over, and renewed from its file`, async () => {
    const made = files.issue(`stapled-${transport}`, { san: 'DNS:a.example' });
    const staple = files.path(`staple-${transport}`);
    const put = (until?: Date): void => {
      copyFileSync(files.ocspResponse(made, until === undefined ? {} : { until }), `${staple}.new`);
      renameSync(`${staple}.new`, staple);
    };
    put();
    const certificate = tlsCertificate(made, { ocsp_staple: { filename: staple } });
    const proxy = await start(downstreamTls({ tls_certificates: [certificate] }), transport);
    const ssl = `listener.127.0.0.1_${proxy.port}.ssl`;
    try {
      assert.match(await shake(proxy, '-status'), /Cert Status: good/);
      assert.ok((await proxy.stat('server.seconds_until_first_ocsp_response_expiring')) > 9 * 86400);
      put(new Date(Date.now() - 1000));
      await proxy.until(() => proxy.log.includes('files renewed'));
      assert.match(proxy.log, /was valid until .*: no response is stapled/);
      assert.match(await shake(proxy, '-status'), /OCSP response: no response sent/);
      // Who does not ask is not counted.
      await shake(proxy);
      await proxy.until(async () => (await proxy.stat(`${ssl}.handshake`)) === 3);
      const counts = await Promise.all(
        ['requests', 'responses', 'omitted', 'failed'].map((each) => proxy.stat(`${ssl}.ocsp_staple_${each}`)),
      );
      assert.deepEqual(counts, [2, 1, 1, 0]);
      assert.equal(await proxy.stat('server.seconds_until_first_ocsp_response_expiring'), 0);
    } finally {
      await proxy.stop();
    }
  });

  test(`${transport}: without a valid staple, strict policies end the handshake of those who ask`, async () => {
    const made = files.issue(`strict-${transport}`, { isMustStaple: transport === 'native' });
    const certificate = tlsCertificate(made, {
      ocsp_staple: { filename: files.ocspResponse(made, { until: new Date(0) }) },
    });
    const policy = transport === 'native' ? {} : { ocsp_staple_policy: 'STRICT_STAPLING' };
    const proxy = await start(downstreamTls({ tls_certificates: [certificate] }, policy), transport);
    try {
      assert.doesNotMatch(await shake(proxy, '-status'), /subject=/);
      assert.equal(subjectIn(await shake(proxy)), `strict-${transport}`);
      const ssl = `listener.127.0.0.1_${proxy.port}.ssl`;
      await proxy.until(async () => (await proxy.stat(`${ssl}.ocsp_staple_failed`)) === 1);
      assert.equal(await proxy.stat(`${ssl}.ocsp_staple_requests`), 1);
    } finally {
      await proxy.stop();
    }
  });

  test(`${transport}: a file of secrets changes: a good one is taken, a bad one is not`, async () => {
    const first = files.issue(`first-${transport}`);
    const second = files.issue(`second-${transport}`);
    const path = files.path(`secrets-${transport}.json`);
    const put = (certificate: Made, key: string): void => {
      const secret = { '@type': SECRET_TYPE, name: 'own', tls_certificate: tlsCertificate({ ...certificate, key }) };
      writeFileSync(`${path}.new`, JSON.stringify({ resources: [secret] }));
      renameSync(`${path}.new`, path);
    };
    put(first, first.key);
    const source = { path_config_source: { path, watched_directory: { path: files.directory } } };
    const config = { tls_certificate_sds_secret_configs: [{ name: 'own', sds_config: source }] };
    const proxy = await start(downstreamTls(config), transport);
    try {
      assert.equal(subjectIn(await shake(proxy)), `first-${transport}`);
      put(second, first.key);
      await proxy.until(() => proxy.log.includes('files not taken'));
      assert.match(proxy.log, /resources\[0\]\.tls_certificate\.private_key: does not belong to the certificate/);
      assert.equal(await proxy.stat('server.tls_files_renewal_failure'), 1);
      assert.equal(subjectIn(await shake(proxy)), `first-${transport}`);
      put(second, second.key);
      await proxy.until(() => proxy.log.includes('files renewed'));
      assert.equal(subjectIn(await shake(proxy)), `second-${transport}`);
    } finally {
      await proxy.stop();
    }
  });

  test(`${transport}: PKCS #12, RSA and ECDSA for one name by what the client can, and a name that must be there`, async () => {
    const rsa = files.issue(`rsa-${transport}`, { san: 'DNS:both.example,DNS:own.example', key: 'rsa' });
    const ec = files.issue(`ec-${transport}`, { san: 'DNS:both.example,DNS:*.example' });
    const bundle = { pkcs12: { filename: files.bundle(rsa, 'p') }, password: { inline_string: 'p' } };
    const proxy = await start(
      downstreamTls({ tls_certificates: [bundle, tlsCertificate(ec)] }, { require_sni: true }),
      transport,
    );
    const shown = async (name: string, ...sigalgs: string[]): Promise<string> =>
      subjectIn(await shake(proxy, '-servername', name, '-sigalgs', sigalgs.join(':')));
    try {
      const [RSA, EC] = ['rsa_pss_rsae_sha256', 'ecdsa_secp256r1_sha256'];
      assert.equal(await shown('both.example', RSA), `rsa-${transport}`);
      assert.equal(await shown('both.example', EC), `ec-${transport}`);
      // An exact name's certificate comes first, whatever the key of the wildcard's.
      assert.equal(await shown('own.example', RSA, EC), `rsa-${transport}`);
      assert.equal(await shown('both.example', RSA, EC), `ec-${transport}`);
      assert.equal(await shown('other.example', EC), `ec-${transport}`);
      assert.equal(await shown('else.where', RSA), `rsa-${transport}`);
      assert.match(await shake(proxy, '-noservername'), /unrecognized name.*alert number 112/);
      const ssl = `listener.127.0.0.1_${proxy.port}.ssl`;
      await proxy.until(async () => (await proxy.stat(`${ssl}.connection_error`)) === 1);
    } finally {
      await proxy.stop();
    }
  });
}

test('clients whose certificates are refused hear why, by the alert', async () => {
  const server = files.issue('alerting');
  const wrongName = files.issue('wrong-name', { san: 'URI:spiffe://elsewhere/x' });
  const revoked = files.issue('revoked', { san: 'URI:spiffe://mesh/x' });
  const expired = files.issue('expired', { san: 'URI:spiffe://mesh/x', isExpired: true });
  const strangers = new TlsFiles('strangers', files.directory);
  const stranger = strangers.issue('stranger', { san: 'URI:spiffe://mesh/x' });
  const good = files.issue('good', { san: 'URI:spiffe://mesh/x' });
  const validation = {
    trusted_ca: { filename: files.certificate },
    crl: { filename: files.revoke(revoked.certificate) },
    match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { prefix: 'spiffe://mesh/' } }],
  };
  const config = { tls_certificates: [tlsCertificate(server)], validation_context: validation };
  const proxy = await start(downstreamTls(config, { require_client_certificate: true }), 'native');
  const show = ({ certificate, key }: Made): string[] => ['-cert', certificate, '-key', key];
  try {
    // The chain as it is configured, without what is trusted besides.
    assert.equal([...(await shake(proxy, '-showcerts')).matchAll(/^ *\d+ s:/gm)].length, 1);
    for (const version of ['-tls1_2', '-tls1_3']) {
      assert.match(await request(proxy, version, ...show(wrongName)), /alert bad certificate/);
      assert.match(await request(proxy, version, ...show(revoked)), /alert certificate revoked/);
      assert.match(await request(proxy, version, ...show(expired)), /alert certificate expired/);
      assert.match(await request(proxy, version, ...show(stranger)), /alert unknown ca/);
      const missing = version === '-tls1_2' ? /alert handshake failure/ : /alert certificate required/;
      assert.match(await request(proxy, version), missing);
      assert.match(await request(proxy, version, ...show(good)), /HTTP\/1\.1 200/);
    }
    const ssl = `listener.127.0.0.1_${proxy.port}.ssl`;
    const names = ['fail_verify_san', 'fail_verify_error', 'fail_verify_no_cert', 'handshake', 'curves.X25519'];
    const counts = await Promise.all(names.map((name) => proxy.stat(`${ssl}.${name}`)));
    assert.deepEqual(counts, [2, 6, 3, 2, 2]);
    assert.equal(await proxy.stat(`${ssl}.sigalgs.ecdsa_secp256r1_sha256`), 2);
  } finally {
    await proxy.stop();
  }
});

for (const transport of TRANSPORTS)
  test(`${transport}: endpoints of one cluster are spoken to by the transport sockets that their metadata picks`, async () => {
    const made = files.issue(`match-${transport}`, { san: 'DNS:inner.example' });
    const { createServer } = await import('node:https');
    const secure = createServer(
      { cert: readFileSync(made.certificate), key: readFileSync(made.key) },
      (_request, response) => response.end('secure'),
    );
    await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve));
    const endpoint = (server: net.Server, label: string): object => ({
      endpoint: {
        address: { socket_address: { address: '127.0.0.1', port_value: (server.address() as AddressInfo).port } },
      },
      metadata: { filter_metadata: { 'envoy.transport_socket_match': { kind: label } } },
    });
    const { certificate: other } = files.issue(`other-${transport}`);
    const wrong = upstreamTls({ validation_context: { trusted_ca: { filename: other } } });
    const right = upstreamTls(
      { validation_context: { trusted_ca: { filename: files.certificate } } },
      { sni: 'inner.example' },
    );
    const config = (labels: readonly [string, string]) => (own: number, admin: number) => {
      const document = JSON.parse(bootstrap({ origins: [1] })(own, admin));
      Object.assign(document.static_resources.clusters[0], {
        load_assignment: {
          cluster_name: 'x',
          endpoints: [{ lb_endpoints: [endpoint(origin, labels[0]), endpoint(secure, labels[1])] }],
        },
        transport_socket: wrong,
        transport_socket_matches: [
          { name: 'mtls', match: { kind: 'mtls' }, transport_socket: right },
          { name: 'raw', match: { kind: 'raw' }, transport_socket: { name: 'envoy.transport_sockets.raw_buffer' } },
        ],
      });
      return JSON.stringify(document, null, 1);
    };
    const proxy = await ProxyProcess.start(config(['raw', 'mtls']), {
      args: ['--concurrency', '1', '--transport', transport],
    });
    const ask = async (): Promise<string> => (await fetch(`http://127.0.0.1:${proxy.port}/`)).text();
    try {
      const seen = new Set([await ask(), await ask(), await ask(), await ask()]);
      assert.deepEqual([...seen].sort(), ['plain', 'secure']);
      // None fits: the cluster's own, which trusts nobody here.
      proxy.writeConfig(config(['raw', 'else'])(proxy.port, proxy.adminPort));
      proxy.child.kill('SIGHUP');
      await proxy.until(() => proxy.log.includes('reloaded'));
      const after = [await ask(), await ask(), await ask(), await ask()];
      assert.equal(after.filter((each) => each === 'plain').length >= 1, true);
      assert.ok(!after.includes('secure'));
    } finally {
      await proxy.stop();
      secure.close();
      secure.closeAllConnections();
    }
  });

test('a watched directory: the link in it is turned, and the files behind it are watched from then on', async () => {
  const versions = ['one', 'two', 'three'].map((label) => files.issue(label)) as [Made, Made, Made];
  const put = (version: string, made: Made): void => {
    mkdirSync(files.path(version), { recursive: true });
    copyFileSync(made.key, files.path(`${version}/tls.key`));
    copyFileSync(made.certificate, files.path(`${version}/tls.crt`));
  };
  put('v1', versions[0]);
  put('v2', versions[1]);
  symlinkSync('v1', files.path('current'));
  const certificate = tlsCertificate(
    { certificate: files.path('current/tls.crt'), key: files.path('current/tls.key') },
    { watched_directory: { path: files.directory } },
  );
  const proxy = await start(downstreamTls({ tls_certificates: [certificate] }), 'native');
  const renewals = (): Promise<number> => proxy.stat('server.tls_files_renewal_success');
  try {
    assert.equal(subjectIn(await shake(proxy)), 'one');
    symlinkSync('v2', files.path('next'));
    renameSync(files.path('next'), files.path('current'));
    await proxy.until(async () => (await renewals()) === 1);
    assert.equal(subjectIn(await shake(proxy)), 'two');
    put('v2', versions[2]);
    await proxy.until(async () => (await renewals()) === 2);
    assert.equal(subjectIn(await shake(proxy)), 'three');
  } finally {
    await proxy.stop();
  }
});

for (const transport of TRANSPORTS)
  test(`${transport}: sessions: how long tickets last, and who gives none`, async () => {
    const made = { tls_certificates: [tlsCertificate(files.issue(`sessions-${transport}`))] };
    const lifetime = /ticket lifetime hint: (\d+)/;
    const proxy = await start(downstreamTls(made, { session_timeout: '77s' }), transport);
    try {
      assert.equal(lifetime.exec(await shake(proxy, '-tls1_2'))?.[1], '77');
      assert.match(await shake(proxy, '-tls1_2', '-reconnect'), /^Reused, /m);
    } finally {
      await proxy.stop();
    }
    const without = { disable_stateless_session_resumption: true, disable_stateful_session_resumption: true };
    const none = await start(downstreamTls(made, without), transport);
    try {
      assert.doesNotMatch(await shake(none, '-tls1_2'), lifetime);
      assert.doesNotMatch(await shake(none, '-tls1_2', '-reconnect'), /^Reused, /m);
    } finally {
      await none.stop();
    }
  });

test('of two certificates that are renewed, one badly, the other one is taken', async () => {
  const made = ['left', 'right'].map((label) => files.issue(label, { san: `DNS:${label}.example` })) as [Made, Made];
  const fresh = ['left2', 'right2'].map((label, at) =>
    files.issue(label, { san: `DNS:${['left', 'right'][at]}.example` }),
  ) as [Made, Made];
  const put = (from: string, to: string): void => {
    copyFileSync(from, `${to}.new`);
    renameSync(`${to}.new`, to);
  };
  const proxy = await start(downstreamTls({ tls_certificates: made.map((each) => tlsCertificate(each)) }), 'native');
  const shown = async (name: string): Promise<string> => subjectIn(await shake(proxy, '-servername', name));
  try {
    // A key of another certificate, and a certificate with its key.
    put(fresh[1].key, made[0].key);
    put(fresh[1].certificate, made[1].certificate);
    put(fresh[1].key, made[1].key);
    await proxy.until(() => proxy.log.includes('files renewed'));
    assert.deepEqual([await shown('left.example'), await shown('right.example')], ['left', 'right2']);
    assert.match(
      proxy.log,
      /files not taken, those in force stay: \S*left\.key, \S*left\.pem\n.*private_key: does not/,
    );
    assert.equal(await proxy.stat('server.tls_files_renewal_failure'), 1);
    put(fresh[0].certificate, made[0].certificate);
    put(fresh[0].key, made[0].key);
    await proxy.until(async () => (await proxy.stat('server.tls_files_renewal_success')) === 2);
    assert.deepEqual([await shown('left.example'), await shown('right.example')], ['left2', 'right2']);
  } finally {
    await proxy.stop();
  }
});
