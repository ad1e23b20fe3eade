/** Certificate: what policies, logs and headers read of an X.509 certificate, each read once. */
import { createHash, X509Certificate } from 'node:crypto';
import { childrenOf, DER_OCTET_STRING, DER_OID, DER_SEQUENCE, type DerElement, oidText, readDer } from './der.js';

export type AltNameType = 'EMAIL' | 'DNS' | 'URI' | 'IP_ADDRESS' | 'OTHER_NAME';

export interface AltName {
  readonly type: AltNameType;
  /** Of an IP address: its usual text, '' when it has no length of one. */
  readonly value: string;
  /** Of an OTHER_NAME; '' else. */
  readonly oid: string;
}

/** signatureAlgorithm (RFC 3279, 5758). */
const WEAK_SIGNATURES: Readonly<Record<string, string | undefined>> = {
  '1.2.840.113549.1.1.2': 'MD2',
  '1.2.840.113549.1.1.4': 'MD5',
  '1.2.840.113549.1.1.5': 'SHA-1',
  '1.3.14.3.2.29': 'SHA-1',
  '1.2.840.10045.4.1': 'SHA-1',
  '1.2.840.10040.4.3': 'SHA-1',
};
const SUBJECT_ALT_NAME = '2.5.29.17';
const KEY_USAGE = '2.5.29.15';
/** RFC 7633; status_request is the extension of TLS with number 5. */
const TLS_FEATURE = '1.3.6.1.5.5.7.1.24';
const STATUS_REQUEST = 5;
/** [3] of a TBSCertificate (RFC 5280 §4.1). */
const TAG_EXTENSIONS = 0xa3;
/** Context tags of GeneralName (RFC 5280 §4.2.1.6). */
const NAME_TYPES: Readonly<Record<number, AltNameType | undefined>> = {
  160: 'OTHER_NAME',
  129: 'EMAIL',
  130: 'DNS',
  134: 'URI',
  135: 'IP_ADDRESS',
};

export class Certificate {
  readonly der: Uint8Array;
  readonly #x509: X509Certificate;
  #altNames: readonly AltName[] | null = null;
  #subject: string | null = null;
  #issuer: string | null = null;
  #encodedPem: string | null = null;
  #sha256: string | null = null;
  #spkiSha256: string | null = null;

  /** PEM or DER. Throws when it is neither. */
  constructor(bytes: Uint8Array | string) {
    this.#x509 = new X509Certificate(bytes);
    this.der = this.#x509.raw;
  }

