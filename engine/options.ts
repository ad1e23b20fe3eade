/** Options: command line and environment to one frozen object; nothing else reads process.env or process.argv. */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { suggest } from './fault/problem.js';

export interface ConfigSource {
  /** A file, or null when text is given. */
  readonly path: string | null;
  readonly text: string | null;
  /** As problems name it. */
  readonly name: string;
  readonly allowsUnknownFields: boolean;
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
      --config-yaml TEXT             the same, on the command line
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
      --watch                        reload when the config file changes (SIGHUP reloads too)
      --version
      --help
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
  watch: { type: 'boolean' },
  version: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

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
  const names = Object.keys(FLAGS);
  const unknown = argv.find((word) => word.startsWith('--') && !names.includes(word.slice(2).split('=')[0] as string));
  if (unknown === undefined) return message.split('. ')[0] as string;
  const near = suggest(unknown.slice(2).split('=')[0] as string, names);
  return `unknown option ${unknown}${near === null ? '' : `; did you mean --${near}?`}`;
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
    watch: flags.watch === true,
    hasTestHooks: environment['MILLRACE_TEST_HOOKS'] === '1',
    commandLine: argv,
  };
}

const NO_CONFIG: ConfigSource = { path: null, text: '', name: '', allowsUnknownFields: false, environment: {} };

function configSource(flags: Flags, environment: Readonly<Record<string, string | undefined>>): ConfigSource {
  const allowsUnknownFields = flags['allow-unknown-static-fields'] === true;
  const given = [flags['config-path'], flags['config-yaml'], flags.listen].filter((value) => value !== undefined);
  if (given.length === 0) throw new Error('no config: give -c FILE, --config-yaml TEXT or --listen with --to');
  if (given.length > 1) throw new Error('give one of -c, --config-yaml and --listen, not several');
  const common = { allowsUnknownFields, environment };
  if (flags['config-path'] !== undefined)
    return { path: flags['config-path'], text: null, name: flags['config-path'], ...common };
  if (flags['config-yaml'] !== undefined)
    return { path: null, text: flags['config-yaml'], name: '<--config-yaml>', ...common };
  if (flags.to === undefined) throw new Error('--listen needs --to HOST:PORT');
  return {
    path: null,
    text: shortForm(flags.listen as string, flags.to, flags.lb ?? 'round_robin'),
    name: '<--listen>',
    ...common,
  };
}

/** The form without a file is a bootstrap like any other. */
function shortForm(listen: string, to: string, lb: string): string {
  const policy = choice('lb', lb.toLowerCase(), LB_POLICIES);
  const endpoints = to.split(',').map((each) => ({ endpoint: { address: socketAddress('to', each.trim()) } }));
  const hasNames = endpoints.some((each) => !/^[\d.]+$|:/.test(each.endpoint.address.socket_address.address));
  const manager = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 'ingress',
    use_remote_address: true,
    upgrade_configs: [{ upgrade_type: 'websocket' }],
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
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const port = Number(found?.[3]);
  if (found === null || port > 65535) throw new Error(`--${flag}: ${JSON.stringify(text)} is not HOST:PORT`);
  const host = found[1] ?? found[2] ?? '';
  if (host === '' && flag === 'to') throw new Error(`--to: ${JSON.stringify(text)} has no host`);
  return { socket_address: { address: host === '' ? '127.0.0.1' : host, port_value: port } };
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
