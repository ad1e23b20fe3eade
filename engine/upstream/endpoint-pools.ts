/** EndpointPools: the pools of one protocol, one for each endpoint of a cluster; they live on by key over lists. */
import type { EndpointRecord } from '../plan/records.js';
import type { Cluster } from './cluster.js';
import { Pool, type PoolProtocol } from './pool.js';

export class EndpointPools {
  readonly protocol: PoolProtocol;
  readonly #cluster: Cluster;
  readonly #host: string | null;
  readonly #byKey = new Map<string, Pool>();
  /** By index of the list. */
  #at: Pool[] = [];

  /** host: that its connections are for; null = whatever requests ask for. */
  constructor(cluster: Cluster, protocol: PoolProtocol, host: string | null = null) {
    this.#cluster = cluster;
    this.protocol = protocol;
    this.#host = host;
  }

  /** A new list: pools of endpoints that stay live on, the others drain. */
  place(endpoints: readonly EndpointRecord[]): void {
    const stays = new Set<string>();
    this.#at = endpoints.map((endpoint) => {
      stays.add(endpoint.key);
      let pool = this.#byKey.get(endpoint.key);
      if (pool === undefined) {
        pool = new Pool(this.#cluster, endpoint, this.protocol, this.#host);
        this.#byKey.set(endpoint.key, pool);
      } else pool.revive(endpoint);
      return pool;
    });
    for (const [key, pool] of this.#byKey) {
      if (stays.has(key)) continue;
      pool.drain();
      // Its connections hold it as long as they live.
      this.#byKey.delete(key);
    }
  }

  at(index: number): Pool {
    return this.#at[index] as Pool;
  }

  drain(): void {
    for (const pool of this.#byKey.values()) pool.drain();
  }

  close(): void {
    for (const pool of this.#byKey.values()) pool.close();
  }
}
