/** Floods (`npm run floods -- [--seconds N] [NAME ...]`): attacks over HTTP/2 beside normal traffic, which must not suffer. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { bootstrap } from '../test/support/bootstrap.js';
import { ERROR_CODES } from '../test/support/http2-frames.js';
import { ProxyProcess } from '../test/support/proxy-process.js';
import type { AttackerReport, AttackerTask } from './floods/attacker.js';
import { ATTACKS, type Attack } from './floods/attacks.js';
import { MemoryWatch } from './floods/memory-watch.js';
import { runOpenLoop } from './generator/load-run.js';
import { decode, percentileMs } from './latencies.js';
import { Pinning } from './peers/pinning.js';
import { table, whole } from './terminal/table.js';

const RATE = 500;
const CONNECTIONS = 16;
const ATTACKERS = 4;
const WARM_UP_S = 1;
const QUIET_S = 8;

const origin = http.createServer((_, response) => response.end('ok'));
const largeOrigin = new Worker(new URL('./floods/large-origin.js', import.meta.url));

/** /large goes to an origin of its own. */
function config(port: number, largePort: number): (port: number, adminPort: number) => string {
  const text = bootstrap({
    origins: [port],
    cluster: { connect_timeout: '5s' },
    routes: [
      { match: { path: '/large' }, route: { cluster: 'large' } },
      { match: { prefix: '/' }, route: { cluster: 'origin' } },
    ],
  });
  const address = { socket_address: { address: '127.0.0.1', port_value: largePort } };
  const endpoints = [{ lb_endpoints: [{ endpoint: { address } }] }];
  return (...ports) => {
    const whole = JSON.parse(text(...ports)) as { static_resources: { clusters: unknown[] } };
    whole.static_resources.clusters.push({
      name: 'large',
      type: 'STATIC',
      connect_timeout: '5s',
      load_assignment: { cluster_name: 'large', endpoints },
    });
    return JSON.stringify(whole);
  };
}

interface Quiet {
  readonly p99Ms: number;
  readonly failed: number;
}

/** Normal clients: so many requests a second over HTTP/1.1, timed from when they were due. */
async function normalTraffic(port: number, durationS: number): Promise<Quiet> {
  const report = await runOpenLoop({
    host: '127.0.0.1',
    targetPorts: [port],
    connections: CONNECTIONS,
    rate: RATE,
    arrivals: 'POISSON',
    warmUpS: WARM_UP_S,
    durationS,
    timeoutMs: 5000,
    mix: [{ method: 'GET', path: '/', weight: 1, bodyBytes: 0 }],
    keys: null,
    backends: 0,
    seed: 1,
    control: new Int32Array(new SharedArrayBuffer(4)),
  });
  const failed = Object.values(report.errors).reduce((sum, count) => sum + count, 0);
  return { p99Ms: percentileMs(decode(report.latencies), 99), failed };
}

async function attack(task: AttackerTask): Promise<AttackerReport> {
  const thread = new Worker(new URL('./floods/attacker.js', import.meta.url), { workerData: task });
  return new Promise((resolve, reject) => {
    thread.once('message', resolve);
    thread.once('error', reject);
  });
}

interface Outcome {
  readonly row: readonly string[];
  readonly isGood: boolean;
}

async function measure(proxy: ProxyProcess, each: Attack, seconds: number): Promise<Outcome> {
  const quiet = await normalTraffic(proxy.port, QUIET_S);
  const memory = new MemoryWatch(proxy);
  const durationMs = (seconds + WARM_UP_S) * 1000;
  const [report, beside] = await Promise.all([
    attack({ attack: each.name, port: proxy.port, connections: ATTACKERS, durationMs }),
    normalTraffic(proxy.port, seconds),
  ]);
  memory.stop();
  const ratio = beside.p99Ms / quiet.p99Ms;
  const failed = quiet.failed + beside.failed;
  const codes = Object.keys(report.codes).map((code) => ERROR_CODES[Number(code)] ?? code);
  return {
    row: [
      each.name,
      `${(report.bytes / 1048576).toFixed(0)} MiB`,
      whole(report.closed),
      codes.join(' ') || '-',
      quiet.p99Ms.toFixed(2),
      beside.p99Ms.toFixed(2),
      ratio.toFixed(2),
      String(failed),
      signed(memory.peakMiB),
      signed(memory.growthMiB),
    ],
    isGood: ratio <= 2 && failed === 0 && memory.isFlat,
  };
}

function signed(value: number): string {
  return `${value < 0 ? '' : '+'}${value.toFixed(1)}`;
}

function chosen(names: readonly string[]): readonly Attack[] {
  const unknown = names.filter((name) => !ATTACKS.some((each) => each.name === name));
  if (unknown.length === 0) return names.length === 0 ? ATTACKS : ATTACKS.filter(({ name }) => names.includes(name));
  console.error(`floods: there is no ${unknown.join(', ')}; there are:`);
  for (const { name, about } of ATTACKS) console.error(`  ${name.padEnd(15)} ${about}`);
  process.exit(2);
}

async function main(): Promise<void> {
  const options = { seconds: { type: 'string', default: '30' } } as const;
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const seconds = Number(values.seconds);
  if (!(seconds >= 1 && seconds <= 600)) {
    console.error(`floods: --seconds ${values.seconds} is not from 1 to 600`);
    process.exit(2);
  }
  const attacks = chosen(positionals);
  const pinning = new Pinning();
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
  const largePort = await new Promise<number>((resolve) => largeOrigin.once('message', resolve));
  pinning.pinSelf();
  const proxy = await ProxyProcess.start(config((origin.address() as AddressInfo).port, largePort), {
    args: ['--concurrency', '1'],
  });
  pinning.pinProxy(proxy.child.pid as number);
  console.log(`${RATE} requests/s beside ${ATTACKERS} connections of attack, ${seconds} s each; ${pinning.text}`);
  const outcomes: Outcome[] = [];
  for (const each of attacks) {
    process.stderr.write(`${each.name}: ${each.about} ...\n`);
    outcomes.push(await measure(proxy, each, seconds));
  }
  const exitCode = await proxy.stop();
  origin.close();
  const head = [
    'attack',
    'sent',
    'thrown out',
    'with',
    'p99 ms',
    'beside it',
    'ratio',
    'failed',
    'RSS MiB',
    '2nd half',
  ];
  console.log(
    table(
      head,
      outcomes.map(({ row }) => row),
    ),
  );
  const isGood = exitCode === 0 && outcomes.every((outcome) => outcome.isGood);
  console.log(isGood ? 'passed: p99 at most doubled, nothing failed, memory flat' : 'FAILED');
  process.exit(isGood ? 0 : 1);
}

await main();
