/** PoolSet: a cluster's pools for whoever may share connections: everybody, or one client. */
import type { Head } from '../http/head.js';
import type { ProxiedAddresses } from '../io/proxied.js';
import type { ClusterRecord } from '../plan/records.js';
import type { Cluster } from './cluster.js';
import { EndpointPools } from './endpoint-pools.js';
import { NamedPools } from './named-pools.js';
import type { Pool, PoolProtocol } from './pool.js';

export class PoolSet {
  readonly #cluster: Cluster;
  readonly #client: ProxiedAddresses | null;
  #pools: EndpointPools;
  /** For requests that came over HTTP/2, where the endpoints are spoken to as the clients speak to us. */
  #http2Pools: EndpointPools | null = null;
  #namedPools: NamedPools | null = null;

  /** client: whom its connections name to the endpoints; null = nobody. */
  constructor(cluster: Cluster, client: ProxiedAddresses | null) {
    this.#cluster = cluster;
    this.#client = client;
    this.#pools = new EndpointPools(cluster, protocolOf(cluster.record), null, client);
    this.place();
  }

  /** The cluster's newest list: pools of endpoints that stay live on, the others drain. */
  place(): void {
    const { record } = this.#cluster;
    const protocol = protocolOf(record);
    if (this.#pools.protocol !== protocol) {
      this.#pools.drain();
      this.#pools = new EndpointPools(this.#cluster, protocol, null, this.#client);
    }
    this.#pools.place(record.endpoints);
    this.#namedPools?.place(record.endpoints);
    if (record.protocol === 'DOWNSTREAM') {
      if (this.#http2Pools === null) this.#http2Pools = new EndpointPools(this.#cluster, 'HTTP2', null, this.#client);
      this.#http2Pools.place(record.endpoints);
    } else if (this.#http2Pools !== null) {
      this.#http2Pools.drain();
      this.#http2Pools = null;
    }
  }

  /**
   * The pool of an index as of now: an exchange keeps it, because a new list renumbers. downstream: the protocol that the
   * request came by.
   */
  pool(index: number, downstream: 1 | 2): Pool {
    if (downstream === 2 && this.#http2Pools !== null) return this.#http2Pools.at(index);
    return this.#pools.at(index);
  }

  /** The same where the connection names the host that a request asks for; head: as it will be sent. */
  hostPool(index: number, downstream: 1 | 2, head: Head): Pool {
    if (this.#namedPools === null) {
      this.#namedPools = new NamedPools(this.#cluster, this.#client);
      this.#namedPools.place(this.#cluster.record.endpoints);
    }
    const { protocol } = downstream === 2 && this.#http2Pools !== null ? this.#http2Pools : this.#pools;
    const slot = this.#cluster.tls === null ? -1 : this.#cluster.tls.hostSlot(head);
    if (slot < 0)
      return this.#namedPools.pool(index, protocol, head.authorityBytes, head.authorityFrom, head.authorityTo);
    return this.#namedPools.pool(index, protocol, head.fieldBytes(slot), head.valueStart(slot), head.valueEnd(slot));
  }

  drain(): void {
    this.#pools.drain();
    this.#namedPools?.drain();
    this.#http2Pools?.drain();
  }

  close(): void {
    this.#pools.close();
    this.#namedPools?.close();
    this.#http2Pools?.close();
  }
}

/** Of the pools that every set has. */
function protocolOf(record: ClusterRecord): PoolProtocol {
  return record.protocol === 'DOWNSTREAM' ? 'HTTP1' : record.protocol;
}
