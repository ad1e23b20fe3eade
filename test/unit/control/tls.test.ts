/** TLS of the document: what becomes of it, and what is refused, at its place and with the reason. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { TLS_1_2, TLS_1_3 } from '../../../engine/io/tls.js';
import type { FilterChainRecord } from '../../../engine/plan/chain-records.js';
import type { DownstreamTlsRecord, UpstreamTlsRecord } from '../../../engine/plan/tls-records.js';
import { briefly, clusterWith, compiled, problemsOf, yaml } from '../../support/config-problems.js';
import { type Made, TlsFiles } from '../../support/tls-files.js';

const files = new TlsFiles();
after(() => files.remove());
const TYPE = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';
const a = files.issue('a', { san: 'DNS:a.example,DNS:*.a.example' });
const b = files.issue('b', { san: 'DNS:b.example', key: 'rsa' });
const pair = ({ certificate, key }: Made, more = ''): string =>
  `{ certificate_chain: { filename: ${certificate} }, private_key: { filename: ${key} }${more} }`;
const ca = `trusted_ca: { filename: ${files.certificate} }`;

/** A listener's chain with this context. */
const server = (common: string, more = '', secrets = ''): string =>
  yaml()
    .replace(
      '    - filters:',
      `    - transport_socket: { name: tls, typed_config: { "@type": ${TYPE}.DownstreamTlsContext, common_tls_context: { ${common} }${more} } }\n      filters:`,
    )
    .replace('static_resources:', `static_resources:\n  secrets: [ ${secrets} ]`);
const client = (fields: string): string =>
  yaml({
    cluster: clusterWith(
      `transport_socket: { name: tls, typed_config: { "@type": ${TYPE}.UpstreamTlsContext, ${fields} } }`,
    ),
  });
const DOWN = 'static_resources.listeners[0].filter_chains[0].transport_socket.typed_config';
const UP = 'static_resources.clusters[0].transport_socket.typed_config';
/** Warnings of expiry are not what these tests are about. */
const errors = (text: string): string[] => briefly(text).filter((line) => line.startsWith('error'));
const one = (text: string): string => {
  const found = errors(text);
  assert.equal(found.length, 1, found.join('\n'));
  return found[0] as string;
};
const chain = (text: string): FilterChainRecord => compiled(text).plan.listeners[0]?.chains[0] as FilterChainRecord;
const upstream = (text: string): UpstreamTlsRecord => compiled(text).plan.clusters[0]?.tls as UpstreamTlsRecord;

test("a server's context of defaults", () => {
  const { tls, handshakeTimeoutMs } = chain(server(`tls_certificates: [ ${pair(a)} ]`));
  const [context] = tls?.contexts ?? [];
  assert.ok(tls !== null && context !== undefined);
  const { certificates, ...options } = context.options;
  assert.equal(certificates[0]?.chainPem, readFileSync(a.certificate, 'utf8'));
  assert.deepEqual(options, {
    role: 'server',
    trustedCaPem: null,
    crlPem: null,
    crlForLeafOnly: false,
    verify: 'none',
    acceptUntrusted: false,
    allowExpired: false,
    judgesPeers: false,
    verifyDepth: -1,
    minVersion: TLS_1_2,
    maxVersion: TLS_1_3,
    ciphers:
      'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384',
    ciphersuites: 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256',
    groups: 'X25519:P-256',
    signatureAlgorithms: '',
    preferServerCiphers: true,
    alpn: [],
    sessionTickets: true,
    sessionCache: true,
    sessionTimeoutS: 7200,
    maxSessionKeys: 0,
  });
  assert.deepEqual([tls.unnamed, tls.mismatched, handshakeTimeoutMs, context.ticketKeys], [0, 0, 15000, null]);
});

test('several certificates: a context for each set of names, all of them for nobody, the first for strangers', () => {
  const two = `tls_certificates: [ ${pair(a)}, ${pair(b)} ]`;
  const { tls } = chain(server(two));
  const sizes = tls?.contexts.map(({ options }) => options.certificates.length);
  assert.deepEqual(sizes, [2, 1, 1]);
  assert.deepEqual(tls?.names, [
    ['a.example', 1],
    ['*.a.example', 1],
    ['b.example', 2],
  ]);
  assert.deepEqual([tls?.unnamed, tls?.mismatched], [0, 1]);
  assert.equal(chain(server(two, ', full_scan_certs_on_sni_mismatch: true')).tls?.mismatched, 0);
});

