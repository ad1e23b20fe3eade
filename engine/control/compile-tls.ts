/** Transport sockets of TLS to their records: contexts for OpenSSL, names, policies, ticket keys. */
import { createHash } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { TLS_1_2, TLS_1_3, type TlsCertificate, type TlsContextOptions } from '../io/tls.js';
import { revocationLists, secureContextKeys } from '../io/tls-node.js';
import type { CertificateRecord, DownstreamTlsRecord, UpstreamTlsRecord } from '../plan/tls-records.js';
import type { Certificate } from '../tls/certificate.js';
import type { TlsContextRecord } from '../tls/contexts.js';
import type { PeerPolicyRecord } from '../tls/peer-policy.js';
import { compileCertificate, groupByName, type LoadedCertificate } from './compile-certificates.js';
import { readSecret, type TlsCompileContext, textOfError } from './compile-secret-bytes.js';
import { type StaplePolicy, staplePolicyOf } from './compile-staple.js';
import { type Part, secretOf } from './compile-secrets.js';
import { compileValidation, type Validation } from './compile-validation.js';
import { fieldOf, fieldsOf, flagOf, numberOf, textOf } from './compile-values.js';
import type { DocumentReader, Value } from './document.js';
import { cipherList, groupList, type Listed, signatureList } from './tls-parameters.js';

/** What a listener's or cluster's TLS is compiled with. */
export interface TlsSocketContext extends TlsCompileContext {
  readonly scope: CertificateRecord['scope'];
  /** Filled with what is in use. */
  readonly certificates: CertificateRecord[];
}

type Parameters = Pick<
  TlsContextOptions,
  'minVersion' | 'maxVersion' | 'ciphers' | 'ciphersuites' | 'groups' | 'signatureAlgorithms' | 'alpn'
>;

type Verification = Pick<
  TlsContextOptions,
  | 'trustedCaPem'
  | 'crlPem'
  | 'crlForLeafOnly'
  | 'verify'
  | 'acceptUntrusted'
  | 'allowExpired'
  | 'judgesPeers'
  | 'verifyDepth'
>;

/** BoringSSL's. */
const SESSION_TIMEOUT_MS = 7200000;
/** Of TLS 1.3, in BoringSSL's order: with 128 bits first, the least work of those that nobody breaks. */
const CIPHERSUITES = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256';
const TICKET_KEY_BYTES = 80;
const VERSIONS: Readonly<Record<string, number | undefined>> = { TLSv1_2: TLS_1_2, TLSv1_3: TLS_1_3 };

/** The typed message of a transport socket when it is of TLS. */
export function tlsSocketOf(value: Value): Value | null {
  const typed = fieldOf(fieldOf(value, 'transport_socket') ?? {}, 'typed_config');
  return typed !== undefined && String(typed['@type']).endsWith('TlsContext') ? typed : null;
}

export function compileDownstreamTls(context: TlsSocketContext, tls: Value): DownstreamTlsRecord {
  const { reader } = context;
  const errorsBefore = errorCount(reader);
  const common = fieldOf(tls, 'common_tls_context') ?? {};
  const loaded = certificatesOf(context, common, staplePolicyOf(tls));
  if (loaded.length === 0 && !lacksCertificates(context, common))
    reader.report('error', tls, 'common_tls_context', 'a server needs a certificate: add tls_certificates');
  const validation = compileValidation(context, common);
  note(context, loaded, validation);
  const requires = flagOf(tls, 'require_client_certificate') || validation.requiresCertificate;
  // Where a field could not be read, that has been said.
  if (requires && !validation.asksCertificate && errorCount(reader) === errorsBefore)
    reader.report(
      'error',
      tls,
      'require_client_certificate',
      'there is nothing that certificates are verified by: add validation_context with trusted_ca or pins',
    );
  const ticketKeys = compileTicketKeys(context, tls);
  const options = {
    role: 'server',
    ...verification(validation, requires, !isAnyPeer(validation)),
    ...compileParameters(context, common),
    preferServerCiphers: !flagOf(tls, 'prefer_client_ciphers'),
    sessionTickets: !flagOf(tls, 'disable_stateless_session_resumption'),
    sessionCache: !flagOf(tls, 'disable_stateful_session_resumption'),
    sessionTimeoutS: Math.round(numberOf(tls, 'session_timeout', SESSION_TIMEOUT_MS) / 1000),
    maxSessionKeys: 0,
  } as const;
  const { sets, names, unnamed, mismatched } = groupByName(loaded, flagOf(tls, 'full_scan_certs_on_sni_mismatch'));
  return {
    contexts: sets.map((certificates) =>
      contextRecord(context, tls, { ...options, certificates }, ticketKeys, errorsBefore),
    ),
    names,
    unnamed,
    mismatched,
    requiresCertificate: requires,
    requiresName: flagOf(tls, 'require_sni'),
    policy: { ...policyOf(validation), enforcesRsaKeyUsage: false },
  };
}

