/** Messages of TLS: transport sockets of both sides, certificates, what is verified, secrets by name. */
import { ProxyProtocol, RawBuffer } from './schema-proxy-protocol.js';
import { DataSource, StringMatcher } from './schema-core.js';
import { bool, type Field, list, type Message, message, oneOf, only, string, text } from './schema.js';

const STATIC_SECRETS = 'secrets are read from static_resources.secrets by their name';

const SdsSecretConfig: Message = {
  name: 'SdsSecretConfig',
  fields: { name: text, sds_config: only(STATIC_SECRETS) },
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
  },
  unsupported: ['pkcs12', 'watched_directory', 'private_key_provider', 'signed_certificate_timestamp'],
  required: ['certificate_chain', 'private_key'],
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
    only_verify_leaf_cert_crl: only('OpenSSL looks for a revocation list of every issuer in the chain', false),
  },
  unsupported: [
    'ca_certificate_provider_instance',
    'watched_directory',
    'require_signed_certificate_timestamp',
    'custom_validator_config',
    'verify_subject_alt_name',
  ],
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
    ocsp_staple_policy: only('a staple is sent to clients that ask, as it is', 'LENIENT_STAPLING'),
    full_scan_certs_on_sni_mismatch: bool,
    prefer_client_ciphers: bool,
    require_sni: only('match on server_names: what fits none is closed', false),
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
    enforce_rsa_key_usage: only('OpenSSL decides', false),
  },
};

export function transportSocket(types: Readonly<Record<string, Message>>): Message {
  return {
    name: 'TransportSocket',
    fields: { name: text, typed_config: { kind: 'any', types: () => types } },
    unsupported: ['config'],
    required: ['name'],
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
};
