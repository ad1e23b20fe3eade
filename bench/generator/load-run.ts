/** LoadRun: loops of load in threads of their own, one or several that share the load; their reports added up. */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { ClosedLoopTask } from './closed-loop.js';
import type { LoadReport } from './load-report.js';
import { mergeReports } from './merge.js';
import { monotonicUs } from './monotonic.js';
import type { OpenLoopTask } from './open-loop.js';

/** From the last thread's word that it is ready to the first request. */
const START_AFTER_US = 50_000;

function newPool(file: string, threads: number): Piscina {
  return new Piscina({
    filename: new URL(`./${file}.js`, import.meta.url).href,
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: 1,
    atomics: 'disabled',
  });
}

export type OpenLoad = Omit<OpenLoopTask, 'port' | 'generator' | 'generators'>;

/** onStart: gets the monotonic time of the first request. */
export async function runOpenLoop(
  load: OpenLoad,
  generators = 1,
  onStart: (startUs: number) => void = () => {},
): Promise<LoadReport> {
  const pool = newPool('open-loop', generators);
  const ports: MessagePort[] = [];
  try {
    const ready: Promise<void>[] = [];
    const runs = Array.from({ length: generators }, (_, generator) => {
      const { port1, port2 } = new MessageChannel();
      ports.push(port1);
      ready.push(new Promise((resolve) => port1.once('message', () => resolve())));
      const task: OpenLoopTask = { ...load, generator, generators, port: port2 };
      return pool.run(task, { transferList: [port2] }) as Promise<LoadReport>;
    });
    const reports = Promise.all(runs);
    // One that fails before it is ready says so here.
    await Promise.race([Promise.all(ready), reports]);
    const startUs = monotonicUs() + START_AFTER_US;
    for (const port of ports) port.postMessage({ startUs });
    onStart(startUs);
    return mergeReports(await reports);
  } finally {
    for (const port of ports) port.close();
    await pool.destroy();
  }
}

/** The connections are spread over the threads. */
export async function runClosedLoop(task: ClosedLoopTask, generators = 1): Promise<LoadReport> {
  const pool = newPool('closed-loop', generators);
  const connections = Math.ceil(task.connections / generators);
  try {
    const runs = Array.from({ length: generators }, () => pool.run({ ...task, connections }) as Promise<LoadReport>);
    return mergeReports(await Promise.all(runs));
  } finally {
    await pool.destroy();
  }
}
