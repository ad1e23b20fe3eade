/** Every counter, gauge and histogram, declared once under Envoy's name: index within its scope's block. */

export type MetricKind = 'counter' | 'gauge';

/** One scope's block of slots: names in order, and the index of each under its name. */
export interface Scope<Name extends string> {
  readonly names: readonly Name[];
  readonly kinds: readonly MetricKind[];
  readonly histograms: readonly string[];
  readonly index: Readonly<Record<Name, number>>;
}

function scope<const Name extends string>(
  counters: readonly Name[],
  gauges: readonly NoInfer<Name>[],
  histograms: readonly string[],
): Scope<Name> {
  const isGauge = new Set<string>(gauges);
  const index = Object.create(null);
  for (let i = 0; i < counters.length; i++) index[counters[i] as string] = i;
  return {
    names: counters,
    kinds: counters.map((name) => (isGauge.has(name) ? 'gauge' : 'counter')),
    histograms,
    index: Object.freeze(index),
  };
}

/** http.<stat_prefix>. ; histograms in milliseconds on the outside, recorded in microseconds. */
export const HTTP = scope(
  [
    'downstream_cx_total',
    'downstream_cx_active',
    'downstream_cx_http1_total',
    'downstream_cx_http1_active',
    'downstream_cx_http2_total',
    'downstream_cx_http2_active',
    'downstream_cx_destroy',
    'downstream_cx_destroy_local',
    'downstream_cx_destroy_remote',
    'downstream_cx_destroy_active_rq',
    'downstream_cx_destroy_local_active_rq',
    'downstream_cx_destroy_remote_active_rq',
    'downstream_cx_idle_timeout',
    'downstream_cx_max_duration_reached',
    'downstream_cx_max_requests_reached',
    'downstream_cx_protocol_error',
    'downstream_cx_drain_close',
    'downstream_cx_upgrades_total',
    'downstream_cx_upgrades_active',
    'downstream_cx_rx_bytes_total',
    'downstream_cx_tx_bytes_total',
    'downstream_rq_total',
    'downstream_rq_active',
    'downstream_rq_http1_total',
    'downstream_rq_http2_total',
    'downstream_rq_completed',
    'downstream_rq_1xx',
    'downstream_rq_2xx',
    'downstream_rq_3xx',
    'downstream_rq_4xx',
    'downstream_rq_5xx',
    'downstream_rq_timeout',
    'downstream_rq_header_timeout',
    'downstream_rq_idle_timeout',
    'downstream_rq_max_duration_reached',
    'downstream_rq_rx_reset',
    'downstream_rq_tx_reset',
    'downstream_rq_too_large',
    'downstream_rq_ws_on_non_ws_route',
    'rs_too_large',
    'downstream_rq_response_before_rq_complete',
    'rq_total',
    'rq_direct_response',
    'rq_redirect',
    'rq_reset_after_downstream_response_started',
    'no_route',
    'no_cluster',
    'cors.origin_valid',
    'cors.origin_invalid',
  ],
  [
    'downstream_cx_active',
    'downstream_cx_http1_active',
    'downstream_cx_http2_active',
    'downstream_cx_upgrades_active',
    'downstream_rq_active',
  ],
  ['downstream_rq_time', 'downstream_cx_length_ms'],
);

