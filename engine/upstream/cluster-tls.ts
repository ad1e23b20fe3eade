/** ClusterTls: a cluster's TLS on one worker: how its endpoints are dialled, and which servers are accepted. */
import { isIP } from 'node:net';
import { type FaultCode, UP_TLS_VERIFY } from '../fault/faults.js';
import type { Head } from '../http/head.js';
import type { DialTls, TlsContext } from '../io/tls.js';
import type { Conn } from '../io/transport.js';
import { CLUSTER } from '../metrics/declare.js';
import type { WorkerMetrics } from '../metrics/slots.js';
import type { ClusterRecord, EndpointRecord } from '../plan/records.js';
import type { UpstreamTlsRecord } from '../plan/tls-records.js';
import { Certificate } from '../tls/certificate.js';
import { type CertificateCache, PeerPolicy, type Refusal } from '../tls/peer-policy.js';
import { refusalText } from '../tls/refusal-text.js';
import { TlsCounters } from '../tls/tls-counters.js';
import { TlsFacts } from '../tls/tls-facts.js';

const HTTP1_ALPN = ['http/1.1'];
const HTTP2_ALPN = ['h2'];
/** It is read as none. */
const NO_CERTIFICATE = new Uint8Array(0);
const AUTO_ALPN = ['h2', 'http/1.1'];

export class ClusterTls {
  readonly #record: UpstreamTlsRecord;
  readonly #context: TlsContext;
  readonly #policy: PeerPolicy;
  readonly #certificates: CertificateCache;
  readonly #counters: TlsCounters;
  readonly #local: Certificate | null;
  /** In lower case; empty = the authority names the host. */
  readonly #hostHeader: Uint8Array;

  constructor(
    cluster: ClusterRecord,
    record: UpstreamTlsRecord,
    context: TlsContext,
    metrics: WorkerMetrics,
    certificates: CertificateCache,
  ) {
    this.#record = record;
    this.#context = context;
    this.#policy = new PeerPolicy(record.policy);
    this.#certificates = certificates;
    this.#counters = new TlsCounters(metrics, CLUSTER, cluster.metrics.counters);
    const own = record.context.options.certificates[0];
    this.#hostHeader = Buffer.from(record.hostHeader, 'latin1');
    this.#local = own === undefined ? null : new Certificate(own.chainPem);
  }

  /** RAW: whatever the client speaks, which we don't know. host: what the requests ask for, null = it is not known. */
  dial(endpoint: EndpointRecord, protocol: 'HTTP1' | 'HTTP2' | 'AUTO' | 'RAW', host: string | null): DialTls {
    const serverName = this.#serverNameOf(endpoint, host);
    const alpn = protocol === 'AUTO' ? AUTO_ALPN : protocol === 'HTTP2' ? HTTP2_ALPN : HTTP1_ALPN;
    return {
      context: this.#context,
      serverName,
      sessionKey: `${endpoint.key} ${serverName} ${protocol}`,
      // What is configured comes before what the protocol asks for (Envoy).
      alpn: protocol === 'RAW' || this.#record.context.options.alpn.length > 0 ? null : alpn,
    };
  }

  #serverNameOf({ hostname }: EndpointRecord, host: string | null): string {
    const { sni, usesHostnameAsSni, usesRequestHost } = this.#record;
    // An address is no name (RFC 6066 §3).
    if (usesRequestHost && host !== null && host !== '' && isIP(host) === 0) return host;
    if (!usesHostnameAsSni || hostname === '') return sni;
    const name = hostname.replace(/:\d+$/, '');
    return isIP(name) === 0 ? name : sni;
  }

  /** In the midst of the handshake: 0, or why the server's certificate is refused (with the reason in conn.tlsFailure). */
  judgeCertificate(conn: Conn, der: Uint8Array, endpoint: EndpointRecord, host: string | null): FaultCode {
    return this.#verdictOn(conn, this.#refusalOf(der, endpoint, host));
  }

  #refusalOf(der: Uint8Array, endpoint: EndpointRecord, host: string | null): Refusal | null {
    const { verifiesSni, verifiesRequestHost } = this.#record;
    const name = verifiesRequestHost && host !== null ? host : verifiesSni ? this.#serverNameOf(endpoint, host) : '';
    return this.#policy.isEmpty && name === '' ? null : this.#policy.judge(this.#certificates.of(der), name);
  }

  #verdictOn(conn: Conn, refusal: Refusal | null): FaultCode {
    if (refusal === null || this.#policy.tolerates(refusal)) return 0;
    this.#counters.countRefusal(refusal);
    conn.tlsFailure = refusalText(refusal);
    return UP_TLS_VERIFY;
  }

  /** The handshake is done, with a session resumed or not: the same. */
  judge(conn: Conn, endpoint: EndpointRecord, host: string | null): FaultCode {
    const tls = conn.tls;
    if (tls === null) return UP_TLS_VERIFY;
    const refusal = this.#refusalOf(tls.peerCertificateDer ?? NO_CERTIFICATE, endpoint, host);
    const fault = this.#verdictOn(conn, refusal);
    if (fault !== 0) return fault;
    this.#counters.countHandshake(tls, false, true);
    const { policy, context } = this.#record;
    if (policy.acceptsUntrusted) this.#counters.countTolerated(tls, context.options.trustedCaPem !== null, refusal);
    return 0;
  }

  /** Connections are for one host each. */
  get isForOneHost(): boolean {
    return this.#record.usesRequestHost || this.#record.verifiesRequestHost;
  }

  /** The slot whose value names the host that a request is for; -1 = its authority does. */
  hostSlot(head: Head): number {
    if (this.#hostHeader.length === 0) return -1;
    const slot = head.findByName(this.#hostHeader);
    return slot < 0 || head.valueStart(slot) === head.valueEnd(slot) ? -1 : slot;
  }

  factsOf(conn: Conn): TlsFacts | null {
    if (conn.tls === null) return null;
    const facts = new TlsFacts(conn.tls, this.#local, this.#certificates);
    // Once per connection: a log may ask when it is gone.
    facts.keep();
    return facts;
  }

  /** The connection ended by TLS. */
  countFailure(conn: Conn, fault: FaultCode, wasRefused: boolean): void {
    this.#counters.countFailure(conn, fault, wasRefused);
  }
}
