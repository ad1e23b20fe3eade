/** The closed loop's thread: autocannon, its answers recorded in microseconds; for throughput, never for percentiles. */
import autocannon from 'autocannon';
import { encode, newLatencies, record } from '../latencies.js';
import type { RequestKind } from '../scenario/scenario.js';
import type { LoadReport } from './load-report.js';

export interface ClosedLoopTask {
  readonly host: string;
  readonly targetPort: number;
  readonly connections: number;
  readonly durationS: number;
  readonly timeoutMs: number;
  readonly mix: readonly RequestKind[];
  readonly control: Int32Array;
}

const STOP_LOOK_MS = 100;

/** Connections ask again when answered, so slow answers mean fewer questions: their latency flatters. */
export default async function closedLoop(task: ClosedLoopTask): Promise<LoadReport> {
  const latencies = newLatencies();
  const requests = task.mix.flatMap(({ method, path, bodyBytes, weight }) =>
    Array.from({ length: weight }, () => ({ method, path, ...(bodyBytes > 0 ? { body: 'x'.repeat(bodyBytes) } : {}) })),
  );
  let good = 0;
  const errors: Record<string, number> = {};
  const idle = performance.eventLoopUtilization();
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const instance = autocannon(
      {
        url: `http://${task.host}:${task.targetPort}`,
        connections: task.connections,
        duration: task.durationS,
        timeout: task.timeoutMs / 1000,
        requests,
      },
      (error: Error | null, done: autocannon.Result) => (error === null ? resolve(done) : reject(error)),
    );
    instance.on('response', (_client, status, _bytes, milliseconds) => {
      record(latencies, milliseconds * 1000);
      if (status < 400) good++;
      else errors[status] = (errors[status] ?? 0) + 1;
    });
    const timer = setInterval(() => {
      if (Atomics.load(task.control, 0) === 1) (instance as unknown as { stop(): void }).stop();
    }, STOP_LOOK_MS);
    timer.unref();
  });
  const busy = performance.eventLoopUtilization(idle).utilization;
  if (result.timeouts > 0) errors['timeout'] = result.timeouts;
  if (result.errors > result.timeouts) errors['reset'] = result.errors - result.timeouts;
  return {
    kind: 'closed',
    sent: result.requests.sent,
    good,
    errors,
    latencies: encode(latencies),
    overheads: encode(newLatencies()),
    lags: encode(newLatencies()),
    byBackend: [],
    keyed: [],
    moved: [],
    seconds: result.duration,
    busy,
    generators: 1,
  };
}
