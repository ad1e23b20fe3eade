/** ProxyRun: a proxy as a child process, from its start to its end, and what it cost meanwhile. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Interruption } from './interruption.js';
import { cpuUs, residentKiB } from './process-cost.js';

export interface ProxyCommand {
  readonly name: string;
  /** {dir} in it: the directory that holds the files. */
  readonly command: readonly string[];
  /** Name to text; {dir} likewise. */
  readonly files: Readonly<Record<string, string>>;
  /** Where it listens. */
  readonly port: number;
  readonly environment?: Readonly<Record<string, string>>;
}

const START_LIMIT_MS = 15_000;
const STOP_LIMIT_MS = 3000;

export class ProxyRun {
  readonly name: string;
  readonly port: number;
  readonly child: ChildProcess;
  readonly #directory: string;
  readonly #exited: Promise<void>;
  #log = '';

  private constructor({ name, command, files, port, environment }: ProxyCommand, interruption: Interruption) {
    this.name = name;
    this.port = port;
    this.#directory = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
    const placed = (text: string): string => text.replaceAll('{dir}', this.#directory);
    for (const [file, text] of Object.entries(files)) this.write(file, placed(text));
    const [program = '', ...args] = command.map(placed);
    // In a group of its own: Ctrl-C reaches the bench, which ends its children in order.
    this.child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      cwd: this.#directory,
      env: { ...process.env, ...environment },
    });
    interruption.watch(this.child);
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        this.#log = (this.#log + chunk.toString()).slice(-4000);
      });
    this.#exited = new Promise((resolve) => {
      this.child.once('exit', () => resolve());
      this.child.once('error', (error) => {
        this.#log += error.message;
        resolve();
      });
    });
  }

  /** Resolves when it takes connections; rejects with what it said. */
  static async start(command: ProxyCommand, interruption: Interruption): Promise<ProxyRun> {
    const run = new ProxyRun(command, interruption);
    const deadline = Date.now() + START_LIMIT_MS;
    let hasEnded = false;
    void run.#exited.then(() => {
      hasEnded = true;
    });
    while (!(await takesConnections(command.port))) {
      if (hasEnded || Date.now() > deadline) {
        const said = run.#log.trim();
        await run.stop();
        throw new Error(`${command.name} did not start: ${said === '' ? 'it said nothing' : said}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    return run;
  }

  write(file: string, text: string): void {
    writeFileSync(join(this.#directory, file), text);
  }

  cpuUs(): number {
    return cpuUs(this.child.pid as number);
  }
  residentKiB(): number {
    return residentKiB(this.child.pid as number);
  }

  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_LIMIT_MS);
    await this.#exited;
    clearTimeout(timer);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
