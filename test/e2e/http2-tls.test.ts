/** HTTP/2 over TLS end to end: ALPN decides on both sides, and auto_config goes by what an origin negotiates. */
import assert from 'node:assert/strict';
import type http from 'node:http';
import http2, { type ClientHttp2Session } from 'node:http2';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { bootstrap } from '../support/bootstrap.js';
import { answerOf } from '../support/http2-client.js';
import { ProxyProcess } from '../support/proxy-process.js';
import { downstreamTls, TlsFiles, tlsCertificate, upstreamTls } from '../support/tls-files.js';

const OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const OLDER = 'upstream_cx_http1_total';
const NEWER = 'upstream_cx_http2_total';
const files = new TlsFiles();
const made = files.issue('both', { san: 'DNS:both.example,IP:127.0.0.1' });
const ca = readFileSync(files.certificate);
const open: (() => unknown)[] = [];
after(async () => {
  for (const close of open.reverse()) await close();
  files.remove();
});

type TestRequest = http.IncomingMessage | http2.Http2ServerRequest;
/** What both versions' have, with one signature. */
interface TestResponse {
  end(text: string): unknown;
}

/** Speaks what was negotiated, and says which. */
async function secureOrigin(
  takesHttp2: boolean,
  answer: (request: TestRequest, response: TestResponse) => void = (request, response) =>
    response.end(`over ${request.httpVersion}`),
): Promise<{ readonly port: number; readonly seen: string[] }> {
  const seen: string[] = [];
  const options = { cert: readFileSync(made.certificate), key: readFileSync(made.key), allowHTTP1: true };
  const listener = (request: TestRequest, response: TestResponse): void => {
    seen.push(request.httpVersion);
    answer(request, response);
  };
  const server = takesHttp2 ? http2.createSecureServer(options, listener) : https.createServer(options, listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push(() => {
    server.close();
    if ('closeAllConnections' in server) server.closeAllConnections();
  });
  return { port: (server.address() as AddressInfo).port, seen };
}

async function start(ports: number | readonly number[], protocol: object, listenerTls = true): Promise<ProxyProcess> {
  const config = bootstrap({
    origins: typeof ports === 'number' ? [ports] : ports,
    cluster: {
      transport_socket: upstreamTls(
        { validation_context: { trusted_ca: { filename: files.certificate } } },
        { sni: 'both.example' },
      ),
      typed_extension_protocol_options: { [OPTIONS]: { '@type': `type.googleapis.com/${OPTIONS}`, ...protocol } },
    },
  });
  const proxy = await ProxyProcess.start(
    (own, admin) => {
      const document = JSON.parse(config(own, admin)) as {
        static_resources: { listeners: { filter_chains: { transport_socket?: object }[] }[] };
      };
      const chain = document.static_resources.listeners[0]?.filter_chains[0] as { transport_socket?: object };
      if (listenerTls)
        chain.transport_socket = downstreamTls({
          tls_certificates: [tlsCertificate(made)],
          alpn_protocols: ['h2', 'http/1.1'],
        });
      return JSON.stringify(document);
    },
    { args: ['--concurrency', '1'] },
  );
  open.push(() => proxy.stop());
  return proxy;
}

async function overHttp2(proxy: ProxyProcess): Promise<string> {
  const session: ClientHttp2Session = http2.connect(`https://127.0.0.1:${proxy.port}`, { ca });
  session.on('error', () => {});
  const { status, body } = await answerOf(session.request({ ':path': '/' }));
  const alpn = session.alpnProtocol;
  await new Promise<void>((resolve) => session.close(resolve));
  return `${alpn} ${status} ${body.toString()}`;
}

function overHttp1(proxy: ProxyProcess): Promise<string> {
  return new Promise((resolve, reject) =>
    https
      .get({ port: proxy.port, host: '127.0.0.1', ca }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString();
        });
        response.on('end', () => resolve(`http/1.1 ${response.statusCode} ${text}`));
      })
      .on('error', reject),
  );
}

