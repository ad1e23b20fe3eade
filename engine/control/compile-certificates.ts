/** Certificates with their keys: read, checked, and put into contexts by the names that they are for. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { createSecureContext, TLSSocket } from 'node:tls';
import type { TlsCertificate } from '../io/tls.js';
import { Certificate } from '../tls/certificate.js';
import type { OcspResponse } from '../tls/ocsp-response.js';
import {
  readSecret,
  sourcePath,
  type TlsCompileContext,
  textOfError,
  watchDirectoryOf,
} from './compile-secret-bytes.js';
import { compileStaple, type StaplePolicy } from './compile-staple.js';
import type { DocumentReader, Value } from './document.js';

export interface LoadedCertificate {
  readonly pair: TlsCertificate;
  readonly leaf: Certificate;
  readonly path: string;
  /** OpenSSL keeps one certificate of each in a context. */
  readonly keyType: string;
  readonly staple: OcspResponse | null;
}

const RSA_MIN_BITS = 2048;
const CURVES = ['prime256v1', 'secp384r1', 'secp521r1'];
const DAY_MS = 86400000;
export const EXPIRY_WARNING_DAYS = 30;
const PEM = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[\s\S]*?-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;

export const CUT = 'one of its blocks has no end';

/** A file that is still being written: what is missing at its end must not go from what is trusted or revoked. */
export function isCut(pem: string): boolean {
  return pem.split('-----BEGIN ').length !== pem.split(/-----END [A-Z0-9 ]+-----/).length;
}

/** The certificates of a PEM text; null and a problem when one can't be read or there is none. */
export function readCertificates(
  context: TlsCompileContext,
  value: Value,
  field: string,
  bytes: Buffer,
): readonly Certificate[] | null {
  const whole = bytes.toString('latin1');
  const texts = whole.match(PEM) ?? [];
  try {
    if (isCut(whole)) throw new Error(CUT);
    if (texts.length === 0) throw new Error('there is no "-----BEGIN CERTIFICATE-----" in it');
    return texts.map((text) => new Certificate(text));
  } catch (error) {
    const { reader } = context;
    reader.report('error', value, field, `is not a PEM file of certificates: ${textOfError(error)}`);
    return null;
  }
}

interface Read {
  readonly certificates: readonly Certificate[];
  readonly leaf: Certificate;
  readonly keyType: string;
  readonly pair: Pick<TlsCertificate, 'chainPem' | 'keyPem' | 'pkcs12'>;
}

/** Null when it can't be used; the problem is reported. */
export function compileCertificate(
  context: TlsCompileContext,
  value: Value,
  policy: StaplePolicy,
): LoadedCertificate | null {
  return context.files.ofOneSecret(context.within, () => readCertificate(context, value, policy));
}

function readCertificate(context: TlsCompileContext, value: Value, policy: StaplePolicy): LoadedCertificate | null {
  const { reader } = context;
  watchDirectoryOf(context, value);
  const password = readSecret(context, value, 'password')?.toString('utf8') ?? null;
  const source = value['pkcs12'] === undefined ? 'certificate_chain' : 'pkcs12';
  const read = source === 'pkcs12' ? readPkcs12(context, value, password) : readPair(context, value, password);
  if (read === null) return null;
  const { certificates, leaf, keyType } = read;
  for (const each of certificates) {
    checkStrength(reader, value, source, each, each === leaf);
    checkTime(context, value, source, each);
  }
  const { response, ...staple } = compileStaple(context, value, leaf, policy);
  return {
    pair: { ...read.pair, password, ...staple },
    leaf,
    path: sourcePath(value, source),
    keyType,
    staple: response,
  };
}

function readPair(context: TlsCompileContext, value: Value, password: string | null): Read | null {
  const { reader } = context;
  for (const field of ['certificate_chain', 'private_key'])
    if (value[field] === undefined && !reader.isMissing(`${reader.pathOf(value)}.${field}`))
      reader.report('error', value, '', `${field} is required in TlsCertificate, or pkcs12 in the place of both`);
  const chain = readSecret(context, value, 'certificate_chain');
  const key = readSecret(context, value, 'private_key');
  if (chain === null || key === null) return null;
  const certificates = readCertificates(context, value, 'certificate_chain', chain);
  const leaf = certificates?.[0];
  if (certificates === null || leaf === undefined) return null;
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey({ key, ...(password === null ? {} : { passphrase: password }) });
  } catch (error) {
    const hint =
      password === null && /BEGIN ENCRYPTED|ENCRYPTED$/m.test(key.toString('latin1')) ? '; it needs a password' : '';
    reader.report('error', value, 'private_key', `is not a private key in PEM: ${textOfError(error)}${hint}`);
    return null;
  }
  if (!leaf.x509.checkPrivateKey(privateKey)) {
    reader.report(
      'error',
      value,
      'private_key',
      `does not belong to the certificate of ${leaf.subject || 'the chain'}`,
    );
    return null;
  }
  const pair = { chainPem: chain.toString('latin1'), keyPem: key.toString('latin1'), pkcs12: null };
  return { certificates, leaf, keyType: privateKey.asymmetricKeyType ?? '', pair };
}

