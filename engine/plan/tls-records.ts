/** Records of TLS: what listeners and clusters make contexts of, and how a peer's certificate is judged. */
import type { TlsContextRecord } from '../tls/contexts.js';
import type { PeerPolicyRecord } from '../tls/peer-policy.js';

/** A filter chain's TLS. */
export interface DownstreamTlsRecord {
  readonly contexts: readonly TlsContextRecord[];
  /** Lower-case names of the certificates, "*.example.com" for wildcards: index of the context. */
  readonly names: readonly (readonly [name: string, context: number])[];
  /** For clients that name no server. */
  readonly unnamed: number;
  /** For clients that name one that no certificate is for. */
  readonly mismatched: number;
  readonly requiresCertificate: boolean;
  /** Clients must say which server they want (SNI). */
  readonly requiresName: boolean;
  readonly policy: PeerPolicyRecord;
}

/** A cluster's TLS. */
export interface UpstreamTlsRecord {
  readonly context: TlsContextRecord;
  /** '' = none is sent, unless it is the endpoint's host name. */
  readonly sni: string;
  /** The endpoint's host name where it has one. */
  readonly usesHostnameAsSni: boolean;
  /** The name that was sent as SNI, or the endpoint's address, must be in the certificate. */
  readonly verifiesSni: boolean;
  /** The host that a request asks for is sent as SNI, and must be in the certificate (HttpProtocolOptions). */
  readonly usesRequestHost: boolean;
  /** Lower case; where the request has this field it names the host; '' = :authority does. */
  readonly hostHeader: string;
  readonly verifiesRequestHost: boolean;
  readonly policy: PeerPolicyRecord;
}

/** A file that records were made of: watched, so that what is renewed on disk is taken. */
export interface CertificateRecord {
  /** Where it came from: a path, or "<inline>". */
  readonly path: string;
  readonly kind: 'ca_cert' | 'cert_chain';
  /** The first certificate in it. */
  readonly serialNumber: string;
  readonly subjectAltNames: readonly { readonly type: 'dns' | 'uri' | 'ip_address'; readonly value: string }[];
  /** Epoch milliseconds. */
  readonly validFromMs: number;
  readonly expiresMs: number;
  /** Its stapled response; expiresMs 0: it says nothing of it. */
  readonly ocsp: { readonly validFromMs: number; readonly expiresMs: number } | null;
  /** Scopes of statistics that it is shown under. */
  readonly scope: { readonly kind: 'listener' | 'cluster'; readonly name: string };
}
