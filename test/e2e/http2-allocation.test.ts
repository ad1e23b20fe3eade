/** Garbage per request over HTTP/2: what the heap of a warm worker grows by while h2load asks and nothing is collected. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { bootstrap } from '../support/bootstrap.js';
import { isListening, requireProgram } from '../support/nginx.js';
import { freePort } from '../support/free-port.js';
import { heapGrowth, NO_COLLECTIONS } from '../support/heap-growth.js';
import { ProxyProcess } from '../support/proxy-process.js';

const WARM_UP = 60_000;
const COUNTED = 40_000;
const BODY = 'x'.repeat(128);

async function load(port: number, count: number): Promise<void> {
  const child = spawn('h2load', [`-n${count}`, '-c4', '-m16', `http://127.0.0.1:${port}/data`]);
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await new Promise((resolve) => child.once('close', resolve));
  assert.match(text, new RegExp(`${count} succeeded, 0 failed, 0 errored`));
}

async function bytesPerRequest(origin: number, cluster: Readonly<Record<string, unknown>>): Promise<number> {
  requireProgram('h2load', '--version');
  const proxy = await ProxyProcess.start(bootstrap({ origins: [origin], cluster }), {
    args: ['--concurrency', '1'],
    nodeArgs: NO_COLLECTIONS,
  });
  await load(proxy.port, WARM_UP);
  const measured = await heapGrowth(proxy, COUNTED, () => load(proxy.port, COUNTED));
  await proxy.stop();
  return measured;
}

test('a GET over HTTP/2 to an origin of HTTP/1.1 leaves next to nothing to collect', async (t) => {
  const answer = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: 128\r\nContent-Type: text/plain\r\n\r\n${BODY}`);
  const server = net.createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.write(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const measured = await bytesPerRequest((server.address() as AddressInfo).port, {});
  server.close();
  t.diagnostic(`${measured.toFixed(1)} bytes per request`);
  assert.ok(measured < 100, `${measured} bytes per request`);
});

test('to an origin of HTTP/2, too', async (t) => {
  requireProgram('nghttpd', '--version');
  const directory = mkdtempSync(join(tmpdir(), 'millrace-nghttpd-'));
  writeFileSync(join(directory, 'data'), BODY);
  const port = await freePort();
  const nghttpd: ChildProcess = spawn('nghttpd', ['--no-tls', '--address=127.0.0.1', '-d', directory, String(port)], {
    stdio: 'ignore',
  });
  while (!(await isListening(port))) await new Promise((resolve) => setTimeout(resolve, 20));
  const measured = await bytesPerRequest(port, { http2_protocol_options: {} });
  nghttpd.kill();
  rmSync(directory, { recursive: true, force: true });
  t.diagnostic(`${measured.toFixed(1)} bytes per request`);
  assert.ok(measured < 100, `${measured} bytes per request`);
});
