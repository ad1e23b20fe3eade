/** `npm run bench`: the tour: the costs beside other proxies, a few balancers, single steps; under three minutes. */
import type { Interruption } from './interruption.js';
import { LbBench } from './lb.js';
import { MicroBench } from './micro.js';
import { PeersBench } from './peers.js';
import type { ResultBuilder } from './result/result.js';
import type { Progress } from './terminal/progress.js';

export class TourBench {
  readonly #peers = new PeersBench({
    names: ['floor', 'millrace', 'nginx', 'haproxy', 'http-proxy-3'],
    rounds: 3,
    warmUpS: 1,
    closedS: 2,
    openS: 1.5,
    connections: 64,
    rate: 1000,
    bodyBytes: 128,
    generators: null,
  });
  readonly #lb = new LbBench({
    scenarios: ['one-slow-of-ten', 'antagonist'],
    policies: ['round_robin', 'least_request', 'peak_ewma', 'prequal'],
    durationS: 3.5,
    rounds: 1,
    server: 'auto',
    generators: null,
  });
  readonly #micro = new MicroBench({ timeMs: 100 });

  get expectedS(): number {
    return this.#peers.expectedS + this.#lb.expectedS + this.#micro.expectedS;
  }

  async run(builder: ResultBuilder, interruption: Interruption, progress: Progress): Promise<void> {
    // The balancers first: the peers' part pins this process to one CPU.
    for (const part of [this.#lb, this.#peers, this.#micro])
      if (!interruption.isSet) await part.run(builder, interruption, progress);
  }
}
