/** The node transport: what node:tls can't verify is an error of the config, at its place. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { briefly, clusterWith, yaml } from '../../support/config-problems.js';
import { type Made, TlsFiles } from '../../support/tls-files.js';

const TYPE = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
const config = (validation: string): string =>
  yaml({
    cluster: clusterWith(
      `transport_socket: { name: tls, typed_config: { "@type": ${TYPE}, common_tls_context: { validation_context: { system_root_certs: {}, ${validation} } } } }`,
    ),
  });
const PLACE = 'static_resources.clusters[0].transport_socket.typed_config.common_tls_context.validation_context';

for (const [validation, field] of [
  ['allow_expired_certificate: true', 'allow_expired_certificate'],
  ['max_verify_depth: 0', 'max_verify_depth'],
] as const)
  test(`${validation} needs the addon`, () => {
    const problem = `error ${PLACE}.${field}: the node transport can not do it: with the addon (--transport native) it can`;
    assert.deepEqual(briefly(config(validation), { transport: 'node' }), [problem]);
    assert.deepEqual(briefly(config(validation)), []);
  });

test('what asks for nothing is no problem', () => {
  const validation = 'allow_expired_certificate: false, only_verify_leaf_cert_crl: false';
  assert.deepEqual(briefly(config(validation), { transport: 'node' }), []);
});

const files = new TlsFiles();
after(() => files.remove());

test('a staple of one of several certificates that a name has needs the addon', () => {
  const ecdsa = files.issue('ecdsa', { san: 'DNS:a.example' });
  const rsa = files.issue('rsa', { san: 'DNS:a.example', key: 'rsa' });
  const other = files.issue('other', { san: 'DNS:b.example' });
  const staple = `, ocsp_staple: { filename: ${files.ocspResponse(ecdsa)} }`;
  const pair = ({ certificate, key }: Made, more = ''): string =>
    `{ certificate_chain: { filename: ${certificate} }, private_key: { filename: ${key} }${more} }`;
  const server = (...pairs: string[]): string =>
    yaml().replace(
      '    - filters:',
      `    - transport_socket: { name: tls, typed_config: { "@type": ${TYPE.replace('Upstream', 'Downstream')}, common_tls_context: { tls_certificates: [ ${pairs.join(', ')} ] } } }\n      filters:`,
    );
  const both = server(pair(ecdsa, staple), pair(rsa));
  assert.deepEqual(briefly(both, { transport: 'node' }), [
    'error static_resources.listeners[0].filter_chains[0].transport_socket.typed_config.common_tls_context: of one name several certificates, and ocsp_staple: the node transport can not do it: with the addon (--transport native) it can',
  ]);
  assert.deepEqual(briefly(both), []);
  for (const fine of [server(pair(ecdsa), pair(rsa)), server(pair(ecdsa, staple), pair(other))])
    assert.deepEqual(briefly(fine, { transport: 'node' }), []);
});
