/** TlsCounters: the ssl.* counters of one listener or cluster. */
import type { FaultCode } from '../fault/faults.js';
import { DOWN_TLS_BROKEN, DOWN_TLS_VERIFY, UP_TLS_BROKEN, UP_TLS_VERIFY } from '../fault/faults.js';
import { STAPLE_FAILED, STAPLE_NOT_ASKED, STAPLE_SENT, type TlsSession } from '../io/tls.js';
import type { Conn } from '../io/transport.js';
import { type CLUSTER, TLS_NAMES, type LISTENER } from '../metrics/declare.js';
import type { WorkerMetrics } from '../metrics/slots.js';
import type { Refusal } from './peer-policy.js';

const AT = new Map<string, number>(TLS_NAMES.map((name, at) => [name, at]));
/** Counters by what follows their prefix: a handshake puts no names together. */
const CIPHERS = namesBehind('ssl.ciphers.');
const CURVES = namesBehind('ssl.curves.');
const SIGALGS = namesBehind('ssl.sigalgs.');
const REFUSALS: Readonly<Record<Refusal, string>> = {
  no_cert: 'ssl.fail_verify_no_cert',
  san: 'ssl.fail_verify_san',
  cert_hash: 'ssl.fail_verify_cert_hash',
  key_usage: 'ssl.was_key_usage_invalid',
};
const VERSIONS: Readonly<Record<string, string | undefined>> = {
  'TLSv1.2': 'ssl.versions.TLSv1.2',
  'TLSv1.3': 'ssl.versions.TLSv1.3',
};
const NO_CERTIFICATE = /did not return a certificate|peer did not return/i;

export class TlsCounters {
  readonly #metrics: WorkerMetrics;
  readonly #base: number;

  /** scope: of the declaration; counters: where its block begins, negative = not measured. */
  constructor(metrics: WorkerMetrics, scope: typeof LISTENER | typeof CLUSTER, counters: number) {
    this.#metrics = metrics;
    this.#base = counters + scope.index['ssl.handshake'];
  }

  /** A handshake that succeeded and was accepted. signs: the peer may have signed it; each fact costs a call. */
  countHandshake(tls: TlsSession, asksCertificate: boolean, signs: boolean): void {
    this.#count('ssl.handshake');
    if (tls.isResumed) this.#count('ssl.session_reused');
    if (asksCertificate && tls.peerCertificateDer === null) this.#count('ssl.no_certificate');
    this.#count(VERSIONS[tls.version] ?? 'ssl.versions.other');
    this.#count(CIPHERS.get(tls.cipher) ?? 'ssl.ciphers.other');
    this.#countKnown(CURVES, tls.group);
    if (signs) this.#countKnown(SIGALGS, tls.peerSignature);
  }

  /**
   * A handshake that is accepted whoever the peer is (ACCEPT_UNTRUSTED): what was wrong with the certificate, its chain
   * first. A resumed one was counted when the session began.
   */
  countTolerated(tls: TlsSession, verifiesChain: boolean, refusal: Refusal | null): void {
    if (tls.isResumed) return;
    if (verifiesChain && tls.verifyError !== 0) this.#count('ssl.fail_verify_error');
    else if (refusal !== null) this.countRefusal(refusal);
  }

  /** What became of a client's wish for an OCSP response. */
  countStaple(conn: Conn): void {
    const staple = conn.staple ?? STAPLE_NOT_ASKED;
    if (staple === STAPLE_NOT_ASKED) return;
    this.#count('ssl.ocsp_staple_requests');
    if (staple === STAPLE_SENT) this.#count('ssl.ocsp_staple_responses');
    else this.#count(staple === STAPLE_FAILED ? 'ssl.ocsp_staple_failed' : 'ssl.ocsp_staple_omitted');
  }

  /** Names that are not declared are rare, or not known ('' where the transport does not tell). */
  #countKnown(names: ReadonlyMap<string, string>, name: string): void {
    const counter = names.get(name);
    if (counter !== undefined) this.#count(counter);
  }

  countRefusal(refusal: Refusal): void {
    this.#count(REFUSALS[refusal]);
  }

  /** A handshake that we did not begin. */
  countRefused(): void {
    this.#count('ssl.connection_error');
  }

  /** A connection that ended by TLS; what the policy refused has been counted. */
  countFailure(conn: Conn, fault: FaultCode, wasRefused: boolean): void {
    if (fault === DOWN_TLS_BROKEN || fault === UP_TLS_BROKEN) this.#count('ssl.connection_error');
    else if (wasRefused) return;
    else if (fault === DOWN_TLS_VERIFY || fault === UP_TLS_VERIFY)
      this.#count(NO_CERTIFICATE.test(conn.tlsFailure) ? 'ssl.fail_verify_no_cert' : 'ssl.fail_verify_error');
    else this.#count(NO_CERTIFICATE.test(conn.tlsFailure) ? 'ssl.fail_verify_no_cert' : 'ssl.connection_error');
  }

  #count(name: string): void {
    if (this.#base >= 0) this.#metrics.add(this.#base + (AT.get(name) as number), 1);
  }
}

function namesBehind(prefix: string): ReadonlyMap<string, string> {
  const names = TLS_NAMES.filter((name) => name.startsWith(prefix));
  return new Map(names.map((name) => [name.slice(prefix.length), name]));
}
