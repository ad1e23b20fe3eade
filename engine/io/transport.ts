/** Transport, Conn and ConnOwner: the seam between bytes and protocols, with its numbered laws. */
import type { FaultCode } from '../fault/faults.js';
import type { ProxiedAddresses } from './proxied.js';
import type { DialTls, TlsContext, TlsContextOptions, TlsSession, TlsStaple } from './tls.js';

// Laws, tested for every implementation by test/conformance/transport.suite.ts:
//  1. onOpen is the first call for a dialled connection; adopted connections get none.
//  2. onBytes lends bytes[start, end): they are valid until the turn ends, read-only, never kept.
//  3. No callback of a connection runs inside a call that its owner makes (no re-entrance).
//  4. onClosed comes exactly once per connection, always last, also after endAfterFlush() and abort().
//  5. Bytes given to write() leave in order; nothing written after endAfterFlush() or abort() leaves.
//  6. write() answers true at and above the high mark; onWritable follows once the queue is below the low mark.
//  7. While any hold bit is set no onBytes comes (after at most the bytes that were already read this turn);
//     release of the last bit resumes it, with what was withheld.
//  8. onPeerEnd comes at most once, after the last byte the peer sent; writing is still allowed (half-close).
//  9. A Conn that has seen onClosed answers every call by doing nothing: a stale reference is harmless.
// 10. nowMs() and nowUs() are constant within a turn and never go back.
// 11. Writes of one turn to one connection leave in one gathered system call at the end of the turn.
// 12. Bytes that are neither the arena's nor lent by onBytes belong to the caller again when write() returns.

/** Bit set of reasons why reading is held; reading runs only while it is 0. */
export type HoldBits = number;
/** The peer we forward to has no room. */
export const HOLD_PEER_FULL = 1;
/** A pipelined request waits for the response before it. */
export const HOLD_PIPELINE = 2;
/** No upstream connection yet: the body must not be read, so it need not be copied. */
export const HOLD_CONNECTING = 4;
/** A filter waits. */
export const HOLD_FILTER = 8;
/** The answer has not agreed to the tunnel yet: HTTP/2 may send its bytes before. */
export const HOLD_TUNNEL = 32;
/** The request is over and the connection is about to close. */
export const HOLD_CLOSING = 16;

/** Where a socket is or goes. host is an IP literal, or the path of a unix socket (port 0). */
export interface Address {
  readonly family: 4 | 6 | 'unix';
  readonly host: string;
  readonly port: number;
}

/** Whoever holds a connection. Implementations are classes with these as methods (one hidden class per role). */
export interface ConnOwner {
  onOpen(conn: Conn): void;
  /**
   * TLS of contexts that judge peers: the peer's certificate (DER, its to keep) whose chain has been verified, inside of the
   * handshake. Like onHandshake, but that conn.tls can't be read yet. Not every transport asks.
   */
  onPeerCertificate?(conn: Conn, certificate: Uint8Array): FaultCode;
  /**
   * TLS, both roles: the handshake is done and OpenSSL has verified the chain; conn.tls may be read, nothing written. 0, or
   * the fault with which the connection is closed; whoever refuses says why in conn.tlsFailure.
   */
  onHandshake(conn: Conn): FaultCode;
  /** bytes[start, end) is borrowed: law 2. */
  onBytes(conn: Conn, bytes: Uint8Array, start: number, end: number): void;
  onWritable(conn: Conn): void;
  onPeerEnd(conn: Conn): void;
  /** fault 0: both sides ended in order, or we closed it ourselves. */
  onClosed(conn: Conn, fault: FaultCode): void;
}

