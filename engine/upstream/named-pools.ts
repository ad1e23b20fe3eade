/** NamedPools: pools for each host that requests ask for, where connections name it to the server (auto_sni). */
import { isIP } from 'node:net';
import type { ProxiedAddresses } from '../io/proxied.js';
import type { EndpointRecord } from '../plan/records.js';
import type { Cluster } from './cluster.js';
import { EndpointPools } from './endpoint-pools.js';
import type { Pool, PoolProtocol } from './pool.js';

/** Clients say which names there are: more at a time are not kept, the one longest there goes. */
const NAMES_MAX = 1024;

interface Named {
  /** The authority as it was written. */
  readonly authority: Uint8Array;
  readonly pools: EndpointPools;
}

export class NamedPools {
  readonly #cluster: Cluster;
  readonly #client: ProxiedAddresses | null;
  #endpoints: readonly EndpointRecord[] = [];
  /** By protocol and name. */
  readonly #byName = new Map<string, EndpointPools>();
  /** By a hash of the authority's bytes: finding it makes no string. */
  readonly #byHash = new Map<number, Named>();

  /** client: whom its connections are for besides; null = everybody. */
  constructor(cluster: Cluster, client: ProxiedAddresses | null = null) {
    this.#cluster = cluster;
    this.#client = client;
  }

  place(endpoints: readonly EndpointRecord[]): void {
    this.#endpoints = endpoints;
    for (const pools of this.#byName.values()) pools.place(endpoints);
  }

  /** name: the host as a request has it, with a port or without. */
  pool(index: number, protocol: PoolProtocol, bytes: Uint8Array, start: number, end: number): Pool {
    let hash = protocol.length;
    for (let at = start; at < end; at++) hash = (Math.imul(hash, 31) + (bytes[at] as number)) | 0;
    const known = this.#byHash.get(hash);
    if (known !== undefined && known.pools.protocol === protocol && isEqual(known.authority, bytes, start, end))
      return known.pools.at(index);
    return this.#find(hash, protocol, bytes.slice(start, end)).at(index);
  }

  #find(hash: number, protocol: PoolProtocol, authority: Uint8Array): EndpointPools {
    const name = hostOf(Buffer.from(authority).toString('latin1'));
    const key = `${protocol} ${name}`;
    let pools = this.#byName.get(key);
    if (pools === undefined) {
      if (this.#byName.size >= NAMES_MAX) this.#forgetOldest();
      pools = new EndpointPools(this.#cluster, protocol, name, this.#client);
      pools.place(this.#endpoints);
      this.#byName.set(key, pools);
    }
    if (this.#byHash.size >= 2 * NAMES_MAX) this.#byHash.clear();
    this.#byHash.set(hash, { authority, pools });
    return pools;
  }

  #forgetOldest(): void {
    const [key, pools] = this.#byName.entries().next().value as [string, EndpointPools];
    pools.drain();
    this.#byName.delete(key);
    this.#byHash.clear();
  }

  drain(): void {
    for (const pools of this.#byName.values()) pools.drain();
  }

  close(): void {
    for (const pools of this.#byName.values()) pools.close();
  }
}

function isEqual(known: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (known.length !== end - start) return false;
  for (let i = 0; i < known.length; i++) if (known[i] !== bytes[start + i]) return false;
  return true;
}

/** Without port and brackets, in lower case. */
function hostOf(authority: string): string {
  const host = authority.toLowerCase().replace(/:\d*$/, '');
  const bare = /^\[(.*)\]$/.exec(host)?.[1] ?? host;
  return isIP(bare) === 0 ? host : bare;
}
