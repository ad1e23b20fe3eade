/** OCSP staples: what a response must say of its certificate, and what policy there is where it has ended. */
import type { TlsCertificate } from '../io/tls.js';
import type { Certificate } from '../tls/certificate.js';
import { type OcspResponse, readOcspResponse } from '../tls/ocsp-response.js';
import { readSecret, type TlsCompileContext, textOfError } from './compile-secret-bytes.js';
import { fieldOf, textOf } from './compile-values.js';
import type { Value } from './document.js';

/** Of DownstreamTlsContext.ocsp_staple_policy; '' = a client's certificate, which nobody staples for. */
export type StaplePolicy = TlsCertificate['ocspPolicy'] | '';

export interface Staple extends Pick<TlsCertificate, 'ocspStaple' | 'ocspExpiresMs' | 'ocspPolicy'> {
  readonly response: OcspResponse | null;
}

const POLICIES: Readonly<Record<string, TlsCertificate['ocspPolicy'] | undefined>> = {
  STRICT_STAPLING: 'strict',
  MUST_STAPLE: 'must',
};
const NONE: Staple = { ocspStaple: null, ocspExpiresMs: 0, ocspPolicy: 'lenient', response: null };

export function staplePolicyOf(tls: Value): TlsCertificate['ocspPolicy'] {
  return POLICIES[textOf(tls, 'ocsp_staple_policy')] ?? 'lenient';
}

/** value: a TlsCertificate. A certificate that says "must staple" is under the strictest policy (Envoy). */
export function compileStaple(
  context: TlsCompileContext,
  value: Value,
  leaf: Certificate,
  wanted: StaplePolicy,
): Staple {
  const { reader } = context;
  if (wanted === '') {
    if (fieldOf(value, 'ocsp_staple') !== undefined)
      reader.report('error', value, 'ocsp_staple', 'is for servers: nobody asks a client for one');
    return NONE;
  }
  const ocspPolicy = leaf.isMustStaple ? 'must' : wanted;
  const bytes = readSecret(context, value, 'ocsp_staple');
  if (bytes === null) {
    if (fieldOf(value, 'ocsp_staple') !== undefined) return NONE;
    if (leaf.isMustStaple)
      reader.report(
        'error',
        value,
        '',
        `ocsp_staple is required: ${whose(leaf)} says that it must be stapled (RFC 7633)`,
      );
    else if (wanted === 'must')
      reader.report('error', value, '', 'ocsp_staple is required by ocsp_staple_policy: MUST_STAPLE');
    return { ...NONE, ocspPolicy };
  }
  const response = read(context, value, leaf, bytes);
  if (response === null) return NONE;
  checkStaple(context, value, leaf, response, ocspPolicy);
  return { ocspStaple: Uint8Array.from(bytes), ocspExpiresMs: response.nextUpdateMs, ocspPolicy, response };
}

function read(context: TlsCompileContext, value: Value, leaf: Certificate, bytes: Buffer): OcspResponse | null {
  const { reader } = context;
  let response: OcspResponse;
  try {
    response = readOcspResponse(bytes);
  } catch (error) {
    reader.report('error', value, 'ocsp_staple', `is ${textOfError(error)}`);
    return null;
  }
  if (response.serialNumber === leaf.serialNumber.replace(/^0+/, '') && response.isOfIssuer(leaf.issuerDer))
    return response;
  reader.report(
    'error',
    value,
    'ocsp_staple',
    `is for the certificate with serial number ${response.serialNumber}, not for ${whose(leaf)}: ${leaf.serialNumber}; ask the responder of its issuer (openssl ocsp)`,
  );
  return null;
}

function checkStaple(
  context: TlsCompileContext,
  value: Value,
  leaf: Certificate,
  response: OcspResponse,
  policy: TlsCertificate['ocspPolicy'],
): void {
  const { reader, wallMs } = context;
  const { certStatus, thisUpdateMs, nextUpdateMs } = response;
  const outcome = policy === 'lenient' ? 'no response is stapled' : 'clients that ask for a response are refused';
  const warn = (message: string): void => reader.report('warning', value, 'ocsp_staple', message);
  if (certStatus !== 'good') warn(`says that the status of ${whose(leaf)} is ${certStatus}`);
  if (nextUpdateMs === 0) warn(`has no nextUpdate, so that it is over at once: ${outcome}`);
  else if (nextUpdateMs <= wallMs) warn(`was valid until ${new Date(nextUpdateMs).toISOString()}: ${outcome}`);
  if (thisUpdateMs > wallMs) warn(`is not valid before ${new Date(thisUpdateMs).toISOString()}`);
}

function whose(leaf: Certificate): string {
  return `the certificate of ${leaf.subject || 'nobody'}`;
}
