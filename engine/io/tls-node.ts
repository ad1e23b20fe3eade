/** TLS by node:tls for the node transport: contexts, sessions to resume, and the facts of a connection. */
import { constants, createHash, type X509Certificate } from 'node:crypto';
import tls from 'node:tls';
import { ClientHello, HELLO_PARTIAL, HELLO_TLS } from './client-hello.js';
import {
  type DialTls,
  STAPLE_FAILED,
  STAPLE_OMITTED,
  STAPLE_SENT,
  TLS_1_2,
  type TlsCertificate,
  type TlsContext,
  type TlsContextOptions,
  type TlsSession,
  type TlsStaple,
} from './tls.js';

/** Of TLS 1.3: left out, node:tls would end at TLS 1.2. */
const CIPHERSUITES = 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256';
/** Endpoints whose sessions are kept. */
const SESSION_KEYS_MAX = 1024;
const TICKET_KEY_BYTES = 80;

/** node:tls gives OpenSSL's errors by name. */
const VERIFY_ERRORS: Readonly<Record<string, number | undefined>> = {
  UNABLE_TO_GET_ISSUER_CERT: 2,
  UNABLE_TO_GET_CRL: 3,
  CERT_SIGNATURE_FAILURE: 7,
  CERT_NOT_YET_VALID: 9,
  CERT_HAS_EXPIRED: 10,
  CRL_NOT_YET_VALID: 11,
  CRL_HAS_EXPIRED: 12,
  DEPTH_ZERO_SELF_SIGNED_CERT: 18,
  SELF_SIGNED_CERT_IN_CHAIN: 19,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 20,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 21,
  CERT_CHAIN_TOO_LONG: 22,
  CERT_REVOKED: 23,
  INVALID_CA: 24,
  INVALID_PURPOSE: 26,
  CERT_UNTRUSTED: 27,
  CERT_REJECTED: 28,
};
const UNSPECIFIED = 1;
const SESSION_ID = 3;
const NO_STAPLE = 'no valid OCSP response to staple';
const TLS_1_3_BYTES = Buffer.of(3, 4);

/** What node:tls has and its types don't say: the outcome of OpenSSL's verification, for both roles. */
interface VerifyingHandle {
  verifyError(): (Error & { code?: string }) | null | undefined;
}

/** node:tls shows no certificate of a server whose session is resumed: it is kept beside the ticket. */
export interface KeptSession {
  readonly ticket: Buffer;
  readonly leafDer: Uint8Array | null;
}

export class NodeTlsContext implements TlsContext {
  readonly options: TlsContextOptions;
  #secureContext: tls.SecureContext;
  readonly #sessions = new Map<string, KeptSession[]>();
  #stapler: tls.Server | null = null;

  /** Throws with OpenSSL's reason, or with what this transport can't do. */
  constructor(options: TlsContextOptions) {
    // node:tls lets every chain through and tells one error of it: an expired certificate may hide that nobody trusts it.
    if (options.allowExpired) throw new Error('the node transport has no allow_expired_certificate');
    if (options.verifyDepth >= 0) throw new Error('the node transport has no max_verify_depth');
    if (options.crlForLeafOnly) throw new Error('the node transport has no only_verify_leaf_cert_crl');
    // It does not tell which of them a client is shown.
    if (options.certificates.length > 1 && options.certificates.some(({ ocspStaple }) => ocspStaple !== null))
      throw new Error('the node transport has no ocsp_staple where one name has several certificates');
    if (options.role === 'server' && options.certificates.length === 0) throw new Error('a server needs a certificate');
    this.options = options;
    this.#secureContext = newSecureContext(options, null);
  }

