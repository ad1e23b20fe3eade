/** Options: Envoy's flags under Envoy's names, and a usage error that helps for each that is wrong. */
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { loadConfig, planOf } from '../../engine/control/load.js';
import { PlanRegistry } from '../../engine/control/registry.js';
import { type Options, parseOptions, USAGE } from '../../engine/options.js';

function options(...argv: string[]): Options {
  const parsed = parseOptions(argv, {});
  if ('usageError' in parsed) assert.fail(parsed.usageError);
  return parsed.options;
}

function usageError(...argv: string[]): string {
  const parsed = parseOptions(argv, {});
  return 'usageError' in parsed ? parsed.usageError : assert.fail(`no error for ${argv.join(' ')}`);
}

test('defaults are Envoy’s', () => {
  const made = options('-c', 'envoy.yaml');
  assert.deepEqual(
    { ...made, config: { ...made.config } },
    {
      command: 'serve',
      config: { path: 'envoy.yaml', text: null, name: 'envoy.yaml', allowsUnknownFields: false, environment: {} },
      concurrency: availableParallelism(),
      logLevel: 'info',
      logFormat: 'text',
      drainTimeMs: 600000,
      transport: 'auto',
      ingress: 'native',
      watch: false,
      hasTestHooks: false,
      commandLine: ['-c', 'envoy.yaml'],
    },
  );
  assert.ok(Object.isFrozen(made));
});

test('every flag is read, with = and without', () => {
  const made = options(
    ...['--config-path=a', '--config-yaml', 'admin: {}', '--concurrency', '3', '--mode', 'validate', '-l', 'warn'],
    ...['--log-format', 'json', '--drain-time-s', '5', '--allow-unknown-static-fields', '--transport=node', '--watch'],
  );
  assert.equal(made.command, 'validate');
  assert.equal(made.concurrency, 3);
  assert.equal(made.logLevel, 'warning');
  assert.equal(made.logFormat, 'json');
  assert.equal(made.drainTimeMs, 5000);
  assert.equal(made.transport, 'node');
  assert.equal(made.watch, true);
  assert.equal(made.config.allowsUnknownFields, true);
  assert.equal(made.config.path, 'a');
  assert.deepEqual(made.config.overlay, { name: '<--config-yaml>', text: 'admin: {}' });
});

test('--ingress is native or uws', () => {
  assert.equal(options('-c', 'a', '--ingress', 'uws').ingress, 'uws');
  assert.equal(options('-c', 'a', '--ingress=native').ingress, 'native');
  assert.match(usageError('-c', 'a', '--ingress', 'uvs'), /--ingress: "uvs" is not one of native, uws/);
});

test('--version and --help need no config', () => {
  assert.equal(options('--version').command, 'version');
  assert.equal(options('--help').command, 'help');
  assert.equal(options('-h').command, 'help');
  for (const flag of ['--config-path', '--config-yaml', '--concurrency', '--mode', '--drain-time-s', '--transport'])
    assert.ok(USAGE.includes(flag), flag);
});

test('only the test hook is read from the environment', () => {
  const parsed = parseOptions(['-c', 'a'], { MILLRACE_TEST_HOOKS: '1' });
  assert.ok('options' in parsed && parsed.options.hasTestHooks);
});