/** Of listeners and clusters alike, one after the other. Ciphers: those of TLS 1.3, and of 1.2 without the weak ones. */
export const TLS_NAMES = [
  'ssl.handshake',
  'ssl.connection_error',
  'ssl.session_reused',
  'ssl.no_certificate',
  'ssl.fail_verify_no_cert',
  'ssl.fail_verify_error',
  'ssl.fail_verify_san',
  'ssl.fail_verify_cert_hash',
  'ssl.was_key_usage_invalid',
  'ssl.ocsp_staple_requests',
  'ssl.ocsp_staple_responses',
  'ssl.ocsp_staple_omitted',
  'ssl.ocsp_staple_failed',
  'ssl.versions.TLSv1.2',
  'ssl.versions.TLSv1.3',
  'ssl.versions.other',
  'ssl.ciphers.TLS_AES_128_GCM_SHA256',
  'ssl.ciphers.TLS_AES_256_GCM_SHA384',
  'ssl.ciphers.TLS_CHACHA20_POLY1305_SHA256',
  'ssl.ciphers.ECDHE-ECDSA-AES128-GCM-SHA256',
  'ssl.ciphers.ECDHE-ECDSA-AES256-GCM-SHA384',
  'ssl.ciphers.ECDHE-ECDSA-CHACHA20-POLY1305',
  'ssl.ciphers.ECDHE-RSA-AES128-GCM-SHA256',
  'ssl.ciphers.ECDHE-RSA-AES256-GCM-SHA384',
  'ssl.ciphers.ECDHE-RSA-CHACHA20-POLY1305',
  'ssl.ciphers.other',
  'ssl.curves.X25519',
  'ssl.curves.P-256',
  'ssl.curves.P-384',
  'ssl.curves.P-521',
  // What peers sign with: clients only when they are asked for a certificate.
  'ssl.sigalgs.ecdsa_secp256r1_sha256',
  'ssl.sigalgs.ecdsa_secp384r1_sha384',
  'ssl.sigalgs.ecdsa_secp521r1_sha512',
  'ssl.sigalgs.rsa_pss_rsae_sha256',
  'ssl.sigalgs.rsa_pss_rsae_sha384',
  'ssl.sigalgs.rsa_pss_rsae_sha512',
  'ssl.sigalgs.rsa_pkcs1_sha256',
  'ssl.sigalgs.rsa_pkcs1_sha384',
  'ssl.sigalgs.rsa_pkcs1_sha512',
  'ssl.sigalgs.ed25519',
  'ssl.sigalgs.ed448',
] as const;

/** cluster.<name>. */
export const CLUSTER = scope(
  [
    'upstream_cx_total',
    'upstream_cx_active',
    'upstream_cx_http1_total',
    'upstream_cx_http2_total',
    'upstream_cx_connect_fail',
    'upstream_cx_connect_timeout',
    'upstream_cx_connect_attempts_exceeded',
    'upstream_cx_idle_timeout',
    'upstream_cx_overflow',
    'upstream_cx_max_requests',
    'upstream_cx_max_duration_reached',
    'upstream_cx_close_notify',
    'upstream_cx_none_healthy',
    'lb_healthy_panic',
    'lb_recalculate_zone_structures',
    'lb_local_cluster_not_ok',
    'lb_zone_cluster_too_small',
    'lb_zone_routing_all_directly',
    'lb_zone_routing_sampled',
    'lb_zone_routing_cross_zone',
    'lb_zone_no_capacity_left',
    'lb_probes',
    'lb_probes_failed',
    'lb_probes_dropped',
    'lb_subsets_selected',
    'lb_subsets_fallback',
    'lb_subsets_fallback_panic',
    // Main's.
    'lb_subsets_created',
    'lb_subsets_removed',
    'upstream_cx_protocol_error',
    'upstream_cx_destroy',
    'upstream_cx_destroy_local',
    'upstream_cx_destroy_remote',
    'upstream_cx_destroy_with_active_rq',
    'upstream_cx_destroy_local_with_active_rq',
    'upstream_cx_destroy_remote_with_active_rq',
    'upstream_cx_rx_bytes_total',
    'upstream_cx_tx_bytes_total',
    'upstream_rq_total',
    'upstream_rq_active',
    'upstream_rq_pending_total',
    'upstream_rq_pending_active',
    'upstream_rq_pending_overflow',
    'upstream_rq_pending_failure_eject',
    'upstream_rq_cancelled',
    'upstream_rq_timeout',
    'upstream_rq_rx_reset',
    'upstream_rq_tx_reset',
    'upstream_rq_retry',
    'upstream_rq_retry_overflow',
    'upstream_rq_completed',
    'upstream_rq_1xx',
    'upstream_rq_2xx',
    'upstream_rq_3xx',
    'upstream_rq_4xx',
    'upstream_rq_5xx',
    'upstream_rq_200',
    'upstream_rq_204',
    'upstream_rq_206',
    'upstream_rq_301',
    'upstream_rq_302',
    'upstream_rq_304',
    'upstream_rq_400',
    'upstream_rq_401',
    'upstream_rq_403',
    'upstream_rq_404',
    'upstream_rq_409',
    'upstream_rq_429',
    'upstream_rq_500',
    'upstream_rq_501',
    'upstream_rq_502',
    'upstream_rq_503',
    'upstream_rq_504',
    'upstream_rq_other',
    // Main's: look-ups of its names, and lists of endpoints that were not the one before.
    'update_attempt',
    'update_success',
    'update_failure',
    'update_empty',
    'membership_change',
    ...TLS_NAMES,
  ],
  ['upstream_cx_active', 'upstream_rq_active', 'upstream_rq_pending_active'],
  ['upstream_rq_time', 'upstream_cx_connect_ms', 'upstream_cx_length_ms'],
);

