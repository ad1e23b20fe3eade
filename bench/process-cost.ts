/** ProcessCost: CPU time and resident memory of a process and its children, from /proc. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** The process and everything it started. */
function tree(pid: number): number[] {
  const all = [pid];
  try {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      const children = readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim();
      if (children !== '') all.push(...children.split(' ').flatMap((child) => tree(Number(child))));
    }
  } catch {
    // It has ended.
  }
  return all;
}

/** True where CPU time can be told: on Linux. */
export function canMeasureCpu(): boolean {
  return existsSync('/proc/self/schedstat');
}

/** Microseconds on a CPU so far, user and system, of the threads that live. */
export function cpuUs(pid: number): number {
  return tree(pid).reduce((sum, each) => sum + cpuOfOne(each), 0);
}

function cpuOfOne(pid: number): number {
  try {
    // Nanoseconds of each living thread: finer than the ticks of 10 ms.
    return readdirSync(`/proc/${pid}/task`).reduce(
      (sum, task) => sum + Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]) / 1000,
      0,
    );
  } catch {
    return 0;
  }
}

export function residentKiB(pid: number): number {
  return tree(pid).reduce((sum, each) => {
    try {
      return sum + Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${each}/status`, 'utf8'))?.[1] ?? 0);
    } catch {
      return sum;
    }
  }, 0);
}
