/** A soak (`npm run soak -- --minutes N`): full load of mixed sizes; memory must not grow and no request may fail. */
import { appendFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isMainThread, Worker } from 'node:worker_threads';
import { packageRoot } from '../engine/io/addon.js';
import { bootstrap } from '../test/support/bootstrap.js';
import { Nginx } from '../test/support/nginx.js';
import { freePort } from '../test/support/free-port.js';
import { ProxyProcess } from '../test/support/proxy-process.js';
import { type LoadRequest, load } from './load.js';
import { type MemorySample, median, memorySample } from './proxy-memory.js';

const CONNECTIONS = 64;
const SAMPLE_S = 10;
const WARM_UP_S = 60;
const GROWTH_MAX = 0.1;
const BAR_WIDTH = 30;
const SIZES = [128, 4096, 65536, 1048576];

/** Mostly small ones, some uploads, one megabyte now and then. */
const REQUESTS: readonly LoadRequest[] = [
  ...Array.from({ length: 40 }, () => ({ method: 'GET', path: '/128' }) as const),
  ...Array.from({ length: 16 }, () => ({ method: 'GET', path: '/4096' }) as const),
  ...Array.from({ length: 4 }, () => ({ method: 'POST', path: '/take', body: 'x'.repeat(20000) }) as const),
  ...Array.from({ length: 3 }, () => ({ method: 'GET', path: '/65536' }) as const),
  { method: 'GET', path: '/1048576' },
];

interface Origin {
  readonly name: string;
  stop(): Promise<void>;
}

/** nginx where it is installed: it leaves the most CPU to the proxy. */
async function startOrigin(port: number): Promise<Origin> {
  try {
    const nginx = new Nginx();
    for (const size of SIZES) nginx.write(String(size), Buffer.alloc(size, 'b'));
    await nginx.start(
      `server { listen 127.0.0.1:${port} backlog=1024; keepalive_requests 1000000; client_body_buffer_size 32k;
         root ${nginx.directory}/www; location /take { return 200 "taken"; } }`,
      port,
    );
    return { name: 'nginx', stop: () => nginx.stop() };
  } catch {
    const thread = new Worker(new URL(import.meta.url), { workerData: port });
    await new Promise((resolve) => thread.once('message', resolve));
    return { name: 'node:http', stop: async () => void (await thread.terminate()) };
  }
}

/** The origin without nginx: in a thread of its own. */
async function serveAsOrigin(): Promise<void> {
  const { parentPort, workerData } = await import('node:worker_threads');
  const bodies = new Map(SIZES.map((size) => [`/${size}`, Buffer.alloc(size, 'b')]));
  const server = http.createServer((request, response) => {
    request.resume();
    request.on('end', () => response.end(bodies.get(request.url as string) ?? 'taken'));
  });
  server.listen(workerData as number, '127.0.0.1', () => parentPort?.postMessage('listening'));
}

/** Aligned, a row per sample; the bar is resident memory against the largest seen. */
function table(samples: readonly MemorySample[]): string {
  const most = Math.max(...samples.map((sample) => sample.residentKiB));
  const head = `${'second'.padStart(6)}  ${'RSS KiB'.padStart(8)}  ${'heap KiB'.padStart(8)}  ${'external'.padStart(8)}`;
  const rows = samples.map(({ residentKiB, heapKiB, externalKiB }, at) => {
    const cells = [String((at + 1) * SAMPLE_S).padStart(6)];
    for (const value of [residentKiB, heapKiB, externalKiB]) cells.push(String(value).padStart(8));
    return `${cells.join('  ')}  ${'#'.repeat(Math.round((residentKiB / most) * BAR_WIDTH))}`;
  });
  return [head, ...rows].join('\n');
}

/** How much the last third's median is above the first third's, the warm-up left out. */
function growthOf(samples: readonly MemorySample[], warmUpS: number): number {
  const measured = samples.slice(Math.ceil(warmUpS / SAMPLE_S)).map((sample) => sample.residentKiB);
  const third = Math.floor(measured.length / 3);
  return median(measured.slice(-third)) / median(measured.slice(0, third)) - 1;
}

async function sampleWhile(proxy: ProxyProcess, seconds: number): Promise<MemorySample[]> {
  const samples: MemorySample[] = [];
  const startMs = Date.now();
  while (samples.length < Math.floor(seconds / SAMPLE_S)) {
    const waitMs = startMs + (samples.length + 1) * SAMPLE_S * 1000 - Date.now();
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, waitMs)));
    samples.push(await memorySample(proxy));
    const done = (samples.length * SAMPLE_S) / seconds;
    const line = `soak ${'='.repeat(Math.round(done * BAR_WIDTH)).padEnd(BAR_WIDTH, '.')} ${Math.round(done * 100)} %`;
    const resident = `RSS ${samples.at(-1)?.residentKiB} KiB`;
    if (process.stderr.isTTY) process.stderr.write(`\r${line}  ${resident} ${done >= 1 ? '\n' : ''}`);
    else if (samples.length % 6 === 0) process.stderr.write(`${line}  ${resident}\n`);
  }
  return samples;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } });
  const minutes = Number(values.minutes);
  if (!(minutes >= 1 && minutes <= 600)) {
    console.error(`soak: --minutes ${values.minutes} is not from 1 to 600`);
    process.exit(2);
  }
  const seconds = Math.round(minutes * 60);
  const warmUpS = Math.min(WARM_UP_S, seconds / 3);
  const originPort = await freePort();
  const origin = await startOrigin(originPort);
  const config = bootstrap({ origins: [originPort], cluster: { connect_timeout: '10s' } });
  const proxy = await ProxyProcess.start(config, { args: ['--concurrency', '1'] });
  const directory = join(proxy.configPath, '..');
  const running = load(proxy.port, seconds, CONNECTIONS, REQUESTS, directory);
  // Whichever fails first ends the run.
  const [samples, result] = await Promise.all([sampleWhile(proxy, seconds - 1), running]);
  const exitCode = await proxy.stop();
  await origin.stop();
  const growth = growthOf(samples, warmUpS);
  console.log(table(samples));
  const { tool, requests, failed } = result;
  const percent = `${growth < 0 ? '' : '+'}${(growth * 100).toFixed(1)} %`;
  console.log(`${requests} requests by ${tool} through one worker to ${origin.name}, ${failed} failed`);
  console.log(`RSS, median of the last third against the first after ${warmUpS} s: ${percent} (limit +10 %)`);
  const isGood = failed === 0 && growth <= GROWTH_MAX && exitCode === 0;
  console.log(isGood ? 'passed' : `FAILED (exit of the proxy: ${exitCode})`);
  const line = { date: new Date().toISOString(), node: process.version, minutes, requests, failed, growth: percent };
  appendFileSync(join(packageRoot(), 'results', 'soak.ndjson'), `${JSON.stringify(line)}\n`);
  process.exitCode = isGood ? 0 : 1;
}

await (isMainThread ? main() : serveAsOrigin());
