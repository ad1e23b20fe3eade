/** Envoy configs in the wild: each loads or is refused with reasons that have a place; none crashes the reader. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '../../engine/control/load.js';
import { conformanceFile } from '../support/conformance-data.js';
import { TlsFiles } from '../support/tls-files.js';

function files(directory: string): string[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  });
}

const data = conformanceFile('envoy-configs');

/** The certificates that some of them name, by paths relative to where the proxy is started. */
function withCertificates(run: () => void): void {
  const made = new TlsFiles();
  const before = process.cwd();
  mkdirSync(made.path('certs'));
  const put = (name: string, from: string): void => copyFileSync(from, made.path(`certs/${name}`));
  put('cacert.pem', made.certificate);
  for (const name of ['server', 'client', 'domain1', 'domain2']) {
    const { certificate, key } = made.issue(name, { san: `DNS:${name}.example` });
    put(name.startsWith('domain') ? `${name}.crt.pem` : `${name}cert.pem`, certificate);
    put(name.startsWith('domain') ? `${name}.key.pem` : `${name}key.pem`, key);
  }
  process.chdir(made.directory);
  try {
    run();
  } finally {
    process.chdir(before);
    made.remove();
  }
}

test('configs in the wild load or are refused with a place', { skip: data.skip }, () => {
  let loads = 0;
  for (const path of files(data.path as string)) {
    const loaded = loadConfig({ path, text: null, name: path, allowsUnknownFields: false, environment: {} });
    if (!('problems' in loaded)) {
      loads++;
      continue;
    }
    const errors = loaded.problems.filter((problem) => problem.severity === 'error');
    assert.ok(errors.length > 0, path);
    for (const error of errors) assert.ok(error.line > 0 && error.message.length > 5, `${path}: ${error.message}`);
  }
  assert.ok(loads > 0, 'none loads');
});

test(
  'locality weights of a config in the wild are read: only its health checks are refused',
  { skip: data.skip },
  () => {
    const path = join(data.path as string, 'envoyproxy-examples', 'locality-load-balancing_envoy.yaml');
    const loaded = loadConfig({ path, text: null, name: path, allowsUnknownFields: false, environment: {} });
    const problems = 'problems' in loaded ? loaded.problems : loaded.warnings;
    assert.deepEqual(
      problems.filter((problem) => !/health_check/.test(problem.path)).map(({ message }) => message),
      [],
    );
  },
);

/** TLS of configs in the wild: those of Envoy's own TLS sandboxes, whatever else is in them. */
const TLS_CONFIGS = [
  'double-proxy_envoy.yaml',
  'tls-inspector_envoy.yaml',
  'tls-sni_envoy-client.yaml',
  'tls-sni_envoy.yaml',
  'websocket_envoy-wss.yaml',
  'tls_envoy-https-http.yaml',
  'tls_envoy-https-https.yaml',
  'tls_envoy-http-https.yaml',
];
for (const name of TLS_CONFIGS)
  test(`${name}: nothing of its TLS is refused`, { skip: data.skip }, () =>
    withCertificates(() => {
      const path = join(data.path as string, 'envoyproxy-examples', name);
      const loaded = loadConfig({ path, text: null, name: path, allowsUnknownFields: false, environment: {} });
      const problems = 'problems' in loaded ? loaded.problems : [];
      assert.deepEqual(
        problems.filter(({ message }) => !/tcp_proxy/.test(message)).map(({ line, message }) => `${line}: ${message}`),
        [],
      );
    }),
  );
