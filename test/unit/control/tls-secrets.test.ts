/** Secrets of TLS: staples and their policies, PKCS #12, files of secrets, watched directories. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { loadConfig } from '../../../engine/control/load.js';
import type { DownstreamTlsRecord } from '../../../engine/plan/tls-records.js';
import { briefly, clusterWith, compiled, problemsOf, yaml } from '../../support/config-problems.js';
import { type Made, TlsFiles } from '../../support/tls-files.js';

const files = new TlsFiles();
const strangers = new TlsFiles('strangers', files.directory);
after(() => files.remove());
const TYPE = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';
const a = files.issue('a', { san: 'DNS:a.example' });
const b = files.issue('b', { san: 'DNS:b.example', key: 'rsa' });
const must = files.issue('must', { isMustStaple: true });
const past = new Date('2024-01-02T03:04:05Z');
const pair = ({ certificate, key }: Made, more = ''): string =>
  `{ certificate_chain: { filename: ${certificate} }, private_key: { filename: ${key} }${more} }`;
const stapled = (made: Made, response: string): string => pair(made, `, ocsp_staple: { filename: ${response} }`);

const socket = (kind: string, fields: string): string =>
  `transport_socket: { name: tls, typed_config: { "@type": ${TYPE}.${kind}, ${fields} } }`;
const server = (common: string, more = ''): string =>
  yaml().replace(
    '    - filters:',
    `    - ${socket('DownstreamTlsContext', `common_tls_context: { ${common} }${more}`)}\n      filters:`,
  );
const one = (certificate: string, more = ''): string => server(`tls_certificates: [ ${certificate} ]`, more);
const record = (text: string): DownstreamTlsRecord => {
  const tls = compiled(text).plan.listeners[0]?.chains[0]?.tls;
  assert.ok(tls != null);
  return tls;
};
const certificateIn = (text: string) => record(text).contexts[0]?.options.certificates[0];
const only = (text: string): string => {
  const found = briefly(text);
  assert.equal(found.length, 1, found.join('\n'));
  return found[0] as string;
};
const COMMON = 'static_resources.listeners[0].filter_chains[0].transport_socket.typed_config.common_tls_context';
const CERTIFICATE = `${COMMON}.tls_certificates[0]`;

test('a staple: until when, and under which policy', () => {
  const until = new Date('2036-05-06T07:08:09Z');
  const response = files.ocspResponse(a, { until });
  const certificate = certificateIn(one(stapled(a, response)));
  assert.deepEqual(Buffer.from(certificate?.ocspStaple ?? []), readFileSync(response));
  assert.deepEqual([certificate?.ocspExpiresMs, certificate?.ocspPolicy], [until.getTime(), 'lenient']);
  for (const [policy, expected] of [
    ['LENIENT_STAPLING', 'lenient'],
    ['STRICT_STAPLING', 'strict'],
    ['MUST_STAPLE', 'must'],
  ])
    assert.equal(certificateIn(one(stapled(a, response), `, ocsp_staple_policy: ${policy}`))?.ocspPolicy, expected);
  // The certificate's word is the last.
  assert.equal(certificateIn(one(stapled(must, files.ocspResponse(must))))?.ocspPolicy, 'must');
  const [shown] = compiled(one(stapled(a, response))).certificates;
  assert.equal(shown?.ocsp?.expiresMs, until.getTime());
});

test('a staple that is over is a warning, one of somebody else an error', () => {
  const old = one(stapled(a, files.ocspResponse(a, { until: past })));
  assert.equal(
    only(old),
    `warning ${CERTIFICATE}.ocsp_staple: was valid until 2024-01-02T03:04:05.000Z: no response is stapled`,
  );
  const strict = old.replace(' } ] }', ' } ] }, ocsp_staple_policy: STRICT_STAPLING');
  assert.match(only(strict), /clients that ask for a response are refused$/);
  assert.match(only(one(stapled(a, files.ocspResponse(a, { until: null })))), /warning .*has no nextUpdate/);
  const foreign = strangers.ocspResponse(strangers.issue('x'));
  assert.match(
    only(one(stapled(a, foreign))),
    /^error .*ocsp_staple: is for the certificate with serial number \w+, not f/,
  );
  assert.match(only(one(stapled(a, files.ocspResponse(b)))), /not for the certificate of CN=a,O=millrace: /);
  assert.match(only(one(stapled(a, a.key))), /^error .*ocsp_staple: is not an OCSP response in DER$/);
  assert.match(
    only(one(pair(must))),
    /: ocsp_staple is required: the certificate of CN=must,O=millrace says that it must/,
  );
  assert.equal(
    only(one(pair(a), ', ocsp_staple_policy: MUST_STAPLE')),
    `error ${CERTIFICATE}: ocsp_staple is required by ocsp_staple_policy: MUST_STAPLE`,
  );
  const client = yaml({
    cluster: clusterWith(
      socket(
        'UpstreamTlsContext',
        `common_tls_context: { tls_certificates: [ ${stapled(a, files.ocspResponse(a))} ] }`,
      ),
    ),
  });
  assert.match(only(client), /ocsp_staple: is for servers: nobody asks a client for one$/);
});

test('PKCS #12 in the place of chain and key', () => {
  const bundle = files.bundle(b, 'secret');
  const locked = `{ pkcs12: { filename: ${bundle} }, password: { inline_string: secret } }`;
  const certificate = certificateIn(one(locked));
  assert.deepEqual(Buffer.from(certificate?.pkcs12 ?? []), readFileSync(bundle));
  assert.deepEqual([certificate?.keyPem, certificate?.password], ['', 'secret']);
  assert.ok(certificate?.chainPem.startsWith('-----BEGIN CERTIFICATE-----'));
  assert.deepEqual(record(one(locked)).names, [['b.example', 0]]);
  const inline = `{ pkcs12: { inline_bytes: ${readFileSync(bundle).toString('base64')} }, password: { environment_variable: SECRET } }`;
  assert.deepEqual(briefly(one(inline), { environment: { SECRET: 'secret' } }), []);
  assert.match(
    only(one(`{ pkcs12: { filename: ${bundle} } }`)),
    /pkcs12: is not a PKCS #12 file that can be read: .*; it may n/,
  );
  assert.match(
    only(one(`{ pkcs12: { filename: ${bundle} }, password: { inline_string: x } }`)),
    /pkcs12: is not a PKCS #12 file that can be read: .*mac verify failure$/i,
  );
  assert.match(
    only(one(locked.replace('{', `{ private_key: { filename: ${b.key} },`))),
    /private_key: is in pkcs12 already: only one of them can be set$/,
  );
  assert.deepEqual(briefly(one('{ password: { inline_string: x } }')), [
    `error ${CERTIFICATE}: certificate_chain is required in TlsCertificate, or pkcs12 in the place of both`,
    `error ${CERTIFICATE}: private_key is required in TlsCertificate, or pkcs12 in the place of both`,
  ]);
});

const SECRET = `"@type": ${TYPE}.Secret`;
function secretFile(name: string, ...secrets: string[]): string {
  const path = files.path(name);
  writeFileSync(path, `version_info: "1"\nresources:\n${secrets.map((each) => `- { ${SECRET}, ${each} }\n`).join('')}`);
  return path;
}
const sds = (name: string, path: string, more = ''): string =>
  `{ name: ${name}, sds_config: { path_config_source: { path: ${path}${more} }, resource_api_version: V3 } }`;

test('secrets from files: certificates, validation, ticket keys; what was read is watched', () => {
  writeFileSync(files.path('ticket.key'), Buffer.alloc(80, 7));
  const path = secretFile(
    'all.yaml',
    `name: cert, tls_certificate: ${pair(a)}`,
    `name: ca, validation_context: { trusted_ca: { filename: ${files.certificate} } }`,
    `name: keys, session_ticket_keys: { keys: [ { filename: ${files.path('ticket.key')} } ] }`,
  );
  const text = server(
    `tls_certificate_sds_secret_configs: [ ${sds('cert', path, `, watched_directory: { path: ${files.directory} }`)} ], combined_validation_context: { default_validation_context: { match_typed_subject_alt_names: [ { san_type: URI, matcher: { exact: u } } ] }, validation_context_sds_secret_config: ${sds('ca', path)} }`,
    `, session_ticket_keys_sds_secret_config: ${sds('keys', path)}`,
  );
  const tls = record(text);
  const [context] = tls.contexts;
  assert.equal(context?.options.certificates[0]?.chainPem, readFileSync(a.certificate, 'utf8'));
  assert.equal(context?.options.trustedCaPem, readFileSync(files.certificate, 'utf8'));
  assert.deepEqual([context?.options.judgesPeers, tls.policy.sans.length], [true, 1]);
  assert.deepEqual(Buffer.from(context?.ticketKeys ?? []), Buffer.alloc(80, 7));
  const loaded = loadConfig({ path: null, text, name: 'x.yaml', allowsUnknownFields: false, environment: {} });
  assert.ok('files' in loaded);
  assert.ok([path, a.certificate, a.key].every((each) => loaded.files.paths.includes(each)));
  assert.deepEqual(loaded.files.directories, [files.directory]);
  // The old spelling, and a file in JSON.
  const json = files.path('all.json');
  const resources = [
    { '@type': `${TYPE}.Secret`, name: 'ca', validation_context: { trusted_ca: { filename: files.certificate } } },
  ];
  writeFileSync(json, JSON.stringify({ resources }));
  const old = `tls_certificates: [ ${pair(a)} ], validation_context_sds_secret_config: { name: ca, sds_config: { path: ${json} } }`;
  assert.equal(record(server(old)).contexts[0]?.options.verify, 'optional');
});

test('mistakes in files of secrets are told at their place in them', () => {
  const use = (name: string, path: string): string =>
    server(`tls_certificate_sds_secret_configs: [ ${sds(name, path)} ]`);
  const CONFIG = `${COMMON}.tls_certificate_sds_secret_configs[0]`;
  const path = secretFile(
    'bad.yaml',
    `name: cert, tls_certificate: ${pair({ ...a, key: b.key })}`,
    'name: other, tls_certificat: {}',
  );
  const problems = problemsOf(use('cert', path));
  assert.deepEqual(
    problems.map((problem) => [problem.file, problem.line, problem.path, problem.message.slice(0, 40)]),
    [
      [path, 3, 'resources[0].tls_certificate.private_key', 'does not belong to the certificate of CN'],
      [path, 4, 'resources[1].tls_certificat', 'unknown field tls_certificat in Secret; '],
    ],
  );
  const good = secretFile('good.yaml', `name: cert, tls_certificate: ${pair(a)}`);
  assert.equal(only(use('x', good)), `error ${CONFIG}.name: secret "x" is not in ${good}, which has: cert`);
  assert.match(only(use('cert', '/nowhere')), /sds_config\.path_config_source\.path: can't be read: ENOENT/);
  assert.match(
    only(server(`tls_certificates: [ ${pair(a)} ], validation_context_sds_secret_config: ${sds('cert', good)}`)),
    /secret "cert" of .* has no validation_context$/,
  );
  const grpc = '{ name: cert, sds_config: { api_config_source: { api_type: GRPC } } }';
  assert.match(
    only(server(`tls_certificate_sds_secret_configs: [ ${grpc} ]`)),
    /api_config_source: is not supported here: secrets are read from files \(path_config_source\) and from static_resources\.secrets$/,
  );
  assert.match(
    only(
      server(`tls_certificate_sds_secret_configs: [ ${sds('cert', good, ', watched_directory: { path: /nowhere }')} ]`),
    ),
    /watched_directory\.path: is not a directory that is there$/,
  );
});

test('names that must be there, lists for the leaf alone, keys that must sign', () => {
  assert.equal(record(one(pair(a), ', require_sni: true')).requiresName, true);
  const crl = files.revoke(a.certificate);
  const validation = `validation_context: { trusted_ca: { filename: ${files.certificate} }, only_verify_leaf_cert_crl: true`;
  const listed = server(`tls_certificates: [ ${pair(a)} ], ${validation}, crl: { filename: ${crl} } }`);
  assert.equal(record(listed).contexts[0]?.options.crlForLeafOnly, true);
  assert.match(
    only(server(`tls_certificates: [ ${pair(a)} ], ${validation} }`)),
    /only_verify_leaf_cert_crl: has no effect without crl$/,
  );
  const client = yaml({ cluster: clusterWith(socket('UpstreamTlsContext', 'enforce_rsa_key_usage: true')) });
  assert.equal(compiled(client).plan.clusters[0]?.tls?.policy.enforcesRsaKeyUsage, true);
});

test("transport sockets by the metadata of endpoints, else of their locality, else the cluster's own", () => {
  const at = (port: number, metadata: string): string =>
    `{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } }${metadata} }`;
  const labels = (text: string): string =>
    `metadata: { filter_metadata: { envoy.transport_socket_match: { ${text} } } }`;
  const endpoints = `[ { ${labels('kind: raw')}, lb_endpoints: [ ${at(1, `, ${labels('kind: tls, more: [ 1 ]')}`)}, ${at(2, '')}, ${at(3, `, ${labels('kind: else')}`)} ] } ]`;
  const match = (name: string, labels: string, inner: string): string =>
    `{ name: ${name}, match: { ${labels} }, transport_socket: { name: s, typed_config: { "@type": ${inner} } } }`;
  const RAW = 'type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer';
  const sockets = (...matches: string[]): string =>
    yaml({
      cluster: `load_assignment: { endpoints: ${endpoints} }, transport_socket_matches: [ ${matches.join(', ')} ]`,
    });
  const { plan } = compiled(
    sockets(match('a', 'kind: tls, more: [ 1 ]', `${TYPE}.UpstreamTlsContext`), match('b', 'kind: raw', RAW)),
  );
  assert.deepEqual(
    plan.clusters[0]?.endpoints.map(({ transportSocket }) => transportSocket),
    ['a', 'b', ''],
  );
  assert.deepEqual(
    plan.clusters[0]?.socketMatches.map(({ name, tls }) => [name, tls === null]),
    [
      ['a', false],
      ['b', true],
    ],
  );
  const all = compiled(sockets(match('any', '', RAW)));
  assert.equal(all.plan.clusters[0]?.endpoints[2]?.transportSocket, 'any');
  assert.match(
    only(sockets(match('b', 'x: 1', RAW), match('b', 'x: 2', RAW))),
    /matches\[1\]\.name: there is another match "b"$/,
  );
  const preface =
    'type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport';
  assert.match(
    only(sockets(match('p', '', preface))),
    /transport_socket\.typed_config\.@type: .*ProxyProtocolUpstreamTransport/,
  );
});

test('what is refused says why', () => {
  const refusals: readonly (readonly [string, RegExp])[] = [
    [
      one(pair(a, ', private_key_provider: { provider_name: x }')),
      /private_key_provider: is not supported here: keys are read/,
    ],
    [
      one(pair(a, ', signed_certificate_timestamp: [ { inline_string: x } ]')),
      /signed_certificate_timestamp: is not sup/,
    ],
    [
      server(`tls_certificates: [ ${pair(a)} ], validation_context: { require_signed_certificate_timestamp: true }`),
      /require_signed_certificate_timestamp: only false is supported here: OpenSSL of Node\.js has no lists of logs/,
    ],
    [
      server(`tls_certificates: [ ${pair(a)} ], validation_context: { custom_validator_config: {} }`),
      /custom_validator_config: is not supported here: certificates are verified by OpenSSL/,
    ],
    [server(`tls_certificates: [ ${pair(a)} ], key_log: { path: x }`), /key_log of CommonTlsContext is known to Envoy/],
    [
      server(`tls_certificates: [ ${pair(a)} ], custom_handshaker: {}`),
      /custom_handshaker of CommonTlsContext is known to Envoy/,
    ],
    [
      server(`tls_certificates: [ ${pair(a)} ], tls_params: { compliance_policies: [ FIPS_202205 ] }`),
      /compliance_policies of TlsParameters is known to Envoy/,
    ],
  ];
  for (const [text, pattern] of refusals) assert.match(only(text), pattern);
});
