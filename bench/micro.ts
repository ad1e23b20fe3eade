/** `npm run bench -- micro`: nanoseconds and bytes of garbage of single steps of the data path, by tinybench. */
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Bench } from 'tinybench';
import type { Interruption } from './interruption.js';
import { http2Operations } from './micro/http2-operations.js';
import { hpackOperations } from './micro/hpack-operations.js';
import {
  balancerOperations,
  type Operation,
  parserOperations,
  routerOperations,
  timerOperations,
} from './micro/operations.js';
import { refinementOperations } from './micro/refinement-operations.js';
import { counterOperations, hashOperations, rateOperations, tableOperations } from './micro/shared-operations.js';
import { median, type MicroResult, type ResultBuilder } from './result/result.js';
import { readPolicies } from './scenario/policies.js';
import type { Progress } from './terminal/progress.js';
import { figure, table } from './terminal/table.js';
import { UsageError } from './usage-error.js';

/** Operations per sample: the clock takes about as long as one of them. */
const TIMES = 1000;
const BYTE_TRIALS = 5;
const BYTE_TIMES = 2000;
const DEFAULT_MS = 300;

export interface MicroOptions {
  /** For each operation. */
  readonly timeMs: number;
}

/** Throws UsageError. */
export function microOptions(args: readonly string[]): MicroOptions {
  const { values } = parseArgs({ args: [...args], options: { ms: { type: 'string' } } });
  const timeMs = Number(values.ms ?? DEFAULT_MS);
  if (!(timeMs >= 10 && timeMs <= 60000)) throw new UsageError(`--ms: ${values.ms} is no number from 10 to 60000`);
  return { timeMs };
}

export class MicroBench {
  readonly #operations: readonly Operation[];
  readonly #timeMs: number;
  /** What operations answer goes here. */
  readonly #sink = new Float64Array(1);

  constructor({ timeMs }: MicroOptions) {
    this.#timeMs = timeMs;
    this.#operations = [
      ...parserOperations(),
      ...http2Operations(),
      ...hpackOperations(),
      ...routerOperations(),
      ...balancerOperations(readPolicies().filter(({ isPerWorker }) => !isPerWorker)),
      ...refinementOperations(),
      ...timerOperations(),
      ...hashOperations(),
      ...tableOperations(),
      ...counterOperations(),
      ...rateOperations(),
    ];
  }

  get expectedS(): number {
    return (this.#operations.length * this.#timeMs * 1.4) / 1000;
  }

  async run(builder: ResultBuilder, interruption: Interruption, progress: Progress): Promise<void> {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    for (const operation of this.#operations) {
      if (interruption.isSet) break;
      await progress.step(`micro: ${operation.group}: ${operation.name}`, (this.#timeMs * 1.4) / 1000, async () => {
        const end = await operation.beside?.();
        let result: MicroResult;
        try {
          result = this.#measure(operation, collect);
        } finally {
          await end?.();
        }
        builder.micro.push(result);
        const name = `micro/${result.group}/${result.name}`;
        builder.figures.push({ name, unit: 'ns', better: 'lower', samples: result.samplesNs });
        // Signals are heard between operations.
        await new Promise((resolve) => setImmediate(resolve));
      });
    }
    progress.clear();
    if (builder.micro.length > 0) process.stdout.write(`${microText(builder.micro)}\n\n`);
  }

  #measure(operation: Operation, collect: () => void): MicroResult {
    const bench = new Bench({ time: this.#timeMs / 3, warmupTime: this.#timeMs / 5 });
    bench.add(operation.name, () => {
      this.#sink[0] = (this.#sink[0] as number) + operation.run(TIMES);
    });
    const samplesNs: number[] = [];
    let marginPercent = 0;
    // Three times, so that there is a spread to compare by.
    for (let i = 0; i < 3; i++) {
      const [task] = bench.runSync();
      const result = task?.result;
      if (result?.state !== 'completed') throw new Error(`${operation.name} did not complete`);
      samplesNs.push((result.latency.p50 * 1e6) / TIMES);
      marginPercent = Math.max(marginPercent, result.latency.rme);
    }
    const bytesPerOp = this.#bytes(operation, collect);
    const { group, name } = operation;
    return { group, name, nsPerOp: median(samplesNs), samplesNs, marginPercent, bytesPerOp };
  }

  /** What the heap grows by; the least of some trials, because others grow it too. */
  #bytes(operation: Operation, collect: () => void): number {
    let least = Number.POSITIVE_INFINITY;
    for (let trial = 0; trial < BYTE_TRIALS; trial++) {
      collect();
      const before = process.memoryUsage().heapUsed;
      this.#sink[0] = (this.#sink[0] as number) + operation.run(BYTE_TIMES);
      const grown = process.memoryUsage().heapUsed - before;
      if (grown >= 0) least = Math.min(least, grown / BYTE_TIMES);
    }
    return Math.round(least);
  }
}

export function microText(results: readonly MicroResult[]): string {
  const rows = results.map(({ group, name, nsPerOp, marginPercent, bytesPerOp }) => [
    `${group}: ${name}`,
    figure(nsPerOp),
    `${figure(marginPercent)} %`,
    String(bytesPerOp),
  ]);
  return `Single steps\n\n${table(['operation', 'ns', '+-', 'bytes'], rows)}`;
}
