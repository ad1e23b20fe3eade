/** Traffic: the bytes of one connection in two counters, as it goes along: a connection may live for days. */
import type { WorkerMetrics } from './slots.js';

export class Traffic {
  readonly #metrics: WorkerMetrics;
  /** Slots; negative: the scope is not counted. */
  readonly #rx: number;
  readonly #tx: number;
  #readBytes = 0;
  #writtenBytes = 0;

  /** base: of the scope's counters, -1 = unmetered; rx and tx: its two. */
  constructor(metrics: WorkerMetrics, base: number, rx: number, tx: number) {
    this.#metrics = metrics;
    this.#rx = base < 0 ? -1 : base + rx;
    this.#tx = base + tx;
  }

  /** What the connection has read and written so far, in all. */
  count(readBytes: number, writtenBytes: number): void {
    if (this.#rx < 0) return;
    this.#metrics.add(this.#rx, readBytes - this.#readBytes);
    this.#metrics.add(this.#tx, writtenBytes - this.#writtenBytes);
    this.#readBytes = readBytes;
    this.#writtenBytes = writtenBytes;
  }
}
