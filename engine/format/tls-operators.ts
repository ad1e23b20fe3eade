/** Operators about TLS: versions, ciphers and certificates of the connections on both sides. */
import type { ByteOutput } from '../base/byte-output.js';
import type { Certificate } from '../tls/certificate.js';
import { namesText, type TlsFacts } from '../tls/tls-facts.js';
import type { ExchangeView } from './exchange-view.js';
import { TimeValue } from './time-value.js';
import { TextValue, ValueWriter } from './value-writer.js';

type ReadFacts = (x: ExchangeView) => TlsFacts | null;
type ReadCertificate = (x: ExchangeView) => Certificate | null;
type Operators = Record<string, () => ValueWriter>;

const downstream: ReadFacts = (x) => x.downstreamTls;
const upstream: ReadFacts = (x) => x.upstreamTls;

function connectionOperators(side: string, read: ReadFacts): Operators {
  const text = (of: (facts: TlsFacts) => string) => (): ValueWriter =>
    new TextValue((x) => {
      const facts = read(x);
      return facts === null ? null : of(facts);
    });
  const chain = (of: (certificate: Certificate) => string) => text((facts) => facts.peerChain.map(of).join(','));
  return {
    [`${side}_TLS_VERSION`]: text((facts) => facts.version),
    [`${side}_TLS_CIPHER`]: text((facts) => facts.cipher),
    [`${side}_TLS_SESSION_ID`]: text((facts) => facts.sessionId),
    [`${side}_PEER_CHAIN_FINGERPRINTS_256`]: chain((certificate) => certificate.sha256),
    [`${side}_PEER_CHAIN_FINGERPRINTS_1`]: chain((certificate) => certificate.sha1),
    [`${side}_PEER_CHAIN_SERIALS`]: chain((certificate) => certificate.serialNumber),
    ...certificateOperators(`${side}_PEER`, (x) => read(x)?.peer ?? null),
    ...certificateOperators(`${side}_LOCAL`, (x) => read(x)?.local ?? null),
  };
}

function certificateOperators(prefix: string, read: ReadCertificate): Operators {
  const text = (of: (certificate: Certificate) => string) => (): ValueWriter =>
    new TextValue((x) => {
      const certificate = read(x);
      return certificate === null ? null : of(certificate);
    });
  return {
    [`${prefix}_SUBJECT`]: text((certificate) => certificate.subject),
    [`${prefix}_ISSUER`]: text((certificate) => certificate.issuer),
    [`${prefix}_SERIAL`]: text((certificate) => certificate.serialNumber),
    [`${prefix}_FINGERPRINT_256`]: text((certificate) => certificate.sha256),
    [`${prefix}_FINGERPRINT_1`]: text((certificate) => certificate.sha1),
    [`${prefix}_CERT`]: text((certificate) => certificate.encodedPem),
    [`${prefix}_URI_SAN`]: text((certificate) => namesText(certificate, 'URI')),
    [`${prefix}_DNS_SAN`]: text((certificate) => namesText(certificate, 'DNS')),
    [`${prefix}_IP_SAN`]: text((certificate) => namesText(certificate, 'IP_ADDRESS')),
    [`${prefix}_EMAIL_SAN`]: text((certificate) => namesText(certificate, 'EMAIL')),
    [`${prefix}_OTHERNAME_SAN`]: text((certificate) => namesText(certificate, 'OTHER_NAME')),
  };
}

export const TLS_OPERATORS: Readonly<Operators> = {
  REQUESTED_SERVER_NAME: () => new TextValue((x) => x.downstreamTls?.serverName ?? x.passedServerName ?? null),
  DOWNSTREAM_TRANSPORT_FAILURE_REASON: () => new TextValue((x) => x.downstreamTlsFailure),
  ...connectionOperators('DOWNSTREAM', downstream),
  ...connectionOperators('UPSTREAM', upstream),
};

/** A time of a certificate, missing where there is none. */
class CertificateTime extends ValueWriter {
  readonly #read: ReadCertificate;
  readonly #time: TimeValue;

  constructor(read: ReadCertificate, readMs: (certificate: Certificate) => number, format: string) {
    super(false);
    this.#read = read;
    this.#time = new TimeValue((x) => readMs(read(x) as Certificate), format, true);
  }

  override write(out: ByteOutput, x: ExchangeView): boolean {
    return this.#read(x) !== null && this.#time.write(out, x);
  }
}

/** By name: with a format of time in parentheses, or without. */
export function certificateTimeOf(name: string, format: string): ValueWriter | null {
  const found = /^(DOWNSTREAM|UPSTREAM)_(PEER|LOCAL)_CERT_V_(START|END)$/.exec(name);
  if (found === null) return null;
  const facts = found[1] === 'DOWNSTREAM' ? downstream : upstream;
  const read: ReadCertificate = (x) => (found[2] === 'PEER' ? facts(x)?.peer : facts(x)?.local) ?? null;
  return new CertificateTime(read, (each) => (found[3] === 'START' ? each.validFromMs : each.expiresMs), format);
}
