/** gRPC-Web as a browser speaks it from a page of another origin: its own preflights, both encodings, streams, aborts. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { bootstrap } from '../support/bootstrap.js';
import { Browser } from '../support/browser.js';
import { GrpcEcho, SERVICE } from '../support/grpc-echo.js';
import { newPageServer } from '../support/page-server.js';
import { ProxyProcess } from '../support/proxy-process.js';
import { downstreamTls, TlsFiles, tlsCertificate } from '../support/tls-files.js';

const FILTERS = 'type.googleapis.com/envoy.extensions.filters.http';

/** Runs in the browser: calls what the query names, and tells where it came from how that went. */
const PAGE = `<!doctype html><title>x</title><script>
const at = new URL(location.href).searchParams.get('at');
const BINARY = 'application/grpc-web+proto', TEXT = 'application/grpc-web-text';
const frame = (text) => {
  const message = new TextEncoder().encode(text), bytes = new Uint8Array(5 + message.length);
  new DataView(bytes.buffer).setUint32(1, message.length);
  bytes.set(message, 5);
  return bytes;
};
const ask = (method, text, type, fields, signal) => fetch(at + '/${SERVICE}/' + method, {
  method: 'POST', signal,
  headers: { 'content-type': type, accept: type, 'x-grpc-web': '1', ...fields },
  body: type === TEXT ? btoa(String.fromCharCode(...frame(text))) : frame(text),
});
const fromText = (text) => Uint8Array.from(
  (text.match(/[^=]+={0,2}/g) ?? []).map((each) => atob(each)).join(''), (letter) => letter.charCodeAt(0));
const framesOf = (bytes) => {
  const found = [];
  for (let i = 0; i < bytes.length; ) {
    const end = i + 5 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(i + 1);
    found.push((bytes[i] === 128 ? 'trailers ' : 'message ') + new TextDecoder().decode(bytes.subarray(i + 5, end)));
    i = end;
  }
  return found;
};
const read = async (response, type) => ({
  status: response.status,
  head: response.headers.get('x-head'),
  hidden: response.headers.get('date'),
  grpcStatus: response.headers.get('grpc-status'),
  frames: framesOf(type === TEXT ? fromText(await response.text()) : new Uint8Array(await response.arrayBuffer())),
});
(async () => {
  const told = {};
  try {
    for (const type of [BINARY, TEXT]) {
      told[type] = await read(await ask('Unary', 'hello', type, {}), type);
      told[type + ' failed'] = await read(await ask('Unary', 'x', type, { 'x-fail': '9 not now' }), type);
      told[type + ' stream'] = await read(await ask('ServerStream', 'piece', type, { 'x-count': '3' }), type);
    }
    // The first message comes while the stream is open, and giving up reaches the server.
    const stop = new AbortController();
    const open = await ask('ServerStream', 'live', BINARY, { 'x-count': '1', 'x-wait': '1' }, stop.signal);
    const first = await open.body.getReader().read();
    told.live = framesOf(first.value);
    stop.abort();
    told.forbidden = await ask('Unary', 'x', BINARY, { 'x-not-allowed': '1' }).then(() => 'allowed', () => 'refused');
  } catch (error) { told.error = String(error); }
  await fetch('/told', { method: 'POST', body: JSON.stringify(told) });
})();
</script>`;

interface Read {
  readonly status: number;
  readonly head: string | null;
  readonly hidden: string | null;
  readonly grpcStatus: string | null;
  readonly frames: readonly string[];
}
type Told = Readonly<Record<string, Read>> & {
  readonly live: string[];
  readonly forbidden: string;
};

let onTold: (told: Told) => void = () => {};
const pages = newPageServer<Told>(PAGE, (told) => onTold(told));
const files = new TlsFiles();
let echo: GrpcEcho;
const proxies: ProxyProcess[] = [];

before(async () => {
  await once(pages.listen(0, '127.0.0.1'), 'listening');
  echo = await GrpcEcho.start();
});
after(async () => {
  for (const proxy of proxies) await proxy.stop();
  pages.close();
  pages.closeAllConnections();
  echo.kill();
  files.remove();
});

