/** Catalog: the proxies that millrace is measured beside: how each is found, configured alike, and started. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { packageRoot } from '../../engine/io/addon.js';
import { bootstrap } from '../../test/support/bootstrap.js';
import { MAIN } from '../../test/support/proxy-process.js';
import type { ProxyCommand } from '../proxy-run.js';

export interface PeerPorts {
  readonly listener: number;
  readonly admin: number;
  readonly origin: number;
}

export interface Peer {
  readonly name: string;
  readonly version: string;
  command(ports: PeerPorts): Omit<ProxyCommand, 'name' | 'port'>;
}

export interface Missing {
  readonly name: string;
  readonly why: string;
}

type Found = Peer | Missing;

export const PEER_NAMES = [
  'floor',
  'millrace',
  'millrace --transport node',
  'millrace --ingress uws',
  'nginx',
  'haproxy',
  'nghttpx',
  'caddy',
  'envoy',
  'http-proxy-3',
  'fast-proxy',
  '@fastify/http-proxy',
] as const;
export type PeerName = (typeof PEER_NAMES)[number];

const NGINX = `worker_processes 1; daemon off; pid {dir}/nginx.pid; error_log {dir}/error.log;
events { worker_connections 8192; }
http {
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
  upstream origin { server 127.0.0.1:ORIGIN; keepalive 1024; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:LISTENER;
    location / {
      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Request-Id $request_id;
    }
  }
}
`;
const HAPROXY = `global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option http-keep-alive
  http-reuse always
  option forwardfor
frontend ingress
  bind 127.0.0.1:LISTENER
  unique-id-format %[uuid()]
  unique-id-header X-Request-Id
  http-request set-header X-Forwarded-Proto http
  default_backend origin
backend origin
  server origin 127.0.0.1:ORIGIN
`;
const CADDY = `{
  admin off
  auto_https off
}
http://127.0.0.1:LISTENER {
  reverse_proxy 127.0.0.1:ORIGIN
}
`;

function placed(text: string, ports: PeerPorts): string {
  return text.replaceAll('LISTENER', String(ports.listener)).replaceAll('ORIGIN', String(ports.origin));
}

function onPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The first thing in what a program says of itself that looks like a version. */
function versionOf(program: string, flag: string): string {
  const { stdout, stderr } = spawnSync(program, [flag], { encoding: 'utf8' });
  return /\d+\.\d+(\.\d+)?/.exec(`${stdout}${stderr}`)?.[0] ?? '';
}

function installed(name: PeerName, flag: string, command: Peer['command']): Found {
  if (!onPath(name)) return { name, why: 'not on PATH' };
  return { name, version: versionOf(name, flag), command };
}

const UNLIMITED = { max_connections: 100000, max_pending_requests: 100000, max_requests: 100000 };

function envoyConfig({ origin, listener, admin }: PeerPorts): string {
  return bootstrap({ origins: [origin], cluster: { circuit_breakers: { thresholds: [UNLIMITED] } } })(listener, admin);
}

function millrace(name: PeerName, args: readonly string[]): Peer {
  return {
    name,
    version: '',
    command: (ports) => ({
      command: [process.execPath, MAIN, '-c', '{dir}/envoy.yaml', '--concurrency', '1', '--drain-time-s', '1', ...args],
      files: { 'envoy.yaml': envoyConfig(ports) },
    }),
  };
}

function nodePeer(name: PeerName): Found {
  try {
    const require = createRequire(import.meta.url);
    const path = require.resolve.paths(name)?.map((each) => join(each, name, 'package.json')) ?? [];
    const manifest = path.map((each) => readManifest(require, each)).find((each) => each !== null);
    if (manifest == null) return { name, why: 'the package is not installed' };
    const script = new URL('./node-peer.js', import.meta.url).pathname;
    return {
      name,
      version: manifest.version,
      command: ({ listener, origin }) => ({
        command: [process.execPath, script, name, String(listener), String(origin)],
        files: {},
      }),
    };
  } catch (error) {
    return { name, why: error instanceof Error ? error.message : String(error) };
  }
}