test('certificates of an exact name come before those of its wildcard, unless a client without ECDSA could use none', () => {
  const certificate = (name: string, san: string, key: 'ec' | 'rsa'): Made => files.issue(name, { san, key });
  const subjects = (...made: Made[]): string[] => {
    const { tls } = chain(server(`tls_certificates: [ ${made.map((each) => pair(each)).join(', ')} ]`));
    const at = tls?.names.find(([name]) => name === 'x.n.example')?.[1] ?? -1;
    const shown = tls?.contexts[at]?.options.certificates ?? [];
    return shown.map(({ chainPem }) => /CN=(.*)/.exec(new X509Certificate(chainPem).subject)?.[1] ?? '');
  };
  const exactRsa = certificate('exact-rsa', 'DNS:x.n.example', 'rsa');
  const exactEc = certificate('exact-ec', 'DNS:x.n.example', 'ec');
  const wildRsa = certificate('wild-rsa', 'DNS:*.n.example', 'rsa');
  const wildEc = certificate('wild-ec', 'DNS:*.n.example', 'ec');
  assert.deepEqual(subjects(exactRsa, wildEc), ['exact-rsa']);
  assert.deepEqual(subjects(wildRsa, wildEc, exactEc), ['exact-ec', 'wild-rsa']);
  assert.deepEqual(subjects(wildRsa, exactEc, exactRsa), ['exact-ec', 'exact-rsa']);
  // A common name is a host's where nothing else is said of it.
  const uri = files.issue('uri', { subject: '/CN=x.n.example', san: 'URI:spiffe://m/x' });
  const common = files.issue('common', { subject: '/CN=x.n.example' });
  assert.deepEqual([subjects(a, uri), subjects(a, common)], [[], ['x.n.example']]);
});

test('every parameter', () => {
  writeFileSync(files.path('keys'), Buffer.alloc(80, 1));
  const { tls } = chain(
    server(
      `tls_certificates: [ ${pair(a)} ], alpn_protocols: [ h2, http/1.1 ], tls_params: { tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3, cipher_suites: [ "[ECDHE-RSA-AES128-GCM-SHA256|TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256]", AES128-SHA ], ecdh_curves: [ P-384 ], signature_algorithms: [ ecdsa_secp256r1_sha256 ] }, validation_context: { ${ca}, trust_chain_verification: ACCEPT_UNTRUSTED, allow_expired_certificate: true, max_verify_depth: 3, verify_certificate_hash: [ "${'AB:'.repeat(31)}AB" ], match_subject_alt_names: [ { prefix: x } ] }`,
      `, session_ticket_keys: { keys: [ { filename: ${files.path('keys')} } ] }, session_timeout: 60s, disable_stateful_session_resumption: true, prefer_client_ciphers: true`,
    ),
  );
  const options = tls?.contexts[0]?.options;
  assert.deepEqual([options?.minVersion, options?.maxVersion, options?.alpn], [TLS_1_3, TLS_1_3, ['h2', 'http/1.1']]);
  assert.equal(options?.ciphers, 'ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305:AES128-SHA');
  assert.deepEqual([options?.groups, options?.signatureAlgorithms], ['P-384', 'ecdsa_secp256r1_sha256']);
  assert.deepEqual([options?.verify, options?.acceptUntrusted, options?.allowExpired], ['optional', true, true]);
  assert.deepEqual([options?.verifyDepth, options?.sessionTimeoutS, options?.sessionCache], [2, 60, false]);
  assert.equal(options?.preferServerCiphers, false);
  assert.deepEqual(tls?.policy.hashPins, ['ab'.repeat(32)]);
  assert.deepEqual(
    tls?.policy.sans.map(({ type }) => type),
    ['DNS', 'URI', 'EMAIL', 'IP_ADDRESS'],
  );
  assert.deepEqual(Buffer.from(tls?.contexts[0]?.ticketKeys ?? []), Buffer.alloc(80, 1));
});

