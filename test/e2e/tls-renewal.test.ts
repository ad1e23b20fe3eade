/** TLS over time: certificates renewed under load, links swapped as Kubernetes does, resumption over workers. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { bootstrap } from '../support/bootstrap.js';
import { ProxyProcess } from '../support/proxy-process.js';
import { downstreamTls, type Made, TlsFiles, tlsCertificate } from '../support/tls-files.js';

const files = new TlsFiles();
let origin: http.Server;

before(async () => {
  origin = http.createServer((_request, response) => response.end('ok'));
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
});
after(() => {
  origin.close();
  origin.closeAllConnections();
  files.remove();
});

function start(socket: object, workers = 2): Promise<ProxyProcess> {
  const { port } = origin.address() as AddressInfo;
  return ProxyProcess.start(
    (own, admin) => {
      const config = JSON.parse(bootstrap({ origins: [port] })(own, admin));
      config.static_resources.listeners[0].filter_chains[0].transport_socket = socket;
      return JSON.stringify(config, null, 1);
    },
    { args: ['--concurrency', String(workers)] },
  );
}

/** Common name of what the proxy shows to a new connection. */
function shown(proxy: ProxyProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host: '127.0.0.1', port: proxy.port, rejectUnauthorized: false });
    socket.on('error', reject);
    socket.on('secureConnect', () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
  });
}

/** Requests one after the other on connections that stay, until told to stop; answers how many failed and came. */
function load(proxy: ProxyProcess, connections: number): () => Promise<{ good: number; bad: number }> {
  const agent = new https.Agent({ keepAlive: true, maxSockets: connections, rejectUnauthorized: false });
  let isOn = true;
  let good = 0;
  let bad = 0;
  const one = (): Promise<void> =>
    new Promise((resolve) => {
      const request = https.get({ host: '127.0.0.1', port: proxy.port, agent }, (response) => {
        response.resume();
        response.on('end', () => {
          if (response.statusCode === 200) good++;
          else bad++;
          resolve();
        });
      });
      request.on('error', () => {
        bad++;
        resolve();
      });
    });
  const loops = Array.from({ length: connections }, async () => {
    while (isOn) await one();
  });
  return async () => {
    isOn = false;
    await Promise.all(loops);
    agent.destroy();
    return { good, bad };
  };
}

function put(from: Made, to: Made): void {
  for (const part of ['certificate', 'key'] as const) {
    copyFileSync(from[part], `${to[part]}.new`);
    renameSync(`${to[part]}.new`, to[part]);
  }
}

test('a certificate is renewed under load: new connections get it, nothing is dropped; a broken one is not taken', async () => {
  const [old, fresh] = [files.issue('old'), files.issue('fresh')];
  const live = { certificate: files.path('live.pem'), key: files.path('live.key') };
  put(old, live);
  const proxy = await start(downstreamTls({ tls_certificates: [tlsCertificate(live)] }));
  try {
    const stop = load(proxy, 4);
    assert.equal(await shown(proxy), 'old');
    put(fresh, live);
    await proxy.until(async () => (await shown(proxy)) === 'fresh');
    writeFileSync(live.certificate, 'no certificate\n');
    await proxy.until(async () => (await proxy.stat('server.tls_files_renewal_failure')) >= 1);
    assert.match(proxy.log, /files not taken, those in force stay:[\s\S]*certificate_chain[\s\S]*is not a PEM file/);
    assert.equal(await shown(proxy), 'fresh');
    // A key alone that belongs to another certificate.
    copyFileSync(fresh.certificate, live.certificate);
    copyFileSync(old.key, live.key);
    await proxy.until(() => proxy.log.includes('does not belong to the certificate of CN=fresh'));
    put(old, live);
    await proxy.until(async () => (await shown(proxy)) === 'old');
    const { good, bad } = await stop();
    assert.equal(bad, 0);
    assert.ok(good > 0);
  } finally {
    await proxy.stop();
  }
});

