/** Addresses of a connection's two ends, as a balancer in front named them or else as the socket has them. */
import type { Address, Conn } from './transport.js';

/** What a PROXY preface said. */
export interface ProxiedAddresses {
  readonly source: Address;
  readonly destination: Address;
}

/** Who the client is, before anything that HTTP says of it. */
export function clientAddress(conn: Conn): Address {
  return conn.proxied === null ? conn.remoteAddress : conn.proxied.source;
}

/** What the client connected to. */
export function servedAddress(conn: Conn): Address {
  return conn.proxied === null ? conn.localAddress : conn.proxied.destination;
}
