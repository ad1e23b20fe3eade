/** Options: command line and environment to one frozen object; nothing else reads either. */
import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { suggest } from './fault/problem.js';

export interface ConfigSource {
  /** A file, or null when text is given. */
  readonly path: string | null;
  readonly text: string | null;
  /** As problems name it. */
  readonly name: string;
  /** Laid over the file: what --config-yaml says beside -c. */
  readonly overlay?: { readonly name: string; readonly text: string };
  readonly allowsUnknownFields: boolean;
  /** Who accepts, where it isn't the transport: what that can't do is a problem of the config. */
  readonly ingress?: 'uws';
  /** What it can't do is a problem of the config, too. */
  readonly transport?: 'node';
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface Options {
  readonly command: 'serve' | 'validate' | 'version' | 'help';
  readonly config: ConfigSource;
  readonly concurrency: number;
  readonly logLevel: LogLevel;
  readonly logFormat: 'text' | 'json';
  readonly drainTimeMs: number;
  readonly transport: 'auto' | 'native' | 'node';
  /** Who accepts and reads requests: the transport, or uWebSockets.js. */
  readonly ingress: 'native' | 'uws';
  readonly watch: boolean;
  /** Endpoints that only tests need (killing a worker). */
  readonly hasTestHooks: boolean;
  readonly commandLine: readonly string[];
}

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warning', 'error', 'critical', 'off'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
const LB_POLICIES = ['round_robin', 'random', 'least_request'];

export const USAGE = `usage: millrace -c FILE [options]
       millrace --listen [HOST]:PORT --to HOST:PORT[,HOST:PORT...] [--lb POLICY] [options]

  -c, --config-path FILE             Envoy v3 bootstrap, YAML or JSON
      --config-yaml TEXT             the same, on the command line; with -c, laid over the file
      --listen [HOST]:PORT           without a file: where to listen (HOST default 127.0.0.1; 0.0.0.0 for all)
      --to HOST:PORT[,...]           ... and where to forward
      --lb POLICY                    ... and how: ${LB_POLICIES.join(', ')}
      --concurrency N                worker threads (default: cores)
      --mode serve|validate          validate: check the config, print every problem, exit
  -l, --log-level LEVEL              ${LOG_LEVELS.join(', ')} (default info)
      --log-format text|json
      --drain-time-s N               longest drain after SIGTERM (default 600)
      --allow-unknown-static-fields  unknown fields are warnings
      --transport auto|native|node   how sockets are driven (default auto)
      --ingress native|uws           who accepts: the transport, or uWebSockets.js (default native)
      --watch                        reload when the config file changes (SIGHUP reloads too)
      --version
  -h, --help
`;

const FLAGS = {
  'config-path': { type: 'string', short: 'c' },
  'config-yaml': { type: 'string' },
  listen: { type: 'string' },
  to: { type: 'string' },
  lb: { type: 'string' },
  concurrency: { type: 'string' },
  mode: { type: 'string' },
  'log-level': { type: 'string', short: 'l' },
  'log-format': { type: 'string' },
  'drain-time-s': { type: 'string' },
  'allow-unknown-static-fields': { type: 'boolean' },
  transport: { type: 'string' },
  ingress: { type: 'string' },
  watch: { type: 'boolean' },
  version: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** Envoy's options that are not here: said by name, because a command line of Envoy's is what people come with. */
const ENVOY_FLAGS = `base-id base-id-path use-dynamic-base-id skip-hot-restart-on-no-parent
  skip-hot-restart-parent-stats allow-unknown-fields reject-unknown-dynamic-fields ignore-unknown-dynamic-fields
  skip-deprecated-logs admin-address-path local-address-ip-version component-log-level log-format-escaped
  enable-fine-grain-logging log-path hot-restart-version restart-epoch service-cluster service-node service-zone
  file-flush-interval-msec file-flush-min-size-kb drain-strategy parent-shutdown-time-s cpuset-threads
  disable-hot-restart enable-mutex-tracing enable-core-dump socket-path socket-mode stats-tag
  disable-extensions`.split(/\s+/);

type Flags = {
  -readonly [name in keyof typeof FLAGS]?: (typeof FLAGS)[name]['type'] extends 'boolean' ? boolean : string;
};

export type Parsed = { readonly options: Options } | { readonly usageError: string };

export function parseOptions(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Parsed {
  let flags: Flags;
  try {
    flags = parseArgs({ args: [...argv], options: FLAGS, strict: true, allowPositionals: false }).values;
  } catch (error) {
    return { usageError: unknownFlag(error instanceof Error ? error.message : String(error), argv) };
  }
  try {
    return { options: Object.freeze(build(flags, argv, environment)) };
  } catch (error) {
    return { usageError: error instanceof Error ? error.message : String(error) };
  }
}

function unknownFlag(message: string, argv: readonly string[]): string {
  const names: readonly string[] = Object.keys(FLAGS);
  const nameOf = (word: string): string => word.slice(2).split('=')[0] as string;
  // Only the word that the parser complains of: the value of another option may look like one.
  const unknown = argv.find(
    (word) => /^--[^=]/.test(word) && !names.includes(nameOf(word)) && message.includes(`'--${nameOf(word)}'`),
  );
  if (unknown === undefined) return lowerFirst(message.split(/\.\s/)[0] as string);
  const name = nameOf(unknown);
  if (ENVOY_FLAGS.includes(name)) return `--${name} is an option of Envoy's that is not supported here`;
  const near = suggest(name, names);
  return `unknown option --${name}${near === null ? '' : `; did you mean --${near}?`}`;
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}

/** What says nothing without another option is a mistake, not a no-op. */
function checkCompany(flags: Flags): void {
  const hasFile = flags['config-path'] !== undefined;
  const hasText = flags['config-yaml'] !== undefined;
  if (flags.listen !== undefined && (hasFile || hasText))
    throw new Error('--listen is the form without a config: leave out -c and --config-yaml');
  if (flags.listen === undefined && !hasFile && !hasText) {
    if (flags.to !== undefined) throw new Error('--to needs --listen [HOST]:PORT');
    throw new Error('no config: give -c FILE, --config-yaml TEXT or --listen with --to');
  }
  for (const name of ['to', 'lb'] as const)
    if (flags[name] !== undefined && flags.listen === undefined)
      throw new Error(`--${name} belongs to --listen: with a config it has no effect`);
  if (flags.watch === true && !hasFile) throw new Error('--watch needs -c FILE: there is no file to watch');
}

function build(
  flags: Flags,
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Options {
  const mode = choice('mode', flags.mode ?? 'serve', ['serve', 'validate']);
  const command = flags.help ? 'help' : flags.version ? 'version' : mode;
  return {
    command,
    config: command === 'help' || command === 'version' ? NO_CONFIG : configSource(flags, environment),
    concurrency: whole('concurrency', flags.concurrency, availableParallelism(), 1, 1024),
    logLevel: choice(
      'log-level',
      flags['log-level'] === 'warn' ? 'warning' : (flags['log-level'] ?? 'info'),
      LOG_LEVELS,
    ),
    logFormat: choice('log-format', flags['log-format'] ?? 'text', ['text', 'json']),
    drainTimeMs: whole('drain-time-s', flags['drain-time-s'], 600, 0, 86400) * 1000,
    transport: choice('transport', flags.transport ?? 'auto', ['auto', 'native', 'node']),
    ingress: choice('ingress', flags.ingress ?? 'native', ['native', 'uws']),
    watch: flags.watch === true,
    hasTestHooks: environment['MILLRACE_TEST_HOOKS'] === '1',
    commandLine: argv,
  };
}

const NO_CONFIG: ConfigSource = { path: null, text: '', name: '', allowsUnknownFields: false, environment: {} };

function configSource(flags: Flags, environment: Readonly<Record<string, string | undefined>>): ConfigSource {
  checkCompany(flags);
  const isUws = flags.ingress === 'uws';
  const common = {
    allowsUnknownFields: flags['allow-unknown-static-fields'] === true,
    environment,
    ...(isUws ? { ingress: 'uws' as const } : {}),
  };
  const path = flags['config-path'];
  const text = flags['config-yaml'];
  const inline = '<--config-yaml>';
  if (path === '') throw new Error('--config-path: the name of the file is empty');
  if (path !== undefined && text !== undefined)
    return { path, text: null, name: path, overlay: { name: inline, text }, ...common };
  if (path !== undefined) return { path, text: null, name: path, ...common };
  if (text !== undefined) return { path: null, text, name: inline, ...common };
  if (flags.to === undefined) throw new Error('--listen needs --to HOST:PORT');
  return {
    path: null,
    text: shortForm(flags.listen as string, flags.to, flags.lb ?? 'round_robin', !isUws),
    name: '<--listen>',
    ...common,
  };
}

/** The form without a file is a bootstrap like any other. */
function shortForm(listen: string, to: string, lb: string, hasTunnels: boolean): string {
  const policy = choice('lb', lb.toLowerCase(), LB_POLICIES);
  const endpoints = to.split(',').map((each) => ({ endpoint: { address: socketAddress('to', each.trim()) } }));
  const hasNames = endpoints.some((each) => isIP(each.endpoint.address.socket_address.address) === 0);
  const manager = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 'ingress',
    use_remote_address: true,
    upgrade_configs: hasTunnels ? [{ upgrade_type: 'websocket' }] : [],
    route_config: {
      name: 'all',
      virtual_hosts: [
        { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'upstream' } }] },
      ],
    },
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
      },
    ],
  };
  const cluster = {
    name: 'upstream',
    type: hasNames ? 'STRICT_DNS' : 'STATIC',
    lb_policy: policy.toUpperCase(),
    load_assignment: { cluster_name: 'upstream', endpoints: [{ lb_endpoints: endpoints }] },
  };
  const filters = [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }];
  const listener = { name: 'ingress', address: socketAddress('listen', listen), filter_chains: [{ filters }] };
  return JSON.stringify({ static_resources: { listeners: [listener], clusters: [cluster] } }, null, 1);
}