  /** For TLSSocket, which asks its server what to staple; null: there is nothing. conn: hears what became of it. */
  staplerFor(clock: Clock, conn: StapledConn): tls.Server | null {
    const [certificate] = this.options.certificates;
    if (this.options.role === 'client' || certificate?.ocspStaple == null) return null;
    if (this.#stapler === null) this.#stapler = newStapler(this.options);
    return Object.create(this.#stapler, { emit: { value: staplerEmit(certificate, clock, conn) } }) as tls.Server;
  }

  get secureContext(): tls.SecureContext {
    return this.#secureContext;
  }

  /** node:tls has room for one key: tickets of those before are not taken, their clients make a full handshake. */
  setTicketKeys(keys: Uint8Array): void {
    if (this.options.role === 'server') this.#secureContext = newSecureContext(this.options, keys);
  }

  close(): void {
    this.#sessions.clear();
  }

  /** A session to resume: those of TLS 1.3 are used once (RFC 8446, appendix C.4). */
  takeSession(key: string): KeptSession | undefined {
    const kept = this.#sessions.get(key);
    const last = kept?.[kept.length - 1];
    if (last !== undefined && sessionPart(last.ticket, 1).equals(TLS_1_3_BYTES)) kept?.pop();
    return last;
  }

  /** Only of servers that were accepted: nobody looks at the chain of one that is resumed. */
  keepSession(key: string, session: KeptSession): void {
    const kept = this.#sessions.get(key) ?? [];
    kept.push(session);
    if (kept.length > this.options.maxSessionKeys) kept.shift();
    if (this.#sessions.size >= SESSION_KEYS_MAX && !this.#sessions.has(key)) this.#sessions.clear();
    this.#sessions.set(key, kept);
  }
}

function newSecureContext(options: TlsContextOptions, ticketKeys: Uint8Array | null): tls.SecureContext {
  const { certificates, groups, signatureAlgorithms, trustedCaPem, crlPem } = options;
  return tls.createSecureContext({
    ...secureContextKeys(certificates),
    // Without a list of our own node:tls would take its own.
    ca: trustedCaPem ?? [],
    // What is trusted need not be a root (Envoy).
    allowPartialTrustChain: true,
    minVersion: options.minVersion === TLS_1_2 ? 'TLSv1.2' : 'TLSv1.3',
    maxVersion: options.maxVersion === TLS_1_2 ? 'TLSv1.2' : 'TLSv1.3',
    ciphers: `${options.ciphersuites || CIPHERSUITES}:${options.ciphers || tls.DEFAULT_CIPHERS}`,
    honorCipherOrder: options.preferServerCiphers,
    ...(groups === '' ? {} : { ecdhCurve: groups }),
    ...(signatureAlgorithms === '' ? {} : { sigalgs: signatureAlgorithms }),
    ...(crlPem === null ? {} : { crl: revocationLists(crlPem) }),
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | (options.sessionTickets ? 0 : constants.SSL_OP_NO_TICKET),
    sessionTimeout: options.sessionTimeoutS,
    // A session of another context, where somebody else is trusted, is not taken.
    sessionIdContext: createHash('sha256').update(JSON.stringify(options)).digest('hex').slice(0, 32),
    ...(ticketKeys === null ? {} : { ticketKeys: nodeTicketKeys(ticketKeys) }),
  });
}

/** Never listens, and is asked for its listeners only. */
function newStapler(options: TlsContextOptions): tls.Server {
  return tls.createServer(secureContextKeys(options.certificates)).on('OCSPRequest', () => {});
}

interface Clock {
  wallMs(): number;
}
interface StapledConn {
  staple: TlsStaple;
}
type StapleAnswer = (error: Error | null, response: Buffer | null) => void;

function staplerEmit(certificate: TlsCertificate, clock: Clock, conn: StapledConn): (...event: unknown[]) => boolean {
  const { ocspStaple, ocspExpiresMs, ocspPolicy } = certificate;
  return (name, _leaf, _issuer, answer) => {
    if (name !== 'OCSPRequest') return false;
    const isValid = ocspStaple !== null && clock.wallMs() < ocspExpiresMs;
    const fails = !isValid && ocspPolicy !== 'lenient';
    conn.staple = isValid ? STAPLE_SENT : fails ? STAPLE_FAILED : STAPLE_OMITTED;
    (answer as StapleAnswer)(fails ? new Error(NO_STAPLE) : null, isValid ? Buffer.from(ocspStaple) : null);
    return true;
  };
}

/** Each of a text. */
export const REVOCATION_LISTS = /-----BEGIN X509 CRL-----[\s\S]*?-----END X509 CRL-----/g;

/** One by one: of a text with several node:tls reads the first. What has none in it is left for OpenSSL to refuse. */
export function revocationLists(pem: string): string[] {
  return pem.match(REVOCATION_LISTS) ?? [pem];
}

/** Certificates and keys as node:tls takes them. */
export function secureContextKeys(
  certificates: TlsContextOptions['certificates'],
): Pick<tls.SecureContextOptions, 'cert' | 'key' | 'pfx'> {
  const locked = (password: string | null): { passphrase?: string } =>
    password === null ? {} : { passphrase: password };
  const pairs = certificates.filter(({ pkcs12 }) => pkcs12 === null);
  const stores = certificates.flatMap(({ pkcs12, password }) => (pkcs12 === null ? [] : [{ pkcs12, password }]));
  return {
    cert: pairs.map(({ chainPem }) => chainPem),
    key: pairs.map(({ keyPem, password }) => ({ pem: keyPem, ...locked(password) })),
    ...(stores.length === 0
      ? {}
      : { pfx: stores.map(({ pkcs12, password }) => ({ buf: Buffer.from(pkcs12), ...locked(password) })) }),
  };
}

/** Of OpenSSL's 80 bytes (name, HMAC key, AES key) the 48 that node:tls takes: 16 of each. */
function nodeTicketKeys(keys: Uint8Array): Buffer {
  const key = keys.subarray(0, TICKET_KEY_BYTES);
  return Buffer.concat([key.subarray(0, 16), key.subarray(16, 32), key.subarray(48, 64)]);
}

/** The bytes before a server's handshake: node:tls ends a connection whose ALPN has nothing in common, we don't. */
export class PendingServerTls {
  readonly context: NodeTlsContext;
  readonly #hello = new ClientHello();
  readonly #chunks: Buffer[] = [];

  constructor(context: NodeTlsContext) {
    this.context = context;
  }

  /** True: enough is there to begin. */
  take(bytes: Uint8Array, start: number, end: number): boolean {
    if (end > start) this.#chunks.push(Buffer.from(bytes.slice(start, end)));
    return this.#hello.feed(bytes, start, end) !== HELLO_PARTIAL || this.context.options.alpn.length === 0;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** Of the context's protocols, unless the client offers none of them. */
  get alpn(): string[] {
    const { alpn } = this.context.options;
    const isShared = this.#hello.state === HELLO_TLS && alpn.some((protocol) => this.#hello.alpn.includes(protocol));
    return isShared ? [...alpn] : [];
  }
}

export class NodeTlsSession implements TlsSession {
  readonly version: string;
  readonly cipher: string;
  readonly group: string;
  readonly sni: string;
  readonly isResumed: boolean;
  readonly alpn: string;
  readonly verifyError: number;
  readonly verifyReason: string;
  readonly sessionId: Uint8Array;
  /** node:tls does not tell. */
  readonly isTruncated = false;
  /** Nor this. */
  readonly peerSignature = '';
  readonly peerCertificateDer: Uint8Array | null;
  readonly #socket: tls.TLSSocket;
  #chain: readonly Uint8Array[] | null = null;

  /** known: of the session that was offered. */
  constructor(socket: tls.TLSSocket, isVerified: boolean, known: KeptSession | undefined) {
    this.#socket = socket;
    this.version = socket.getProtocol() ?? '';
    this.cipher = socket.getCipher().name;
    const key = socket.getEphemeralKeyInfo() as { name?: string } | null;
    this.group = key?.name ?? '';
    // The types know it as a property of clients.
    const { servername } = socket as unknown as { servername?: string | false };
    this.sni = typeof servername === 'string' ? servername.toLowerCase() : '';
    this.isResumed = socket.isSessionReused();
    this.sessionId = Uint8Array.from(sessionPart(socket.getSession() ?? Buffer.alloc(0), SESSION_ID));
    this.alpn = typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '';
    const certificate: X509Certificate | undefined = socket.getPeerX509Certificate();
    this.peerCertificateDer = certificate?.raw ?? (this.isResumed ? (known?.leafDer ?? null) : null);
    const { _handle: handle } = socket as unknown as { _handle: VerifyingHandle | null };
    const error = isVerified && this.peerCertificateDer !== null ? handle?.verifyError() : null;
    this.verifyError = error == null ? 0 : (VERIFY_ERRORS[error.code ?? ''] ?? UNSPECIFIED);
    this.verifyReason = error == null ? '' : error.message;
  }

  get peerChainDer(): readonly Uint8Array[] {
    if (this.#chain === null) {
      const chain: Uint8Array[] = [];
      let at: tls.DetailedPeerCertificate | undefined = this.#socket.getPeerCertificate(true);
      // A root is its own issuer there.
      while (at?.raw !== undefined && chain.every((each) => !Buffer.from(each).equals(at?.raw as Buffer))) {
        chain.push(at.raw);
        at = at.issuerCertificate;
      }
      if (chain.length === 0 && this.peerCertificateDer !== null) chain.push(this.peerCertificateDer);
      this.#chain = chain;
    }
    return this.#chain;
  }
}

/** Of OpenSSL's SSL_SESSION in DER: version, protocol, cipher, id, ...; those four are short. */
function sessionPart(session: Buffer, index: number): Buffer {
  const first = session[1] ?? 0;
  let at = first < 0x80 ? 2 : 2 + (first & 0x7f);
  for (let i = 0; i < index; i++) at += 2 + (session[at + 1] ?? 0);
  return session.subarray(at + 2, at + 2 + (session[at + 1] ?? 0));
}

/** "ssl3_get_record:wrong version number" and the like, in the words that OpenSSL has for it. */
export function tlsErrorText(error: NodeJS.ErrnoException & { reason?: string }): string {
  const text = error.code === 'ECONNRESET' ? 'the peer closed the connection in the handshake' : error.message;
  return `TLS_error:|${error.reason ?? text}`;
}

/** How a server is asked, apart from where it is. */
export function dialOptions(
  dialTls: DialTls,
  ticket: Buffer | undefined,
): tls.ConnectionOptions & { allowHalfOpen: boolean } {
  const { options, secureContext } = dialTls.context as NodeTlsContext;
  return {
    allowHalfOpen: true,
    secureContext,
    ALPNProtocols: [...(dialTls.alpn ?? options.alpn)],
    // Chains and names are judged by the transport and the owner.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    servername: dialTls.serverName,
    ...(ticket === undefined ? {} : { session: ticket }),
  };
}
