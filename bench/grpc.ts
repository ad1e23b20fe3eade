/** `npm run bench -- grpc`: what two proxies in a row add to a unary call of gRPC, beside nghttpx. */
import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import type { Histogram } from 'hdr-histogram-js';
import { suggest } from '../engine/fault/problem.js';
import { GrpcEchoClient } from '../test/support/grpc-echo.js';
import { findGrpcPeers, GRPC_PEERS, type GrpcPeer, Hops } from './grpc/hops.js';
import type { Interruption } from './interruption.js';
import { decode, encode, newLatencies, percentileMs, record } from './latencies.js';
import type { Missing, Peer } from './peers/catalog.js';
import { Pinning } from './peers/pinning.js';
import { canMeasureCpu } from './process-cost.js';
import { median, type PeerResult, type PeersResult, type ResultBuilder } from './result/result.js';
import { undisturbed } from './stall-watch.js';
import type { Progress } from './terminal/progress.js';
import { figure, table, whole } from './terminal/table.js';
import { UsageError } from './usage-error.js';

export interface GrpcOptions {
  readonly names: readonly GrpcPeer[];
  readonly rounds: number;
  readonly seconds: number;
  /** Calls under way at a time. */
  readonly calls: number;
  readonly bodyBytes: number;
  readonly hops: number;
}

/** Many calls at a time: what is measured is compiled code, on both ends and in between. */
const WARM_UP_S = 3;
const WARM_UP_CALLS = 32;
const START_S = 1;
/** Without a proxy: what client and server take. */
const DIRECT = 'direct';

/** Throws UsageError. */
export function grpcOptions(args: readonly string[]): GrpcOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      peers: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '2' },
      calls: { type: 'string', default: '1' },
      body: { type: 'string', default: '128' },
      hops: { type: 'string', default: '2' },
    },
  });
  const number = (name: 'rounds' | 'seconds' | 'calls' | 'body' | 'hops', max: number): number => {
    const value = Number(values[name]);
    if (!(value >= 1 && value <= max)) throw new UsageError(`--${name}: ${values[name]} is no number from 1 to ${max}`);
    return value;
  };
  const names = (values.peers?.split(',') ?? GRPC_PEERS) as GrpcPeer[];
  for (const name of names) {
    if (GRPC_PEERS.includes(name)) continue;
    const near = suggest(name, GRPC_PEERS);
    const hint = near === null ? `there are: ${GRPC_PEERS.join(', ')}` : `did you mean ${near}?`;
    throw new UsageError(`there is no peer ${JSON.stringify(name)}; ${hint}`);
  }
  return {
    names,
    rounds: Math.floor(number('rounds', 100)),
    seconds: number('seconds', 600),
    calls: Math.floor(number('calls', 1000)),
    bodyBytes: Math.floor(number('body', 4_000_000)),
    hops: Math.floor(number('hops', 10)),
  };
}

interface Sample {
  readonly latencies: Histogram;
  readonly calls: number;
  readonly failed: number;
  readonly cpuUsPerCall: number;
  readonly residentMiB: number;
  readonly seconds: number;
}

export class GrpcBench {
  readonly #options: GrpcOptions;
  readonly #peers: readonly Peer[];
  readonly #missing: Missing[];
  readonly #pinning = new Pinning();
  readonly #samples = new Map<string, Sample[]>();
  readonly #message: Buffer;

  constructor(options: GrpcOptions) {
    this.#options = options;
    const { peers, missing } = findGrpcPeers(options.names);
    this.#peers = peers;
    this.#missing = [...missing];
    this.#message = Buffer.alloc(options.bodyBytes, 'x');
  }

