/** Client: what an exchange knows of the connection that its request came on. */
import type { PeerHost } from '../http/forwarded.js';
import type { TlsFacts } from '../tls/tls-facts.js';
import type { Address, Conn } from '../io/transport.js';
import type { ClientPools } from '../upstream/client-pools.js';

export interface Client {
  readonly conn: Conn;
  readonly protocol: 1 | 2;
  /** An answer may end in trailers, as far as its version of HTTP has any. */
  readonly hasTrailers: boolean;
  readonly peerHost: PeerHost;
  /** Known after peerHost. */
  readonly peerAddress: Address;
  /** Null without TLS. */
  readonly tls: TlsFacts | null;
  /** Of its own, in clusters where it has some; null = it is not known where the client begins and ends. */
  readonly pools: ClientPools | null;
  onExchangeEnd(): void;
}
