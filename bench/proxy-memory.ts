/** What a proxy process holds: resident memory from the kernel, heaps and buffers from its admin server. */
import { readFileSync } from 'node:fs';
import type { ProxyProcess } from '../test/support/proxy-process.js';

export interface MemorySample {
  readonly residentKiB: number;
  /** Over all workers. */
  readonly heapKiB: number;
  readonly externalKiB: number;
}

export function residentKiB(proxy: ProxyProcess): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${proxy.child.pid}/status`, 'utf8'))?.[1]);
}

export async function memorySample(proxy: ProxyProcess): Promise<MemorySample> {
  const { workers } = (await (await proxy.admin('/workers')).json()) as {
    workers: { heap_used: number | null; external: number | null }[];
  };
  const sum = (values: readonly (number | null)[]): number =>
    Math.round(values.reduce<number>((total, value) => total + (value ?? 0), 0) / 1024);
  return {
    residentKiB: residentKiB(proxy),
    heapKiB: sum(workers.map((worker) => worker.heap_used)),
    externalKiB: sum(workers.map((worker) => worker.external)),
  };
}

/** Of an even number of values the upper one of the middle pair. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}
