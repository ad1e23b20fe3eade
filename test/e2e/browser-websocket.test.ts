/** WebSocket as a browser speaks it: text, binary, large, ping-pong by turns, and an orderly close. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { type WebSocket, WebSocketServer } from 'ws';
import { bootstrap } from '../support/bootstrap.js';
import { Browser } from '../support/browser.js';
import { ProxyProcess } from '../support/proxy-process.js';

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

const origin = http.createServer((request, response) => {
  if (request.method !== 'POST') {
    response.setHeader('content-type', 'text/html').end(PAGE);
    return;
  }
  let body = '';
  request.on('data', (chunk: Buffer) => {
    body += chunk.toString();
  });
  request.on('end', () => {
    response.end();
    onTold(JSON.parse(body) as Told);
  });
});
let onTold: (told: Told) => void = () => {};
const closes: string[] = [];
let proxy: ProxyProcess;

before(async () => {
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'chat' });
  origin.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket as Socket, head, (webSocket: WebSocket) => {
      webSocket.on('message', (message: Buffer, isBinary) => webSocket.send(message, { binary: isBinary }));
      webSocket.on('close', (code, reason) => closes.push(`${code} ${reason.toString()}`));
    });
  });
  await once(origin.listen(0, '127.0.0.1'), 'listening');
  proxy = await ProxyProcess.start(
    bootstrap({
      origins: [(origin.address() as AddressInfo).port],
      manager: { upgrade_configs: [{ upgrade_type: 'websocket' }] },
    }),
  );
});

after(async () => {
  await proxy.stop();
  origin.close();
  origin.closeAllConnections();
});

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

test('over HTTP/1.1', async () => {
  const told = await visit(`http://127.0.0.1:${proxy.port}/`);
  assert.equal(told.hop, 'http/1.1');
  assert.equal(told.protocol, 'chat');
  assert.deepEqual(told.messages, ['hello', '1048576 of 7', 'bye']);
  assert.deepEqual(told.close, { code: 4001, reason: 'enough', wasClean: true });
  assert.equal(told.error, undefined);
  await proxy.until(() => closes.length > 0);
  assert.deepEqual(closes, ['4001 enough']);
});
