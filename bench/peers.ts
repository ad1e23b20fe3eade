/** `npm run bench -- peers`: millrace beside other proxies, in interleaved rounds on the same origin. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { suggest } from '../engine/fault/problem.js';
import { freePort } from '../test/support/free-port.js';
import { Backends } from './backend/backends.js';
import { Generators, generatorsOption } from './generator/generators.js';
import type { LoadReport } from './generator/load-report.js';
import { type OpenLoad, runClosedLoop, runOpenLoop } from './generator/load-run.js';
import type { Interruption } from './interruption.js';
import { decode, encode, newLatencies, percentileMs } from './latencies.js';
import { lagText } from './terminal/lag-text.js';
import { load } from './load.js';
import { findPeers, type Missing, PEER_NAMES, type Peer, type PeerName } from './peers/catalog.js';
import { Pinning } from './peers/pinning.js';
import { ratios } from './peers/ratios.js';
import { undisturbed } from './stall-watch.js';
import { canMeasureCpu } from './process-cost.js';
import { ProxyRun } from './proxy-run.js';
import { median, type PeerResult, type PeersResult, type ResultBuilder } from './result/result.js';
import type { Progress } from './terminal/progress.js';
import { figure, table, whole } from './terminal/table.js';
import { UsageError } from './usage-error.js';

export interface PeersOptions {
  readonly names: readonly PeerName[];
  readonly rounds: number;
  /** Whole seconds: wrk takes no others. */
  readonly warmUpS: number;
  readonly closedS: number;
  readonly openS: number;
  readonly connections: number;
  /** Per second, in the open loop. */
  readonly rate: number;
  readonly bodyBytes: number;
  /** Threads of the open loop; null: one, and more where that can't make it. */
  readonly generators: number | null;
}

const WARM_UP_S = 1;
const OPEN_WARM_UP_S = 0.3;
const START_S = 0.8;
const OPEN_CONNECTIONS = 32;
const GET = [{ method: 'GET', path: '/', bodyBytes: 0, weight: 1 }] as const;
/** Without a proxy: what the origin and the load can do. */
const DIRECT = 'direct';

/** Throws UsageError. */
export function peersOptions(args: readonly string[]): PeersOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      peers: { type: 'string' },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '3' },
      connections: { type: 'string', default: '64' },
      rate: { type: 'string', default: '1000' },
      body: { type: 'string', default: '128' },
      generators: { type: 'string' },
    },
  });
  const number = (name: 'rounds' | 'seconds' | 'connections' | 'rate' | 'body', max: number): number => {
    const value = Number(values[name]);
    if (!(value >= 1 && value <= max)) throw new UsageError(`--${name}: ${values[name]} is no number from 1 to ${max}`);
    return value;
  };
  const names = (values.peers?.split(',') ?? PEER_NAMES) as PeerName[];
  for (const name of names) {
    if (PEER_NAMES.includes(name)) continue;
    const near = suggest(name, PEER_NAMES);
    throw new UsageError(
      `there is no peer ${JSON.stringify(name)}; ${near === null ? `there are: ${PEER_NAMES.join(', ')}` : `did you mean ${near}?`}`,
    );
  }
  return {
    names,
    rounds: Math.floor(number('rounds', 100)),
    warmUpS: WARM_UP_S,
    closedS: Math.ceil(number('seconds', 600)),
    openS: number('seconds', 600),
    connections: Math.floor(number('connections', 10000)),
    rate: number('rate', 50000),
    bodyBytes: Math.floor(number('body', 10_000_000)),
    generators: generatorsOption(values.generators),
  };
}

/** What one peer showed in one round. */
interface Sample {
  readonly cpuUsPerRequest: number;
  /** Of its CPU that it used, in the closed loop. */
  readonly busy: number;
  readonly requestsPerSecond: number;
  readonly residentMiB: number;
  readonly errors: number;
  readonly latencies: string;
  readonly lags: string;
}

export class PeersBench {
  readonly #options: PeersOptions;
  readonly #peers: readonly Peer[];
  readonly #missing: Missing[];
  readonly #generators: Generators;
  readonly #pinning = new Pinning();
  readonly #hasWrk = spawnSync('wrk', ['-v']).error === undefined;
  readonly #directory = mkdtempSync(join(tmpdir(), 'millrace-peers-'));
  readonly #samples = new Map<string, Sample[]>();

