/** round_robin over four workers and ten backends: of 100,000 requests each backend gets its share, to one. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import { Backends } from '../../bench/backend/backends.js';
import { bootstrap } from '../support/bootstrap.js';
import { freePort } from '../support/free-port.js';
import { ProxyProcess } from '../support/proxy-process.js';
import { QUICK_BACKEND } from '../support/quick-backend.js';

const REQUESTS = 100_000;
const BACKENDS = 10;
const WORKERS = 4;
const CONNECTIONS = 40;
/** Requests that a connection sends at a time. */
const DEPTH = 20;
const REQUEST = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';

/** Asks so often on one connection and answers how many were answered with 200. */
function ask(port: number, times: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let sent = 0;
    let good = 0;
    let rest = '';
    const socket = net.connect(port, '127.0.0.1');
    const send = (): void => {
      const count = Math.min(DEPTH, times - sent);
      sent += count;
      socket.write(REQUEST.repeat(count));
    };
    socket.setEncoding('latin1');
    socket.on('connect', send);
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`closed after ${good} of ${times} answers`)));
    socket.on('data', (text: string) => {
      // Status lines stand nowhere else: bodies are x's. The last one may not be whole yet.
      rest += text;
      if (/HTTP\/1\.1 [345]/.test(rest)) reject(new Error(rest.slice(0, 500)));
      const lines = rest.split('HTTP/1.1 200 ');
      good += lines.length - 1;
      rest = (lines.at(-1) as string).slice(-12);
      if (good === times) {
        socket.removeAllListeners('close');
        socket.destroy();
        resolve(good);
      } else if (good === sent) send();
    });
  });
}

test(`${REQUESTS} requests over ${WORKERS} workers: every backend's count is its share`, async () => {
  const origins: number[] = [];
  while (origins.length < BACKENDS) origins.push(await freePort());
  const backends = await Backends.start(Array(BACKENDS).fill(QUICK_BACKEND), origins, 1);
  const proxy = await ProxyProcess.start(bootstrap({ origins, cluster: { lb_policy: 'ROUND_ROBIN' } }), {
    args: ['--concurrency', String(WORKERS)],
  });
  try {
    const each = REQUESTS / CONNECTIONS;
    const good = await Promise.all(Array.from({ length: CONNECTIONS }, () => ask(proxy.port, each)));
    assert.equal(
      good.reduce((sum, count) => sum + count, 0),
      REQUESTS,
    );
    for (let worker = 0; worker < WORKERS; worker++)
      assert.ok((await proxy.stat(`server.worker_${worker}.downstream_cx_total`)) > 0, `worker ${worker} took part`);
    assert.equal(await proxy.stat('cluster.origin.upstream_rq_retry'), 0);
  } finally {
    await proxy.stop();
  }
  const { received } = await backends.stop();
  for (const [at, count] of received.entries())
    assert.ok(Math.abs(count - REQUESTS / BACKENDS) <= 1, `backend ${at} got ${count}`);
});
