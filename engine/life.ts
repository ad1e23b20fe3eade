/** Life: signals and states of the process: live, draining, gone. */
import type { Acceptor } from './acceptor.js';
import type { Publisher } from './control/publish.js';
import type { Supervisor } from './control/supervise.js';
import type { Log } from './log.js';
import type { Options } from './options.js';

export interface LifeParts {
  readonly options: Options;
  readonly log: Log;
  readonly supervisor: Supervisor;
  readonly acceptor: Acceptor;
  readonly publisher: Publisher;
}

const LOOK_MS = 20;

export class Life {
  readonly #parts: LifeParts;
  readonly startedAt = Date.now();
  state: 'LIVE' | 'DRAINING' | 'PRE_INITIALIZING' = 'PRE_INITIALIZING';
  /** POST /healthcheck/fail. */
  isFailing = false;
  #onExit: () => void = () => {};

  constructor(parts: LifeParts) {
    this.#parts = parts;
  }

  start(onExit: () => void): void {
    this.#onExit = onExit;
    this.state = 'LIVE';
    const stop = (signal: string) => (): void => {
      if (this.state === 'DRAINING') {
        this.#parts.log.warn('main', `${signal} again: cutting what is left`);
        void this.exit();
      } else void this.drainAndExit(signal);
    };
    process.on('SIGTERM', stop('SIGTERM'));
    process.on('SIGINT', stop('SIGINT'));
    process.on('SIGHUP', () => void this.#parts.publisher.reload('SIGHUP'));
    process.on('SIGUSR1', () => this.reopenLogs());
  }

  reopenLogs(): void {
    for (const worker of this.#parts.supervisor.workers) worker.send({ kind: 'reopenLogs' });
  }

  /** Listeners close, responses say so, requests under way finish; then exit 0. */
  async drainAndExit(why: string): Promise<void> {
    const { log, options } = this.#parts;
    log.info('main', `${why}: draining for at most ${options.drainTimeMs / 1000} s`);
    this.drain();
    const deadline = Date.now() + options.drainTimeMs;
    while (!this.#isDrained() && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    if (!this.#isDrained()) log.warn('main', 'drain time is over: cutting what is left');
    await this.exit();
  }

  drain(): void {
    this.state = 'DRAINING';
    this.stopListening();
    for (const worker of this.#parts.supervisor.workers) worker.send({ kind: 'drain' });
  }

  stopListening(): void {
    this.#parts.acceptor.close();
    for (const worker of this.#parts.supervisor.workers) worker.send({ kind: 'stopListening', only: null });
  }

  /** Listeners whose traffic_direction is INBOUND. */
  stopListeningInbound(): void {
    const { acceptor, publisher, supervisor } = this.#parts;
    const inbound = (publisher.plan?.listeners ?? []).filter((each) => each.trafficDirection === 'INBOUND');
    acceptor.closeOnly(inbound);
    const only = inbound.map(({ index }) => index);
    for (const worker of supervisor.workers) worker.send({ kind: 'stopListening', only });
  }

  #isDrained(): boolean {
    return this.#parts.supervisor.workers.every((worker) => worker.isDrained);
  }

  async exit(): Promise<void> {
    this.state = 'DRAINING';
    this.#parts.publisher.stop();
    this.#parts.acceptor.close();
    await this.#parts.supervisor.stop();
    this.#onExit();
    this.#parts.log.info('main', 'exiting');
    process.exit(0);
  }
}
