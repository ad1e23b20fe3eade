/** What logs say of TLS on both sides, on both transports: each operator beside what node:crypto reads of the certificates. */
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { bootstrap } from '../support/bootstrap.js';
import { ProxyProcess } from '../support/proxy-process.js';
import { downstreamTls, type Made, TlsFiles, tlsCertificate, upstreamTls } from '../support/tls-files.js';

const files = new TlsFiles();
after(() => files.remove());
const names = (label: string): string =>
  `DNS:${label}.example,URI:spiffe://mesh/${label},IP:127.0.0.1,email:${label}@mail.example,otherName:1.3.6.1.4.1.311.20.2.3;UTF8:${label}@upn`;
const [client, server, inner, origin] = ['client', 'server', 'inner', 'origin'].map((label) =>
  files.issue(label, { san: names(label) }),
) as [Made, Made, Made, Made];

const OF_CERTIFICATES = [
  ...['SUBJECT', 'ISSUER', 'SERIAL', 'FINGERPRINT_1', 'FINGERPRINT_256', 'CERT', 'CERT_V_START', 'CERT_V_END'],
  ...['URI_SAN', 'DNS_SAN', 'IP_SAN', 'EMAIL_SAN', 'OTHERNAME_SAN'],
];
const OF_CHAINS = ['CHAIN_FINGERPRINTS_256', 'CHAIN_FINGERPRINTS_1', 'CHAIN_SERIALS'];

/** What the operators behind "<side>_<PEER or LOCAL>_" are to say of a certificate. */
function expected(label: string, made: Made): Record<string, string> {
  const x509 = new X509Certificate(readFileSync(made.certificate));
  const root = new X509Certificate(readFileSync(files.certificate));
  const digestOf = (of: X509Certificate, name: string): string => createHash(name).update(of.raw).digest('hex');
  const digest = (name: string): string => digestOf(x509, name);
  // node:tls puts what it trusts behind its own certificate.
  const chain = (read: (each: X509Certificate) => string): string => `${read(x509)},${read(root)}`;
  const time = (text: string): string => new Date(text).toISOString();
  const serial = x509.serialNumber.toLowerCase();
  return {
    SUBJECT: `CN=${label},O=millrace`,
    ISSUER: 'CN=root,O=millrace',
    SERIAL: serial,
    FINGERPRINT_1: digest('sha1'),
    FINGERPRINT_256: digest('sha256'),
    CERT: encodeURIComponent(x509.toString()),
    CERT_V_START: time(x509.validFrom),
    CERT_V_END: time(x509.validTo),
    URI_SAN: `spiffe://mesh/${label}`,
    DNS_SAN: `${label}.example`,
    IP_SAN: '127.0.0.1',
    EMAIL_SAN: `${label}@mail.example`,
    OTHERNAME_SAN: `${label}@upn`,
    CHAIN_FINGERPRINTS_256: chain((each) => digestOf(each, 'sha256')),
    CHAIN_FINGERPRINTS_1: chain((each) => digestOf(each, 'sha1')),
    CHAIN_SERIALS: chain((each) => each.serialNumber.toLowerCase()),
  };
}

const operators = ['DOWNSTREAM', 'UPSTREAM'].flatMap((side) => [
  ...OF_CERTIFICATES.flatMap((each) => [`${side}_PEER_${each}`, `${side}_LOCAL_${each}`]),
  ...OF_CHAINS.map((each) => `${side}_PEER_${each}`),
  ...['VERSION', 'CIPHER', 'SESSION_ID'].map((each) => `${side}_TLS_${each}`),
  `${side}_TRANSPORT_FAILURE_REASON`,
]);

function startOrigin(): Promise<https.Server> {
  const options = {
    cert: readFileSync(origin.certificate),
    key: readFileSync(origin.key),
    ca: readFileSync(files.certificate),
    requestCert: true,
  };
  const made = https.createServer(options, (_request, response) => response.end('ok'));
  return new Promise((resolve) => made.listen(0, '127.0.0.1', () => resolve(made)));
}

async function logged(transport: string): Promise<Record<string, string | null>> {
  const upstream = await startOrigin();
  const path = files.path(`access-${transport}.log`);
  const fields = Object.fromEntries([...operators, 'REQUESTED_SERVER_NAME'].map((name) => [name, `%${name}%`]));
  const log = {
    name: 'f',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
      path,
      log_format: { json_format: fields },
    },
  };
  const trust = { validation_context: { trusted_ca: { filename: files.certificate } } };
  const proxy = await ProxyProcess.start(
    (own, admin) => {
      const ports = [(upstream.address() as AddressInfo).port];
      const cluster = { transport_socket: upstreamTls({ tls_certificates: [tlsCertificate(inner)], ...trust }) };
      const config = JSON.parse(bootstrap({ origins: ports, manager: { access_log: [log] }, cluster })(own, admin));
      const chain = config.static_resources.listeners[0].filter_chains[0];
      chain.transport_socket = downstreamTls({ tls_certificates: [tlsCertificate(server)], ...trust });
      return JSON.stringify(config, null, 1);
    },
    { args: ['--concurrency', '1', '--transport', transport] },
  );
  try {
    const credentials = { cert: readFileSync(client.certificate), key: readFileSync(client.key) };
    const to = {
      host: '127.0.0.1',
      port: proxy.port,
      servername: 'server.example',
      ca: readFileSync(files.certificate),
    };
    await new Promise<void>((resolve, reject) => {
      const request = https.get({ ...to, ...credentials, agent: false }, (response) => {
        response.resume();
        response.on('end', resolve);
      });
      request.on('error', reject);
    });
    await proxy.until(() => readFileSync(path, 'utf8').endsWith('\n'));
    return JSON.parse(readFileSync(path, 'utf8'));
  } finally {
    await proxy.stop();
    upstream.close();
    upstream.closeAllConnections();
  }
}

for (const transport of ['native', 'node'])
  test(`${transport}: every operator of TLS`, async () => {
    const line = await logged(transport);
    const sides: readonly (readonly [string, string, Made])[] = [
      ['DOWNSTREAM_PEER', 'client', client],
      ['DOWNSTREAM_LOCAL', 'server', server],
      ['UPSTREAM_PEER', 'origin', origin],
      ['UPSTREAM_LOCAL', 'inner', inner],
    ];
    for (const [prefix, label, made] of sides)
      for (const [name, value] of Object.entries(expected(label, made))) {
        const isOfChain = name.startsWith('CHAIN');
        if (isOfChain && prefix.endsWith('LOCAL')) continue;
        // node:tls tells the chain of servers as far as its trust store completes it.
        const isCut = isOfChain && transport === 'node' && prefix === 'UPSTREAM_PEER';
        const wanted = isCut ? value.replace(/,.*/, '') : value;
        assert.equal(line[`${prefix}_${name}`], wanted, `${prefix}_${name}`);
      }
    for (const side of ['DOWNSTREAM', 'UPSTREAM']) {
      assert.equal(line[`${side}_TLS_VERSION`], 'TLSv1.3');
      assert.match(line[`${side}_TLS_CIPHER`] ?? '', /^TLS_AES_(128|256)_GCM_SHA(256|384)$/);
      assert.equal(line[`${side}_TRANSPORT_FAILURE_REASON`], null);
    }
    assert.equal(line['REQUESTED_SERVER_NAME'], 'server.example');
  });
