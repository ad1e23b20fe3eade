/** ServerTls: a filter chain's TLS on one worker: its contexts by name, and the policy for clients' certificates. */
import { DOWN_TLS_VERIFY, type FaultCode } from '../fault/faults.js';
import type { TlsContext, TlsSession } from '../io/tls.js';
import { Certificate } from '../tls/certificate.js';
import { TlsFacts } from '../tls/tls-facts.js';
import type { Conn } from '../io/transport.js';
import { LISTENER } from '../metrics/declare.js';
import type { WorkerMetrics } from '../metrics/slots.js';
import type { ListenerRecord } from '../plan/records.js';
import type { DownstreamTlsRecord } from '../plan/tls-records.js';
import type { TlsContextsDraft } from '../tls/contexts.js';
import { type CertificateCache, PeerPolicy, type Refusal } from '../tls/peer-policy.js';
import { refusalText } from '../tls/refusal-text.js';
import { TlsCounters } from '../tls/tls-counters.js';

export class ServerTls {
  readonly #record: DownstreamTlsRecord;
  readonly #contexts: readonly TlsContext[];
  readonly #names: ReadonlyMap<string, number>;
  readonly #policy: PeerPolicy;
  readonly #certificates: CertificateCache;
  readonly #counters: TlsCounters;
  readonly #asksCertificate: boolean;
  readonly #verifiesChain: boolean;
  /** Of each context the first certificate: of several with other keys nobody tells which one the client saw. */
  readonly #local: readonly (Certificate | null)[];

  /** Throws with OpenSSL's reason. */
  constructor(
    record: DownstreamTlsRecord,
    listener: ListenerRecord,
    contexts: TlsContextsDraft,
    metrics: WorkerMetrics,
    certificates: CertificateCache,
  ) {
    this.#record = record;
    this.#contexts = record.contexts.map((context) => contexts.get(context));
    this.#names = new Map(record.names);
    this.#local = record.contexts.map(
      ({
        options: {
          certificates: [own],
        },
      }) => (own === undefined ? null : new Certificate(own.chainPem)),
    );
    this.#policy = new PeerPolicy(record.policy);
    this.#certificates = certificates;
    this.#counters = new TlsCounters(metrics, LISTENER, listener.metrics.counters);
    this.#asksCertificate = record.contexts[0]?.options.verify !== 'none';
    this.#verifiesChain = (record.contexts[0]?.options.trustedCaPem ?? null) !== null;
  }

  /** The certificate depends on the name that the client asks for, or there must be one. */
  get needsName(): boolean {
    return this.#contexts.length > 1 || this.#record.requiresName;
  }
  /** Clients that name no server are sent away. */
  get requiresName(): boolean {
    return this.#record.requiresName;
  }

  /** serverName: lower case, '' = none. Exact names come before wildcards, which stand for one label. */
  indexFor(serverName: string): number {
    const { unnamed, mismatched } = this.#record;
    let at: number | undefined = unnamed;
    if (serverName !== '' && this.#contexts.length > 1) {
      const dot = serverName.indexOf('.');
      at = this.#names.get(serverName);
      if (at === undefined && dot > 0) at = this.#names.get(`*${serverName.slice(dot)}`);
      at ??= mismatched;
    }
    return at;
  }

  contextAt(index: number): TlsContext {
    return this.#contexts[index] as TlsContext;
  }

  /** index: of the context of the handshake. */
  factsOf(conn: Conn, index: number): TlsFacts {
    return new TlsFacts(conn.tls as TlsSession, this.#local[index] ?? null, this.#certificates);
  }

  /** In the midst of the handshake: 0, or why the client's certificate is refused (with the reason in conn.tlsFailure). */
  judgeCertificate(conn: Conn, der: Uint8Array): FaultCode {
    return this.#verdictOn(conn, this.#policy.judge(this.#certificates.of(der), ''));
  }

  #verdictOn(conn: Conn, refusal: Refusal | null): FaultCode {
    if (refusal === null || this.#policy.tolerates(refusal)) return 0;
    this.#counters.countRefusal(refusal);
    conn.tlsFailure = refusalText(refusal);
    return DOWN_TLS_VERIFY;
  }

  /** The handshake is done: 0, or why the client's certificate is refused (with the reason in conn.tlsFailure). */
  judge(conn: Conn): FaultCode {
    const tls = conn.tls;
    if (tls === null) return DOWN_TLS_VERIFY;
    const refusal = this.#refusalOf(conn);
    const fault = this.#verdictOn(conn, refusal);
    if (fault !== 0) return fault;
    this.#counters.countHandshake(tls, this.#asksCertificate, this.#asksCertificate);
    if (this.#record.policy.acceptsUntrusted) this.#counters.countTolerated(tls, this.#verifiesChain, refusal);
    this.#counters.countStaple(conn);
    return 0;
  }

  #refusalOf(conn: Conn): Refusal | null {
    if (!this.#asksCertificate) return null;
    const certificate = this.#policy.isEmpty ? null : this.#certificates.of(conn.tls?.peerCertificateDer ?? null);
    // Who may come without a certificate is not asked what it says.
    if (certificate === null && !this.#record.requiresCertificate) return null;
    return this.#policy.judge(certificate, '');
  }

  /** A client without a name where there must be one. */
  countNameless(): void {
    this.#counters.countRefused();
  }

  /** The connection ended by TLS. */
  countFailure(conn: Conn, fault: FaultCode, wasRefused: boolean): void {
    this.#counters.countStaple(conn);
    this.#counters.countFailure(conn, fault, wasRefused);
  }
}