function socketAddress(flag: string, text: string): { socket_address: { address: string; port_value: number } } {
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(found?.[3]);
  if (found === null || port > 65535)
    throw new Error(`--${flag}: ${JSON.stringify(text)} is not HOST:PORT (IPv6: [::1]:80)`);
  const host = found[1] ?? found[2] ?? '';
  if (flag === 'to' && host === '') throw new Error(`--to: ${JSON.stringify(text)} has no host`);
  if (flag === 'to' && port === 0) throw new Error(`--to: ${JSON.stringify(text)} has no port to connect to`);
  const address = host === '' || (flag === 'listen' && host === 'localhost') ? '127.0.0.1' : host;
  if (flag === 'listen' && isIP(address) === 0)
    throw new Error(`--listen: ${JSON.stringify(host)} is not an IP address of this machine`);
  return { socket_address: { address, port_value: port } };
}

function choice<const T extends string>(flag: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((each) => each === value);
  if (found !== undefined) return found;
  const near = suggest(value, allowed);
  throw new Error(
    `--${flag}: ${JSON.stringify(value)} is not one of ${allowed.join(', ')}${near === null ? '' : ` (did you mean ${near}?)`}`,
  );
}

function whole(flag: string, value: string | undefined, otherwise: number, min: number, max: number): number {
  if (value === undefined) return otherwise;
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (!(number >= min && number <= max))
    throw new Error(`--${flag}: ${JSON.stringify(value)} is not a whole number from ${min} to ${max}`);
  return number;
}
