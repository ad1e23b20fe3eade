#!/usr/bin/env node
/** Process entry: options, config, workers, sockets, admin, signals. */
import { setFlagsFromString } from 'node:v8';
import { Acceptor } from './acceptor.js';
import { AdminServer } from './admin/server.js';
import { type LoadedConfig, loadConfig, planOf } from './control/load.js';
import { Publisher } from './control/publish.js';
import { PlanRegistry } from './control/registry.js';
import { Supervisor } from './control/supervise.js';
import { packageVersion } from './control/version.js';
import { watchFile } from './control/watch.js';
import { renderProblems } from './fault/problem.js';
import { managersOf } from './plan/managers.js';
import { chooseTransport } from './io/choose-transport.js';
import { addressText } from './io/addresses.js';
import { Life } from './life.js';
import { Log } from './log.js';
import { UwsAcceptor } from './uws/acceptor-uws.js';
import { loadUws, type Uws } from './uws/load-uws.js';
import { type Options, parseOptions, USAGE } from './options.js';

// The way of a request is many small functions. With V8's own budget (920 bytes of bytecode) its longest ones call where
// they could inline: 0.97 of the CPU per request. Workers compile under the flags of the process.
const INLINED_BYTECODE_MAX_BYTES = 2000;

/** A head that is a little too long is refused by our parser, with its line in the log. */
const UWS_MORE_BYTES = 4096;

const EXIT_REFUSED = 1;
const EXIT_USAGE = 2;

async function main(): Promise<void> {
  const parsed = parseOptions(process.argv.slice(2), process.env);
  if ('usageError' in parsed) {
    process.stderr.write(`millrace: ${parsed.usageError}\n\n${USAGE}`);
    process.exitCode = EXIT_USAGE;
    return;
  }
  const { command } = parsed.options;
  if (command === 'help') process.stdout.write(USAGE);
  else if (command === 'version') process.stdout.write(`millrace ${packageVersion()}\n`);
  else {
    const options = withTransport(parsed.options);
    const config = readConfig(options);
    if (config === null) process.exitCode = EXIT_REFUSED;
    else if (command === 'validate') process.stdout.write(`configuration '${options.config.name}' OK\n`);
    else await serve(options, config);
  }
}

/** The config is held against what the transport can do. */
function withTransport(options: Options): Options {
  // Where native is demanded and can't be had, the start says so.
  if (options.transport === 'native' || chooseTransport(options.transport).name === 'native') return options;
  return { ...options, config: { ...options.config, transport: 'node' } };
}

function readConfig(options: Options): LoadedConfig | null {
  const loaded = loadConfig(options.config);
  const problems = 'problems' in loaded ? loaded.problems : loaded.warnings;
  if (problems.length > 0) process.stderr.write(`${renderProblems(problems, options.logFormat)}\n`);
  if (!('problems' in loaded)) return loaded;
  const errors = problems.filter((problem) => problem.severity === 'error').length;
  const message = `configuration '${options.config.name}' refused: ${errors} ${errors === 1 ? 'error' : 'errors'}`;
  const line = options.logFormat === 'json' ? JSON.stringify({ severity: 'error', message }) : `millrace: ${message}`;
  process.stderr.write(`${line}\n`);
  return null;
}

async function serve(options: Options, config: LoadedConfig): Promise<void> {
  setFlagsFromString(`--max-inlined-bytecode-size-cumulative=${INLINED_BYTECODE_MAX_BYTES}`);
  const log = new Log(options.logLevel, options.logFormat);
  const write = (level: string, component: string, message: string): void => log.write(level, component, message);
  const registry = new PlanRegistry();
  const transport = chooseTransport(options.transport);
  const uws = options.ingress === 'uws' ? new UwsAcceptor(await loadUwsFor(config)) : null;
  // Of the node transport's limits, those of listening don't matter then.
  const count = uws === null ? Math.min(options.concurrency, transport.workersMax) : options.concurrency;
  log.info(
    'main',
    `millrace ${packageVersion()}, ${count} ${count === 1 ? 'worker' : 'workers'}, ${transport.name} transport: ${transport.reason}${uws === null ? '' : '; uWebSockets.js accepts'}`,
  );
  if (transport.name === 'node' && options.transport === 'auto')
    log.warn(
      'main',
      'the node transport costs more CPU per request; with a C++ compiler installed, `npm rebuild` builds the addon',
    );
  if (count < options.concurrency)
    log.warn(
      'main',
      `one worker instead of ${options.concurrency}: several need the addon, or Node.js >= 22.12 with the node transport`,
    );
  const supervisor = new Supervisor({
    count,
    transport: transport.name,
    ...(uws === null ? {} : { ingress: uws }),
    registry,
    log: write,
    onReplaced: (worker) => void publisher.revive(worker),
  });
  const acceptor = new Acceptor(transport.addon, supervisor, uws);
  const publisher = new Publisher(config, { source: options.config, registry, supervisor, acceptor, log: write });
  const life = new Life({ options, log, supervisor, acceptor, publisher });
  const adminAddress = planOf(config, new PlanRegistry(), new Map(), 0).admin;
  const admin =
    adminAddress === null ? null : new AdminServer({ options, log, registry, supervisor, acceptor, publisher, life });
  try {
    await supervisor.start();
    await publisher.start();
    if (admin !== null && adminAddress !== null) await admin.listen(adminAddress);
  } catch (error) {
    process.stderr.write(`millrace: ${startError(error)}\n`);
    await supervisor.stop();
    process.exit(EXIT_REFUSED);
  }
  for (const { record, address } of acceptor.addresses())
    log.info('main', `listener ${record.name || record.key} on ${addressText(address)}`);
  if (adminAddress !== null) log.info('main', `admin on ${addressText(adminAddress)}`);
  life.start(() => admin?.close());
  if (options.watch && options.config.path !== null)
    watchFile(options.config.path, () => void publisher.reload('file changed'));
}

/** It reads the size of a head from the environment, once; what is longer than that it refuses without a word to us. */
function loadUwsFor(config: LoadedConfig): Promise<Uws> {
  const { listeners } = planOf(config, new PlanRegistry(), new Map(), 0).plan;
  const most = Math.max(0, ...listeners.flatMap(managersOf).map((http) => http.maxRequestHeadersBytes));
  process.env['UWS_HTTP_MAX_HEADERS_SIZE'] ??= String(most + UWS_MORE_BYTES);
  return loadUws();
}

/** One line that says what to do. */
function startError(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const text = message ?? String(error);
  if (code === 'EADDRINUSE') return `${text}: another process has this address; stop it or choose another port`;
  if (code === 'EACCES') return `${text}: no permission; ports below 1024 need root or CAP_NET_BIND_SERVICE`;
  if (code === 'EADDRNOTAVAIL') return `${text}: this machine does not have that address`;
  return text;
}

main().catch((error: unknown) => {
  process.stderr.write(`millrace: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(EXIT_REFUSED);
});