  get #stepS(): number {
    return START_S + WARM_UP_S + this.#options.seconds;
  }
  get expectedS(): number {
    return this.#options.rounds * (this.#peers.length + 1) * this.#stepS;
  }

  async run(builder: ResultBuilder, interruption: Interruption, progress: Progress): Promise<void> {
    for (const { name, why } of this.#missing) progress.say(`  ${name} is left out: ${why}`);
    this.#pinning.pinSelf();
    const thread = new Worker(new URL('./grpc/echo-thread.js', import.meta.url));
    try {
      const [server] = (await once(thread, 'message')) as [number];
      for (let round = 1; round <= this.#options.rounds; round++)
        for (const name of [DIRECT, ...this.#peers.map((peer) => peer.name)]) {
          if (interruption.isSet || this.#missing.some((missing) => missing.name === name)) continue;
          const title = `grpc, round ${round} of ${this.#options.rounds}: ${name}`;
          await progress.step(title, this.#stepS, () => this.#round(name, server, interruption, progress));
        }
    } finally {
      await thread.terminate();
      this.#keep(builder);
    }
  }

  async #round(name: string, server: number, interruption: Interruption, progress: Progress): Promise<void> {
    const say = (line: string): void => progress.say(`  ${line}`);
    let hops: Hops | null = null;
    if (name !== DIRECT)
      try {
        hops = await Hops.start(name as GrpcPeer, server, this.#options.hops, this.#pinning, interruption);
      } catch (error) {
        const why = error instanceof Error ? (error.message.split('\n')[0] as string) : String(error);
        if (interruption.isSet) return;
        this.#missing.push({ name, why });
        say(why);
        return;
      }
    try {
      const port = hops?.port ?? server;
      const sample = await undisturbed(
        () => this.#measure(port, hops, interruption),
        () => null,
        say,
      );
      if (!interruption.isSet) this.#samples.set(name, [...(this.#samples.get(name) ?? []), sample]);
    } finally {
      await hops?.stop();
    }
  }

  async #measure(port: number, hops: Hops | null, interruption: Interruption): Promise<Sample> {
    const client = new GrpcEchoClient(port);
    await this.#call(client, WARM_UP_CALLS, WARM_UP_S, interruption, newLatencies());
    const latencies = newLatencies();
    const cpuBefore = hops?.cpuUs() ?? 0;
    const startMs = performance.now();
    const { calls, failed } = await this.#call(
      client,
      this.#options.calls,
      this.#options.seconds,
      interruption,
      latencies,
    );
    const seconds = (performance.now() - startMs) / 1000;
    const cpuUs = (hops?.cpuUs() ?? 0) - cpuBefore;
    client.close();
    return {
      latencies,
      calls,
      failed,
      seconds,
      cpuUsPerCall: canMeasureCpu() ? cpuUs / calls : Number.NaN,
      residentMiB: (hops?.residentKiB() ?? 0) / 1024,
    };
  }

  /** So many calls at a time, each after the one before it. */
  async #call(
    client: GrpcEchoClient,
    count: number,
    seconds: number,
    interruption: Interruption,
    latencies: Histogram,
  ): Promise<{ readonly calls: number; readonly failed: number }> {
    const endMs = performance.now() + seconds * 1000;
    let calls = 0;
    let failed = 0;
    const loop = async (): Promise<void> => {
      for (let startMs = performance.now(); startMs < endMs && !interruption.isSet; ) {
        const { code, message } = await client.unary(this.#message);
        const nowMs = performance.now();
        calls++;
        if (code === 0 && message?.length === this.#message.length) record(latencies, (nowMs - startMs) * 1000);
        else failed++;
        startMs = nowMs;
      }
    };
    await Promise.all(Array.from({ length: count }, loop));
    return { calls, failed };
  }

  // ---- what came of it ------------------------------------------------------------------------------------------

  #keep(builder: ResultBuilder): void {
    const names = [DIRECT, ...this.#peers.map(({ name }) => name)].filter((name) => this.#samples.has(name));
    if (names.length === 0) return;
    const { bodyBytes, calls, hops, rounds, seconds } = this.#options;
    const result: PeersResult = {
      conditions: `unary calls of gRPC, ${bodyBytes} B, ${calls} at a time on one connection, by @grpc/grpc-js on both ends; HTTP/2 without TLS through ${hops} proxies in a row, one worker or thread each; ${seconds} s, ${rounds} interleaved rounds; ${this.#pinning.text}`,
      lagMs: [0, 0],
      peers: names.map((name) => this.#resultOf(name)),
      skipped: this.#missing,
    };
    builder.peers = result;
    for (const name of names) {
      const samples = this.#samples.get(name) as Sample[];
      if (name !== DIRECT)
        builder.figures.push(
          { name: `grpc/${name}/added-p50`, unit: 'ms', better: 'lower', samples: this.#added(name, 50) },
          {
            name: `grpc/${name}/cpu`,
            unit: 'us/call',
            better: 'lower',
            samples: samples.map((each) => each.cpuUsPerCall),
          },
        );
    }
    const added = (name: string): number => median(this.#added(name, 50));
    if (names.includes('millrace') && names.includes('nghttpx'))
      builder.note(
        `a gRPC call through ${hops} proxies: millrace adds ${figure(added('millrace'))} ms to the p50, nghttpx ${figure(added('nghttpx'))} ms`,
      );
    process.stdout.write(`${this.#text(result)}\n\n`);
  }

  /** By round: milliseconds more than without a proxy. */
  #added(name: string, percentile: number): number[] {
    const direct = this.#samples.get(DIRECT) ?? [];
    return (this.#samples.get(name) as Sample[]).flatMap(({ latencies }, round) => {
      const beside = direct[round];
      return beside === undefined
        ? []
        : [percentileMs(latencies, percentile) - percentileMs(beside.latencies, percentile)];
    });
  }

  #resultOf(name: string): PeerResult {
    const samples = this.#samples.get(name) as Sample[];
    const isDirect = name === DIRECT;
    return {
      name,
      version: this.#peers.find((peer) => peer.name === name)?.version ?? '',
      errors: samples.reduce((sum, { failed }) => sum + failed, 0),
      cpuUsPerRequest: isDirect ? [] : samples.map(({ cpuUsPerCall }) => cpuUsPerCall),
      requestsPerSecond: samples.map(({ calls, seconds }) => calls / seconds),
      residentMiB: isDirect ? [] : samples.map(({ residentMiB }) => residentMiB),
      latencies: encode(decode(...samples.map(({ latencies }) => encode(latencies)))),
    };
  }

  #text(result: PeersResult): string {
    const rows = result.peers.map((peer) => {
      const histogram = decode(peer.latencies);
      const isDirect = peer.name === DIRECT;
      return [
        `${peer.name} ${peer.version}`.trim(),
        figure(percentileMs(histogram, 50)),
        isDirect ? '' : figure(median(this.#added(peer.name, 50))),
        figure(percentileMs(histogram, 99)),
        isDirect ? '' : figure(median(this.#added(peer.name, 99))),
        isDirect ? '' : figure(median(peer.cpuUsPerRequest)),
        whole(median(peer.requestsPerSecond)),
        whole(peer.errors),
      ];
    });
    const head = ['', 'p50 ms', 'added', 'p99 ms', 'added', 'CPU us/call', 'calls/s', 'errors'];
    const skipped = this.#missing.map(({ name, why }) => `  ${name} was left out: ${why}`);
    return [`gRPC: ${result.conditions}`, '', table(head, rows), ...skipped].join('\n');
  }
}