  /** RFC 2253 text, the most specific part first: "CN=a,O=b". */
  get subject(): string {
    if (this.#subject === null) this.#subject = rfc2253(this.#x509.subject);
    return this.#subject;
  }
  get issuer(): string {
    if (this.#issuer === null) this.#issuer = rfc2253(this.#x509.issuer);
    return this.#issuer;
  }
  /** Lower-case hex. */
  get serialNumber(): string {
    return this.#x509.serialNumber.toLowerCase();
  }
  /** Lower-case hex of the digest of the whole certificate. */
  get sha256(): string {
    if (this.#sha256 === null) this.#sha256 = createHash('sha256').update(this.der).digest('hex');
    return this.#sha256;
  }
  get sha1(): string {
    return createHash('sha1').update(this.der).digest('hex');
  }
  /** Base64 of the digest of the SubjectPublicKeyInfo as it stands in the certificate. */
  get spkiSha256(): string {
    if (this.#spkiSha256 === null) this.#spkiSha256 = spkiDigest(this.der);
    return this.#spkiSha256;
  }
  /** The digest under its signature when that can be forged: "MD5", "SHA-1"; '' = it can't. */
  get weakDigest(): string {
    const outer = readDer(this.der, 0, this.der.length);
    const algorithm = outer === null ? undefined : childrenOf(this.der, outer)[1];
    const oid = algorithm === undefined ? undefined : childrenOf(this.der, algorithm)[0];
    return oid === undefined ? '' : (WEAK_SIGNATURES[oidText(this.der, oid.from, oid.to)] ?? '');
  }
  /** Epoch milliseconds. */
  get validFromMs(): number {
    return Date.parse(this.#x509.validFrom);
  }
  get expiresMs(): number {
    return Date.parse(this.#x509.validTo);
  }
  /** The PEM text, percent-encoded as a whole (XFCC's Cert). */
  get encodedPem(): string {
    if (this.#encodedPem === null) this.#encodedPem = encodePem(this.#x509.toString());
    return this.#encodedPem;
  }
  get x509(): X509Certificate {
    return this.#x509;
  }
  get altNames(): readonly AltName[] {
    if (this.#altNames === null) this.#altNames = altNamesOf(this.der);
    return this.#altNames;
  }

  /** The issuer's name as it stands in the certificate (DER). */
  get issuerDer(): Uint8Array {
    // serialNumber, signature, issuer
    const issuer = tbsParts(this.der)[2];
    return issuer === undefined ? new Uint8Array(0) : this.der.subarray(issuer.start, issuer.to);
  }
  /** Who sees it is to insist on a stapled response of OCSP (RFC 7633). */
  get isMustStaple(): boolean {
    const value = extensionOf(this.der, TLS_FEATURE);
    const list = value === null ? null : readDer(this.der, value.from, value.to);
    return (
      list !== null &&
      childrenOf(this.der, list).some(({ from, to }) => to - from === 1 && this.der[from] === STATUS_REQUEST)
    );
  }
  get hasRsaKey(): boolean {
    return (this.#x509.publicKey.asymmetricKeyType ?? '').startsWith('rsa');
  }
  /** Its key may sign handshakes: it says so, or says nothing of what its key is for. */
  get allowsSignatures(): boolean {
    const value = extensionOf(this.der, KEY_USAGE);
    const bits = value === null ? null : readDer(this.der, value.from, value.to);
    return bits === null || ((this.der[bits.from + 1] ?? 0) & 0x80) !== 0;
  }

  names(type: AltNameType): string[] {
    return this.altNames.filter((name) => name.type === type).map(({ value }) => value);
  }
}

/** node:crypto writes one part per line with RFC 2253's escapes, the least specific first. */
function rfc2253(name: string | undefined): string {
  if (name === undefined) return '';
  const parts = name.split('\n').filter((part) => part !== '');
  return parts
    .reverse()
    .map((part) => part.replaceAll(' + ', '+').replace(/[^\0-\x7f]+/g, escapeBytes))
    .join(',');
}

function escapeBytes(text: string): string {
  return [...Buffer.from(text)].map((byte) => `\\${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
}

export function encodePem(pem: string): string {
  return encodeURIComponent(pem.endsWith('\n') ? pem : `${pem}\n`);
}

/** Parts of the TBSCertificate, without its version. */
function tbsParts(der: Uint8Array): readonly DerElement[] {
  const certificate = readDer(der, 0, der.length);
  const tbs = certificate === null ? undefined : childrenOf(der, certificate)[0];
  const parts = tbs === undefined ? [] : childrenOf(der, tbs);
  // [0] is the version; it is missing in those of version 1.
  return parts[0]?.tag === 0xa0 ? parts.slice(1) : parts;
}

function spkiDigest(der: Uint8Array): string {
  // serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo
  const spki = tbsParts(der)[5];
  return spki === undefined ? '' : createHash('sha256').update(der.subarray(spki.start, spki.to)).digest('base64');
}

/** The content of an extension's value; null = there is no such extension. */
function extensionOf(der: Uint8Array, wanted: string): DerElement | null {
  const wrapped = tbsParts(der).find(({ tag }) => tag === TAG_EXTENSIONS);
  const list = wrapped === undefined ? undefined : childrenOf(der, wrapped)[0];
  for (const extension of list === undefined ? [] : childrenOf(der, list)) {
    const parts = childrenOf(der, extension);
    const oid = parts[0];
    const value = parts[parts.length - 1];
    if (oid?.tag === DER_OID && oidText(der, oid.from, oid.to) === wanted && value?.tag === DER_OCTET_STRING)
      return value;
  }
  return null;
}

function altNamesOf(der: Uint8Array): AltName[] {
  const value = extensionOf(der, SUBJECT_ALT_NAME);
  const names = value === null ? null : readDer(der, value.from, value.to);
  if (names?.tag !== DER_SEQUENCE) return [];
  return childrenOf(der, names).flatMap((name) => altNameOf(der, name) ?? []);
}

function altNameOf(der: Uint8Array, name: DerElement): AltName | null {
  const type = NAME_TYPES[name.tag];
  if (type === undefined) return null;
  const content = der.subarray(name.from, name.to);
  if (type === 'IP_ADDRESS') return { type, value: ipText(content), oid: '' };
  if (type !== 'OTHER_NAME') return { type, value: Buffer.from(content).toString('latin1'), oid: '' };
  // OtherName: an OID, and [0] around a value; strings are what anybody compares.
  const [oid, wrapped] = childrenOf(der, name);
  const value = wrapped === undefined ? null : readDer(der, wrapped.from, wrapped.to);
  if (oid?.tag !== DER_OID || value === null || value === undefined) return null;
  return {
    type,
    value: Buffer.from(der.subarray(value.from, value.to)).toString('utf8'),
    oid: oidText(der, oid.from, oid.to),
  };
}

function ipText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) return '';
  const groups: string[] = [];
  for (let at = 0; at < 16; at += 2)
    groups.push((((bytes[at] as number) << 8) | (bytes[at + 1] as number)).toString(16));
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}
