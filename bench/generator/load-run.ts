/** LoadRun: a loop of load in a thread of its own. */
import { MessageChannel } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { ClosedLoopTask } from './closed-loop.js';
import type { LoadReport, OpenLoopTask } from './open-loop.js';

function newPool(file: string, threads: number): Piscina {
  return new Piscina({
    filename: new URL(`./${file}.js`, import.meta.url).href,
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: 1,
    atomics: 'disabled',
  });
}

/** onStart: gets the monotonic time of the first request. */
export async function runOpenLoop(
  task: Omit<OpenLoopTask, 'port'>,
  onStart: (startUs: number) => void = () => {},
): Promise<LoadReport> {
  const pool = newPool('open-loop', 1);
  const { port1, port2 } = new MessageChannel();
  port1.once('message', ({ startUs }: { startUs: number }) => onStart(startUs));
  try {
    return (await pool.run({ ...task, port: port2 } satisfies OpenLoopTask, { transferList: [port2] })) as LoadReport;
  } finally {
    await pool.destroy();
  }
}

/** One report per thread; the connections are spread over the threads. */
export async function runClosedLoop(task: ClosedLoopTask, threads = 1): Promise<LoadReport[]> {
  const pool = newPool('closed-loop', threads);
  const connections = Math.ceil(task.connections / threads);
  try {
    const runs = Array.from({ length: threads }, () => pool.run({ ...task, connections }) as Promise<LoadReport>);
    return await Promise.all(runs);
  } finally {
    await pool.destroy();
  }
}
