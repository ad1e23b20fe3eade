/** Nginx: the real server as a child process with a config of the test's; it is a peer, so it must be installed. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Throws with what to do where a program that the tests talk to is missing. */
export function requireProgram(name: string, flag: string): void {
  if (spawnSync(name, [flag]).error !== undefined)
    throw new Error(
      `${name} is not installed: .ci/run installs what the tests need (nginx-light, haproxy, curl, nghttp2)`,
    );
}

export class Nginx {
  readonly directory: string;
  #child: ChildProcess | null = null;
  #log = '';

  constructor() {
    requireProgram('nginx', '-v');
    this.directory = mkdtempSync(join(tmpdir(), 'millrace-nginx-'));
    mkdirSync(join(this.directory, 'www'));
    chmodSync(this.directory, 0o755);
  }

  get socketPath(): string {
    return join(this.directory, 'nginx.sock');
  }

  write(name: string, bytes: Buffer): void {
    writeFileSync(join(this.directory, 'www', name), bytes);
  }

  /** servers: the server blocks; port: one of theirs, which is waited for. */
  async start(servers: string, port: number): Promise<void> {
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `${name}_temp_path ${join(this.directory, name)};`)
      .join(' ');
    const user = process.getuid?.() === 0 ? 'user root;' : '';
    const config = `${user} worker_processes 1; daemon off; pid ${join(this.directory, 'pid')};
      events { worker_connections 512; }
      http { access_log off; ${temporary} gzip on; gzip_min_length 100; gzip_types text/plain;
        types { text/plain txt; } default_type application/octet-stream; ${servers} }`;
    const path = join(this.directory, 'nginx.conf');
    writeFileSync(path, config);
    const child = spawn('nginx', ['-e', 'stderr', '-c', path], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child = child;
    child.stderr.on('data', (chunk: Buffer) => {
      this.#log += chunk.toString();
    });
    while (!(await isListening(port))) {
      if (child.exitCode !== null) throw new Error(`nginx did not start:\n${this.#log}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child !== null && child.exitCode === null) {
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await exited;
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Something accepts connections on the port. */
export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
