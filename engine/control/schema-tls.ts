/** Messages of TLS: transport sockets of both sides, certificates, what is verified, secrets by name. */
import { ProxyProtocol, RawBuffer } from './schema-proxy-protocol.js';
import { DataSource as FixedDataSource, StringMatcher } from './schema-core.js';
import { bool, type Field, free, list, type Message, message, oneOf, only, string, text } from './schema.js';

/** Where files are moved to when they are renewed. */
const WatchedDirectory: Message = { name: 'WatchedDirectory', fields: { path: text }, required: ['path'] };

/** Of secrets, which are read anew when their files change. */
const DataSource: Message = {
  ...FixedDataSource,
  fields: { ...FixedDataSource.fields, watched_directory: message(() => WatchedDirectory) },
  unsupported: [],
};

const PathConfigSource: Message = {
  name: 'PathConfigSource',
  fields: { path: text, watched_directory: message(() => WatchedDirectory) },
  required: ['path'],
};

const NO_DISCOVERY = 'secrets are read from files (path_config_source) and from static_resources.secrets';

/** Of secrets. */
const SecretSource: Message = {
  name: 'ConfigSource',
  fields: {
    path_config_source: message(() => PathConfigSource),
    path: text,
    api_config_source: only(NO_DISCOVERY),
    ads: only(NO_DISCOVERY),
    self: only(NO_DISCOVERY),
    initial_fetch_timeout: only('a file is there when the config is loaded, or the config is refused'),
    resource_api_version: only('the messages of v3 are read', 'V3', 'AUTO'),
  },
  unsupported: ['authorities'],
  oneof: [['path_config_source', 'path', 'api_config_source', 'ads', 'self']],
};

const SdsSecretConfig: Message = {
  name: 'SdsSecretConfig',
  fields: { name: text, sds_config: message(() => SecretSource) },
  required: ['name'],
};

const PROTOCOLS: Field = {
  kind: 'enum',
  values: ['TLS_AUTO', 'TLSv1_2', 'TLSv1_3'],
  unsupported: ['TLSv1_0', 'TLSv1_1'],
  numbers: ['TLS_AUTO', 'TLSv1_0', 'TLSv1_1', 'TLSv1_2', 'TLSv1_3'],
};

const TlsParameters: Message = {
  name: 'TlsParameters',
  fields: {
    tls_minimum_protocol_version: PROTOCOLS,
    tls_maximum_protocol_version: PROTOCOLS,
    cipher_suites: list(text),
    ecdh_curves: list(text),
    signature_algorithms: list(text),
  },
  unsupported: ['compliance_policies'],
};

const TlsCertificate: Message = {
  name: 'TlsCertificate',
  fields: {
    certificate_chain: message(() => DataSource),
    private_key: message(() => DataSource),
    password: message(() => DataSource),
    ocsp_staple: message(() => DataSource),
    pkcs12: message(() => DataSource),
    watched_directory: message(() => WatchedDirectory),
    private_key_provider: only('keys are read from files and used by OpenSSL; there are no extensions that keep them'),
    signed_certificate_timestamp: only('Envoy sends none either: its own field has no effect'),
  },
};

const SubjectAltNameMatcher: Message = {
  name: 'SubjectAltNameMatcher',
  fields: {
    san_type: {
      kind: 'enum',
      values: ['EMAIL', 'DNS', 'URI', 'IP_ADDRESS', 'OTHER_NAME'],
      unsupported: ['SAN_TYPE_UNSPECIFIED'],
      numbers: ['SAN_TYPE_UNSPECIFIED', 'EMAIL', 'DNS', 'URI', 'IP_ADDRESS', 'OTHER_NAME'],
    },
    matcher: message(() => StringMatcher),
    oid: string,
  },
  required: ['san_type', 'matcher'],
};

const SystemRootCerts: Message = { name: 'SystemRootCerts', fields: {} };

const CertificateValidationContext: Message = {
  name: 'CertificateValidationContext',
  fields: {
    trusted_ca: message(() => DataSource),
    system_root_certs: message(() => SystemRootCerts),
    verify_certificate_spki: list(text),
    verify_certificate_hash: list(text),
    match_typed_subject_alt_names: list(message(() => SubjectAltNameMatcher)),
    match_subject_alt_names: list(message(() => StringMatcher)),
    crl: message(() => DataSource),
    allow_expired_certificate: bool,
    trust_chain_verification: oneOf('VERIFY_TRUST_CHAIN', 'ACCEPT_UNTRUSTED'),
    max_verify_depth: { kind: 'uint', max: 100 },
    only_verify_leaf_cert_crl: bool,
    watched_directory: message(() => WatchedDirectory),
    require_signed_certificate_timestamp: only('OpenSSL of Node.js has no lists of logs to check one by', false),
    custom_validator_config: only('certificates are verified by OpenSSL and by what this message says besides'),
  },
  unsupported: ['ca_certificate_provider_instance', 'verify_subject_alt_name'],
  oneof: [['?', 'trusted_ca', 'system_root_certs']],
};

const CombinedValidationContext: Message = {
  name: 'CombinedCertificateValidationContext',
  fields: {
    default_validation_context: message(() => CertificateValidationContext),
    validation_context_sds_secret_config: message(() => SdsSecretConfig),
  },
  unsupported: ['validation_context_certificate_provider', 'validation_context_certificate_provider_instance'],
  required: ['default_validation_context', 'validation_context_sds_secret_config'],
};