/** names: upstream_http_protocol_options of the cluster. */
export function compileUpstreamTls(context: TlsSocketContext, tls: Value, names: Value): UpstreamTlsRecord {
  const { reader } = context;
  const errorsBefore = errorCount(reader);
  const common = fieldOf(tls, 'common_tls_context') ?? {};
  const loaded = certificatesOf(context, common, '');
  const pairs: TlsCertificate[] = loaded.map(({ pair }) => pair);
  if (pairs.length > 1)
    reader.report('error', common, 'tls_certificates', 'a client has one certificate: nothing chooses among several');
  const validation = compileValidation(context, common);
  note(context, loaded, validation);
  const verifiesSni = flagOf(tls, 'auto_sni_san_validation');
  const enforcesRsaKeyUsage = flagOf(tls, 'enforce_rsa_key_usage');
  if (verifiesSni && validation.trustedCaPem === null)
    reader.report(
      'error',
      tls,
      'auto_sni_san_validation',
      'without trusted_ca anybody can have such a name: add trusted_ca',
    );
  if (flagOf(names, 'auto_san_validation') && validation.trustedCaPem === null)
    reader.report(
      'error',
      names,
      'auto_san_validation',
      'without trusted_ca anybody can have such a name: add trusted_ca',
    );
  const options: TlsContextOptions = {
    role: 'client',
    certificates: pairs.slice(0, 1),
    ...verification(
      validation,
      validation.asksCertificate,
      enforcesRsaKeyUsage || verifiesSni || flagOf(names, 'auto_san_validation') || !isAnyPeer(validation),
    ),
    ...compileParameters(context, common),
    preferServerCiphers: false,
    sessionTickets: true,
    sessionCache: false,
    sessionTimeoutS: SESSION_TIMEOUT_MS / 1000,
    maxSessionKeys: numberOf(tls, 'max_session_keys', 1),
  };
  return {
    context: contextRecord(context, tls, options, null, errorsBefore),
    sni: textOf(tls, 'sni'),
    usesHostnameAsSni: flagOf(tls, 'auto_host_sni'),
    verifiesSni,
    usesRequestHost: flagOf(names, 'auto_sni'),
    hostHeader: hostHeaderOf(reader, names),
    verifiesRequestHost: flagOf(names, 'auto_san_validation'),
    policy: { ...policyOf(validation), enforcesRsaKeyUsage },
  };
}

function hostHeaderOf(reader: DocumentReader, names: Value): string {
  const field = 'override_auto_sni_header';
  const name = textOf(names, field).toLowerCase();
  if (name !== '' && !flagOf(names, 'auto_sni') && !flagOf(names, 'auto_san_validation'))
    reader.report('error', names, field, 'has no effect without auto_sni or auto_san_validation');
  return name === ':authority' || name === 'host' ? '' : name;
}

function policyOf(validation: Validation): Omit<PeerPolicyRecord, 'enforcesRsaKeyUsage'> {
  const { sans, spkiPins, hashPins, acceptsUntrusted } = validation;
  return { sans, spkiPins, hashPins, acceptsUntrusted };
}

function isAnyPeer({ sans, spkiPins, hashPins }: Validation): boolean {
  return sans.length + spkiPins.length + hashPins.length === 0;
}

function verification(validation: Validation, requires: boolean, judgesPeers: boolean): Verification {
  const { trustedCaPem, crlPem, crlForLeafOnly, acceptsUntrusted, allowExpired, verifyDepth } = validation;
  const verify = requires ? 'require' : validation.asksCertificate ? 'optional' : 'none';
  return {
    trustedCaPem,
    crlPem,
    crlForLeafOnly,
    verify,
    // Without an authority there are pins alone, which the policy sees to.
    acceptUntrusted: (acceptsUntrusted || trustedCaPem === null) && verify !== 'none',
    allowExpired,
    judgesPeers,
    verifyDepth,
  };
}

function certificatesOf(context: TlsCompileContext, common: Value, policy: StaplePolicy): LoadedCertificate[] {
  const named = fieldsOf(common, 'tls_certificate_sds_secret_configs').map((config) =>
    secretOf(context, config, 'tls_certificate'),
  );
  const own = fieldsOf(common, 'tls_certificates').map((value): Part => ({ value, context }));
  return [...own, ...named.filter((each) => each !== undefined)]
    .map((each) => compileCertificate(each.context, each.value, policy))
    .filter((each) => each !== null);
}

/** They are written, and what is wrong with them has been said. */
function lacksCertificates({ reader }: TlsCompileContext, common: Value): boolean {
  return (
    fieldsOf(common, 'tls_certificates').length + fieldsOf(common, 'tls_certificate_sds_secret_configs').length > 0 ||
    reader.lacks(/tls_certificate|common_tls_context/)
  );
}