test('secrets by name, and validation that is put together', () => {
  const secrets = `{ name: s, tls_certificate: ${pair(a)} }, { name: v, validation_context: { ${ca} } }`;
  const { tls } = chain(
    server(
      'tls_certificate_sds_secret_configs: [ { name: s } ], combined_validation_context: { default_validation_context: { match_typed_subject_alt_names: [ { san_type: URI, matcher: { exact: u } } ] }, validation_context_sds_secret_config: { name: v } }',
      ', require_client_certificate: true',
      secrets,
    ),
  );
  assert.equal(tls?.contexts[0]?.options.verify, 'require');
  assert.ok(tls?.contexts[0]?.options.trustedCaPem?.includes('BEGIN CERTIFICATE'));
  assert.equal(tls?.policy.sans.length, 1);
  assert.equal(
    one(server('tls_certificate_sds_secret_configs: [ { name: x } ]', '', secrets)),
    `error ${DOWN}.common_tls_context.tls_certificate_sds_secret_configs[0].name: secret "x" is not in static_resources.secrets, and there is no sds_config`,
  );
  assert.match(
    one(server('tls_certificate_sds_secret_configs: [ { name: v } ]', '', secrets)),
    /secret "v" has no tls_certificate$/,
  );
  assert.match(
    one(server('tls_certificate_sds_secret_configs: [ { name: s, sds_config: { ads: {} } } ]', '', secrets)),
    /sds_config\.ads: is not supported here: secrets are read from files \(path_config_source\) and from static_res/,
  );
});

test("a client's context", () => {
  const none = upstream(client('sni: x.example'));
  assert.deepEqual(
    [none.sni, none.context.options.verify, none.context.options.maxSessionKeys],
    ['x.example', 'none', 1],
  );
  const all = upstream(
    client(
      `auto_host_sni: true, auto_sni_san_validation: true, max_session_keys: 0, common_tls_context: { tls_certificates: [ ${pair(a)} ], validation_context: { ${ca} } }`,
    ),
  );
  assert.deepEqual([all.usesHostnameAsSni, all.verifiesSni], [true, true]);
  assert.deepEqual([all.context.options.verify, all.context.options.acceptUntrusted], ['require', false]);
  const pinned = upstream(
    client(`common_tls_context: { validation_context: { verify_certificate_spki: [ "${'A'.repeat(43)}=" ] } }`),
  );
  assert.deepEqual([pinned.context.options.verify, pinned.context.options.acceptUntrusted], ['require', true]);
  assert.match(one(client('auto_sni_san_validation: true')), /auto_sni_san_validation: without trusted_ca anybody/);
  assert.match(one(client('allow_renegotiation: true')), /allow_renegotiation: only false is supported here: a renego/);
});

test("protocols of ALPN in one text, as in Envoy's documentation", () => {
  const { tls } = chain(server(`tls_certificates: [ ${pair(a)} ], alpn_protocols: [ "h2,http/1.1", x ]`));
  assert.deepEqual(tls?.contexts[0]?.options.alpn, ['h2', 'http/1.1', 'x']);
  const found = one(server(`tls_certificates: [ ${pair(a)} ], alpn_protocols: [ "h2," ]`));
  assert.match(found, /alpn_protocols\[0\]: a protocol name has 1 to 255 bytes$/);
});

