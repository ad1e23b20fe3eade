/** `npm run bench`: the tour, or one of its parts by name. */
import { resolve } from 'node:path';
import { renderProblems, suggest } from '../engine/fault/problem.js';
import { compare } from './compare.js';
import { GrpcBench, grpcOptions } from './grpc.js';
import { HandshakesBench, handshakesOptions } from './handshakes.js';
import { Interruption } from './interruption.js';
import { LbBench, lbOptions } from './lb.js';
import { MicroBench, microOptions } from './micro.js';
import { PeersBench, peersOptions } from './peers.js';
import { RESULTS, writeResult } from './result/folder.js';
import { ResultBuilder } from './result/result.js';
import { ScenarioError } from './scenario/scenario.js';
import { Progress } from './terminal/progress.js';
import { TourBench } from './tour.js';
import { UsageError } from './usage-error.js';

interface Part {
  readonly help: string;
  /** Answers the exit code. */
  readonly run: (args: readonly string[]) => Promise<number>;
}

const PARTS: Readonly<Record<string, Part>> = {
  lb: {
    help: 'balancers side by side: [--scenario A,B] [--policies A,B] [--rounds N] [--duration S]\n             [--backends node] [--generators N]',
    run: lb,
  },
  peers: {
    help: 'beside other proxies: [--peers A,B] [--rounds N] [--seconds S] [--connections N] [--rate N]\n             [--body BYTES] [--generators N]',
    run: (args) => measure(new PeersBench(peersOptions(args)), ['peers', ...args]),
  },
  handshakes: {
    help: 'TLS 1.3 beside nginx: CPU of handshakes, full and resumed; memory of idle connections:\n             [--rounds N] [--seconds S] [--idle N]',
    run: (args) => measure(new HandshakesBench(handshakesOptions(args)), ['handshakes', ...args]),
  },
  grpc: {
    help: 'a call of gRPC through two proxies, beside nghttpx: [--peers A,B] [--rounds N] [--seconds S]\n             [--calls N] [--body BYTES] [--hops N]',
    run: (args) => measure(new GrpcBench(grpcOptions(args)), ['grpc', ...args]),
  },
  micro: {
    help: 'single steps of the data path, nanoseconds and bytes: [--ms N]',
    run: (args) => measure(new MicroBench(microOptions(args)), ['micro', ...args]),
  },
  compare: {
    help: 'two results: A B, each a folder, its name or commit, "baseline" or "last"; --keep A makes A the baseline',
    run: async (args) => compare(args),
  },
  simulate: { help: 'many proxies and backends on virtual time', run: simulate },
};

const USAGE = `usage: npm run bench                    the tour: a bit of everything, under three minutes
       npm run bench -- PART [options]    [--results DIR in the place of results/]

${Object.entries(PARTS)
  .map(([name, { help }]) => `  ${name.padEnd(10)} ${help}`)
  .join('\n')}
`;

/** Where results go: --results DIR, with every part. */
let results = RESULTS;

function withoutResults(args: readonly string[]): string[] {
  const at = args.indexOf('--results');
  if (at < 0) return [...args];
  const directory = args[at + 1];
  if (directory === undefined) throw new UsageError('--results needs a directory');
  results = resolve(directory);
  return args.filter((_, index) => index !== at && index !== at + 1);
}

interface Measured {
  readonly expectedS: number;
  run(builder: ResultBuilder, interruption: Interruption, progress: Progress): Promise<void>;
}

/** Runs it, keeps what was measured however it ends, and answers 1 when an expectation was missed. */
async function measure(bench: Measured, args: readonly string[]): Promise<number> {
  const interruption = new Interruption();
  const builder = new ResultBuilder(args);
  const progress = new Progress(bench.expectedS);
  try {
    await bench.run(builder, interruption, progress);
  } finally {
    progress.clear();
    if (!builder.isEmpty) process.stdout.write(`${summary(builder, interruption)}\n`);
  }
  if (interruption.isSet) return 130;
  return builder.findings.some(({ outcome }) => outcome === 'missed') ? 1 : 0;
}

function summary(builder: ResultBuilder, interruption: Interruption): string {
  const folder = writeResult(builder.build(interruption.isSet), results);
  const missed = builder.findings.filter(({ outcome }) => outcome === 'missed');
  const met = builder.findings.filter(({ outcome }) => outcome === 'met').length;
  const lines = missed.map(({ place, text }) => `MISSED ${place}: ${text}`);
  if (met + missed.length > 0) lines.push(`${met} of ${met + missed.length} expectations met`);
  if (interruption.isSet) lines.push('interrupted: what was measured until then is kept');
  lines.push(`results in ${folder} (report.html, result.json, *.hgrm)`);
  return lines.join('\n');
}

async function lb(args: readonly string[]): Promise<number> {
  return measure(new LbBench(lbOptions(args)), ['lb', ...args]);
}

async function simulate(args: readonly string[]): Promise<number> {
  const path = new URL('./simulate.js', import.meta.url).href;
  let part: { readonly simulate: (args: readonly string[]) => Promise<number> };
  try {
    part = (await import(path)) as typeof part;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new UsageError('the simulator is not built into this version');
  }
  return part.simulate(args);
}

async function main(args: readonly string[]): Promise<number> {
  const [name = '', ...others] = withoutResults(args);
  if (name === '') return measure(new TourBench(), []);
  // The simulator has options of its own, and says them.
  const isAskedFor = (arg: string): boolean => arg === '--help' || arg === '-h';
  if (isAskedFor(name) || (name !== 'simulate' && others.some(isAskedFor))) {
    process.stdout.write(USAGE);
    return 0;
  }
  const part = Object.hasOwn(PARTS, name) ? PARTS[name] : undefined;
  if (part === undefined) {
    const near = suggest(name, Object.keys(PARTS));
    throw new UsageError(`there is no part ${JSON.stringify(name)}${near === null ? '' : `; did you mean ${near}?`}`);
  }
  return part.run(others);
}

/** What parseArgs throws is of the command line too. */
function isUsage(error: unknown): error is Error {
  const code = (error as NodeJS.ErrnoException | null)?.code ?? '';
  return error instanceof UsageError || code.startsWith('ERR_PARSE_ARGS');
}

main(process.argv.slice(2))
  .then((code) => process.exit(code))
  .catch((error: unknown) => {
    if (error instanceof ScenarioError) process.stderr.write(`${renderProblems(error.problems)}\n`);
    else if (isUsage(error)) process.stderr.write(`bench: ${error.message}\n\n${USAGE}`);
    else process.stderr.write(`bench: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(isUsage(error) ? 2 : 1);
  });