/** Node.js reads such files for its own contexts alone: it is asked what one of them shows. */
function readPkcs12(context: TlsCompileContext, value: Value, password: string | null): Read | null {
  const { reader } = context;
  for (const field of ['certificate_chain', 'private_key'])
    if (value[field] !== undefined)
      reader.report('error', value, field, 'is in pkcs12 already: only one of them can be set');
  const pfx = readSecret(context, value, 'pkcs12');
  if (pfx === null) return null;
  try {
    const secureContext = createSecureContext({ pfx, ...(password === null ? {} : { passphrase: password }) });
    const shown = new TLSSocket(new PassThrough(), { isServer: true, secureContext }).getX509Certificate();
    if (shown === undefined) throw new Error('there is no certificate in it');
    const leaf = new Certificate(shown.raw);
    const keyType = shown.publicKey.asymmetricKeyType ?? '';
    return {
      certificates: [leaf],
      leaf,
      keyType,
      pair: { chainPem: shown.toString(), keyPem: '', pkcs12: Uint8Array.from(pfx) },
    };
  } catch (error) {
    const text = textOfError(error);
    const hint = /unsupported/i.test(text)
      ? '; what was made with -legacy is encrypted with RC2 or 3DES: export it anew'
      : '';
    const lock = password === null ? '; it may need a password' : '';
    reader.report('error', value, 'pkcs12', `is not a PKCS #12 file that can be read: ${text}${hint || lock}`);
    return null;
  }
}

/** isLeaf: a root's own signature is never looked at. */
export function checkStrength(
  reader: DocumentReader,
  value: Value,
  field: string,
  certificate: Certificate,
  isLeaf: boolean,
): void {
  const key = certificate.x509.publicKey;
  const { modulusLength = 0, namedCurve = '' } = key.asymmetricKeyDetails ?? {};
  const who = `the certificate of ${certificate.subject || 'nobody'}`;
  if ((key.asymmetricKeyType ?? '').startsWith('rsa') && modulusLength < RSA_MIN_BITS)
    reader.report(
      'error',
      value,
      field,
      `${who} has an RSA key of ${modulusLength} bits; at least ${RSA_MIN_BITS} are needed`,
    );
  if (key.asymmetricKeyType === 'ec' && !CURVES.includes(namedCurve))
    reader.report('error', value, field, `${who} has a key on ${namedCurve}; P-256, P-384 and P-521 are supported`);
  const weak = certificate.weakDigest;
  if (weak !== '' && (isLeaf || certificate.subject !== certificate.issuer))
    reader.report('error', value, field, `${who} is signed over ${weak}, which can be forged`);
}

export function checkTime(context: TlsCompileContext, value: Value, field: string, certificate: Certificate): void {
  const { reader, wallMs } = context;
  const who = `the certificate of ${certificate.subject || 'nobody'}`;
  const days = Math.floor((certificate.expiresMs - wallMs) / DAY_MS);
  const until = new Date(certificate.expiresMs).toISOString();
  if (certificate.expiresMs < wallMs) reader.report('warning', value, field, `${who} has expired: ${until}`);
  else if (days <= EXPIRY_WARNING_DAYS)
    reader.report('warning', value, field, `${who} expires in ${days} days: ${until}`);
  if (certificate.validFromMs > wallMs)
    reader.report(
      'warning',
      value,
      field,
      `${who} is not valid before ${new Date(certificate.validFromMs).toISOString()}`,
    );
}

// ---- contexts by name ---------------------------------------------------------------------------------------

export interface CertificateSets {
  /** Certificates of different key types that go into one context. */
  readonly sets: readonly (readonly TlsCertificate[])[];
  readonly names: readonly (readonly [name: string, set: number])[];
  readonly unnamed: number;
  readonly mismatched: number;
}

/** Envoy's choice: exact name, wildcard, else the first one; without SNI, or when scansAll, the first of each key type. */
export function groupByName(loaded: readonly LoadedCertificate[], scansAll: boolean): CertificateSets {
  const keys: string[] = [];
  const setOf = (indexes: readonly number[]): number => {
    const seen = new Set<string>();
    const kept = indexes.filter((index) => {
      const { keyType } = loaded[index] as LoadedCertificate;
      return seen.has(keyType) ? false : seen.add(keyType) !== undefined;
    });
    const key = kept.join();
    if (!keys.includes(key)) keys.push(key);
    return keys.indexOf(key);
  };
  const unnamed = setOf(loaded.map((_, index) => index));
  const byName = new Map<string, number[]>();
  loaded.forEach(({ leaf }, index) => {
    for (const name of namesOf(leaf)) byName.set(name, [...(byName.get(name) ?? []), index]);
  });
  // Where the exact name's certificates are none for a client, the wildcard's may be (Envoy); RSA is for every client.
  const isForAll = (indexes: readonly number[]): boolean =>
    indexes.some((index) => loaded[index]?.keyType.startsWith('rsa') === true);
  const names = [...byName].map(([name, indexes]) => {
    const isEnough = name.startsWith('*.') || isForAll(indexes);
    const wildcard = isEnough ? [] : (byName.get(`*${name.slice(name.indexOf('.'))}`) ?? []);
    return [name, setOf([...indexes, ...wildcard])] as const;
  });
  // One set for all names is one for the others too: nothing needs to be known of a client then.
  const mismatched = scansAll || keys.length === 1 ? unnamed : setOf([0]);
  const sets = keys.map((key) => key.split(',').map((index) => (loaded[Number(index)] as LoadedCertificate).pair));
  return { sets, names, unnamed, mismatched };
}

function namesOf(leaf: Certificate): string[] {
  const names = leaf.names('DNS');
  const common = /(?:^|,)CN=([^,+\\]+)/.exec(leaf.subject)?.[1];
  // RFC 6125 §6.4.4: a certificate that has names has them all there.
  return (leaf.altNames.length > 0 || common === undefined ? names : [common]).map((name) => name.toLowerCase());
}
