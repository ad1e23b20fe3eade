/** OcspResponse: what a stapled response (RFC 6960) says: about which certificate, and for how long. */
import { createHash } from 'node:crypto';
import { childrenOf, DER_OCTET_STRING, type DerElement, oidText, readDer } from './der.js';

const BASIC_RESPONSE = '1.3.6.1.5.5.7.48.1.1';
/** Of issuerNameHash and issuerKeyHash, in node:crypto's words. */
const DIGESTS: Readonly<Record<string, string | undefined>> = {
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};
const DER_ENUMERATED = 0x0a;
const DER_GENERALIZED_TIME = 0x18;
/** [0] of tbsResponseData is its version, [1] and [2] are the responder. */
const TAG_VERSION = 0xa0;
const TAG_NEXT_UPDATE = 0xa0;
const TAG_GOOD = 0x80;
const TAG_REVOKED = 0xa1;
const STATUSES = ['successful', 'malformedRequest', 'internalError', 'tryLater', '', 'sigRequired', 'unauthorized'];

export interface OcspResponse {
  readonly certStatus: 'good' | 'revoked' | 'unknown';
  /** Lower-case hex without leading zeros. */
  readonly serialNumber: string;
  /** Epoch milliseconds. */
  readonly thisUpdateMs: number;
  /** 0 = the response has none: newer information is there at all times, so that it is never sent (Envoy). */
  readonly nextUpdateMs: number;
  /** Was it made for certificates of an issuer with this name (DER)? */
  readonly isOfIssuer: (name: Uint8Array) => boolean;
}

/** Throws what is wrong with it, in words that follow "is". */
export function readOcspResponse(der: Uint8Array): OcspResponse {
  const [status, bytes] = parts(der, readDer(der, 0, der.length));
  if (status?.tag !== DER_ENUMERATED) throw new Error('not an OCSP response in DER');
  const code = der[status.from] as number;
  if (code !== 0) throw new Error(`an answer without a response: ${STATUSES[code] || `status ${code}`}`);
  const [type, wrapped] = parts(der, parts(der, bytes)[0]);
  if (type === undefined || oidText(der, type.from, type.to) !== BASIC_RESPONSE)
    throw new Error('of a type other than id-pkix-ocsp-basic');
  if (wrapped?.tag !== DER_OCTET_STRING) throw new Error('not an OCSP response in DER');
  const basic = parts(der, readDer(der, wrapped.from, wrapped.to));
  const data = parts(der, basic[0]);
  // version?, responder, producedAt, responses
  const singles = parts(der, data[data[0]?.tag === TAG_VERSION ? 3 : 2]);
  if (singles.length !== 1) throw new Error(`about ${singles.length} certificates; one with one is stapled`);
  return readSingle(der, parts(der, singles[0]));
}

function parts(der: Uint8Array, element: DerElement | null | undefined): readonly DerElement[] {
  return element === null || element === undefined ? [] : childrenOf(der, element);
}

/** certID, certStatus, thisUpdate, [0] nextUpdate? */
function readSingle(der: Uint8Array, single: readonly DerElement[]): OcspResponse {
  const [id, status, thisUpdate, next] = single;
  const [algorithm, nameHash, , serial] = parts(der, id);
  const oid = parts(der, algorithm)[0];
  if (status === undefined || nameHash === undefined || serial === undefined || oid === undefined)
    throw new Error('not an OCSP response in DER');
  const digest = DIGESTS[oidText(der, oid.from, oid.to)];
  if (digest === undefined) throw new Error('made with a digest that is not known');
  const wanted = Buffer.from(der.subarray(nameHash.from, nameHash.to));
  return {
    certStatus: status.tag === TAG_GOOD ? 'good' : status.tag === TAG_REVOKED ? 'revoked' : 'unknown',
    serialNumber: Buffer.from(der.subarray(serial.from, serial.to)).toString('hex').replace(/^0+/, ''),
    thisUpdateMs: timeOf(der, thisUpdate),
    nextUpdateMs: next?.tag === TAG_NEXT_UPDATE ? timeOf(der, parts(der, next)[0]) : 0,
    isOfIssuer: (name) => createHash(digest).update(name).digest().equals(wanted),
  };
}

/** RFC 5280 §4.1.2.5.2: seconds, and Z. */
function timeOf(der: Uint8Array, element: DerElement | undefined): number {
  const text =
    element?.tag === DER_GENERALIZED_TIME ? Buffer.from(der.subarray(element.from, element.to)).toString() : '';
  const found = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (found === null) throw new Error('without a time that can be read');
  const [year, month, day, hour, minute, second] = found.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return Date.UTC(year, month - 1, day, hour, minute, second);
}