test('a certificate of clients is required: something verifies it', () => {
  const required = (validation: string): string =>
    server(`tls_certificates: [ ${pair(a)} ]${validation}`, ', require_client_certificate: true');
  const missing = /require_client_certificate: there is nothing that certificates are verified by: add validation_cont/;
  assert.match(one(required('')), missing);
  assert.match(one(required(', validation_context: {}')), missing);
  assert.match(one(required(', validation_context: { trusted_ca: { filename: /nowhere } }')), /can't be read: ENOENT/);
  for (const good of [
    ca,
    'trust_chain_verification: ACCEPT_UNTRUSTED',
    `verify_certificate_hash: [ ${'ab'.repeat(32)} ]`,
  ])
    assert.ok(chain(required(`, validation_context: { ${good} }`)).tls !== null, good);
});

test("clients' certificates: optional with an authority alone, required by names and pins, asked for where any is taken", () => {
  const validation = (fields: string, more = ''): DownstreamTlsRecord =>
    chain(server(`tls_certificates: [ ${pair(a)} ], validation_context: { ${fields} }`, more))
      .tls as DownstreamTlsRecord;
  const verify = (fields: string): [string | undefined, boolean] => {
    const { contexts, requiresCertificate } = validation(fields);
    return [contexts[0]?.options.verify, requiresCertificate];
  };
  const name = 'match_typed_subject_alt_names: [ { san_type: URI, matcher: { exact: u } } ]';
  const pin = `verify_certificate_hash: [ ${'ab'.repeat(32)} ]`;
  const any = 'trust_chain_verification: ACCEPT_UNTRUSTED';
  assert.deepEqual(verify(ca), ['optional', false]);
  assert.deepEqual(verify(`${ca}, ${name}`), ['require', true]);
  assert.deepEqual(verify(pin), ['require', true]);
  assert.deepEqual(verify(any), ['optional', false]);
  assert.deepEqual(verify(`${ca}, ${name}, ${any}`), ['optional', false]);
});

test('max_verify_depth counts the trust anchor; without it the limit is that of OpenSSL', () => {
  const depth = (fields: string): number | undefined =>
    chain(server(`tls_certificates: [ ${pair(a)} ], validation_context: { ${ca}${fields} }`)).tls?.contexts[0]?.options
      .verifyDepth;
  assert.deepEqual(
    ['', ', max_verify_depth: 0', ', max_verify_depth: 1', ', max_verify_depth: 2'].map(depth),
    [-1, 0, 0, 1],
  );
});

test('revocation lists in the file of the authority count, beside those of crl', () => {
  const list = readFileSync(files.revoke(), 'utf8');
  writeFileSync(files.path('both.pem'), readFileSync(files.certificate, 'utf8') + list);
  const crlOf = (fields: string): string | null | undefined =>
    chain(server(`tls_certificates: [ ${pair(a)} ], validation_context: { ${fields} }`)).tls?.contexts[0]?.options
      .crlPem;
  const count = (text: string | null | undefined): number => text?.match(/BEGIN X509 CRL/g)?.length ?? 0;
  assert.equal(count(crlOf(ca)), 0);
  assert.equal(count(crlOf(`trusted_ca: { filename: ${files.path('both.pem')} }, only_verify_leaf_cert_crl: true`)), 1);
  const both = `trusted_ca: { filename: ${files.path('both.pem')} }, crl: { filename: ${files.path('root.crl')} }`;
  assert.equal(count(crlOf(both)), 2);
});

const weak = files.issue('weak', { key: 'rsa1024' });
const sha1 = files.issue('sha1', { digest: 'sha1' });
const locked = files.issue('locked', { password: 'p' });
writeFileSync(files.path('junk'), 'junk\n');
const cut = (text: string): string => text + text.slice(0, -40);
writeFileSync(files.path('cut'), cut(readFileSync(files.certificate, 'utf8')));
writeFileSync(files.path('cut.crl'), cut(readFileSync(files.revoke(), 'utf8')));
const COMMON = `${DOWN}.common_tls_context`;
const CERTIFICATE = `${COMMON}.tls_certificates[0]`;
const params = (fields: string): string => server(`tls_certificates: [ ${pair(a)} ], tls_params: { ${fields} }`);
const NAMES = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const withNames = (fields: string, socket = ''): string =>
  yaml({
    cluster: clusterWith(
      `typed_extension_protocol_options: { ${NAMES}: { "@type": type.googleapis.com/${NAMES}, explicit_http_config: { http_protocol_options: {} }, upstream_http_protocol_options: { ${fields} } } }${socket}`,
    ),
  });
const SOCKET = `, transport_socket: { name: tls, typed_config: { "@type": ${TYPE}.UpstreamTlsContext } }`;
const REFUSED: readonly (readonly [string, string, string | RegExp])[] = [
  ['no certificate', server(''), `${COMMON}: a server needs a certificate: add tls_certificates`],
  [
    'a file that is not there',
    server(`tls_certificates: [ ${pair({ certificate: '/nowhere', key: a.key })} ]`),
    `${CERTIFICATE}.certificate_chain.filename: can't be read: ENOENT: no such file or directory, open '/nowhere'`,
  ],
  [
    'junk for a certificate',
    server(`tls_certificates: [ ${pair({ certificate: files.path('junk'), key: a.key })} ]`),
    `${CERTIFICATE}.certificate_chain: is not a PEM file of certificates: there is no "-----BEGIN CERTIFICATE-----" in it`,
  ],
  [
    'a bundle that is still being written',
    server(`tls_certificates: [ ${pair(a)} ], validation_context: { trusted_ca: { filename: ${files.path('cut')} } }`),
    `${COMMON}.validation_context.trusted_ca: is not a PEM file of certificates: one of its blocks has no end`,
  ],
  [
    'revocation lists that are still being written',
    server(
      `tls_certificates: [ ${pair(a)} ], validation_context: { ${ca}, crl: { filename: ${files.path('cut.crl')} } }`,
    ),
    `${COMMON}.validation_context.crl: is not a PEM file of revocation lists: one of its blocks has no end`,
  ],
  [
    'junk for a key',
    server(`tls_certificates: [ ${pair({ certificate: a.certificate, key: files.path('junk') })} ]`),
    /private_key: is not a private key in PEM: /,
  ],
  [
    'a locked key',
    server(`tls_certificates: [ ${pair(locked)} ]`),
    /private_key: is not a private key in PEM: .*; it needs a password$/,
  ],
  [
    'a wrong password',
    server(`tls_certificates: [ ${pair(locked, ', password: { inline_string: x }')} ]`),
    /private_key: is not a private key in PEM: (?!.*needs a password)/,
  ],
  [
    'a key of another certificate',
    server(`tls_certificates: [ ${pair({ certificate: a.certificate, key: b.key })} ]`),
    `${CERTIFICATE}.private_key: does not belong to the certificate of CN=a,O=millrace`,
  ],
  [
    'a short RSA key',
    server(`tls_certificates: [ ${pair(weak)} ]`),
    `${CERTIFICATE}.certificate_chain: the certificate of CN=weak,O=millrace has an RSA key of 1024 bits; at least 2048 are needed`,
  ],
  [
    'SHA-1',
    server(`tls_certificates: [ ${pair(sha1)} ]`),
    `${CERTIFICATE}.certificate_chain: the certificate of CN=sha1,O=millrace is signed over SHA-1, which can be forged`,
  ],
  ['TLS 1.1', params('tls_minimum_protocol_version: TLSv1_1'), /TLSv1_1 is known to Envoy but not supported here/],
  [
    'RC4',
    params('cipher_suites: [ ECDHE-RSA-RC4-SHA ]'),
    /cipher_suites\[0\]: ECDHE-RSA-RC4-SHA is refused: RC4 is broken/,
  ],
  ['3DES', params('cipher_suites: [ DES-CBC3-SHA ]'), /DES-CBC3-SHA is refused: DES and 3DES/],
  ['NULL', params('cipher_suites: [ NULL-SHA256 ]'), /NULL-SHA256 is refused: NULL does not encrypt/],
  ['EXPORT', params('cipher_suites: [ EXP-RC2-CBC ]'), /EXP-RC2-CBC is refused: EXPORT/],
  [
    'a suite of TLS 1.3',
    params('cipher_suites: [ TLS_AES_128_GCM_SHA256 ]'),
    /is of TLS 1\.3, whose suites are always on/,
  ],
  ['an unknown suite', params('cipher_suites: [ X ]'), /there is no cipher suite "X"; known: ECDHE-ECDSA/],
  ['a group', params('ecdh_curves: [ X25519MLKEM768 ]'), /is not in this Node\.js's OpenSSL; known: X25519, P-256/],
  ['a signature', params('signature_algorithms: [ rsa_pkcs1_sha1 ]'), /rsa_pkcs1_sha1 is refused: signatures over MD5/],
  [
    'versions the wrong way round',
    params('tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_2'),
    /tls_minimum_protocol_version: is above tls_maximum_protocol_version$/,
  ],
  [
    'names without an authority',
    server(`tls_certificates: [ ${pair(a)} ], validation_context: { match_subject_alt_names: [ { exact: a } ] }`),
    /match_subject_alt_names: without trusted_ca anybody can have such a name/,
  ],
  [
    'a pin',
    server(`tls_certificates: [ ${pair(a)} ], validation_context: { ${ca}, verify_certificate_spki: [ x ] }`),
    /verify_certificate_spki\[0\]: must be the SHA-256 of a public key in base64: 44 characters$/,
  ],
  [
    'a list of nothing',
    server(`tls_certificates: [ ${pair(a)} ], validation_context: { ${ca}, crl: { filename: ${files.path('junk')} } }`),
    /crl: is not a revocation list in PEM/,
  ],
  [
    'a ticket key of another size',
    server(
      `tls_certificates: [ ${pair(a)} ]`,
      `, session_ticket_keys: { keys: [ { filename: ${files.path('junk')} } ] }`,
    ),
    /keys\[0\]: a ticket key has 80 bytes, not 5: openssl rand 80$/,
  ],
  [
    'a name without TLS',
    withNames('auto_sni: true'),
    `static_resources.clusters[0].typed_extension_protocol_options["${NAMES}"].upstream_http_protocol_options: is of TLS: it needs a transport_socket with UpstreamTlsContext`,
  ],
  [
    'a name to verify without an authority',
    withNames('auto_san_validation: true', SOCKET),
    /auto_san_validation: without trusted_ca anybody can have such a name: add trusted_ca$/,
  ],
  [
    'expired certificates of chains that nobody verifies',
    client('common_tls_context: { validation_context: { allow_expired_certificate: true } }'),
    `${UP}.common_tls_context.validation_context.allow_expired_certificate: has no effect without trusted_ca`,
  ],
  [
    'a limit of chains that nobody verifies',
    client('common_tls_context: { validation_context: { max_verify_depth: 2 } }'),
    `${UP}.common_tls_context.validation_context.max_verify_depth: has no effect without trusted_ca`,
  ],
  [
    'two certificates for a client',
    client(`common_tls_context: { tls_certificates: [ ${pair(a)}, ${pair(b)} ] }`),
    `${UP}.common_tls_context.tls_certificates: a client has one certificate: nothing chooses among several`,
  ],
];
for (const [what, text, message] of REFUSED)
  test(`refused: ${what}`, () => {
    const found = one(text);
    if (typeof message === 'string') assert.equal(found, `error ${message}`);
    else assert.match(found, message);
    const [problem] = problemsOf(text).filter(({ severity }) => severity === 'error');
    assert.ok((problem?.line ?? 0) > 0 && (problem?.column ?? 0) > 0);
  });

test('suites of TLS 1.2 where it is not spoken', () => {
  const suites = 'tls_minimum_protocol_version: TLSv1_3, cipher_suites: [ ECDHE-ECDSA-AES128-GCM-SHA256 ]';
  assert.deepEqual(briefly(client(`common_tls_context: { tls_params: { ${suites} } }`)), [
    `warning ${UP}.common_tls_context.tls_params.cipher_suites: has no effect here: it is for TLS 1.2, which is not spoken`,
  ]);
});

test('what has expired, or soon will have, is a warning', () => {
  const old = files.issue('old', { isExpired: true });
  const soon = files.issue('soon', { days: 7 });
  const warnings = (made: Made): string => briefly(server(`tls_certificates: [ ${pair(made)} ]`)).join('\n');
  assert.match(
    warnings(old),
    /^warning .*certificate_chain: the certificate of CN=old,O=millrace has expired: 2020-02-01/,
  );
  assert.match(warnings(soon), /^warning .*the certificate of CN=soon,O=millrace expires in [67] days: /);
  assert.equal(warnings(a), '');
});

test('filter chains that match the same, or what nothing matches', () => {
  const filters = yaml().split('    - filters:')[1]?.split('  clusters:')[0] as string;
  const chains = (...matches: string[]): string =>
    yaml().replace(
      `    - filters:${filters}`,
      matches.map((match) => `    - filter_chain_match: { ${match} }\n      filters:${filters}`).join(''),
    );
  assert.deepEqual(errors(chains('server_names: [ a ]', 'server_names: [ b ]')), []);
  assert.match(
    one(chains('server_names: [ a, b ]', 'server_names: [ c, b ]')),
    /filter_chains\[1\]\.filter_chain_match: matches the same connections as filter_chains\[0\]: b$/,
  );
  assert.match(one(chains('server_names: [ "a.*" ]', '')), /server_names\[0\]: "a\.\*" can't be matched/);
  const fallback = chains('source_ports: [ 5 ]').replace(
    '    filter_chains:',
    `    default_filter_chain:\n      filter_chain_match: { source_ports: [ 6 ] }\n      filters:${filters}    filter_chains:`,
  );
  assert.deepEqual(briefly(fallback), [
    'warning static_resources.listeners[0].default_filter_chain.filter_chain_match: has no effect here: default_filter_chain takes what no other chain matches',
  ]);
  const record = compiled(chains('transport_protocol: tls', 'source_ports: [ 5 ]')).plan.listeners[0];
  assert.deepEqual([record?.hasOneChainForAll, record?.inspection.isNeeded], [false, true]);
  assert.equal(compiled(chains('source_ports: [ 5 ]')).plan.listeners[0]?.inspection.isNeeded, false);
  assert.equal(compiled(yaml()).plan.listeners[0]?.hasOneChainForAll, true);
});
