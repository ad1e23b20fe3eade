/** The pacer's thread: sleeps until the next request is due and wakes the generator, to a tenth of a millisecond. */
import { parentPort, workerData } from 'node:worker_threads';
import { monotonicUs } from './monotonic.js';

// Timers of the event loop count whole milliseconds, and a loop that spins would take a core from what is measured.

export interface PacerTask {
  /** Microseconds after `startUs`. */
  readonly arrivals: Float64Array;
  readonly startUs: number;
  /** Becomes 1: stop. */
  readonly control: Int32Array;
}

/** Wakes are at least so far apart: what falls due in between is sent with the next one. */
const GAP_US = 200;

const { arrivals, startUs, control } = workerData as PacerTask;
let wakeUs = Number.NEGATIVE_INFINITY;
for (let next = 0; next < arrivals.length && Atomics.load(control, 0) === 0; ) {
  wakeUs = Math.max(startUs + (arrivals[next] as number), wakeUs + GAP_US);
  const waitUs = wakeUs - monotonicUs();
  if (waitUs > 0 && Atomics.wait(control, 0, 0, waitUs / 1000) !== 'timed-out') break;
  parentPort?.postMessage(null);
  wakeUs = monotonicUs();
  while (next < arrivals.length && startUs + (arrivals[next] as number) <= wakeUs) next++;
}