export interface Conn {
  owner: ConnOwner;
  /** Increases by one per connection of this worker: CONNECTION_ID of the access log. */
  readonly id: number;
  /** Peer and own address, read lazily from the socket and then kept; family 'unix' has port 0. */
  readonly remoteAddress: Address;
  readonly localAddress: Address;
  /** What a PROXY preface on it said; remoteAddress and localAddress stay what the socket has. */
  proxied: ProxiedAddresses | null;
  /** TLS was negotiated on this connection; alpn is '' without it. */
  readonly secure: boolean;
  readonly alpn: string;
  /** Null without TLS and before the handshake is done; kept after the close as far as it was read. */
  readonly tls: TlsSession | null;
  /** Why TLS failed, for UPSTREAM_ and DOWNSTREAM_TRANSPORT_FAILURE_REASON; '': it did not. */
  tlsFailure: string;
  /** Server: what became of the client's wish for an OCSP response, also when the handshake failed; none = not asked. */
  readonly staple?: TlsStaple;
  /** Bytes received and sent so far; over TLS without its own. */
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Slab and scratch bytes become a ring entry, others are copied to scratch; true = at or above the high mark. */
  write(bytes: Uint8Array, start: number, end: number): boolean;
  /** Bytes accepted by write() that have not left yet, as of the start of this turn. */
  readonly queuedBytes: number;
  /** High mark of the write queue, bytes (law 6). Default 1 MiB. */
  setHighMark(byteCount: number): void;
  hold(reason: HoldBits): void;
  release(reason: HoldBits): void;
  /**
   * Send what is queued, then FIN, then wait for the peer's FIN for at most delayedCloseMs (0: close at once). A peer that
   * takes nothing of what is queued for so long is left as well (Envoy's delayed_close_timeout); with 0 it has for ever.
   */
  endAfterFlush(delayedCloseMs: number): void;
  /** Send what is queued, then FIN; reading goes on (half-close of a tunnel). */
  shutdownAfterFlush(): void;
  /** Close at once with RST; what is queued is dropped. onClosed gets fault. */
  abort(fault: FaultCode): void;
  /**
   * Server role, once, on an accepted connection of which bytes[start, end) was read and nothing written: those bytes go in
   * first, ciphertext never reaches the owner. handshakeTimeoutMs 0: none.
   */
  startTls(context: TlsContext, bytes: Uint8Array, start: number, end: number, handshakeTimeoutMs: number): void;
}

export interface ListenOptions {
  readonly address: Address;
  readonly backlog: number;
  /** SO_REUSEPORT: every worker has a listening socket of its own. */
  readonly reusePort: boolean;
  /** Main's socket, which listens on that address already and is shared; native transport only. */
  readonly shared?: number | null;
}

/** A listening socket of this worker; close() stops accepting and leaves accepted connections alone. */
export interface Listening {
  readonly address: Address;
  /** Called once: when connections can come, or with what the system said instead. */
  whenOpen(callback: (problem: Error | null) => void): void;
  close(): void;
}

export interface Transport {
  readonly name: 'native' | 'node' | 'sim';
  readonly arena: Arena;
  /** Called once for every connection handed over by the acceptor or accepted on an own listening socket. */
  onAccepted: (conn: Conn, listenerIndex: number) => void;
  /** Called after the writes of a turn have left (before any event of the next turn): what they pointed to is free. */
  onTurnFlushed: () => void;
  /**
   * Start dialling; the outcome arrives as onOpen or onClosed(fault), never as a throw. The timeout covers TLS. preface:
   * leaves before anything else and as it is, a TLS handshake comes behind it (PROXY protocol).
   */
  dial(
    address: Address,
    connectTimeoutMs: number,
    owner: ConnOwner,
    tls?: DialTls | null,
    preface?: Uint8Array | null,
  ): Conn;
  /** Throws an Error with OpenSSL's reason: certificates, keys or names that it does not take. Start-up and reload only. */
  newTlsContext(options: TlsContextOptions): TlsContext;
  /** Listen in this worker (enable_reuse_port, and always with the node transport). Throws on failure. */
  listen(options: ListenOptions, listenerIndex: number): Listening;
  /** Whole milliseconds since the worker started (monotonic), constant within one turn. */
  nowMs(): number;
  /** Microseconds since the worker started (monotonic, may be fractional), constant within one turn. */
  nowUs(): number;
  /** Milliseconds since the epoch for this turn. */
  wallMs(): number;
  /** Aborts what is left and gives descriptors back; afterwards the thread can end. */
  close(): void;
}

/**
 * One array per worker for everything that is written without a copy: [receive slab | scratch | carved ranges].
 * Ranges of it given to Conn.write() go out as they are; any other array is copied into scratch first.
 */
export interface Arena {
  /** The same array for the transport's whole life. */
  readonly bytes: Uint8Array;
  /**
   * Offset of a free range of byteCount bytes (at most SCRATCH_BYTES) for bytes composed this turn; valid until the
   * turn ends. When scratch is full the transport lets the writes leave first, which is why it may take a call.
   */
  reserve(byteCount: number): number;
  /** Gives back the end of the last reserve(): only [its offset, end) was used. */
  commit(end: number): void;
  /** A range for good (stores of pooled heads), or -1 when the arena has none left: the caller then uses an own array. */
  carve(byteCount: number): number;
}

/** Scratch per turn. Smaller means more flushes inside a turn; it must hold the largest head we compose (96 KiB). */
export const SCRATCH_BYTES = 1 << 20;
