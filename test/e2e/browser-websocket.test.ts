/** WebSocket as a browser speaks it: text, binary, large, ping-pong by turns, and an orderly close. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo, Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { type WebSocket, WebSocketServer } from 'ws';
import { bootstrap } from '../support/bootstrap.js';
import { Browser } from '../support/browser.js';
import { newPageServer } from '../support/page-server.js';
import { ProxyProcess } from '../support/proxy-process.js';
import { downstreamTls, TlsFiles, tlsCertificate } from '../support/tls-files.js';

/** Runs in the browser; tells the origin how it went. */
const PAGE = `<!doctype html><title>x</title><script>
const told = { messages: [], close: null };
const tell = () => fetch('/told', { method: 'POST', body: JSON.stringify(told) });
const socket = new WebSocket(location.href.replace(/^http/, 'ws') + 'echo', 'chat');
socket.binaryType = 'arraybuffer';
const large = new Uint8Array(1 << 20).fill(7);
const sent = ['hello', large, 'bye'];
socket.onopen = () => { told.protocol = socket.protocol; socket.send(sent.shift()); };
socket.onmessage = ({ data }) => {
  told.messages.push(typeof data === 'string' ? data : data.byteLength + ' of ' + new Uint8Array(data)[4711]);
  if (sent.length > 0) socket.send(sent.shift()); else socket.close(4001, 'enough');
};
socket.onerror = () => { told.error = true; };
socket.onclose = ({ code, reason, wasClean }) => {
  told.close = { code, reason, wasClean };
  told.hop = performance.getEntriesByType('navigation')[0].nextHopProtocol;
  tell();
};
</script>`;

interface Told {
  readonly protocol: string;
  readonly messages: readonly string[];
  readonly close: { readonly code: number; readonly reason: string; readonly wasClean: boolean };
  readonly error?: boolean;
  readonly hop: string;
}

const origin = newPageServer<Told>(PAGE, (told) => onTold(told));
let onTold: (told: Told) => void = () => {};
const closes: string[] = [];
const files = new TlsFiles();
const LOG = files.path('access.log');
let plain: ProxyProcess;
let secure: ProxyProcess;

before(async () => {
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'chat' });
  origin.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket as Socket, head, (webSocket: WebSocket) => {
      webSocket.on('message', (message: Buffer, isBinary) => webSocket.send(message, { binary: isBinary }));
      webSocket.on('close', (code, reason) => closes.push(`${code} ${reason.toString()}`));
    });
  });
  await once(origin.listen(0, '127.0.0.1'), 'listening');
  const config = bootstrap({
    origins: [(origin.address() as AddressInfo).port],
    manager: {
      upgrade_configs: [{ upgrade_type: 'websocket' }],
      http2_protocol_options: { allow_connect: true },
      access_log: [accessLog()],
    },
  });
  plain = await ProxyProcess.start(config);
  secure = await ProxyProcess.start((port, adminPort) => overTls(config(port, adminPort)));
});

after(async () => {
  await plain?.stop();
  await secure?.stop();
  origin.close();
  origin.closeAllConnections();
  files.remove();
});

function accessLog(): object {
  const inline_string = '%PROTOCOL% %REQ(:METHOD)% %REQ(:PATH)% %REQ(UPGRADE)% %RESPONSE_CODE% %CONNECTION_ID%\n';
  const type = 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog';
  const typed = { '@type': type, path: LOG, log_format: { text_format_source: { inline_string } } };
  return { name: 'envoy.access_loggers.file', typed_config: typed };
}

function overTls(config: string): string {
  const document = JSON.parse(config) as {
    static_resources: { listeners: { filter_chains: { transport_socket?: object }[] }[] };
  };
  const chain = document.static_resources.listeners[0]?.filter_chains[0] as { transport_socket?: object };
  const certificate = tlsCertificate(files.issue('proxy', { san: 'IP:127.0.0.1' }));
  chain.transport_socket = downstreamTls({ tls_certificates: [certificate], alpn_protocols: ['h2', 'http/1.1'] });
  return JSON.stringify(document);
}

async function visit(url: string): Promise<Told> {
  const told = new Promise<Told>((resolve) => {
    onTold = resolve;
  });
  const browser = new Browser(url);
  try {
    const late = new Promise<never>((_, reject) =>
      setTimeout(() => reject(new Error(`nothing was told; ${browser.log}`)), 60000).unref(),
    );
    return await Promise.race([told, late]);
  } finally {
    await browser.stop();
  }
}

async function assertConversation(url: string, hop: string): Promise<void> {
  closes.length = 0;
  const told = await visit(url);
  assert.equal(told.hop, hop);
  assert.equal(told.protocol, 'chat');
  assert.deepEqual(told.messages, ['hello', '1048576 of 7', 'bye']);
  assert.deepEqual(told.close, { code: 4001, reason: 'enough', wasClean: true });
  assert.equal(told.error, undefined);
  await plain.until(() => closes.length > 0);
  assert.deepEqual(closes, ['4001 enough']);
}

/** What the access log says of the tunnel that began last, in the order of its format. */
async function loggedTunnel(proxy: ProxyProcess): Promise<readonly string[]> {
  const tunnels = (): string[] => readFileSync(LOG, 'utf8').match(/^.* \/echo .*$/gm) ?? [];
  const known = loggedTunnels;
  await proxy.until(() => tunnels().length > known);
  loggedTunnels = tunnels().length;
  return tunnels().at(-1)?.split(' ') ?? [];
}
let loggedTunnels = 0;

test('over HTTP/1.1', async () => {
  await assertConversation(`http://127.0.0.1:${plain.port}/`, 'http/1.1');
  const [protocol, method, , upgrade, status] = await loggedTunnel(plain);
  assert.deepEqual([protocol, method, upgrade, status], ['HTTP/1.1', 'GET', 'websocket', '101']);
});

test('over HTTP/2: on the connection of the page, by extended CONNECT', async () => {
  await assertConversation(`https://127.0.0.1:${secure.port}/`, 'h2');
  const [protocol, method, , upgrade, status, connection] = await loggedTunnel(secure);
  assert.deepEqual([protocol, method, upgrade, status], ['HTTP/2', 'GET', 'websocket', '101']);
  const page = readFileSync(LOG, 'utf8').match(/^HTTP\/2 GET \/ - 200 (\d+)$/m);
  assert.equal(connection, page?.[1]);
});
