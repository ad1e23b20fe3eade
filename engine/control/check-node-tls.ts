/** checkNodeTls: what a config asks of TLS that node:tls can't do, where the node transport is used. */
import type { FilterChainRecord } from '../plan/chain-records.js';
import type { ListenerRecord } from '../plan/records.js';
import { tlsSocketOf } from './compile-tls.js';
import { fieldOf, fieldsOf } from './compile-values.js';
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

/** listeners: of this bootstrap, which has no mistakes. Which certificates stand beside each other is known when they are read. */
export function checkNodeStaples(reader: DocumentReader, bootstrap: Value, listeners: readonly ListenerRecord[]): void {
  const values = fieldsOf(fieldOf(bootstrap, 'static_resources') ?? {}, 'listeners');
  listeners.forEach(({ chains, defaultChain }, at) => {
    const listener = values[at] as Value;
    const written = [...fieldsOf(listener, 'filter_chains'), fieldOf(listener, 'default_filter_chain')];
    [...chains, defaultChain].forEach((chain, index) => {
      if (chain === null || !hasStapleAmongSeveral(chain)) return;
      const message = `of one name several certificates, and ocsp_staple: ${BY_WHAT}`;
      reader.report('error', tlsSocketOf(written[index] ?? {}), 'common_tls_context', message);
    });
  });
}

function hasStapleAmongSeveral({ tls }: FilterChainRecord): boolean {
  const contexts = tls?.contexts ?? [];
  return contexts.some(
    ({ options: { certificates } }) =>
      certificates.length > 1 && certificates.some(({ ocspStaple }) => ocspStaple !== null),
  );
}