  constructor(options: PeersOptions) {
    this.#options = options;
    this.#generators = new Generators(options.generators);
    const { peers, missing } = findPeers(options.names);
    this.#peers = peers;
    this.#missing = [...missing];
    process.on('exit', () => rmSync(this.#directory, { recursive: true, force: true }));
  }

  get #roundS(): number {
    const { warmUpS, closedS, openS } = this.#options;
    return START_S + warmUpS + closedS + OPEN_WARM_UP_S + openS;
  }

  get expectedS(): number {
    return this.#options.rounds * (this.#peers.length + 1) * this.#roundS;
  }

  async run(builder: ResultBuilder, interruption: Interruption, progress: Progress): Promise<void> {
    this.#pinning.pinSelf();
    const origin = await this.#startOrigin(builder, progress);
    try {
      for (let round = 1; round <= this.#options.rounds; round++)
        for (const peer of [null, ...this.#peers]) {
          if (interruption.isSet || this.#missing.some(({ name }) => name === peer?.name)) continue;
          const name = `peers, round ${round} of ${this.#options.rounds}: ${peer?.name ?? DIRECT}`;
          await progress.step(name, this.#roundS, () =>
            this.#round(peer, origin.ports[0] as number, interruption, progress),
          );
        }
    } finally {
      await origin.stop();
      this.#keep(builder);
    }
  }

  async #startOrigin(builder: ResultBuilder, progress: Progress): Promise<Backends> {
    const latency = { distribution: 'CONSTANT', meanMs: 0, sigma: 0 } as const;
    const { bodyBytes } = this.#options;
    const settings = { latency, concurrency: 0, queue: 0, failures: null, speed: 1, bodyBytes };
    const origin = await Backends.start([settings], [await freePort()], 1);
    if (origin.listening.server === 'node') {
      const line = `the origin is a node:http server: uWebSockets.js does not load here (${origin.listening.why})`;
      progress.say(line);
      builder.note(line);
    }
    return origin;
  }

  async #round(peer: Peer | null, origin: number, interruption: Interruption, progress: Progress): Promise<void> {
    const say = (line: string): void => progress.say(`  ${line}`);
    const measure = (port: number, run: ProxyRun | null): Promise<Sample | null> =>
      undisturbed(
        () => this.#measure(port, run, interruption, say),
        (sample) => sample?.lags ?? null,
        say,
      );
    if (peer === null) return this.#add(DIRECT, await measure(origin, null));
    const listener = await freePort();
    const made = peer.command({ listener, admin: await freePort(), origin });
    const command = { ...made, name: peer.name, port: listener, command: this.#pinning.command(made.command) };
    let run: ProxyRun;
    try {
      run = await ProxyRun.start(command, interruption);
    } catch (error) {
      const why = error instanceof Error ? (error.message.split('\n')[0] as string) : String(error);
      if (!interruption.isSet) {
        this.#missing.push({ name: peer.name, why });
        progress.say(`  ${why}`);
      }
      return;
    }
    try {
      this.#add(peer.name, await measure(listener, run));
    } finally {
      await run.stop();
    }
  }

  #add(name: string, sample: Sample | null): void {
    if (sample !== null) this.#samples.set(name, [...(this.#samples.get(name) ?? []), sample]);
  }

  /** Null when it was interrupted. */
  async #measure(
    port: number,
    run: ProxyRun | null,
    interruption: Interruption,
    say: (line: string) => void,
  ): Promise<Sample | null> {
    const { warmUpS, closedS } = this.#options;
    await this.#closedLoop(port, warmUpS, interruption);
    const cpuBefore = run?.cpuUs() ?? 0;
    const startMs = performance.now();
    const closed = await this.#closedLoop(port, closedS, interruption);
    const tookMs = performance.now() - startMs;
    const cpuUs = (run?.cpuUs() ?? 0) - cpuBefore;
    if (interruption.isSet || closed.requests === 0) return null;
    const open = await this.#openLoop(port, interruption, say);
    if (interruption.isSet) return null;
    return {
      cpuUsPerRequest: canMeasureCpu() ? cpuUs / closed.requests : Number.NaN,
      busy: cpuUs / (tookMs * 1000),
      requestsPerSecond: closed.requests / closedS,
      residentMiB: (run?.residentKiB() ?? 0) / 1024,
      errors: closed.failed + Object.values(open.errors).reduce((sum, count) => sum + count, 0),
      latencies: open.latencies,
      lags: open.lags,
    };
  }

  #openLoop(port: number, interruption: Interruption, say: (line: string) => void): Promise<LoadReport> {
    const task: OpenLoad = {
      host: '127.0.0.1',
      targetPorts: [port],
      connections: OPEN_CONNECTIONS,
      rate: this.#options.rate,
      arrivals: 'POISSON',
      warmUpS: OPEN_WARM_UP_S,
      durationS: this.#options.openS,
      timeoutMs: 5000,
      mix: GET,
      keys: null,
      backends: 1,
      seed: 1,
      control: interruption.control,
    };
    return this.#generators.run(
      (count) => runOpenLoop(task, count),
      (report) => report,
      say,
    );
  }

  async #closedLoop(
    port: number,
    seconds: number,
    interruption: Interruption,
  ): Promise<{ readonly requests: number; readonly failed: number }> {
    const { connections } = this.#options;
    if (this.#hasWrk)
      return load(port, seconds, connections, [{ method: 'GET', path: '/' }], this.#directory).catch((error) => {
        // The terminal's Ctrl-C reaches wrk too.
        if (interruption.isSet) return { requests: 0, failed: 0 };
        throw error;
      });
    const report = await runClosedLoop({
      host: '127.0.0.1',
      targetPort: port,
      connections,
      durationS: seconds,
      timeoutMs: 5000,
      mix: GET,
      control: interruption.control,
    });
    const failed = Object.values(report.errors).reduce((sum, count) => sum + count, 0);
    return { requests: report.good, failed };
  }

  // ---- what came of it ------------------------------------------------------------------------------------------

  get #conditions(): string {
    const { connections, bodyBytes, closedS, openS, rate, rounds } = this.#options;
    const tool = this.#hasWrk ? 'wrk' : 'autocannon';
    return `closed loop: ${tool}, ${connections} connections, ${bodyBytes} B bodies, ${closedS} s; open loop: ${rate}/s, ${OPEN_CONNECTIONS} connections, ${openS} s, latency from the intended time; ${rounds} interleaved rounds; one worker or thread each; ${this.#pinning.text}`;
  }

  #keep(builder: ResultBuilder): void {
    const names = [DIRECT, ...this.#peers.map(({ name }) => name)].filter((name) => this.#samples.has(name));
    if (names.length === 0) return;
    const peers = names.map((name) => this.#resultOf(name));
    const lags = decode(...names.flatMap((name) => (this.#samples.get(name) as Sample[]).map(({ lags }) => lags)));
    const lagMs = [50, 99].map((percentile) => percentileMs(lags, percentile));
    const result = { conditions: this.#conditions, lagMs, peers, skipped: this.#missing };
    builder.peers = result;
    for (const { name, cpuUsPerRequest, requestsPerSecond } of peers) {
      if (name !== DIRECT)
        builder.figures.push({
          name: `peers/${name}/cpu`,
          unit: 'us/request',
          better: 'lower',
          samples: cpuUsPerRequest,
        });
      builder.figures.push(
        { name: `peers/${name}/throughput`, unit: '1/s', better: 'higher', samples: requestsPerSecond },
        {
          name: `peers/${name}/p99`,
          unit: 'ms',
          better: 'lower',
          samples: (this.#samples.get(name) ?? []).map((sample) => percentileMs(decode(sample.latencies), 99)),
        },
      );
    }
    process.stdout.write(`${this.#text(result)}\n\n`);
  }

  #resultOf(name: string): PeerResult {
    const samples = this.#samples.get(name) as Sample[];
    const of = (pick: (sample: Sample) => number): number[] => samples.map(pick);
    const all = samples.length === 0 ? newLatencies() : decode(...samples.map(({ latencies }) => latencies));
    return {
      name,
      version: this.#peers.find((peer) => peer.name === name)?.version ?? '',
      errors: samples.reduce((sum, { errors }) => sum + errors, 0),
      cpuUsPerRequest: name === DIRECT ? [] : of((sample) => sample.cpuUsPerRequest),
      requestsPerSecond: of((sample) => sample.requestsPerSecond),
      residentMiB: name === DIRECT ? [] : of((sample) => sample.residentMiB),
      latencies: encode(all),
    };
  }

  #text(result: PeersResult): string {
    const rows = result.peers.map((peer) => {
      const histogram = decode(peer.latencies);
      const busy = median((this.#samples.get(peer.name) as Sample[]).map((sample) => sample.busy));
      const isDirect = peer.name === DIRECT;
      return [
        `${peer.name} ${peer.version}`.trim(),
        isDirect ? '' : figure(median(peer.cpuUsPerRequest)),
        isDirect ? '' : `${Math.round(busy * 100)} %`,
        whole(median(peer.requestsPerSecond)),
        figure(percentileMs(histogram, 50)),
        figure(percentileMs(histogram, 99)),
        isDirect ? '' : figure(median(peer.residentMiB)),
        whole(peer.errors),
      ];
    });
    const head = ['proxy', 'CPU us/request', 'busy', 'requests/s', 'p50 ms', 'p99 ms', 'MiB', 'failed'];
    return [
      `Beside other proxies  (${result.conditions})`,
      '',
      table(head, rows),
      `  the generator itself sent late by ${lagText([result.lagMs])}`,
      '',
      ...ratioLines(result),
      ...result.skipped.map(({ name, why }) => `  skipped ${name}: ${why}`),
    ].join('\n');
  }
}

function ratioLines(result: PeersResult): string[] {
  const all = ratios(result);
  const width = Math.max(0, ...all.map(({ name }) => name.length));
  return all.map(({ name, samples }) => {
    const spread = samples.length < 2 ? '' : `  (${figure(Math.min(...samples))} to ${figure(Math.max(...samples))})`;
    return `  CPU per request, millrace / ${name.padEnd(width)} = ${figure(median(samples))}${spread}`;
  });
}