test('ALPN of the client decides; HTTP/2 to the origin as the config says', async () => {
  const origin = await secureOrigin(true);
  const proxy = await start(origin.port, { explicit_http_config: { http2_protocol_options: {} } });
  assert.equal(await overHttp2(proxy), 'h2 200 over 2.0');
  assert.equal(await overHttp1(proxy), 'http/1.1 200 over 2.0');
  assert.equal(await proxy.stat('http.ingress.downstream_cx_http2_total'), 1);
  assert.equal(await proxy.stat('http.ingress.downstream_cx_http1_total'), 1);
});

for (const [takesHttp2, version] of [
  [true, '2.0'],
  [false, '1.1'],
] as const)
  test(`auto_config: an origin that negotiates ${version} is spoken to in it`, async () => {
    const origin = await secureOrigin(takesHttp2);
    const proxy = await start(origin.port, { auto_config: {} });
    assert.equal(await overHttp2(proxy), `h2 200 over ${version}`);
    const session = http2.connect(`https://127.0.0.1:${proxy.port}`, { ca });
    const many = await Promise.all(Array.from({ length: 30 }, () => answerOf(session.request({ ':path': '/' }))));
    assert.deepEqual(new Set(many.map(({ status }) => status)), new Set([200]));
    session.close();
    assert.deepEqual(new Set(origin.seen), new Set([version]));
    // Some that were dialled may not have negotiated anything yet.
    assert.ok((await proxy.stat(`cluster.origin.${takesHttp2 ? NEWER : OLDER}`)) >= 1);
    assert.equal(await proxy.stat(`cluster.origin.${takesHttp2 ? OLDER : NEWER}`), 0);
    if (takesHttp2) assert.equal(await proxy.stat('cluster.origin.upstream_cx_total'), 1);
  });

/** The version that was spoken, the method and the body. */
function echo(request: TestRequest, response: TestResponse): void {
  let received = '';
  request.on('data', (chunk: Buffer) => {
    received += chunk.toString();
  });
  request.on('end', () => response.end(`${request.httpVersion} ${request.method} ${received}`));
}

test('auto_config: what an endpoint of HTTP/2 refuses is sent to one of HTTP/1.1', async () => {
  const refusing = await secureOrigin(true, (request) => {
    (request as http2.Http2ServerRequest).stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
  });
  const taking = await secureOrigin(false, echo);
  const proxy = await start([refusing.port, taking.port], { auto_config: {} });
  const session = http2.connect(`https://127.0.0.1:${proxy.port}`, { ca });
  for (let i = 0; i < 4; i++) {
    const got = await answerOf(session.request({ ':path': '/' }));
    assert.deepEqual([got.status, got.body.toString()], [200, '1.1 GET ']);
    const stream = session.request({ ':path': '/', ':method': 'POST' });
    stream.end('body');
    const posted = await answerOf(stream);
    assert.deepEqual([posted.status, posted.body.toString()], [200, '1.1 POST body']);
  }
  session.close();
  assert.ok(refusing.seen.length > 0, 'the one that refuses was never asked');
  assert.ok((await proxy.stat('cluster.origin.upstream_rq_retry')) >= refusing.seen.length);
});

test('auto_config: what a connection of HTTP/1.1 died with is sent to an endpoint of HTTP/2', async () => {
  const used = new WeakSet<object>();
  const dying = await secureOrigin(false, (request, response) => {
    if (used.has(request.socket)) request.socket.destroy();
    else echo(request, response);
    used.add(request.socket);
  });
  const taking = await secureOrigin(true, echo);
  const proxy = await start([dying.port, taking.port], { auto_config: {} });
  const session = http2.connect(`https://127.0.0.1:${proxy.port}`, { ca });
  const versions: string[] = [];
  for (let i = 0; i < 8; i++) {
    const { status, body } = await answerOf(session.request({ ':path': '/' }));
    assert.equal(status, 200);
    versions.push(body.toString());
  }
  session.close();
  assert.deepEqual(new Set(versions), new Set(['1.1 GET ', '2.0 GET ']));
  assert.ok((await proxy.stat('cluster.origin.upstream_rq_retry')) >= 1);
});