function compileParameters(context: TlsCompileContext, common: Value): Parameters {
  const { reader } = context;
  const parameters = fieldOf(common, 'tls_params') ?? {};
  const list = (field: string, read: (written: readonly string[]) => Listed): string => {
    const { text, problems } = read((parameters[field] as string[] | undefined) ?? []);
    for (const [at, problem] of problems) reader.report('error', parameters, `${field}[${at}]`, problem);
    return text;
  };
  const minVersion = VERSIONS[textOf(parameters, 'tls_minimum_protocol_version')] ?? TLS_1_2;
  const maxVersion = VERSIONS[textOf(parameters, 'tls_maximum_protocol_version')] ?? TLS_1_3;
  if (minVersion > maxVersion)
    reader.report('error', parameters, 'tls_minimum_protocol_version', 'is above tls_maximum_protocol_version');
  if (minVersion === TLS_1_3 && parameters['cipher_suites'] !== undefined)
    reader.report('warning', parameters, 'cipher_suites', 'has no effect here: it is for TLS 1.2, which is not spoken');
  // Envoy's documentation writes "h2,http/1.1".
  const alpn = ((common['alpn_protocols'] as string[] | undefined) ?? []).flatMap((written, at) => {
    const names = written.split(',');
    if (names.some((name) => name === '' || Buffer.byteLength(name) > 255))
      reader.report('error', common, `alpn_protocols[${at}]`, 'a protocol name has 1 to 255 bytes');
    return names;
  });
  return {
    minVersion,
    maxVersion,
    ciphers: list('cipher_suites', cipherList),
    ciphersuites: CIPHERSUITES,
    groups: list('ecdh_curves', groupList),
    signatureAlgorithms: list('signature_algorithms', signatureList),
    alpn,
  };
}

/** Null: main makes them. */
function compileTicketKeys(context: TlsCompileContext, tls: Value): Uint8Array | null {
  const sds = fieldOf(tls, 'session_ticket_keys_sds_secret_config');
  const own = fieldOf(tls, 'session_ticket_keys');
  const part = sds === undefined ? own && { value: own, context } : secretOf(context, sds, 'session_ticket_keys');
  if (part === undefined) return null;
  const { value: keys } = part;
  const parts = fieldsOf(keys, 'keys').map((source, at) => {
    const { files, within } = part.context;
    const bytes = files.ofOneSecret(within, () => readSecret(part.context, { key: source }, 'key'));
    if (bytes !== null && bytes.length !== TICKET_KEY_BYTES)
      part.context.reader.report(
        'error',
        keys,
        `keys[${at}]`,
        `a ticket key has ${TICKET_KEY_BYTES} bytes, not ${bytes.length}: openssl rand ${TICKET_KEY_BYTES}`,
      );
    return bytes ?? Buffer.alloc(0);
  });
  return Uint8Array.from(Buffer.concat(parts));
}

/** OpenSSL is asked here too, so that what it refuses has a place in the config. */
function contextRecord(
  { reader }: TlsCompileContext,
  tls: Value,
  options: TlsContextOptions,
  ticketKeys: Uint8Array | null,
  errorsBefore: number,
): TlsContextRecord {
  const { certificates, ciphers, groups, signatureAlgorithms, trustedCaPem, crlPem } = options;
  try {
    createSecureContext({
      ...secureContextKeys(certificates),
      ciphers,
      ecdhCurve: groups,
      ...(signatureAlgorithms === '' ? {} : { sigalgs: signatureAlgorithms }),
      ...(trustedCaPem === null ? {} : { ca: trustedCaPem }),
      ...(crlPem === null ? {} : { crl: revocationLists(crlPem) }),
    });
  } catch (error) {
    // What follows from a mistake that was reported is no news.
    if (errorCount(reader) === errorsBefore)
      reader.report('error', tls, 'common_tls_context', `OpenSSL refuses it: ${textOfError(error)}`);
  }
  const key = createHash('sha256')
    .update(JSON.stringify(options))
    .update(ticketKeys ?? '')
    .digest('hex');
  return { key, options, ticketKeys };
}

function errorCount({ problems }: DocumentReader): number {
  return problems.filter(({ severity }) => severity === 'error').length;
}

function note(context: TlsSocketContext, loaded: readonly LoadedCertificate[], validation: Validation): void {
  const { certificates, scope } = context;
  const add = (
    kind: CertificateRecord['kind'],
    path: string,
    certificate: Certificate,
    staple: LoadedCertificate['staple'],
  ): void => {
    certificates.push({
      path,
      kind,
      serialNumber: certificate.serialNumber,
      subjectAltNames: certificate.altNames.flatMap(({ type, value }) =>
        type === 'DNS' || type === 'URI' || type === 'IP_ADDRESS'
          ? [{ type: type === 'DNS' ? 'dns' : type === 'URI' ? 'uri' : 'ip_address', value } as const]
          : [],
      ),
      validFromMs: certificate.validFromMs,
      expiresMs: certificate.expiresMs,
      ocsp: staple === null ? null : { validFromMs: staple.thisUpdateMs, expiresMs: staple.nextUpdateMs },
      scope,
    });
  };
  for (const { path, leaf, staple } of loaded) add('cert_chain', path, leaf, staple);
  for (const { path, certificate } of validation.authorities) add('ca_cert', path, certificate, null);
}
