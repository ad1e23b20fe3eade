/** TLS contexts and sessions: the part of the transport seam that both roles' TLS adds. */
import {
  DOWN_TLS_BROKEN,
  DOWN_TLS_HANDSHAKE,
  DOWN_TLS_TIMEOUT,
  DOWN_TLS_VERIFY,
  type FaultCode,
  UP_CONNECT_TIMEOUT,
  UP_TLS_BROKEN,
  UP_TLS_HANDSHAKE,
  UP_TLS_VERIFY,
} from '../fault/faults.js';

// Laws, tested by test/conformance/transport.suite.ts for every implementation that has TLS:
//  T1. onOpen of a connection dialled with TLS comes after the handshake and after onHandshake answered 0; an accepted
//      connection's first onBytes comes after both, too. What was written before leaves then, never earlier.
//  T2. A handshake that fails, is refused by onHandshake or takes too long ends in onClosed with a fault of its own;
//      tlsFailure then says why, in OpenSSL's words or in the policy's.
//      Whoever wants to is asked by onPeerCertificate inside of the handshake, so that the peer hears of a refusal by an
//      alert, and by onHandshake once more; a resumed session, and a transport that can't, ask by the latter alone.
//  T3. onPeerEnd comes for the peer's close_notify and for a FIN without one; tls.isTruncated tells them apart.
//  T4. endAfterFlush() and shutdownAfterFlush() send close_notify before the FIN.
//  T5. Backpressure, holds, marks and queuedBytes are as without TLS.
//  T6. Bytes given to startTls() are read as the first of the handshake; ciphertext never reaches the owner.

export const TLS_1_2 = 0x0303;
export const TLS_1_3 = 0x0304;

export interface TlsCertificate {
  /** Leaf first, then its intermediates. */
  readonly chainPem: string;
  readonly keyPem: string;
  readonly password: string | null;
  /** PKCS #12 (DER), in the place of both: chainPem is the leaf alone then, keyPem ''; null: there is none. */
  readonly pkcs12: Uint8Array | null;
  /** An OCSP response (DER) for clients that ask. */
  readonly ocspStaple: Uint8Array | null;
  /** Epoch milliseconds: from then on the response is not sent. */
  readonly ocspExpiresMs: number;
  /**
   * What a client that asks gets without a valid response: lenient: none; strict: none where there never was one, else
   * the handshake fails; must: it fails.
   */
  readonly ocspPolicy: 'lenient' | 'strict' | 'must';
}

/** Plain data: it is part of the plan and crosses threads. */
export interface TlsContextOptions {
  readonly role: 'server' | 'client';
  /** Several of different key types; several names are several contexts, chosen by SNI before startTls(). */
  readonly certificates: readonly TlsCertificate[];
  readonly trustedCaPem: string | null;
  readonly crlPem: string | null;
  /** Revocation lists are looked at for the peer's own certificate alone, not for those of its issuers. */
  readonly crlForLeafOnly: boolean;
  /**
   * Server: whether clients are asked for a certificate, and must have one. Client: 'none' verifies nothing, the other
   * two verify the server's chain. A chain that is presented and does not verify fails the handshake, but for
   * acceptUntrusted.
   */
  readonly verify: 'none' | 'optional' | 'require';
  /** A chain that does not verify is accepted; tls.verifyError and the pins of the policy say more. */
  readonly acceptUntrusted: boolean;
  /** Certificates outside of their time are accepted. */
  readonly allowExpired: boolean;
  /** The owner has a policy for certificates that verify: it is asked by onPeerCertificate() where the transport can. */
  readonly judgesPeers: boolean;
  /** Longest chain of intermediates; -1: OpenSSL's. */
  readonly verifyDepth: number;
  /** The wire's numbers: TLS_1_2, TLS_1_3. */
  readonly minVersion: number;
  readonly maxVersion: number;
  /** TLS 1.2, OpenSSL's syntax; '' in this and the next three: OpenSSL's default. */
  readonly ciphers: string;
  /** TLS 1.3. */
  readonly ciphersuites: string;
  /** "X25519:P-256". */
  readonly groups: string;
  /** "ECDSA+SHA256:RSA-PSS+SHA256". */
  readonly signatureAlgorithms: string;
  readonly preferServerCiphers: boolean;
  /** Server: by its preference, none matching = no ALPN. Client: what it offers. */
  readonly alpn: readonly string[];
  /** Stateless resumption; false: none are issued or taken. */
  readonly sessionTickets: boolean;
  /** Server: sessions kept in this worker, resumed by id (TLS 1.2) or by stateful ticket (1.3). */
  readonly sessionCache: boolean;
  readonly sessionTimeoutS: number;
  /** Client: sessions kept for each session key; 0: no resumption. */
  readonly maxSessionKeys: number;
}

