/** Rate hammer: a thread that takes tokens of one shared bucket as fast as it can, for the concurrency test of the cells. */
import { parentPort, workerData } from 'node:worker_threads';
import { loadAddon } from '../../engine/io/addon.js';
import { PortableRateCells } from '../../engine/limit/rate-cells.js';

export interface HammerTask {
  readonly memory: SharedArrayBuffer;
  readonly isNative: boolean;
  readonly intervalNs: number;
  readonly burst: number;
  readonly fromNs: bigint;
  readonly untilNs: bigint;
}

if (parentPort !== null) {
  const { memory, isNative, intervalNs, burst, fromNs, untilNs } = workerData as HammerTask;
  const words = new BigInt64Array(memory);
  const { addon } = loadAddon();
  const cells = isNative && addon !== null ? new addon.RateCells(words) : new PortableRateCells(words);
  let admitted = 0;
  for (let now = process.hrtime.bigint(); now < untilNs; now = process.hrtime.bigint())
    if (now >= fromNs && cells.takeToken(0, Number(now), intervalNs, intervalNs * burst) === 0) admitted++;
  // What the machine left no time to take before the end.
  while (cells.takeToken(0, Number(untilNs), intervalNs, intervalNs * burst) === 0) admitted++;
  parentPort.postMessage(admitted);
}
