/** `npm run bench -- handshakes`: CPU of a TLS 1.3 handshake, full and resumed, and memory of an idle connection. */
import { parseArgs } from 'node:util';
import { bootstrap } from '../test/support/bootstrap.js';
import { Authority } from '../test/support/certificates.js';
import { freePort } from '../test/support/free-port.js';
import { MAIN } from '../test/support/proxy-process.js';
import { TlsClients } from './generator/tls-clients.js';
import type { Interruption } from './interruption.js';
import { Pinning } from './peers/pinning.js';
import { type ProxyCommand, ProxyRun } from './proxy-run.js';
import { median, type ResultBuilder } from './result/result.js';
import type { Progress } from './terminal/progress.js';
import { figure, table, whole } from './terminal/table.js';
import { UsageError } from './usage-error.js';

export interface HandshakesOptions {
  readonly rounds: number;
  readonly seconds: number;
  /** Connections that are opened to see what one holds; 0: none. */
  readonly idle: number;
}

const WARM_UP_S = 1;
const AT_ONCE = 8;
const KINDS = ['full', 'resumed'] as const;

/** Throws UsageError. */
export function handshakesOptions(args: readonly string[]): HandshakesOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '3' },
      idle: { type: 'string', default: '2000' },
    },
  });
  const number = (name: 'rounds' | 'seconds' | 'idle', min: number, max: number): number => {
    const value = Number(values[name]);
    if (!(value >= min && value <= max))
      throw new UsageError(`--${name}: ${values[name]} is no number from ${min} to ${max}`);
    return Math.floor(value);
  };
  return { rounds: number('rounds', 1, 100), seconds: number('seconds', 1, 600), idle: number('idle', 0, 100_000) };
}

const NGINX = `worker_processes 1; daemon off; pid {dir}/nginx.pid; error_log {dir}/error.log;
worker_rlimit_nofile 200000;
events { worker_connections 100000; }
http {
  access_log off;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
  client_header_timeout 600s; keepalive_timeout 600s;
  server {
    listen 127.0.0.1:LISTENER ssl; ssl_certificate {dir}/cert.pem; ssl_certificate_key {dir}/key.pem;
    ssl_protocols TLSv1.3;
    location / { return 200; }
  }
}
`;

/** One listener each, with the same certificate. */
function commands(ports: readonly number[], admin: number, files: Record<string, string>): ProxyCommand[] {
  const [nginx = 0, ours = 0] = ports;
  const config = JSON.parse(bootstrap({ origins: [1] })(ours, admin));
  const certificate = {
    certificate_chain: { filename: '{dir}/cert.pem' },
    private_key: { filename: '{dir}/key.pem' },
  };
  config.static_resources.listeners[0].filter_chains[0].transport_socket = {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
      common_tls_context: { tls_certificates: [certificate] },
    },
  };
  return [
    {
      name: 'nginx',
      port: nginx,
      command: ['nginx', '-c', '{dir}/nginx.conf'],
      files: { ...files, 'nginx.conf': NGINX.replace('LISTENER', String(nginx)) },
    },
    {
      name: 'millrace',
      port: ours,
      command: [process.execPath, MAIN, '-c', '{dir}/envoy.json', '--concurrency', '1', '--drain-time-s', '1'],
      files: { ...files, 'envoy.json': JSON.stringify(config) },
    },
  ];
}

export class HandshakesBench {
  readonly #options: HandshakesOptions;
  readonly #pinning = new Pinning();
  /** "nginx full" and so on: microseconds, or KiB for "idle". */
  readonly #samples = new Map<string, number[]>();
  readonly #missing = new Set<string>();

  constructor(options: HandshakesOptions) {
    this.#options = options;
  }

  get #roundS(): number {
    const { seconds, idle } = this.#options;
    return 1 + WARM_UP_S + KINDS.length * seconds + idle / 800;
  }
  get expectedS(): number {
    return this.#options.rounds * 2 * this.#roundS;
  }

  async run(builder: ResultBuilder, interruption: Interruption, progress: Progress): Promise<void> {
    this.#pinning.pinSelf();
    const authority = new Authority('millrace bench root');
    const leaf = authority.issue('localhost');
    authority.close();
    const files = { 'cert.pem': leaf.certificatePem, 'key.pem': leaf.keyPem };
    for (let round = 1; round <= this.#options.rounds; round++)
      for (const command of commands([await freePort(), await freePort()], await freePort(), files)) {
        if (interruption.isSet || this.#missing.has(command.name)) continue;
        const name = `handshakes, round ${round} of ${this.#options.rounds}: ${command.name}`;
        await progress.step(name, this.#roundS, () => this.#round(command, interruption, progress));
      }
    this.#keep(builder);
  }

  async #round(made: ProxyCommand, interruption: Interruption, progress: Progress): Promise<void> {
    let run: ProxyRun;
    try {
      run = await ProxyRun.start({ ...made, command: this.#pinning.command(made.command) }, interruption);
    } catch (error) {
      this.#missing.add(made.name);
      progress.say(`  ${error instanceof Error ? (error.message.split('\n')[0] as string) : String(error)}`);
      return;
    }
    const clients = new TlsClients(made.port);
    const isOver = (): boolean => interruption.isSet;
    try {
      await clients.handshakes(WARM_UP_S, AT_ONCE, false, isOver);
      for (const kind of KINDS) {
        const before = run.cpuUs();
        const { done, failed } = await clients.handshakes(this.#options.seconds, AT_ONCE, kind === 'resumed', isOver);
        if (failed > 0) progress.say(`  ${made.name}: ${failed} of ${done + failed} ${kind} handshakes failed`);
        if (done > 0 && !interruption.isSet) this.#add(`${made.name} ${kind}`, (run.cpuUs() - before) / done);
      }
      const { idle } = this.#options;
      if (idle === 0 || interruption.isSet) return;
      const before = run.residentKiB();
      await clients.openIdle(idle);
      this.#add(`${made.name} idle`, (run.residentKiB() - before) / idle);
    } finally {
      clients.close();
      await run.stop();
    }
  }

  #add(name: string, value: number): void {
    this.#samples.set(name, [...(this.#samples.get(name) ?? []), value]);
  }

  #keep(builder: ResultBuilder): void {
    if (this.#samples.size === 0) return;
    const rows: string[][] = [];
    for (const what of [...KINDS, 'idle']) {
      const of = (name: string): number[] => this.#samples.get(`${name} ${what}`) ?? [];
      const unit = what === 'idle' ? 'KiB/connection' : 'us/handshake';
      for (const name of ['nginx', 'millrace'])
        if (of(name).length > 0)
          builder.figures.push({ name: `handshakes/${name}/${what}`, unit, better: 'lower', samples: of(name) });
      const pairs = of('millrace').map((ours, at) => (of('nginx')[at] ?? Number.NaN) / ours);
      const shown = (name: string): string => (of(name).length === 0 ? '' : figure(median(of(name))));
      if (of('millrace').length > 0)
        rows.push([what, unit, shown('nginx'), shown('millrace'), pairs.length === 0 ? '' : figure(median(pairs))]);
    }
    const { rounds, seconds, idle } = this.#options;
    const head = ['what', 'unit', 'nginx', 'millrace', 'nginx / millrace'];
    const conditions = `TLS 1.3, ECDSA P-256, ${AT_ONCE} at once for ${seconds} s, ${whole(idle)} idle connections; ${rounds} interleaved rounds; ${this.#pinning.text}`;
    process.stdout.write(`${table(head, rows)}\n${conditions}\n\n`);
  }
}
