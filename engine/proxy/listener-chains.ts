/** ListenerChains: the filter chains of one listener as this worker runs them, and which of them a connection gets. */
import { clientAddress, servedAddress } from '../io/proxied.js';
import type { Conn } from '../io/transport.js';
import type { FilterChainRecord } from '../plan/chain-records.js';
import type { ListenerRecord } from '../plan/records.js';
import { ChainMatcher } from './chain-matcher.js';
import type { ServerTls } from './server-tls.js';
import type { ListenerRuntime } from './snapshot.js';
import type { TcpRuntime } from './tcp-runtime.js';

export interface ChainRuntime {
  readonly record: FilterChainRecord;
  readonly tls: ServerTls | null;
  /** One of the two is there. */
  readonly http: ListenerRuntime | null;
  readonly tcp: TcpRuntime | null;
}

export class ListenerChains {
  readonly record: ListenerRecord;
  /** The one chain of all connections, without TLS and without a match: nothing has to be found out. */
  readonly direct: ChainRuntime | null;
  readonly #chains: readonly ChainRuntime[];
  readonly #fallback: ChainRuntime | null;
  readonly #matcher: ChainMatcher;

  constructor(record: ListenerRecord, chains: readonly ChainRuntime[], fallback: ChainRuntime | null) {
    this.record = record;
    this.#chains = chains;
    this.#fallback = fallback;
    this.#matcher = new ChainMatcher(chains.map((chain) => chain.record.match));
    const only = chains.length === 1 && record.hasOneChainForAll ? (chains[0] as ChainRuntime) : null;
    this.direct = only?.tls === null && record.inspection.proxyProtocol === null ? only : null;
  }

  /** Null: no chain matches. isTls, serverName, alpn: as far as the first bytes were looked at. */
  choose(conn: Conn, isTls: boolean, serverName: string, alpn: readonly string[]): ChainRuntime | null {
    if (this.record.hasOneChainForAll) return this.#chains[0] ?? null;
    const found = this.#matcher.choose({
      localAddress: servedAddress(conn),
      remoteAddress: clientAddress(conn),
      directAddress: conn.remoteAddress,
      serverName,
      transportProtocol: isTls ? 'tls' : 'raw_buffer',
      applicationProtocols: alpn,
    });
    return this.#chains[found] ?? this.#fallback;
  }
}
