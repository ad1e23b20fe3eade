/** The thread of a set of backends: serves until it is told to stop, then says what it saw. */
import type { MessagePort } from 'node:worker_threads';
import { Prng } from '../../engine/base/prng.js';
import { encode, newLatencies, record } from '../latencies.js';
import type { ChangeEffect } from '../scenario/scenario.js';
import { type BackendSettings, Behaviour, type Clock } from './behaviour.js';
import { chooseListening, type HttpServer, httpServer } from './http-server.js';

export interface BackendTask {
  readonly port: MessagePort;
  readonly backends: readonly { readonly settings: BackendSettings; readonly port: number }[];
  readonly seed: number;
  readonly server: 'auto' | 'node';
}
export type ToBackends =
  | { readonly kind: 'change'; readonly backend: number; readonly effect: ChangeEffect }
  | { readonly kind: 'stop' };
/** why: '' or why node:http took the place of uWebSockets.js. */
export interface BackendsListening {
  readonly server: 'uws' | 'node';
  readonly why: string;
}
export interface BackendReport {
  /** By backend. */
  readonly received: readonly number[];
  readonly failed: readonly number[];
  readonly inFlightMax: readonly number[];
  /** Of the answers that were no errors, from arrival to answer. */
  readonly latencies: readonly string[];
}

/** Shorter than a timer can be. */
const AT_ONCE_MS = 0.5;
const clock: Clock = {
  nowMs: () => performance.now(),
  after: (ms, call) => {
    if (ms === 0) call();
    else if (ms < AT_ONCE_MS) setImmediate(call);
    else setTimeout(call, Math.round(ms));
  },
};

export default async function serve(task: BackendTask): Promise<BackendReport> {
  const listening = await chooseListening(task.server);
  const histograms = task.backends.map(newLatencies);
  const behaviours = task.backends.map(({ settings }, at) => {
    const histogram = histograms[at] as ReturnType<typeof newLatencies>;
    return new Behaviour(settings, Prng.fromSeed(task.seed + at), clock, (us) => record(histogram, us));
  });
  const servers = behaviours.map((behaviour, at) => httpServer(listening, behaviour, at));
  const portOf = (at: number): number => (task.backends[at] as { port: number }).port;
  await Promise.all(servers.map((server, at) => server.listen(portOf(at))));
  const isUp = servers.map(() => true);
  const stopped = new Promise<void>((resolve) => {
    task.port.on('message', (message: ToBackends) => {
      if (message.kind === 'stop') return resolve();
      const { backend, effect } = message;
      behaviours[backend]?.change(effect);
      if (effect.isUp === undefined || effect.isUp === isUp[backend]) return;
      isUp[backend] = effect.isUp;
      const server = servers[backend] as HttpServer;
      void (effect.isUp ? server.listen(portOf(backend)) : server.close());
    });
  });
  task.port.postMessage({
    server: listening.kind,
    why: listening.kind === 'node' ? listening.why : '',
  } satisfies BackendsListening);
  await stopped;
  // A thread that ends with an open loop of uWebSockets.js takes the whole process with it.
  for (const [at, server] of servers.entries()) if (isUp[at]) await server.close();
  task.port.close();
  return {
    received: behaviours.map(({ received }) => received),
    failed: behaviours.map(({ failed }) => failed),
    inFlightMax: behaviours.map(({ inFlightMax }) => inFlightMax),
    latencies: histograms.map(encode),
  };
}
