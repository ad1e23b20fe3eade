/** TLS end to end: the real proxy against curl, openssl and node:tls. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { bootstrap } from '../support/bootstrap.js';
import { downstreamTls, TlsFiles, tlsCertificate } from '../support/tls-files.js';
import { ProxyProcess } from '../support/proxy-process.js';

const run = promisify(execFile);
const files = new TlsFiles();
let origin: http.Server;

before(async () => {
  origin = http.createServer((request, response) => {
    response.setHeader('x-seen', JSON.stringify(request.headers));
    response.end(`hello ${request.url}`);
  });
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
});
after(() => {
  origin.close();
  origin.closeAllConnections();
  files.remove();
});

/** Both transports, where the environment names one. */
const TRANSPORT = { args: ['--concurrency', '1', '--transport', process.env['MILLRACE_TRANSPORT'] ?? 'auto'] };

const originPort = (): number => (origin.address() as AddressInfo).port;

test('one certificate: curl verifies it, the origin hears of https', async () => {
  const made = files.issue('one', { san: 'DNS:one.example' });
  const proxy = await ProxyProcess.start((port, adminPort) => {
    const config = JSON.parse(bootstrap({ origins: [originPort()] })(port, adminPort));
    config.static_resources.listeners[0].filter_chains[0].transport_socket = downstreamTls({
      tls_certificates: [tlsCertificate(made)],
    });
    return JSON.stringify(config);
  }, TRANSPORT);
  try {
    const { stdout } = await run('curl', [
      ...['-sS', '-i', '--cacert', files.certificate, '--resolve', `one.example:${proxy.port}:127.0.0.1`],
      `https://one.example:${proxy.port}/a`,
    ]);
    assert.match(stdout, /hello \/a$/);
    assert.match(stdout, /"x-forwarded-proto":"https"/);
    assert.equal(await proxy.stat(`listener.127.0.0.1_${proxy.port}.ssl.handshake`), 1);
  } finally {
    await proxy.stop();
  }
});
