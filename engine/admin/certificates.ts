/** /certs: the certificates in use, as Envoy shows them, and how long they last. */
import type { SnapshotPlan } from '../plan/records.js';
import type { CertificateRecord } from '../plan/tls-records.js';
import { daysLeft } from '../control/tls-care.js';
import { REDACTED } from './redacted-text.js';
import type { Reading } from './stats.js';

function details(certificate: CertificateRecord, wallMs: number): unknown {
  return {
    path: certificate.path,
    serial_number: certificate.serialNumber,
    subject_alt_names: certificate.subjectAltNames.map(({ type, value }) => ({ [type]: value })),
    days_until_expiration: String(daysLeft(certificate, wallMs)),
    valid_from: new Date(certificate.validFromMs).toISOString(),
    expiration_time: new Date(certificate.expiresMs).toISOString(),
    ...(certificate.ocsp === null
      ? {}
      : {
          ocsp_details: {
            valid_from: new Date(certificate.ocsp.validFromMs).toISOString(),
            expiration: new Date(certificate.ocsp.expiresMs).toISOString(),
          },
        }),
  };
}

/** One entry per listener or cluster. */
export function certsJson(certificates: readonly CertificateRecord[], wallMs: number): unknown {
  const scopes = new Map<string, CertificateRecord[]>();
  for (const certificate of certificates) {
    const key = `${certificate.scope.kind} ${certificate.scope.name}`;
    scopes.set(key, [...(scopes.get(key) ?? []), certificate]);
  }
  const of = (list: readonly CertificateRecord[], kind: CertificateRecord['kind']): unknown[] =>
    list.filter((each) => each.kind === kind).map((each) => details(each, wallMs));
  return {
    certificates: [...scopes.values()].map((list) => ({
      ca_cert: of(list, 'ca_cert'),
      cert_chain: of(list, 'cert_chain'),
    })),
  };
}

export function certificateReadings(certificates: readonly CertificateRecord[], wallMs: number): Reading[] {
  if (certificates.length === 0) return [];
  const first = Math.min(...certificates.map((each) => daysLeft(each, wallMs)));
  const found = new Map<string, Reading>();
  found.set('', { kind: null, scope: 'server', name: 'days_until_first_cert_expiring', value: first });
  const staples = certificates.flatMap(({ ocsp }) => (ocsp === null ? [] : [ocsp.expiresMs]));
  if (staples.length > 0) {
    const left = Math.max(0, Math.floor((Math.min(...staples) - wallMs) / 1000));
    found.set('ocsp', { kind: null, scope: 'server', name: 'seconds_until_first_ocsp_response_expiring', value: left });
  }
  for (const { scope, path, kind, expiresMs } of certificates) {
    if (kind !== 'cert_chain') continue;
    const name = `ssl.certificate.${path.replace(/^.*\//, '').replace(/[^\w-]/g, '_')}.expiration_unix_time_seconds`;
    const reading = { kind: scope.kind, scope: scope.name, name, value: Math.floor(expiresMs / 1000) };
    found.set(`${scope.kind} ${scope.name} ${name}`, reading);
  }
  return [...found.values()];
}

const SECRET_FIELDS = new Set(['keyPem', 'pkcs12', 'password', 'ticketKeys']);

/** For JSON.stringify: keys and passwords stay here. */
export function withoutSecrets(this: unknown, key: string, value: unknown): unknown {
  return SECRET_FIELDS.has(key) && value !== null ? REDACTED : value;
}

/** Records without what nobody may see. */
export function redacted<T extends SnapshotPlan['listeners'][number] | SnapshotPlan['clusters'][number]>(
  record: T,
): unknown {
  return JSON.parse(JSON.stringify(record, withoutSecrets));
}
