/** Connections of HTTP/2 that end in order, plain and over TLS: whatever ends them, no request that was taken is lost. */
import assert from 'node:assert/strict';
import http2, { type ClientHttp2Session } from 'node:http2';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { bootstrap } from '../support/bootstrap.js';
import { answerOf, Http2Client } from '../support/http2-client.js';
import { ProxyProcess } from '../support/proxy-process.js';
import { downstreamTls, TlsFiles, tlsCertificate } from '../support/tls-files.js';

const SESSIONS = 6;
const LANES = 8;
const REFUSED_STREAM = 7;
const NO_ERROR = 0;
const BODY = Buffer.alloc(20000, 'x');

const files = new TlsFiles();
const made = files.issue('drain', { san: 'IP:127.0.0.1' });
const ca = readFileSync(files.certificate);
/** Answers with the length of what came, soon but not at once. */
const origin = http.createServer((request, response) => {
  let length = 0;
  request.on('data', (chunk: Buffer) => {
    length += chunk.length;
  });
  request.on('end', () => setTimeout(() => response.end(String(length)), Math.random() * 10));
});
before(() => new Promise<void>((resolve) => void origin.listen(0, '127.0.0.1', resolve)));
after(() => {
  origin.close();
  origin.closeAllConnections();
  files.remove();
});

/** Clients that go on with a new connection when one is left by the proxy, until they are stopped or find none. */
class Load {
  good = 0;
  connections = 0;
  readonly lost: string[] = [];
  #isStopped = false;
  readonly #done: Promise<unknown>;
  readonly #url: string;

  constructor(port: number, isSecure: boolean) {
    this.#url = `${isSecure ? 'https' : 'http'}://127.0.0.1:${port}`;
    this.#done = Promise.all(Array.from({ length: SESSIONS }, () => this.#client()));
  }

  stop(): Promise<unknown> {
    this.#isStopped = true;
    return this.#done;
  }
  /** They find nobody any more. */
  ended(): Promise<unknown> {
    return this.#done;
  }

  async #client(): Promise<void> {
    while (!this.#isStopped) {
      const session = http2.connect(this.#url, { ca });
      const isThere = await new Promise<boolean>((resolve) => {
        session.once('remoteSettings', () => resolve(true));
        session.on('error', () => resolve(false));
        session.once('close', () => resolve(false));
      });
      if (!isThere) return;
      this.connections++;
      await Promise.all(Array.from({ length: LANES }, (_, lane) => this.#lane(session, lane % 2 === 0)));
      if (session.destroyed) continue;
      const isClosed = new Promise((resolve) => session.once('close', resolve));
      session.close();
      await isClosed;
    }
  }

  async #lane(session: ClientHttp2Session, hasBody: boolean): Promise<void> {
    while (!this.#isStopped && !session.closed && !session.destroyed) {
      const method = hasBody ? 'POST' : 'GET';
      const stream = session.request({ ':method': method, ':path': '/' }, { endStream: !hasBody });
      let error = '';
      stream.on('error', (each: NodeJS.ErrnoException) => {
        error = each.code ?? each.message;
      });
      if (hasBody) stream.end(BODY);
      const { status, code, body } = await answerOf(stream);
      if (status === 200 && code === NO_ERROR && body.toString() === String(hasBody ? BODY.length : 0)) this.good++;
      // Not looked at, and the client knows: behind the last GOAWAY, or never sent.
      else if (code !== REFUSED_STREAM && error !== 'ERR_HTTP2_GOAWAY_SESSION' && stream.id !== undefined)
        this.lost.push(`${method} ${stream.id}: ${status}, code ${code} ${error} ${body.toString()}`);
    }
  }
}

function config(isSecure: boolean, common: object, name = 'a'): (port: number, adminPort: number) => string {
  const plain = bootstrap({
    origins: [(origin.address() as AddressInfo).port],
    manager: { common_http_protocol_options: common, server_name: name },
  });
  return (port, adminPort) => {
    const document = JSON.parse(plain(port, adminPort)) as {
      static_resources: { listeners: { filter_chains: { transport_socket?: object }[] }[] };
    };
    const [chain] = document.static_resources.listeners[0]?.filter_chains ?? [];
    if (isSecure && chain !== undefined)
      chain.transport_socket = downstreamTls({ tls_certificates: [tlsCertificate(made)], alpn_protocols: ['h2'] });
    return JSON.stringify(document);
  };
}

for (const isSecure of [false, true]) {
  const kind = isSecure ? 'over TLS' : 'plain';
  for (const [what, common] of [
    ['max_requests_per_connection', { max_requests_per_connection: 30 }],
    ['max_connection_duration', { max_connection_duration: '0.15s' }],
  ] as const) {
    test(`${what}, ${kind}: clients come back, none loses a request`, async () => {
      const proxy = await ProxyProcess.start(config(isSecure, common));
      const load = new Load(proxy.port, isSecure);
      await proxy.until(() => load.connections > 5 * SESSIONS || load.lost.length > 0);
      await load.stop();
      assert.deepEqual(load.lost, []);
      assert.equal(await proxy.stop(), 0);
    });
  }

  test(`reloads, ${kind}: connections go on`, async () => {
    const proxy = await ProxyProcess.start(config(isSecure, {}));
    const load = new Load(proxy.port, isSecure);
    for (let i = 0; i < 6; i++) {
      const before = load.good;
      proxy.writeConfig(config(isSecure, {}, `s${i}`)(proxy.port, proxy.adminPort));
      proxy.child.kill('SIGHUP');
      await proxy.until(() => load.good > before + 50 && proxy.log.split('reloaded').length > i + 1);
    }
    await load.stop();
    assert.deepEqual([load.lost, load.connections], [[], SESSIONS]);
    assert.equal(await proxy.stop(), 0);
  });

  test(`SIGTERM, ${kind}: what was taken is answered, and the process ends`, async () => {
    const proxy = await ProxyProcess.start(config(isSecure, {}));
    const load = new Load(proxy.port, isSecure);
    await proxy.until(() => load.good > 200);
    proxy.child.kill('SIGTERM');
    await load.ended();
    assert.deepEqual(load.lost, []);
    assert.equal(await proxy.exited, 0, proxy.log);
    await proxy.stop();
  });
}

test('GOAWAY comes in two steps: what is under way is answered', async () => {
  const proxy = await ProxyProcess.start(config(false, {}));
  const client = await Http2Client.connect(proxy.port);
  const lasts: number[] = [];
  client.session.on('goaway', (_code, last) => lasts.push(last as number));
  assert.equal((await client.request({ ':path': '/' })).status, 200);
  const slow = client.stream({ ':path': '/', ':method': 'POST' });
  const answer = answerOf(slow);
  proxy.child.kill('SIGTERM');
  // A client without a stream leaves at the first.
  await proxy.until(() => lasts.length === 2);
  slow.end('done');
  assert.equal((await answer).status, 200);
  await proxy.until(() => client.isClosed);
  assert.deepEqual(lasts, [2 ** 31 - 1, 3]);
  await proxy.stop();
});
