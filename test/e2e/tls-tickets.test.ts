/** Tickets of TLS 1.3 end to end: each is used once (RFC 8446 appendix C.4), so a resumed connection gets another one. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { bootstrap } from '../support/bootstrap.js';
import { Authority } from '../support/certificates.js';
import { ProxyProcess } from '../support/proxy-process.js';

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext';
const authority = new Authority('tickets');
let proxy: ProxyProcess;

before(async () => {
  const { certificatePem, keyPem } = authority.issue('a.example', { names: 'DNS:a.example' });
  const certificate = { certificate_chain: { inline_string: certificatePem }, private_key: { inline_string: keyPem } };
  const context = { '@type': TLS, common_tls_context: { tls_certificates: [certificate] } };
  const socket = { name: 'envoy.transport_sockets.tls', typed_config: context };
  const config = bootstrap({ origins: [9] });
  proxy = await ProxyProcess.start((port, adminPort) => {
    const document = JSON.parse(config(port, adminPort));
    document.static_resources.listeners[0].filter_chains[0].transport_socket = socket;
    return JSON.stringify(document);
  });
});

after(async () => {
  await proxy?.stop();
  authority.close();
});

/** The next ticket, once it has come. */
function visit(session: Buffer | undefined): Promise<{ readonly isResumed: boolean; readonly ticket: Buffer }> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      port: proxy.port,
      host: '127.0.0.1',
      servername: 'a.example',
      ca: authority.certificatePem,
      minVersion: 'TLSv1.3',
      ...(session === undefined ? {} : { session }),
    });
    socket.once('error', reject);
    socket.once('session', (ticket) => {
      resolve({ isResumed: socket.isSessionReused(), ticket });
      socket.destroy();
    });
    socket.resume();
  });
}

test('a resumed connection is given a ticket for the next one', async () => {
  let { isResumed, ticket } = await visit(undefined);
  assert.equal(isResumed, false);
  for (let times = 0; times < 3; times++) {
    ({ isResumed, ticket } = await visit(ticket));
    assert.equal(isResumed, true);
  }
});
