/** Browser: a headless Chromium on one page; for end-to-end tests. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

/** Throws when none is installed. */
function executable(): string {
  const found = NAMES.find((name) => spawnSync(name, ['--version']).status === 0);
  if (found === undefined) throw new Error('no Chromium on PATH: apt-get install chromium (.ci/run does)');
  return found;
}

export class Browser {
  readonly #child: ChildProcess;
  readonly #profile = mkdtempSync(join(tmpdir(), 'millrace-browser-'));
  #log = '';

  /** Certificates that nobody vouches for are fine. */
  constructor(url: string) {
    const flags = [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--no-first-run',
      '--disable-background-networking',
      '--ignore-certificate-errors',
      `--user-data-dir=${this.#profile}`,
    ];
    this.#child = spawn(executable(), [...flags, url], { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#log += chunk.toString();
    });
  }

  /** What it had to say. */
  get log(): string {
    return this.#log;
  }

  async stop(): Promise<void> {
    const { pid } = this.#child;
    const exited = new Promise((resolve) => this.#child.once('exit', resolve));
    // Its processes are a group of their own.
    if (pid !== undefined && this.#child.exitCode === null) {
      process.kill(-pid, 'SIGKILL');
      await exited;
    }
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
