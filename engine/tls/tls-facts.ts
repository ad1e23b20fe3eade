/** TlsFacts: what logs, formats and headers read of one connection's TLS. */
import type { TlsSession } from '../io/tls.js';
import type { AltNameType, Certificate } from './certificate.js';
import type { CertificateCache } from './peer-policy.js';

export class TlsFacts {
  readonly #session: TlsSession;
  readonly #certificates: CertificateCache;
  /** Our certificate as far as it is known; null = none was shown. */
  readonly local: Certificate | null;

  constructor(session: TlsSession, local: Certificate | null, certificates: CertificateCache) {
    this.#session = session;
    this.local = local;
    this.#certificates = certificates;
  }

  /** Reads what is gone from the library when the connection is. */
  keep(): void {
    void this.#session.sni;
    void this.#session.sessionId;
    if (this.#session.peerCertificateDer !== null) void this.#session.peerChainDer;
  }

  get version(): string {
    return this.#session.version;
  }
  get cipher(): string {
    return this.#session.cipher;
  }
  get serverName(): string {
    return this.#session.sni;
  }
  /** Lower-case hex; '' = none. */
  get sessionId(): string {
    return Buffer.from(this.#session.sessionId).toString('hex');
  }
  /** Null = the peer showed none. */
  get peer(): Certificate | null {
    return this.#certificates.of(this.#session.peerCertificateDer);
  }
  /** Leaf first, as the peer sent it. */
  get peerChain(): readonly Certificate[] {
    return this.#session.peerChainDer.map((der) => this.#certificates.of(der)).filter((each) => each !== null);
  }
}

/** Names of one type, joined by commas; '' = none. */
export function namesText(certificate: Certificate | null, type: AltNameType): string {
  return certificate === null ? '' : certificate.names(type).join(',');
}
