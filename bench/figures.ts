/** Figures that are no ratios: idle connections, many routes, reloads and a worker's death under load, memory. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import autocannon from 'autocannon';
import { packageRoot } from '../engine/io/addon.js';
import { bootstrap } from '../test/support/bootstrap.js';
import { transferMemory } from './transfer-memory.js';

const PORT = 24080;
const ADMIN = 24090;
const ORIGIN = 24000;
const MAIN = new URL('../engine/main.js', import.meta.url).pathname;
const directory = mkdtempSync(join(tmpdir(), 'millrace-figures-'));
const configPath = join(directory, 'envoy.yaml');
const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

const origin = http.createServer((_, response) => response.end('x'.repeat(128)));

async function startProxy(config: string, concurrency: number): Promise<ChildProcess> {
  writeFileSync(configPath, config);
  const child = spawn(process.execPath, [MAIN, '-c', configPath, '--concurrency', String(concurrency)], {
    env: { ...process.env, MILLRACE_TEST_HOOKS: '1' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await new Promise<void>((resolve, reject) => {
    let log = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      log += chunk.toString();
      if (log.includes('admin on')) resolve();
    });
    child.once('exit', () => reject(new Error(log)));
  });
  return child;
}

async function stopProxy(child: ChildProcess): Promise<number | null> {
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  return exited;
}

function residentKiB(child: ChildProcess): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]);
}

/** User and system time of the process in microseconds. */
function cpuUs(child: ChildProcess): number {
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') as string[];
  return (Number(fields[11]) + Number(fields[12])) * 10000;
}

function load(path: string, seconds: number, connections = 64): Promise<autocannon.Result> {
  return autocannon({ url: `http://127.0.0.1:${PORT}${path}`, connections, duration: seconds });
}
const failed = (result: autocannon.Result): number => result.errors + result.timeouts + result.non2xx;

const config = bootstrap({
  origins: [ORIGIN],
  cluster: {
    circuit_breakers: { thresholds: [{ max_connections: 100000, max_pending_requests: 100000, max_requests: 100000 }] },
  },
})(PORT, ADMIN);

async function idle(): Promise<string> {
  const child = await startProxy(config, 1);
  await load('/', 3);
  await sleep(500);
  const before = residentKiB(child);
  const sockets: net.Socket[] = [];
  for (let i = 0; i < 10000; i++) {
    const socket = net.connect(PORT, '127.0.0.1');
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await new Promise((resolve) => socket.once('data', resolve));
    sockets.push(socket);
  }
  await sleep(2000);
  const each = (residentKiB(child) - before) / sockets.length;
  for (const socket of sockets) socket.destroy();
  await stopProxy(child);
  return `${each.toFixed(2)} KiB of resident memory each`;
}

async function routes(): Promise<string> {
  const many = Array.from({ length: 10000 }, (_, i) => ({
    match: { prefix: `/r${i}/` },
    route: { cluster: 'origin' },
  }));
  const child = await startProxy(bootstrap({ origins: [ORIGIN], routes: many })(PORT, ADMIN), 1);
  const ratios: number[] = [];
  for (let round = 0; round < 5; round++) {
    const cost: number[] = [];
    for (const path of ['/r0/x', '/r9999/x']) {
      await load(path, 1);
      const start = cpuUs(child);
      const result = await load(path, 3);
      cost.push((cpuUs(child) - start) / result.requests.total);
    }
    ratios.push((cost[1] as number) / (cost[0] as number));
  }
  await stopProxy(child);
  return `CPU per request last / first = ${(ratios.sort()[2] as number).toFixed(3)} (median of 5)`;
}

async function reload(): Promise<string> {
  const child = await startProxy(config, 2);
  let reloads = 0;
  const timer = setInterval(() => {
    writeFileSync(configPath, config.replace('"stat_prefix"', `"server_name": "s${++reloads}", "stat_prefix"`));
    child.kill('SIGHUP');
  }, 200);
  const result = await load('/', 30);
  clearInterval(timer);
  const code = await stopProxy(child);
  return `${reloads} reloads, ${result.requests.total} requests, ${failed(result)} failed, exit ${code}`;
}

async function death(): Promise<string> {
  const child = await startProxy(config, 2);
  const running = load('/', 6);
  await sleep(2000);
  await fetch(`http://127.0.0.1:${ADMIN}/test/kill_worker?index=0`, { method: 'POST' });
  const killed = performance.now();
  for (;;) {
    const { workers } = (await (await fetch(`http://127.0.0.1:${ADMIN}/workers`)).json()) as {
      workers: { serving: boolean; restarts: number }[];
    };
    if (workers[0]?.restarts === 1 && workers[0].serving) break;
    await sleep(5);
  }
  const backMs = performance.now() - killed;
  const result = await running;
  await stopProxy(child);
  return `back after ${backMs.toFixed(0)} ms; ${failed(result)} of ${result.requests.total} requests failed, over 64 connections on 2 workers`;
}

const FIGURES: Readonly<Record<string, () => Promise<string>>> = {
  idle,
  routes,
  reload,
  death,
  memory: transferMemory,
};

async function main(): Promise<void> {
  await new Promise<void>((resolve) => origin.listen(ORIGIN, '127.0.0.1', resolve));
  const wanted = process.argv.slice(2);
  const names = wanted.length > 0 ? wanted : Object.keys(FIGURES);
  const results: Record<string, string> = {};
  const unknown = names.filter((name) => !(name in FIGURES));
  if (unknown.length > 0) {
    console.error(`no figure ${unknown.join(', ')}; there are: ${Object.keys(FIGURES).join(', ')}`);
    process.exit(2);
  }
  for (const [at, name] of names.entries()) {
    process.stderr.write(`[${at + 1}/${names.length}] ${name} ...\n`);
    results[name] = await (FIGURES[name] as () => Promise<string>)();
  }
  for (const [name, result] of Object.entries(results)) console.log(`${name.padEnd(8)} ${result}`);
  const line = JSON.stringify({ date: new Date().toISOString(), node: process.version, ...results });
  writeFileSync(join(packageRoot(), 'results', 'figures.ndjson'), `${line}\n`, { flag: 'a' });
  rmSync(directory, { recursive: true, force: true });
  origin.close();
  origin.closeAllConnections();
}

void main();