/** tcp.<stat_prefix>. */
export const TCP = scope(
  [
    'downstream_cx_total',
    'downstream_cx_active',
    'downstream_cx_no_route',
    'downstream_cx_rx_bytes_total',
    'downstream_cx_tx_bytes_total',
    'downstream_flow_control_paused_reading_total',
    'downstream_flow_control_resumed_reading_total',
    'idle_timeout',
    'max_downstream_connection_duration',
  ],
  ['downstream_cx_active'],
  [],
);

/** listener.<address>. */
export const LISTENER = scope(
  [
    'downstream_cx_total',
    'downstream_cx_active',
    'downstream_cx_destroy',
    'downstream_pre_cx_active',
    'downstream_pre_cx_timeout',
    'downstream_cx_transport_socket_connect_timeout',
    'downstream_listener_filter_error',
    'no_filter_chain_match',
    ...TLS_NAMES,
  ],
  ['downstream_cx_active', 'downstream_pre_cx_active'],
  ['downstream_cx_length_ms'],
);

/** cluster.<name>.grpc. and cluster.<name>.grpc.<service>.<method>. : grpc_stats; a number is a grpc-status. */
export const GRPC = scope(
  [
    'total',
    'success',
    'failure',
    'request_message_count',
    'response_message_count',
    '0',
    '1',
    '2',
    '3',
    '4',
    '5',
    '6',
    '7',
    '8',
    '9',
    '10',
    '11',
    '12',
    '13',
    '14',
    '15',
    '16',
    'other',
  ],
  [],
  ['upstream_rq_time'],
);

/** <stat_prefix>.http_local_rate_limit. */
export const RATE_LIMIT = scope(['enabled', 'enforced', 'rate_limited', 'ok'], [], []);
/** By the code of RST_STREAM (RFC 9113 §7), in its order; the last one is for codes of nobody's. */
export const RESET_REASONS = [
  'no_error',
  'protocol_error',
  'internal_error',
  'flow_control_error',
  'settings_timeout',
  'stream_closed',
  'frame_size_error',
  'refused_stream',
  'cancel',
  'compression_error',
  'connect_error',
  'enhance_your_calm',
  'inadequate_security',
  'http_1_1_required',
  'other',
] as const;

/** http2. below http.<stat_prefix>. and cluster.<name>. : one HTTP/2 side. */
export const HTTP2 = scope(
  [
    ...RESET_REASONS.map((reason) => `rx_reset.${reason}` as const),
    ...RESET_REASONS.map((reason) => `tx_reset.${reason}` as const),
    'goaway_sent',
    'goaway_received',
    'header_overflow',
    'inbound_control_frames_flood',
    'inbound_empty_frames_flood',
    'inbound_priority_frames_flood',
    'inbound_reset_flood',
    'inbound_window_update_frames_flood',
    'keepalive_timeout',
    'outbound_control_flood',
    'outbound_flood',
    'rx_messaging_error',
    'rx_reset',
    'settings_timeout',
    'streams_active',
    'too_many_streams',
    'trailers',
    'tx_flush_timeout',
    'tx_reset',
  ],
  ['streams_active'],
  [],
);

/** One endpoint, as /clusters shows it. */
export const ENDPOINT = scope(
  ['cx_active', 'cx_connect_fail', 'cx_total', 'rq_active', 'rq_error', 'rq_success', 'rq_timeout', 'rq_total'],
  ['cx_active', 'rq_active'],
  [],
);

/** worker_<n>. : what one worker does; also the acceptor's measure of how busy it is. */
export const WORKER = scope(
  ['downstream_cx_total', 'downstream_cx_active', 'exchanges_pooled', 'access_log_lines_dropped'],
  ['downstream_cx_active', 'exchanges_pooled'],
  [],
);
