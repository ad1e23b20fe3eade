/** checkNodeTls: what a config asks of TLS that node:tls can't do, where the node transport is used. */
import type { DocumentReader, Value } from './document.js';

const BY_WHAT = 'the node transport can not do it: with the addon (--transport native) it can';

// NodeTlsContext refuses the same, without a place; a list of its own keeps node:tls out of here.
const CHECKS: readonly { readonly field: string; readonly isAsked: (value: unknown) => boolean }[] = [
  { field: 'allow_expired_certificate', isAsked: (value) => value === true },
  { field: 'max_verify_depth', isAsked: (value) => value !== undefined },
  { field: 'only_verify_leaf_cert_crl', isAsked: (value) => value === true },
];

export function checkNodeTls(reader: DocumentReader, value: unknown): void {
  if (Array.isArray(value)) for (const each of value) checkNodeTls(reader, each);
  else if (typeof value === 'object' && value !== null) {
    for (const { field, isAsked } of CHECKS)
      if (isAsked((value as Value)[field])) reader.report('error', value, field, BY_WHAT);
    for (const each of Object.values(value)) checkNodeTls(reader, each);
  }
}
