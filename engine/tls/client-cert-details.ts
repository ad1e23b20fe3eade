/** ClientCertDetails: x-forwarded-client-cert as Envoy writes it: what a request may say of its client's certificate. */
import type { Certificate } from './certificate.js';
import type { TlsFacts } from './tls-facts.js';

export interface ClientCertRecord {
  readonly forward: 'SANITIZE' | 'FORWARD_ONLY' | 'APPEND_FORWARD' | 'SANITIZE_SET' | 'ALWAYS_FORWARD_ONLY';
  /** Of the client's certificate, beside By and Hash. */
  readonly cert: boolean;
  readonly chain: boolean;
  readonly subject: boolean;
  readonly uri: boolean;
  readonly dns: boolean;
}

/** What becomes of the field that came with a request. */
export type Treatment = 'keep' | 'remove' | 'append' | 'replace';

const encoder = new TextEncoder();

export class ClientCertDetails {
  readonly #record: ClientCertRecord;
  /** Composed once per connection. */
  readonly #known = new WeakMap<TlsFacts, Uint8Array>();

  constructor(record: ClientCertRecord) {
    this.#record = record;
  }

  /** tls: null without TLS. */
  treatmentOf(tls: TlsFacts | null): Treatment {
    const { forward } = this.#record;
    if (forward === 'ALWAYS_FORWARD_ONLY') return 'keep';
    if (forward === 'SANITIZE' || tls === null || tls.peer === null) return 'remove';
    if (forward === 'FORWARD_ONLY') return 'keep';
    return forward === 'APPEND_FORWARD' ? 'append' : 'replace';
  }

  valueOf(tls: TlsFacts): Uint8Array {
    let value = this.#known.get(tls);
    if (value === undefined) {
      value = encoder.encode(this.#compose(tls, tls.peer as Certificate));
      this.#known.set(tls, value);
    }
    return value;
  }

  #compose(tls: TlsFacts, peer: Certificate): string {
    const { cert, chain, subject, uri, dns } = this.#record;
    const parts = (tls.local?.names('URI') ?? []).flatMap((name) => element('By', name));
    parts.push(`Hash=${peer.sha256}`);
    if (cert) parts.push(`Cert="${peer.encodedPem}"`);
    if (chain) parts.push(`Chain="${tls.peerChain.map((each) => each.encodedPem).join('')}"`);
    // RFC 2253 has escaped its quotes; once more, and whoever reads it would take the subject to end there.
    if (subject) parts.push(`Subject="${peer.subject}"`);
    const uris = peer.names('URI').flatMap((name) => element('URI', name));
    if (uri) parts.push(...(uris.length === 0 ? ['URI='] : uris));
    if (dns) parts.push(...peer.names('DNS').flatMap((name) => element('DNS', name)));
    return parts.join(';');
  }
}

/**
 * A name of the certificate must not end its element, nor the field: it is quoted, or left out (with a backslash too: behind
 * one a quote that ends the name would not be seen as such).
 */
function element(key: string, value: string): string[] {
  if (!/^[\x20-\x5b\x5d-\x7e]*$/.test(value)) return [];
  return [/[,;="]/.test(value) ? `${key}="${value.replaceAll('"', '\\"')}"` : `${key}=${value}`];
}
