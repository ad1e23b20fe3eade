/** EndpointPools: the pools of one protocol, one for each endpoint of a cluster; they live on by key over lists. */
import type { ProxiedAddresses } from '../io/proxied.js';
import type { EndpointRecord } from '../plan/records.js';
import type { Cluster } from './cluster.js';
import { Pool, type PoolProtocol } from './pool.js';

export class EndpointPools {
  readonly protocol: PoolProtocol;
  readonly #cluster: Cluster;
  readonly #host: string | null;
  readonly #client: ProxiedAddresses | null;
  readonly #byKey = new Map<string, Pool>();
  #endpoints: readonly EndpointRecord[] = [];
  /** By index of the list; made when first asked for, for hosts and clients use few endpoints of many. */
  #at: (Pool | undefined)[] = [];

  /** host, client: whom its connections are for; null = whatever requests ask for, whoever sends them. */
  constructor(cluster: Cluster, protocol: PoolProtocol, host: string | null, client: ProxiedAddresses | null) {
    this.#cluster = cluster;
    this.protocol = protocol;
    this.#host = host;
    this.#client = client;
  }

  /** A new list: pools of endpoints that stay live on, the others drain. */
  place(endpoints: readonly EndpointRecord[]): void {
    const stays = new Set<string>();
    this.#endpoints = endpoints;
    this.#at = endpoints.map((endpoint) => {
      const pool = this.#byKey.get(endpoint.key);
      // Connections of another transport socket are of no use.
      if (pool !== undefined && pool.endpoint.transportSocket !== endpoint.transportSocket) return undefined;
      stays.add(endpoint.key);
      pool?.revive(endpoint);
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
    return this.#at[index] ?? this.#make(index);
  }

  #make(index: number): Pool {
    const endpoint = this.#endpoints[index] as EndpointRecord;
    const pool = new Pool(this.#cluster, endpoint, this.protocol, this.#host, this.#client);
    this.#byKey.set(endpoint.key, pool);
    this.#at[index] = pool;
    return pool;
  }

  drain(): void {
    for (const pool of this.#byKey.values()) pool.drain();
  }

  close(): void {
    for (const pool of this.#byKey.values()) pool.close();
  }
}
