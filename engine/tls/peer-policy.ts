/** PeerPolicy: which certificates are accepted beyond a chain that verifies: subject alternative names and pins. */
import { isIP } from 'node:net';
import { RE2JS } from 're2js';
import { type AltName, type AltNameType, Certificate } from './certificate.js';

/** Of Envoy's StringMatcher. */
export type SanMatch =
  | { readonly kind: 'exact' | 'prefix' | 'suffix' | 'contains'; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: 'safe_regex'; readonly value: string };

export interface SanMatchRecord {
  readonly type: AltNameType;
  /** Of OTHER_NAME. */
  readonly oid: string;
  readonly match: SanMatch;
}

export interface PeerPolicyRecord {
  /** One of them must match one of the certificate's names; empty = any. */
  readonly sans: readonly SanMatchRecord[];
  /** Base64 of SHA-256 of the public key's info; lower-case hex of SHA-256 of the certificate. One of all must match. */
  readonly spkiPins: readonly string[];
  readonly hashPins: readonly string[];
  /** An RSA key that says what it is for must be for signatures (UpstreamTlsContext.enforce_rsa_key_usage). */
  readonly enforcesRsaKeyUsage: boolean;
  /** Names and pins that do not match are only counted, as chains that do not verify are (ACCEPT_UNTRUSTED). */
  readonly acceptsUntrusted: boolean;
}

export const ANY_PEER: PeerPolicyRecord = {
  sans: [],
  spkiPins: [],
  hashPins: [],
  enforcesRsaKeyUsage: false,
  acceptsUntrusted: false,
};

/** What a refusal is counted under: ssl.fail_verify_*, and ssl.was_key_usage_invalid. */
export type Refusal = 'no_cert' | 'san' | 'cert_hash' | 'key_usage';

/** Certificates remembered: peers come again and again with the same ones. */
const REMEMBERED_MAX = 1024;

interface SanTest {
  readonly record: SanMatchRecord;
  readonly matches: (value: string) => boolean;
}

export class PeerPolicy {
  readonly #record: PeerPolicyRecord;
  readonly #sans: readonly SanTest[];
  readonly isEmpty: boolean;
  /** Outcome by the certificate's digest and the name that it was asked to have. */
  readonly #known = new Map<string, Refusal | null>();

  constructor(record: PeerPolicyRecord) {
    this.#record = record;
    this.#sans = record.sans.map((each) => ({ record: each, matches: matcher(each.match) }));
    const { sans, spkiPins, hashPins, enforcesRsaKeyUsage } = record;
    this.isEmpty = sans.length + spkiPins.length + hashPins.length === 0 && !enforcesRsaKeyUsage;
  }

  /** Is a refusal only counted? */
  tolerates(refusal: Refusal): boolean {
    return this.#record.acceptsUntrusted && refusal !== 'key_usage';
  }

  /** Null = accepted. certificate: null when the peer sent none. name: that it must have besides, '' = none. */
  judge(certificate: Certificate | null, name: string): Refusal | null {
    if (this.isEmpty && name === '') return null;
    if (certificate === null) return 'no_cert';
    const key = `${certificate.sha256} ${name}`;
    let outcome = this.#known.get(key);
    if (outcome === undefined) {
      outcome = this.#decide(certificate, name);
      if (this.#known.size >= REMEMBERED_MAX) this.#known.clear();
      this.#known.set(key, outcome);
    }
    return outcome;
  }

  #decide(certificate: Certificate, name: string): Refusal | null {
    const { spkiPins, hashPins, enforcesRsaKeyUsage } = this.#record;
    if (enforcesRsaKeyUsage && certificate.hasRsaKey && !certificate.allowsSignatures) return 'key_usage';
    const isPinned =
      spkiPins.length + hashPins.length === 0 ||
      hashPins.includes(certificate.sha256) ||
      (spkiPins.length > 0 && spkiPins.includes(certificate.spkiSha256));
    if (!isPinned) return 'cert_hash';
    // Instead of the names that are configured (Envoy's auto_sni_san_validation).
    if (name !== '') return hasName(certificate, name) ? null : 'san';
    if (this.#sans.length === 0) return null;
    return certificate.altNames.some((altName) => this.#sans.some((san) => isMatch(san, altName))) ? null : 'san';
  }
}

function isMatch({ record, matches }: SanTest, name: AltName): boolean {
  if (record.type !== name.type || (record.type === 'OTHER_NAME' && record.oid !== name.oid)) return false;
  // An exact DNS name is matched as a host name is: the certificate's may have a wildcard (Envoy).
  if (record.type === 'DNS' && record.match.kind === 'exact') return isDnsMatch(name.value, record.match.value);
  return matches(name.value);
}

function matcher(match: SanMatch): (value: string) => boolean {
  if (match.kind === 'safe_regex') {
    const regex = RE2JS.compile(match.value);
    return (value) => regex.matches(value);
  }
  const fold = (text: string): string => (match.ignoreCase ? text.toLowerCase() : text);
  const wanted = fold(match.value);
  if (match.kind === 'exact') return (value) => fold(value) === wanted;
  if (match.kind === 'prefix') return (value) => fold(value).startsWith(wanted);
  if (match.kind === 'suffix') return (value) => fold(value).endsWith(wanted);
  return (value) => fold(value).includes(wanted);
}

/** RFC 9525 §6.3: the wildcard is the whole first label of the certificate's name, and stands for one label. */
export function isDnsMatch(pattern: string, name: string): boolean {
  const presented = pattern.toLowerCase();
  const wanted = name.toLowerCase();
  if (presented === wanted) return true;
  if (!presented.startsWith('*.') || presented.indexOf('.', 2) < 0) return false;
  const dot = wanted.indexOf('.');
  return dot > 0 && wanted.slice(dot) === presented.slice(1);
}

function hasName(certificate: Certificate, name: string): boolean {
  if (isIP(name) !== 0) return certificate.names('IP_ADDRESS').includes(ipForm(name));
  return certificate.names('DNS').some((pattern) => isDnsMatch(pattern, name));
}

/** The usual text of an address, as certificates are read. */
function ipForm(host: string): string {
  return isIP(host) === 6 ? new URL(`http://[${host}]`).hostname.slice(1, -1) : host;
}

/** Parses peers' certificates, and remembers the last ones. */
export class CertificateCache {
  readonly #known = new Map<string, Certificate>();

  /** Null when it is no certificate. */
  of(der: Uint8Array | null): Certificate | null {
    if (der === null) return null;
    const key = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('latin1');
    let certificate = this.#known.get(key);
    if (certificate === undefined) {
      try {
        certificate = new Certificate(Uint8Array.from(der));
      } catch {
        return null;
      }
      if (this.#known.size >= REMEMBERED_MAX) this.#known.clear();
      this.#known.set(key, certificate);
    }
    return certificate;
  }
}
