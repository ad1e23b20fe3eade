/** NativeTlsContext and NativeTlsSession: TLS of the addon as the contract has it. */
import type { Addon, AddonTlsContext } from './addon.js';
import type { NativeConn } from './conn-native.js';
import type { TlsContext, TlsContextOptions, TlsSession } from './tls.js';

export class NativeTlsContext implements TlsContext {
  readonly alpn: readonly string[];
  #context: AddonTlsContext | null;

  constructor(addon: Addon, options: TlsContextOptions) {
    this.alpn = options.alpn;
    this.#context = new addon.TlsContext(options);
  }

  get addonContext(): AddonTlsContext {
    if (this.#context === null) throw new Error('the TLS context is closed');
    return this.#context;
  }

  setTicketKeys(keys: Uint8Array): void {
    this.addonContext.setTicketKeys(keys);
  }

  close(): void {
    this.#context?.close();
    this.#context = null;
  }
}

// The numbers of TlsFactOf() in native/addon_tls.cc.
const FACT_VERSION = 0;
const FACT_CIPHER = 1;
const FACT_GROUP = 2;
const FACT_SNI = 3;
const FACT_SUITE = 4;
const FACT_CERTIFICATE = 5;
const FACT_CHAIN = 6;
const FACT_SESSION_ID = 7;
const FACT_VERIFY_ERROR = 8;
const FACT_VERIFY_REASON = 9;
export const FACT_FAILURE = 10;
export const FACT_STAPLE = 11;
const FACT_SIGNATURE = 12;
const FACT_GROUP_NUMBER = 13;
const SUITE_RESUMED = 1 << 24;
/** Names by the numbers of FACT_SUITE, without its flag, and of groups: asked for once, not per handshake. */
const VERSIONS = new Map<number, string>();
const CIPHERS = new Map<number, string>();
const GROUPS = new Map<number, string>();
/** OpenSSL's names of groups in the names that Envoy has for them. */
const GROUP_NAMES: Readonly<Record<string, string | undefined>> = {
  x25519: 'X25519',
  secp256r1: 'P-256',
  prime256v1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521',
};

const NO_BYTES = new Uint8Array(0);

/** Each fact is asked for once; after the close what was never asked for is empty. */
export class NativeTlsSession implements TlsSession {
  readonly #conn: NativeConn;
  readonly #facts: unknown[] = [];

  constructor(conn: NativeConn) {
    this.#conn = conn;
  }

  get version(): string {
    return this.#named(VERSIONS, this.#suite & ~SUITE_RESUMED, FACT_VERSION);
  }
  get cipher(): string {
    return this.#named(CIPHERS, this.#suite & ~SUITE_RESUMED, FACT_CIPHER);
  }
  get group(): string {
    const name = this.#named(GROUPS, this.#number(FACT_GROUP_NUMBER), FACT_GROUP);
    return GROUP_NAMES[name] ?? name;
  }
  get sni(): string {
    return (this.#fact(FACT_SNI) ?? '') as string;
  }
  get isResumed(): boolean {
    return (this.#suite & SUITE_RESUMED) !== 0;
  }
  get peerCertificateDer(): Uint8Array | null {
    return this.#fact(FACT_CERTIFICATE) as Uint8Array | null;
  }
  get peerChainDer(): readonly Uint8Array[] {
    return (this.#fact(FACT_CHAIN) ?? []) as Uint8Array[];
  }
  get sessionId(): Uint8Array {
    return (this.#fact(FACT_SESSION_ID) ?? NO_BYTES) as Uint8Array;
  }
  get verifyError(): number {
    return (this.#fact(FACT_VERIFY_ERROR) ?? 0) as number;
  }
  get verifyReason(): string {
    return (this.#fact(FACT_VERIFY_REASON) ?? '') as string;
  }
  get peerSignature(): string {
    return (this.#fact(FACT_SIGNATURE) ?? '') as string;
  }
  get isTruncated(): boolean {
    return this.#conn.isTruncated;
  }

  get #suite(): number {
    return this.#number(FACT_SUITE);
  }

  /** 0 when the connection had closed before anybody asked. */
  #number(kind: number): number {
    return (this.#fact(kind) ?? 0) as number;
  }

  #named(names: Map<number, string>, number: number, kind: number): string {
    const known = names.get(number);
    if (known !== undefined) return known;
    const name = (this.#fact(kind) ?? '') as string;
    if (number !== 0) names.set(number, name);
    return name;
  }

  #fact(kind: number): unknown {
    const known = this.#facts[kind];
    if (known !== undefined) return known;
    const fact = this.#conn.transport.tlsFact(this.#conn, kind);
    this.#facts[kind] = fact;
    return fact;
  }
}
