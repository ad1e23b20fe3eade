/** Machine: what a result was measured on, and of which version of the sources. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { packageRoot } from '../../engine/io/addon.js';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  /** One minute's, before the run: what else was going on. */
  readonly loadAverage: number;
}

export function machine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() || 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${systemName()}, kernel ${release()}`,
    node: process.version,
    loadAverage: Math.round((loadavg()[0] as number) * 100) / 100,
  };
}

function systemName(): string {
  try {
    return /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? process.platform;
  } catch {
    return process.platform;
  }
}

export interface Version {
  /** Short, "unknown" outside a repository. */
  readonly commit: string;
  /** With changes that are not committed. */
  readonly isDirty: boolean;
}

export function version(): Version {
  const git = (...args: readonly string[]): string => {
    const run = spawnSync('git', args, { cwd: packageRoot(), encoding: 'utf8' });
    return run.status === 0 ? run.stdout.trim() : '';
  };
  return {
    commit: git('rev-parse', '--short=8', 'HEAD') || 'unknown',
    isDirty: git('status', '--porcelain', '--untracked-files=no') !== '',
  };
}
