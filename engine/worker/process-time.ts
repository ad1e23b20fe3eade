/** ProcessTime: the transport's clock of this worker, counted from where every worker counts. */
import type { Transport } from '../io/transport.js';
import type { ProcessClock } from '../upstream/shared-cells.js';

export class ProcessTime implements ProcessClock {
  readonly #transport: Transport;
  readonly #offsetUs: number;

  constructor(transport: Transport) {
    this.#transport = transport;
    this.#offsetUs = Number(process.hrtime.bigint() / 1000n) - transport.nowUs();
  }

  nowUs(): number {
    return this.#offsetUs + this.#transport.nowUs();
  }
}
