/** Validation contexts: what a peer's certificate must be, for OpenSSL and for the policy behind it. */
import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import { REVOCATION_LISTS } from '../io/tls-node.js';
import type { SanMatchRecord } from '../tls/peer-policy.js';
import { CUT, checkStrength, checkTime, isCut, readCertificates } from './compile-certificates.js';
import { readSecret, sourcePath, type TlsCompileContext, watchDirectoryOf } from './compile-secret-bytes.js';
import { type Part, secretOf } from './compile-secrets.js';
import { compileString, fieldOf, fieldsOf, flagOf, textOf } from './compile-values.js';
import type { Value } from './document.js';
import type { Certificate } from '../tls/certificate.js';

export interface Validation {
  readonly trustedCaPem: string | null;
  readonly crlPem: string | null;
  readonly crlForLeafOnly: boolean;
  readonly allowExpired: boolean;
  readonly verifyDepth: number;
  /** ACCEPT_UNTRUSTED: chains, names and pins only count. */
  readonly acceptsUntrusted: boolean;
  readonly sans: readonly SanMatchRecord[];
  readonly spkiPins: readonly string[];
  readonly hashPins: readonly string[];
  /** There is something that a certificate is judged by, or it is said that any is taken. */
  readonly asksCertificate: boolean;
  /** Names or pins are given: nobody without a certificate has them (Envoy). */
  readonly requiresCertificate: boolean;
  readonly authorities: readonly { readonly path: string; readonly certificate: Certificate }[];
}

const NO_VALIDATION: Validation = {
  trustedCaPem: null,
  crlPem: null,
  crlForLeafOnly: false,
  allowExpired: false,
  verifyDepth: -1,
  acceptsUntrusted: false,
  sans: [],
  spkiPins: [],
  hashPins: [],
  asksCertificate: false,
  requiresCertificate: false,
  authorities: [],
};

/** Where distributions keep their bundle. */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** The validation contexts of a common_tls_context; of two, what the named one sets comes first and lists add up. */
function partsOf(context: TlsCompileContext, common: Value): readonly Part[] {
  const own = fieldOf(common, 'validation_context');
  if (own !== undefined) return [{ value: own, context }];
  const combined = fieldOf(common, 'combined_validation_context');
  const sds = fieldOf(combined ?? common, 'validation_context_sds_secret_config');
  const named = sds === undefined ? undefined : secretOf(context, sds, 'validation_context');
  const fallback = combined === undefined ? undefined : fieldOf(combined, 'default_validation_context');
  return [named, fallback === undefined ? undefined : { value: fallback, context }].filter(
    (part) => part !== undefined,
  );
}

export function compileValidation(context: TlsCompileContext, common: Value): Validation {
  const parts = partsOf(context, common);
  if (parts.length === 0) return NO_VALIDATION;
  const within = parts.find((part) => part.context.within !== '')?.context.within ?? '';
  return context.files.ofOneSecret(within, () => readValidation(parts));
}

const WITHOUT_AUTHORITY = 'has no effect without trusted_ca';

/** Of chains, which are not verified without authorities. */
function checkChainLimits({ value, context: { reader } }: Part): void {
  // An authority that could not be read has been complained of.
  if (reader.hasErrors) return;
  if (flagOf(value, 'allow_expired_certificate'))
    reader.report('error', value, 'allow_expired_certificate', WITHOUT_AUTHORITY);
  if (value['max_verify_depth'] !== undefined) reader.report('error', value, 'max_verify_depth', WITHOUT_AUTHORITY);
}

function readValidation(parts: readonly Part[]): Validation {
  const authority = parts.map((part) => trustedCa(part.context, part.value)).find((found) => found !== null) ?? null;
  const first = <T>(read: (value: Value, part: Part) => T | undefined): T | undefined =>
    parts.map((part) => read(part.value, part)).find((found) => found !== undefined);
  const lists = [first((value, part) => readCrl(part.context, value)), authority?.crlPem].filter((each) => each);
  const crl = lists.length === 0 ? undefined : lists.join('\n');
  const pins = (field: string): string[] => parts.flatMap(({ value }) => (value[field] as string[] | undefined) ?? []);
  const sans = parts.flatMap((part) => compileSans(part.context, part.value));
  for (const part of parts) {
    checkPins(part.context, part.value);
    watchDirectoryOf(part.context, part.value);
  }
  const trust = first((value) => value['trust_chain_verification'] as string | undefined);
  const spkiPins = pins('verify_certificate_spki');
  const hashPins = pins('verify_certificate_hash').map((pin) => pin.replaceAll(':', '').toLowerCase());
  const { value: where, context: whose } = parts[0] as Part;
  const crlForLeafOnly = parts.some(({ value }) => flagOf(value, 'only_verify_leaf_cert_crl'));
  if (authority === null && sans.length > 0)
    whose.reader.report(
      'error',
      where,
      where['match_typed_subject_alt_names'] === undefined
        ? 'match_subject_alt_names'
        : 'match_typed_subject_alt_names',
      'without trusted_ca anybody can have such a name: add trusted_ca',
    );
  if (authority === null && crl !== undefined) whose.reader.report('error', where, 'crl', WITHOUT_AUTHORITY);
  if (authority === null) for (const part of parts) checkChainLimits(part);
  if (crlForLeafOnly && crl === undefined)
    whose.reader.report('error', where, 'only_verify_leaf_cert_crl', 'has no effect without crl');
  return {
    trustedCaPem: authority?.pem ?? null,
    crlPem: crl ?? null,
    crlForLeafOnly,
    allowExpired: parts.some(({ value }) => flagOf(value, 'allow_expired_certificate')),
    verifyDepth: depthOf(first((value) => value['max_verify_depth'] as number | undefined)),
    acceptsUntrusted: trust === 'ACCEPT_UNTRUSTED',
    sans,
    spkiPins,
    hashPins,
    asksCertificate: authority !== null || spkiPins.length + hashPins.length > 0 || trust === 'ACCEPT_UNTRUSTED',
    requiresCertificate: sans.length + spkiPins.length + hashPins.length > 0 && trust !== 'ACCEPT_UNTRUSTED',
    authorities: authority?.certificates.map((certificate) => ({ path: authority.path, certificate })) ?? [],
  };
}

