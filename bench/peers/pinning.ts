/** Pinning: the load and the origin on one CPU and the proxy on another, where that can be had. */
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

const LOAD_CPU = '0';
const PROXY_CPU = '1';

export class Pinning {
  readonly isOn: boolean;

  constructor() {
    this.isOn =
      availableParallelism() >= 2 && spawnSync('taskset', ['-c', `${LOAD_CPU},${PROXY_CPU}`, 'true']).status === 0;
  }

  /** This process with all its threads, and what it starts unless said otherwise. */
  pinSelf(): void {
    this.#pin(process.pid, LOAD_CPU);
  }

  /** One that runs already, with all its threads. */
  pinProxy(pid: number): void {
    this.#pin(pid, PROXY_CPU);
  }

  #pin(pid: number, cpu: string): void {
    if (this.isOn) spawnSync('taskset', ['-a', '-p', '-c', cpu, String(pid)]);
  }

  command(command: readonly string[]): readonly string[] {
    return this.isOn ? ['taskset', '-c', PROXY_CPU, ...command] : command;
  }

  get text(): string {
    return this.isOn
      ? 'the load and the origin share one CPU, the proxy has another'
      : 'nothing is pinned: there is no taskset, or a single CPU';
  }
}