export interface TlsContext {
  /**
   * Ticket keys of 80 bytes each, one after the other: the first encrypts, all decrypt, and a ticket of any but the first
   * is renewed. Without this call each context has keys of its own, which other workers can't read.
   */
  setTicketKeys(keys: Uint8Array): void;
  /** Connections that use it go on. */
  close(): void;
}

/** TLS of one dialled connection. */
export interface DialTls {
  readonly context: TlsContext;
  /** SNI; '': none is sent. */
  readonly serverName: string;
  /** Whose sessions may be resumed here: endpoint and whatever else makes them differ. */
  readonly sessionKey: string;
  /** Overrides the context's. */
  readonly alpn: readonly string[] | null;
}

/** Facts of a connection whose handshake is done; each is read from the library when first asked for. */
export interface TlsSession {
  /** "TLSv1.3". */
  readonly version: string;
  /** OpenSSL's name: "TLS_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256". */
  readonly cipher: string;
  /** "X25519", "P-256"; '' where it isn't known. */
  readonly group: string;
  /** What the client asked for; '': nothing. */
  readonly sni: string;
  readonly isResumed: boolean;
  readonly peerCertificateDer: Uint8Array | null;
  /** As the peer sent it, leaf first; a resumed session may have the leaf only. */
  readonly peerChainDer: readonly Uint8Array[];
  /** Empty: there is none. */
  readonly sessionId: Uint8Array;
  /** X509_V_ERR_*; 0 = fine, or nothing was verified. */
  readonly verifyError: number;
  /** OpenSSL's words for verifyError; '' when 0. */
  readonly verifyReason: string;
  /** The peer's FIN came without close_notify: what came last may be cut off (law T3). */
  readonly isTruncated: boolean;
  /** What the peer has signed its handshake with: "ecdsa_secp256r1_sha256"; '' where it isn't known or it signed nothing. */
  readonly peerSignature: string;
}

/** The numbers of the addon. */
export type TlsStaple = 0 | 1 | 2 | 3;
export const STAPLE_NOT_ASKED = 0;
export const STAPLE_SENT = 1;
export const STAPLE_OMITTED = 2;
export const STAPLE_FAILED = 3;

/** How TLS ended a connection: the numbers of the addon's close events. */
export type TlsEnd = 1 | 2 | 3 | 4;
export const TLS_END_HANDSHAKE = 1;
export const TLS_END_VERIFY = 2;
export const TLS_END_TIMEOUT = 3;
export const TLS_END_BROKEN = 4;

export function tlsFault(isDialled: boolean, end: TlsEnd): FaultCode {
  if (end === TLS_END_VERIFY) return isDialled ? UP_TLS_VERIFY : DOWN_TLS_VERIFY;
  if (end === TLS_END_TIMEOUT) return isDialled ? UP_CONNECT_TIMEOUT : DOWN_TLS_TIMEOUT;
  if (end === TLS_END_BROKEN) return isDialled ? UP_TLS_BROKEN : DOWN_TLS_BROKEN;
  return isDialled ? UP_TLS_HANDSHAKE : DOWN_TLS_HANDSHAKE;
}
