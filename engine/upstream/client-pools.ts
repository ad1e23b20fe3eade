/** ClientPools: the pools of one client's own, in clusters whose connections say who the client is; they go with it. */
import { withoutMapping } from '../http/forwarded.js';
import { clientAddress, servedAddress } from '../io/proxied.js';
import type { Conn } from '../io/transport.js';
import type { Cluster } from './cluster.js';
import type { PoolSet } from './pool-set.js';

// A PROXY preface speaks of a whole connection, so nobody else's request may be on it. No other client has this one's
// address and port, so when it has left nobody can use its connections any more.

export class ClientPools {
  readonly #conn: Conn;
  /** Null until the first: most clients have none. */
  #byCluster: Map<Cluster, PoolSet> | null = null;

  constructor(conn: Conn) {
    this.#conn = conn;
  }

  of(cluster: Cluster): PoolSet {
    if (this.#byCluster === null) this.#byCluster = new Map();
    let pools = this.#byCluster.get(cluster);
    if (pools === undefined) {
      const source = withoutMapping(clientAddress(this.#conn));
      const destination = withoutMapping(servedAddress(this.#conn));
      pools = cluster.newClientPools({ source, destination });
      this.#byCluster.set(cluster, pools);
    }
    return pools;
  }

  /** The client has left: idle connections end, busy ones after their request. */
  leave(): void {
    if (this.#byCluster === null) return;
    for (const [cluster, pools] of this.#byCluster) cluster.dropClientPools(pools);
    this.#byCluster = null;
  }
}