async function start(isSecure: boolean): Promise<ProxyProcess> {
  const filter = (name: string, message: string): object => ({
    name,
    typed_config: { '@type': `${FILTERS}.${message}` },
  });
  const policy = {
    '@type': `${FILTERS}.cors.v3.CorsPolicy`,
    allow_origin_string_match: [{ prefix: 'http://127.0.0.1' }],
    allow_methods: 'POST',
    allow_headers: 'content-type,x-grpc-web,x-fail,x-count,x-wait',
    expose_headers: 'grpc-status,grpc-message,x-head',
  };
  const text = bootstrap({
    origins: [echo.port],
    cluster: { http2_protocol_options: {} },
    routes: [{ match: { prefix: '/' }, route: { cluster: 'origin' }, typed_per_filter_config: { cors: policy } }],
    manager: {
      http_filters: [
        filter('cors', 'cors.v3.Cors'),
        filter('web', 'grpc_web.v3.GrpcWeb'),
        filter('r', 'router.v3.Router'),
      ],
    },
  });
  const proxy = await ProxyProcess.start((port, adminPort) => {
    const document = JSON.parse(text(port, adminPort)) as {
      static_resources: { listeners: { filter_chains: { transport_socket?: object }[] }[] };
    };
    const chain = document.static_resources.listeners[0]?.filter_chains[0] as { transport_socket?: object };
    const made = isSecure ? files.issue('web', { san: 'IP:127.0.0.1' }) : null;
    if (made !== null)
      chain.transport_socket = downstreamTls({ tls_certificates: [tlsCertificate(made)], alpn_protocols: ['h2'] });
    return JSON.stringify(document);
  });
  proxies.push(proxy);
  return proxy;
}

async function visit(at: string): Promise<Told> {
  const told = new Promise<Told>((resolve) => {
    onTold = resolve;
  });
  const browser = new Browser(
    `http://127.0.0.1:${(pages.address() as AddressInfo).port}/?at=${encodeURIComponent(at)}`,
  );
  try {
    const late = new Promise<never>((_, reject) =>
      setTimeout(() => reject(new Error(`nothing was told; ${browser.log}`)), 60000).unref(),
    );
    return await Promise.race([told, late]);
  } finally {
    await browser.stop();
  }
}

for (const [scheme, hop] of [
  ['http', 'http/1.1'],
  ['https', 'h2'],
] as const)
  test(`over ${hop}`, async () => {
    const proxy = await start(scheme === 'https');
    const told = await visit(`${scheme}://127.0.0.1:${proxy.port}`);
    assert.equal(told['error'], undefined);
    for (const type of ['application/grpc-web+proto', 'application/grpc-web-text']) {
      const unary = told[type] as Read;
      assert.deepEqual(
        [unary.status, unary.head, unary.hidden, unary.frames[0]],
        [200, 'first', null, 'message hello'],
      );
      assert.match(unary.frames[1] ?? '', /^trailers (?=.*grpc-status:0\r\n).*x-trailer:last\r\n/s);
      const failed = told[`${type} failed`] as Read;
      const status = failed.grpcStatus ?? /grpc-status:(\d+)\r\n/.exec(failed.frames.join())?.[1];
      assert.equal(status, '9');
      const { frames } = told[`${type} stream`] as Read;
      assert.deepEqual(frames.slice(0, 3), ['message piece', 'message piece', 'message piece']);
      assert.match(frames[3] ?? '', /^trailers .*grpc-status:0\r\n/s);
    }
    assert.deepEqual(told.live, ['message live']);
    assert.equal(told.forbidden, 'refused');
    const [spoken, other] = hop === 'h2' ? ['http2', 'http1'] : ['http1', 'http2'];
    assert.ok((await proxy.stat(`http.ingress.downstream_rq_${spoken}_total`)) >= 8);
    assert.equal(await proxy.stat(`http.ingress.downstream_rq_${other}_total`), 0);
    // The one that it gave up is over on both sides.
    await proxy.until(async () => (await proxy.stat('cluster.origin.upstream_rq_active')) === 0);
    assert.ok((await proxy.stat('http.ingress.cors.origin_valid')) > 0);
  });