function readManifest(require: NodeJS.Require, path: string): { readonly version: string } | null {
  try {
    return require(path) as { readonly version: string };
  } catch {
    return null;
  }
}

/** Compiles the relay; the directory goes with the process. */
function floor(): Found {
  const compiler = ['cc', 'gcc', 'clang'].find(onPath);
  if (compiler === undefined) return { name: 'floor', why: 'no C compiler on PATH' };
  const directory = mkdtempSync(join(tmpdir(), 'millrace-relay-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const program = join(directory, 'relay');
  const source = join(packageRoot(), 'bench', 'peers', 'relay.c');
  const run = spawnSync(compiler, ['-O2', '-o', program, source], { encoding: 'utf8' });
  if (run.status !== 0) return { name: 'floor', why: `the relay was not compiled: ${run.stderr.split('\n')[0]}` };
  return {
    name: 'floor',
    version: '',
    command: ({ listener, origin }) => ({ command: [program, String(listener), String(origin)], files: {} }),
  };
}

const FIND: Readonly<Record<PeerName, () => Found>> = {
  floor,
  millrace: () => millrace('millrace', []),
  'millrace --transport node': () => millrace('millrace --transport node', ['--transport', 'node']),
  'millrace --ingress uws': () => {
    const name = 'millrace --ingress uws';
    const load = ['--input-type=module', '-e', "await import('uWebSockets.js')"];
    const isThere = spawnSync(process.execPath, load, { cwd: packageRoot() }).status === 0;
    return isThere ? millrace(name, ['--ingress', 'uws']) : { name, why: 'uWebSockets.js does not load here' };
  },
  nginx: () =>
    installed('nginx', '-v', (ports) => ({
      command: ['nginx', '-e', 'stderr', '-c', '{dir}/nginx.conf'],
      files: { 'nginx.conf': placed(NGINX, ports) },
    })),
  haproxy: () =>
    installed('haproxy', '-v', (ports) => ({
      command: ['haproxy', '-db', '-f', '{dir}/haproxy.cfg'],
      files: { 'haproxy.cfg': placed(HAPROXY, ports) },
    })),
  nghttpx: () =>
    installed('nghttpx', '--version', ({ listener, origin }) => ({
      command: [
        'nghttpx',
        '--conf={dir}/nghttpx.conf',
        '-n1',
        `-f127.0.0.1,${listener};no-tls`,
        `-b127.0.0.1,${origin}`,
        '--errorlog-file={dir}/error.log',
        '--add-x-forwarded-for',
      ],
      files: { 'nghttpx.conf': '' },
    })),
  caddy: () =>
    installed('caddy', 'version', (ports) => ({
      command: ['caddy', 'run', '--config', '{dir}/Caddyfile', '--adapter', 'caddyfile'],
      files: { Caddyfile: placed(CADDY, ports) },
      environment: { GOMAXPROCS: '1', HOME: '{dir}' },
    })),
  envoy: () =>
    installed('envoy', '--version', (ports) => ({
      command: ['envoy', '-c', '{dir}/envoy.yaml', '--concurrency', '1', '-l', 'error'],
      files: { 'envoy.yaml': envoyConfig(ports) },
    })),
  'http-proxy-3': () => nodePeer('http-proxy-3'),
  'fast-proxy': () => nodePeer('fast-proxy'),
  '@fastify/http-proxy': () => nodePeer('@fastify/http-proxy'),
};

export function findPeers(names: readonly PeerName[]): {
  readonly peers: readonly Peer[];
  readonly missing: readonly Missing[];
} {
  const found = names.map((name) => FIND[name]());
  return {
    peers: found.filter((each): each is Peer => 'command' in each),
    missing: found.filter((each): each is Missing => 'why' in each),
  };
}
