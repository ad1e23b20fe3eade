/** Heap growth: what the heap of a proxy's first worker grows by per request while nothing is collected. */
import assert from 'node:assert/strict';
import type { ProxyProcess } from './proxy-process.js';

/** For node: a young generation that the counted requests can't fill, so that no collection hides what was allocated. */
export const NO_COLLECTIONS = ['--min-semi-space-size=64', '--max-semi-space-size=64'];

const ROUNDS = 3;
const ROUNDS_MAX = 12;

async function heapUsed(proxy: ProxyProcess): Promise<number> {
  const { workers } = (await (await proxy.admin('/workers')).json()) as { workers: { heap_used: number }[] };
  return workers[0]?.heap_used as number;
}

/** Bytes per request of a warm proxy: the middle one of three rounds of load(), which are `count` requests each. */
export async function heapGrowth(proxy: ProxyProcess, count: number, load: () => Promise<void>): Promise<number> {
  const grown: number[] = [];
  for (let round = 0; round < ROUNDS_MAX && grown.length < ROUNDS; round++) {
    const before = await heapUsed(proxy);
    await load();
    const bytes = (await heapUsed(proxy)) - before;
    // A heap that shrank was collected, as V8 does on its own when a process has been idle: nothing is learned from it.
    if (bytes >= 0) grown.push(bytes / count);
  }
  assert.equal(grown.length, ROUNDS, 'rounds without a collection');
  // Code that is compiled late spoils a round.
  return grown.sort((a, b) => a - b)[1] as number;
}