const USAGE_ERRORS: readonly (readonly [readonly string[], string])[] = [
  [[], 'no config: give -c FILE, --config-yaml TEXT or --listen with --to'],
  [['--conifg-path', 'x'], 'unknown option --conifg-path; did you mean --config-path?'],
  [['--frobnicate'], 'unknown option --frobnicate'],
  [['--base-id', '1'], "--base-id is an option of Envoy's that is not supported here"],
  [['-c', 'a', '--service-cluster=x'], "--service-cluster is an option of Envoy's that is not supported here"],
  [['-x'], "unknown option '-x'"],
  [['-c'], "option '-c, --config-path <value>' argument missing"],
  [['--config-path='], '--config-path: the name of the file is empty'],
  [['envoy.yaml'], "unexpected argument 'envoy.yaml'"],
  [['-c', 'a', '--watch=yes'], "option '--watch' does not take an argument"],
  [['-c', 'a', '--mode', 'check'], '--mode: "check" is not one of serve, validate'],
  [
    ['-c', 'a', '-l', 'debgu'],
    '--log-level: "debgu" is not one of trace, debug, info, warning, error, critical, off (did you mean debug?)',
  ],
  [['-c', 'a', '--concurrency', '0'], '--concurrency: "0" is not a whole number from 1 to 1024'],
  [['-c', 'a', '--concurrency', '1.5'], '--concurrency: "1.5" is not a whole number from 1 to 1024'],
  [['-c', 'a', '--drain-time-s', '-1'], "option '--drain-time-s' argument is ambiguous"],
  [['-c', 'a', '--drain-time-s=-1'], '--drain-time-s: "-1" is not a whole number from 0 to 86400'],
  [['-c', 'a', '--transport', 'uring'], '--transport: "uring" is not one of auto, native, node'],
  [
    ['-c', 'a', '--listen', ':80', '--to', 'a:1'],
    '--listen is the form without a config: leave out -c and --config-yaml',
  ],
  [['-c', 'a', '--to', 'a:1'], '--to belongs to --listen: with a config it has no effect'],
  [['-c', 'a', '--lb', 'random'], '--lb belongs to --listen: with a config it has no effect'],
  [['--to', 'a:1'], '--to needs --listen [HOST]:PORT'],
  [['--listen', ':80'], '--listen needs --to HOST:PORT'],
  [['--config-yaml', 'a: 1', '--watch'], '--watch needs -c FILE: there is no file to watch'],
  [['--listen', '80', '--to', 'a:1'], '--listen: "80" is not HOST:PORT (IPv6: [::1]:80)'],
  [['--listen', ':80', '--to', '::1:80'], '--to: "::1:80" is not HOST:PORT (IPv6: [::1]:80)'],
  [['--listen', ':70000', '--to', 'a:1'], '--listen: ":70000" is not HOST:PORT (IPv6: [::1]:80)'],
  [['--listen', 'example.com:80', '--to', 'a:1'], '--listen: "example.com" is not an IP address of this machine'],
  [['--listen', ':80', '--to', ':1'], '--to: ":1" has no host'],
  [['--listen', ':80', '--to', 'a:0'], '--to: "a:0" has no port to connect to'],
  [['--listen', ':80', '--to', 'a:1,'], '--to: "" is not HOST:PORT (IPv6: [::1]:80)'],
  [
    ['--listen', ':80', '--to', 'a:1', '--lb', 'ring_hash'],
    '--lb: "ring_hash" is not one of round_robin, random, least_request',
  ],
];

for (const [argv, message] of USAGE_ERRORS)
  test(`usage: ${argv.join(' ') || '(nothing)'}`, () => {
    assert.equal(usageError(...argv), message);
  });

test('the form without a file is a bootstrap like any other', () => {
  const made = options('--listen', '0.0.0.0:8080', '--to', '127.0.0.1:9001, [::1]:9002', '--lb', 'least_request');
  const loaded = loadConfig(made.config);
  if ('problems' in loaded) assert.fail(JSON.stringify(loaded.problems));
  assert.deepEqual(loaded.warnings, []);
  const { plan, admin } = planOf(loaded, new PlanRegistry(), new Map(), 1);
  assert.equal(admin, null);
  assert.deepEqual(plan.listeners[0]?.address, { family: 4, host: '0.0.0.0', port: 8080 });
  assert.deepEqual(
    plan.clusters[0]?.endpoints.map(({ address }) => address),
    [
      { family: 4, host: '127.0.0.1', port: 9001 },
      { family: 6, host: '::1', port: 9002 },
    ],
  );
  assert.equal(plan.clusters[0]?.lbPolicy.name, 'LEAST_REQUEST');
});

test('the form without a file takes names, and listens on this machine only unless told', () => {
  const loaded = loadConfig(options('--listen', ':8080', '--to', 'origin.example:80').config);
  if ('problems' in loaded) assert.fail(JSON.stringify(loaded.problems));
  const { plan, dnsTargets } = planOf(loaded, new PlanRegistry(), new Map(), 1);
  assert.equal(plan.listeners[0]?.address.host, '127.0.0.1');
  assert.equal(plan.clusters[0]?.type, 'STRICT_DNS');
  assert.deepEqual(
    dnsTargets.map(({ host, family, refreshMs }) => ({ host, family, refreshMs })),
    [{ host: 'origin.example', family: 'AUTO', refreshMs: 5000 }],
  );
});
