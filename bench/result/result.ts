/** Result: everything that one `npm run bench` measured, as plain JSON. */
import { readFileSync } from 'node:fs';
import type { Finding } from '../scenario/verdict.js';
import { type Machine, machine, type Version, version } from './machine.js';

/** One number with its repetitions: what two results are compared by. */
export interface Figure {
  /** "peers/millrace/cpu". */
  readonly name: string;
  readonly unit: string;
  readonly better: 'lower' | 'higher';
  /** One per round. */
  readonly samples: readonly number[];
}

export interface PolicyResult {
  readonly policy: string;
  readonly note: string;
  readonly requests: number;
  readonly errors: number;
  readonly errorText: string;
  /** Milliseconds: p50, p90, p99, p99.9, max. */
  readonly percentilesMs: readonly number[];
  /** p50 and p99 of what the proxy and the network add. */
  readonly overheadMs: readonly number[];
  /** p50 and p99 of how late the generator itself sent. */
  readonly lagMs: readonly number[];
  readonly spread: number;
  /** Of the answers under a key the part that came from another backend than its first; null = no keys. */
  readonly keysMoved: number | null;
  readonly byBackend: readonly number[];
  readonly cpuUsPerRequest: number;
  readonly residentMiB: number;
  /** Encoded HdrHistograms in microseconds: at the client from the intended time, and at the backends. */
  readonly latencies: string;
  readonly service: string;
}
export interface ScenarioResult {
  readonly name: string;
  readonly title: string;
  readonly question: string;
  readonly load: string;
  readonly policies: readonly PolicyResult[];
  readonly skipped: readonly { readonly policy: string; readonly why: string }[];
  readonly winner: string;
  readonly reason: string;
}

export interface PeerResult {
  readonly name: string;
  readonly version: string;
  readonly errors: number;
  /** By round. */
  readonly cpuUsPerRequest: readonly number[];
  readonly requestsPerSecond: readonly number[];
  readonly residentMiB: readonly number[];
  /** Over all rounds, open loop, from the intended time; encoded. */
  readonly latencies: string;
}
export interface PeersResult {
  readonly conditions: string;
  /** p50 and p99 of how late the generator itself sent. */
  readonly lagMs: readonly number[];
  readonly peers: readonly PeerResult[];
  readonly skipped: readonly { readonly name: string; readonly why: string }[];
}

export interface MicroResult {
  readonly group: string;
  readonly name: string;
  readonly nsPerOp: number;
  readonly samplesNs: readonly number[];
  /** Half the width of the 95 % interval over the mean, percent. */
  readonly marginPercent: number;
  readonly bytesPerOp: number;
}

export interface Result {
  readonly format: 1;
  readonly date: string;
  readonly command: string;
  readonly version: Version;
  readonly machine: Machine;
  readonly seconds: number;
  readonly isInterrupted: boolean;
  readonly scenarios: readonly ScenarioResult[];
  readonly peers: PeersResult | null;
  readonly micro: readonly MicroResult[];
  readonly findings: readonly Finding[];
  readonly notes: readonly string[];
  readonly figures: readonly Figure[];
}

/** Filled while the bench runs, so that what was measured before an interruption is kept. */
export class ResultBuilder {
  readonly scenarios: ScenarioResult[] = [];
  peers: PeersResult | null = null;
  readonly micro: MicroResult[] = [];
  readonly findings: Finding[] = [];
  readonly notes: string[] = [];
  readonly figures: Figure[] = [];
  readonly date = new Date().toISOString();
  readonly #command: string;
  readonly #machine = machine();
  readonly #version = version();
  readonly #startMs = performance.now();

  constructor(args: readonly string[]) {
    this.#command = `npm run bench${args.length === 0 ? '' : ` -- ${args.join(' ')}`}`;
  }

  get version(): Version {
    return this.#version;
  }
  get isEmpty(): boolean {
    return this.scenarios.length === 0 && this.peers === null && this.micro.length === 0;
  }

  note(text: string): void {
    if (!this.notes.includes(text)) this.notes.push(text);
  }

  build(isInterrupted: boolean): Result {
    return {
      format: 1,
      date: this.date,
      command: this.#command,
      version: this.#version,
      machine: this.#machine,
      seconds: Math.round((performance.now() - this.#startMs) / 1000),
      isInterrupted,
      scenarios: this.scenarios,
      peers: this.peers,
      micro: this.micro,
      findings: this.findings,
      notes: this.notes,
      figures: this.figures,
    };
  }
}

/** Throws with one line when it is no result. */
export function readResult(path: string): Result {
  const result = JSON.parse(readFileSync(path, 'utf8')) as Result;
  if (result.format !== 1) throw new Error(`${path} is no result of this version's bench`);
  return result;
}

/** Of an even number of values the mean of the middle pair. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle] as number;
  return ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