export const CommonTlsContext: Message = {
  name: 'CommonTlsContext',
  fields: {
    tls_params: message(() => TlsParameters),
    tls_certificates: list(message(() => TlsCertificate)),
    tls_certificate_sds_secret_configs: list(message(() => SdsSecretConfig)),
    validation_context: message(() => CertificateValidationContext),
    validation_context_sds_secret_config: message(() => SdsSecretConfig),
    combined_validation_context: message(() => CombinedValidationContext),
    alpn_protocols: list(text),
  },
  unsupported: [
    'tls_certificate_provider_instance',
    'custom_tls_certificate_selector',
    'tls_certificate_certificate_provider',
    'tls_certificate_certificate_provider_instance',
    'validation_context_certificate_provider',
    'validation_context_certificate_provider_instance',
    'combined_validation_context_certificate_provider',
    'custom_handshaker',
    'key_log',
  ],
  oneof: [['?', 'validation_context', 'validation_context_sds_secret_config', 'combined_validation_context']],
};

const TlsSessionTicketKeys: Message = {
  name: 'TlsSessionTicketKeys',
  fields: { keys: { kind: 'list', of: message(() => DataSource), notEmpty: true } },
  required: ['keys'],
};

const DownstreamTlsContext: Message = {
  name: 'DownstreamTlsContext',
  typeUrl: 'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
  fields: {
    common_tls_context: message(() => CommonTlsContext),
    require_client_certificate: bool,
    session_ticket_keys: message(() => TlsSessionTicketKeys),
    session_ticket_keys_sds_secret_config: message(() => SdsSecretConfig),
    disable_stateless_session_resumption: bool,
    disable_stateful_session_resumption: bool,
    session_timeout: { kind: 'duration', min: 1000 },
    ocsp_staple_policy: oneOf('LENIENT_STAPLING', 'STRICT_STAPLING', 'MUST_STAPLE'),
    full_scan_certs_on_sni_mismatch: bool,
    prefer_client_ciphers: bool,
    require_sni: bool,
  },
  required: ['common_tls_context'],
  oneof: [
    ['?', 'session_ticket_keys', 'session_ticket_keys_sds_secret_config', 'disable_stateless_session_resumption'],
  ],
};

export const UpstreamTlsContext: Message = {
  name: 'UpstreamTlsContext',
  typeUrl: 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
  fields: {
    common_tls_context: message(() => CommonTlsContext),
    sni: { kind: 'string', notEmpty: false },
    auto_host_sni: bool,
    auto_sni_san_validation: bool,
    max_session_keys: { kind: 'uint', max: 1000 },
    allow_renegotiation: only('a renegotiation may change who the peer is', false),
    enforce_rsa_key_usage: bool,
  },
};

export function transportSocket(types: Readonly<Record<string, Message>>): Message {
  return {
    name: 'TransportSocket',
    fields: { name: text, typed_config: { kind: 'any', types: () => types } },
    unsupported: ['config'],
    required: ['name'],
    bareNames: ['envoy.transport_sockets.raw_buffer', 'raw_buffer'],
  };
}

export const DownstreamTransportSocket = transportSocket({
  [DownstreamTlsContext.typeUrl as string]: DownstreamTlsContext,
  'envoy.api.v2.auth.DownstreamTlsContext': DownstreamTlsContext,
  [RawBuffer.typeUrl as string]: RawBuffer,
});
export const Secret: Message = {
  name: 'Secret',
  typeUrl: 'envoy.extensions.transport_sockets.tls.v3.Secret',
  fields: {
    name: text,
    tls_certificate: message(() => TlsCertificate),
    validation_context: message(() => CertificateValidationContext),
    session_ticket_keys: message(() => TlsSessionTicketKeys),
  },
  unsupported: ['generic_secret'],
  required: ['name'],
  oneof: [['tls_certificate', 'validation_context', 'session_ticket_keys', 'generic_secret']],
};

/** A file of secrets: what a server of discovery would answer. */
export const SecretResources: Message = {
  name: 'DiscoveryResponse',
  fields: {
    resources: list({ kind: 'any', types: () => ({ [Secret.typeUrl as string]: Secret }) }),
    // Of one answer among many; a file has one state.
    version_info: free,
    type_url: free,
    nonce: free,
  },
  required: ['resources'],
};

const TlsInspector: Message = {
  name: 'TlsInspector',
  typeUrl: 'envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector',
  fields: {
    enable_ja3_fingerprinting: only('fingerprints are not computed', false),
    enable_ja4_fingerprinting: only('fingerprints are not computed', false),
    close_connection_on_client_hello_parsing_errors: only('such connections are always closed', true),
  },
  unsupported: ['initial_read_buffer_size', 'max_client_hello_size'],
};

export const ListenerFilter: Message = {
  name: 'ListenerFilter',
  fields: {
    name: text,
    typed_config: {
      kind: 'any',
      types: () => ({
        [TlsInspector.typeUrl as string]: TlsInspector,
        'envoy.config.filter.listener.tls_inspector.v2.TlsInspector': TlsInspector,
        [ProxyProtocol.typeUrl as string]: ProxyProtocol,
      }),
    },
  },
  unsupported: ['config_discovery', 'filter_disabled', 'config'],
  required: ['name'],
  bareNames: ['envoy.filters.listener.tls_inspector', 'envoy.listener.tls_inspector'],
};
