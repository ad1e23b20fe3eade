/** PolledPicker: two choices over the requests in flight that all servers were asked for a while ago (YARP-Po2C). */
import type { Prng } from '../../engine/base/prng.js';
import type { Picker } from '../../engine/upstream/balance/picker.js';
import type { RequestHash } from '../../engine/upstream/balance/request-hash.js';
import type { EndpointTable } from '../../engine/upstream/endpoint-table.js';
import type { ServerView } from './server.js';

export class PolledPicker implements Picker {
  readonly feedback = null;
  readonly #table: EndpointTable;
  readonly #random: Prng;
  readonly #servers: readonly ServerView[];
  readonly #everyUs: number;
  readonly #counts: Int32Array;
  /** The first poll comes somewhere in the period, so that proxies don't poll at once. */
  #nextPollUs: number;

  constructor(table: EndpointTable, random: Prng, servers: readonly ServerView[], everyUs: number) {
    this.#table = table;
    this.#random = random;
    this.#servers = servers;
    this.#everyUs = everyUs;
    this.#counts = new Int32Array(servers.length);
    this.#nextPollUs = random.float() * everyUs;
  }

  pick(_hash: RequestHash, _tried: number): number {
    const nowUs = this.#table.cells.clock.nowUs();
    if (nowUs >= this.#nextPollUs) this.#poll(nowUs);
    const pickable = this.#table.pickable;
    const first = pickable[this.#random.below(pickable.length)] as number;
    const second = pickable[this.#random.below(pickable.length)] as number;
    return (this.#counts[second] as number) < (this.#counts[first] as number) ? second : first;
  }

  /** At the first request after the time rather than at the time: nobody sees a difference but for one gap. */
  #poll(nowUs: number): void {
    for (let server = 0; server < this.#counts.length; server++)
      this.#counts[server] = (this.#servers[server] as ServerView).inFlight;
    this.#nextPollUs += this.#everyUs * Math.ceil((nowUs - this.#nextPollUs + 1) / this.#everyUs);
  }
}