/** Envoy counts the trust anchor, OpenSSL has counted the certificates between it and the leaf since 1.1. */
function depthOf(written: number | undefined): number {
  return written === undefined ? -1 : Math.max(0, written - 1);
}

interface Authority {
  readonly pem: string;
  /** Revocation lists that stand in the same file: they count too (Envoy). */
  readonly crlPem?: string;
  readonly path: string;
  readonly certificates: readonly Certificate[];
}

function trustedCa(context: TlsCompileContext, part: Value): Authority | null {
  if (fieldOf(part, 'system_root_certs') !== undefined) return systemRoots();
  const bytes = readSecret(context, part, 'trusted_ca');
  if (bytes === null) return null;
  const certificates = readCertificates(context, part, 'trusted_ca', bytes);
  if (certificates === null) return null;
  for (const certificate of certificates) {
    checkStrength(context.reader, part, 'trusted_ca', certificate, false);
    checkTime(context, part, 'trusted_ca', certificate);
  }
  const pem = bytes.toString('latin1');
  return {
    pem,
    crlPem: (pem.match(REVOCATION_LISTS) ?? []).join('\n'),
    path: sourcePath(part, 'trusted_ca'),
    certificates,
  };
}

/** Node.js's own list where the system has none. */
function systemRoots(): Authority {
  for (const path of SYSTEM_BUNDLES)
    try {
      return { pem: readFileSync(path, 'latin1'), path, certificates: [] };
    } catch {
      // The next distribution's.
    }
  return { pem: rootCertificates.join('\n'), path: '<node>', certificates: [] };
}

function readCrl(context: TlsCompileContext, part: Value): string | undefined {
  const text = readSecret(context, part, 'crl')?.toString('latin1');
  if (text !== undefined && isCut(text))
    context.reader.report('error', part, 'crl', `is not a PEM file of revocation lists: ${CUT}`);
  else if (text !== undefined && !text.includes('-----BEGIN X509 CRL-----'))
    context.reader.report(
      'error',
      part,
      'crl',
      'is not a revocation list in PEM: there is no "-----BEGIN X509 CRL-----" in it',
    );
  return text;
}

/** match_subject_alt_names is the old field: any type of name. */
function compileSans(context: TlsCompileContext, part: Value): SanMatchRecord[] {
  const { reader } = context;
  const typed = fieldsOf(part, 'match_typed_subject_alt_names').map((each) => {
    const type = textOf(each, 'san_type') as SanMatchRecord['type'];
    const oid = textOf(each, 'oid');
    if ((type === 'OTHER_NAME') !== (oid !== ''))
      reader.report('error', each, oid === '' ? 'san_type' : 'oid', 'OTHER_NAME has an oid, and nothing else has');
    return { type, oid, match: compileString(reader, fieldOf(each, 'matcher') ?? {}) };
  });
  const any = fieldsOf(part, 'match_subject_alt_names').flatMap((each) => {
    const match = compileString(reader, each);
    return (['DNS', 'URI', 'EMAIL', 'IP_ADDRESS'] as const).map((type) => ({ type, oid: '', match }));
  });
  return [...typed, ...any];
}

function checkPins(context: TlsCompileContext, part: Value): void {
  const { reader } = context;
  for (const [field, pattern, what] of [
    ['verify_certificate_spki', /^[A-Za-z0-9+/]{43}=$/, 'the SHA-256 of a public key in base64: 44 characters'],
    ['verify_certificate_hash', /^([0-9a-f]{2}:?){31}[0-9a-f]{2}$/i, 'the SHA-256 of a certificate in hex: 64 digits'],
  ] as const)
    ((part[field] as string[] | undefined) ?? []).forEach((pin, at) => {
      if (!pattern.test(pin)) reader.report('error', part, `${field}[${at}]`, `must be ${what}`);
    });
}
