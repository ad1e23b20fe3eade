/** Haproxy: the real balancer as a child process with a config of the test's; it is a peer, so it must be installed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isListening, requireProgram } from './nginx.js';

export class Haproxy {
  readonly #directory = mkdtempSync(join(tmpdir(), 'millrace-haproxy-'));
  #child: ChildProcess | null = null;
  #log = '';

  constructor() {
    requireProgram('haproxy', '-v');
  }

  /** sections: behind global and defaults; port: one that it listens on, which is waited for. */
  async start(sections: string, port: number): Promise<void> {
    const path = join(this.#directory, 'haproxy.cfg');
    const timeouts = 'timeout connect 5s\n timeout client 30s\n timeout server 30s';
    writeFileSync(path, `global\n maxconn 100\n nbthread 1\ndefaults\n mode tcp\n ${timeouts}\n${sections}\n`);
    // In the foreground: it ends with its parent's signal.
    const child = spawn('haproxy', ['-db', '-f', path], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child = child;
    child.stderr.on('data', (chunk: Buffer) => {
      this.#log += chunk.toString();
    });
    while (!(await isListening(port))) {
      if (child.exitCode !== null) throw new Error(`haproxy did not start:\n${this.#log}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child !== null && child.exitCode === null) {
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await exited;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
