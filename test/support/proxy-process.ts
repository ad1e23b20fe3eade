/** ProxyProcess: the real proxy as a child process with a config in a temporary file; for end-to-end tests. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { freePort } from './free-port.js';

export const MAIN = new URL('../../engine/main.js', import.meta.url).pathname;

export interface ProxyOptions {
  readonly args?: readonly string[];
  /** For node itself. */
  readonly nodeArgs?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** Those that a test has not stopped, because it failed: its file would wait for them. */
const living = new Set<ProxyProcess>();
after(() => Promise.all([...living].map((proxy) => proxy.stop())));

export class ProxyProcess {
  readonly port: number;
  readonly adminPort: number;
  readonly configPath: string;
  readonly child: ChildProcess;
  log = '';
  readonly exited: Promise<number | null>;
  readonly #directory: string;

  private constructor(port: number, adminPort: number, directory: string, options: ProxyOptions) {
    this.port = port;
    this.adminPort = adminPort;
    this.#directory = directory;
    this.configPath = join(directory, 'envoy.yaml');
    const args = [MAIN, '-c', this.configPath, ...(options.args ?? ['--concurrency', '2'])];
    this.child = spawn(process.execPath, [...(options.nodeArgs ?? []), ...args], {
      env: { ...process.env, MILLRACE_TEST_HOOKS: '1', ...options.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const take = (chunk: Buffer): void => {
      this.log += chunk.toString();
    };
    this.child.stdout?.on('data', take);
    this.child.stderr?.on('data', take);
    this.exited = new Promise((resolve) => this.child.once('exit', (code) => resolve(code)));
    living.add(this);
  }

  /** config: gets the ports to use and answers the bootstrap. */
  static async start(
    config: (port: number, adminPort: number) => string,
    options: ProxyOptions = {},
  ): Promise<ProxyProcess> {
    const port = await freePort();
    const adminPort = await freePort();
    const directory = mkdtempSync(join(tmpdir(), 'millrace-test-'));
    writeFileSync(join(directory, 'envoy.yaml'), config(port, adminPort));
    const proxy = new ProxyProcess(port, adminPort, directory, options);
    await proxy.until(() => proxy.log.includes('admin on') || proxy.child.exitCode !== null);
    if (proxy.child.exitCode !== null) throw new Error(`the proxy did not start:\n${proxy.log}`);
    return proxy;
  }

  writeConfig(text: string): void {
    writeFileSync(this.configPath, text);
  }

  /** Waits for a condition; the limit only keeps a broken test from hanging. */
  async until(condition: () => boolean | Promise<boolean>, limitMs = 20000): Promise<void> {
    const deadline = Date.now() + limitMs;
    while (!(await condition())) {
      if (Date.now() > deadline) throw new Error(`condition not met; log:\n${this.log}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  admin(path: string, method = 'GET'): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.adminPort}${path}`, { method });
  }

  /** One value of /stats. */
  async stat(name: string): Promise<number> {
    const text = await (await this.admin('/stats')).text();
    const line = text.split('\n').find((each) => each.startsWith(`${name}: `));
    if (line === undefined) throw new Error(`no statistic ${name}`);
    return Number(line.slice(name.length + 2));
  }

  async stop(): Promise<number | null> {
    living.delete(this);
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill('SIGTERM');
      const timer = setTimeout(() => this.child.kill('SIGKILL'), 10000);
      await this.exited;
      clearTimeout(timer);
    }
    rmSync(this.#directory, { recursive: true, force: true });
    return this.child.exitCode;
  }
}
