/** LoadReporter: what servers say of their load in response heads (ORCA's text form), as of the last window. */
import { HOME_SLOT_INTS, Head } from '../../engine/http/head.js';
import { SERVICE_US } from './scenario.js';
import type { Server } from './server.js';

/** 10 service times. */
const WINDOW_US = 10 * SERVICE_US;
const HEAD_BYTES = 256;
const encoder = new TextEncoder();
const FIELD = encoder.encode('endpoint-load-metrics');

export class LoadReporter {
  readonly #servers: readonly Server[];
  readonly #heads: readonly Head[];
  // As of the beginning of each server's window.
  readonly #sinceUs: Float64Array;
  readonly #busyUs: Float64Array;
  readonly #finished: Float64Array;
  readonly #failed: Float64Array;

  constructor(servers: readonly Server[]) {
    this.#servers = servers;
    this.#heads = servers.map(
      () => new Head(new Uint8Array(HEAD_BYTES), 0, HEAD_BYTES, new Int32Array(HOME_SLOT_INTS), 0),
    );
    this.#sinceUs = new Float64Array(servers.length);
    this.#busyUs = new Float64Array(servers.length);
    this.#finished = new Float64Array(servers.length);
    this.#failed = new Float64Array(servers.length);
  }

  /** Of a response of this server; without a report until its first window is over. */
  head(index: number, nowUs: number): Head {
    const head = this.#heads[index] as Head;
    const windowUs = nowUs - (this.#sinceUs[index] as number);
    if (windowUs < WINDOW_US) return head;
    const server = this.#servers[index] as Server;
    const perSecond = (now: number, before: number): string => ((1e6 * (now - before)) / windowUs).toFixed(6);
    const utilization = (server.busyUs - (this.#busyUs[index] as number)) / windowUs / server.cores;
    const rps = perSecond(server.finished, this.#finished[index] as number);
    const eps = perSecond(server.failed, this.#failed[index] as number);
    this.#sinceUs[index] = nowUs;
    this.#busyUs[index] = server.busyUs;
    this.#finished[index] = server.finished;
    this.#failed[index] = server.failed;
    const value = encoder.encode(`TEXT cpu_utilization=${utilization.toFixed(6)},rps_fractional=${rps},eps=${eps}`);
    head.reset();
    head.addName(FIELD, 0, value, 0, value.length);
    return head;
  }
}