test('a link that is turned to another directory, as Kubernetes renews secrets', async () => {
  const names = ['first', 'second'] as const;
  for (const name of names) {
    const made = files.issue(name);
    mkdirSync(files.path(`..${name}`));
    copyFileSync(made.certificate, files.path(`..${name}/tls.crt`));
    copyFileSync(made.key, files.path(`..${name}/tls.key`));
  }
  const turn = (name: string): void => {
    symlinkSync(`..${name}`, files.path('..data_tmp'));
    renameSync(files.path('..data_tmp'), files.path('..data'));
  };
  turn('first');
  for (const name of ['tls.crt', 'tls.key']) symlinkSync(`..data/${name}`, files.path(name));
  const live = { certificate: files.path('tls.crt'), key: files.path('tls.key') };
  const proxy = await start(downstreamTls({ tls_certificates: [tlsCertificate(live)] }));
  try {
    assert.equal(await shown(proxy), 'first');
    turn('second');
    await proxy.until(async () => (await shown(proxy)) === 'second');
  } finally {
    await proxy.stop();
  }
});

test('sessions are resumed whatever worker takes the connection; ticket keys of files; none without tickets', async () => {
  const made = files.issue('resumed');
  writeFileSync(files.path('tickets'), Buffer.alloc(80, 7));
  const common = { tls_certificates: [tlsCertificate(made)] };
  const cases = [
    [downstreamTls(common), true],
    [downstreamTls(common, { session_ticket_keys: { keys: [{ filename: files.path('tickets') }] } }), true],
    [
      downstreamTls(common, {
        disable_stateless_session_resumption: true,
        disable_stateful_session_resumption: true,
      }),
      false,
    ],
  ] as const;
  for (const [socket, isResumed] of cases) {
    const proxy = await start(socket);
    try {
      for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
        const session = await firstSession(proxy, version);
        // Eight connections at once are on both workers.
        const held = await Promise.all(Array.from({ length: 8 }, () => resume(proxy, version, session)));
        const reused = held.filter((each) => each.isSessionReused()).length;
        assert.equal(reused, isResumed ? 8 : 0, `${version} ${isResumed}`);
        for (const each of held) each.destroy();
      }
    } finally {
      await proxy.stop();
    }
  }
});

/** The last that comes with the first answer. */
function firstSession(proxy: ProxyProcess, version: tls.SecureVersion): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: proxy.port, rejectUnauthorized: false };
    const socket = tls.connect({ ...options, minVersion: version, maxVersion: version });
    let session: Buffer | undefined;
    socket.on('session', (each) => {
      session = each;
    });
    socket.on('error', reject);
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    socket.once('data', () => {
      resolve(session);
      socket.end();
    });
  });
}

function resume(proxy: ProxyProcess, version: tls.SecureVersion, session: Buffer | undefined): Promise<tls.TLSSocket> {
  return new Promise((resolve, reject) => {
    const options: tls.ConnectionOptions = { host: '127.0.0.1', port: proxy.port, rejectUnauthorized: false };
    if (session !== undefined) options.session = session;
    const socket = tls.connect({ ...options, minVersion: version, maxVersion: version }, () => resolve(socket));
    socket.on('error', reject);
  });
}

test('/certs and the days that are left; private keys are shown nowhere', async () => {
  const made = files.issue('short', { days: 20, san: 'DNS:short.example' });
  const inline = {
    certificate_chain: { filename: made.certificate },
    private_key: { inline_string: readFileSync(made.key, 'utf8') },
  };
  const proxy = await start(downstreamTls({ tls_certificates: [inline] }), 1);
  try {
    const { certificates } = (await (await proxy.admin('/certs')).json()) as {
      certificates: { cert_chain: { path: string; days_until_expiration: string; subject_alt_names: unknown }[] }[];
    };
    const [chain] = certificates[0]?.cert_chain ?? [];
    assert.equal(chain?.path, made.certificate);
    assert.deepEqual(chain?.subject_alt_names, [{ dns: 'short.example' }]);
    assert.ok(Number(chain?.days_until_expiration) >= 18);
    assert.equal(await proxy.stat('server.days_until_first_cert_expiring'), Number(chain?.days_until_expiration));
    assert.match(proxy.log, /expires in (19|20) days/);
    const dump = await (await proxy.admin('/config_dump')).text();
    assert.ok(dump.includes('[redacted]') && !dump.includes('PRIVATE KEY'));
  } finally {
    await proxy.stop();
  }
});
