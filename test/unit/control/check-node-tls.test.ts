/** The node transport: what node:tls can't verify is an error of the config, at its place. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { briefly, clusterWith, yaml } from '../../support/config-problems.js';

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
