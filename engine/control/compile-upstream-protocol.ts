/** Protocol options of a cluster: which protocol its endpoints are spoken to in, and with what settings. */
import { HTTP2_DEFAULTS } from '../http2/options.js';
import type { Http2Record, SpokenProtocol } from '../plan/records.js';
import type { ClusterContext } from './compile-clusters.js';
import { compileHttp2 } from './compile-http2.js';
import { socketHolderOf } from './compile-proxy-protocol.js';
import { tlsSocketOf } from './compile-tls.js';
import { fieldOf, textOf } from './compile-values.js';
import type { DocumentReader, Value } from './document.js';
import { UNMEASURED } from './registry.js';

export const PROTOCOL_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
/** Where a cluster says the same as the typed options, in the older way. */
const OLD_FIELDS = [
  'common_http_protocol_options',
  'http_protocol_options',
  'http2_protocol_options',
  'protocol_selection',
] as const;

export interface UpstreamProtocol {
  readonly protocol: SpokenProtocol;
  readonly http2: Http2Record;
  /** common_http_protocol_options. */
  readonly common: Value;
}

export function compileUpstreamProtocol(context: ClusterContext, cluster: Value): UpstreamProtocol {
  const { reader } = context;
  const typed = typedOptions(reader, cluster);
  if (typed === undefined) return oldOptions(context, cluster);
  for (const field of OLD_FIELDS)
    if (cluster[field] !== undefined)
      reader.report('error', cluster, field, 'has no effect beside typed_extension_protocol_options: put it in there');
  const common = fieldOf(typed, 'common_http_protocol_options') ?? {};
  const auto = fieldOf(typed, 'auto_config');
  const asDownstream = fieldOf(typed, 'use_downstream_protocol_config');
  const options = auto ?? asDownstream ?? fieldOf(typed, 'explicit_http_config') ?? {};
  const http2Value = fieldOf(options, 'http2_protocol_options');
  const isSpoken = auto ?? asDownstream ?? http2Value;
  const http2 = settings(context, cluster, isSpoken === undefined ? undefined : (http2Value ?? {}));
  if (auto !== undefined && tlsSocketOf(socketHolderOf(cluster)) === null)
    reader.report(
      'error',
      typed,
      'auto_config',
      'TLS negotiates the protocol (ALPN), so it needs a transport_socket of TLS; without TLS write explicit_http_config: { http2_protocol_options: {} }',
    );
  if (auto !== undefined) return { protocol: 'AUTO', http2, common };
  if (asDownstream !== undefined) return { protocol: 'DOWNSTREAM', http2, common };
  return { protocol: http2Value === undefined ? 'HTTP1' : 'HTTP2', http2, common };
}

function oldOptions(context: ClusterContext, cluster: Value): UpstreamProtocol {
  const { reader } = context;
  const common = fieldOf(cluster, 'common_http_protocol_options') ?? {};
  const http2Value = fieldOf(cluster, 'http2_protocol_options');
  const isAsDownstream = textOf(cluster, 'protocol_selection') === 'USE_DOWNSTREAM_PROTOCOL';
  const http2 = settings(context, cluster, isAsDownstream ? (http2Value ?? {}) : http2Value);
  if (isAsDownstream) return { protocol: 'DOWNSTREAM', http2, common };
  if (http2Value !== undefined && cluster['http_protocol_options'] !== undefined)
    reader.report(
      'error',
      cluster,
      'http_protocol_options',
      'has no effect beside http2_protocol_options, unless protocol_selection is USE_DOWNSTREAM_PROTOCOL',
    );
  return { protocol: http2Value === undefined ? 'HTTP1' : 'HTTP2', http2, common };
}

/** options: undefined where HTTP/2 is not spoken. */
function settings(context: ClusterContext, cluster: Value, options: Value | undefined): Http2Record {
  const name = textOf(cluster, 'alt_stat_name') || textOf(cluster, 'name');
  const counters = options === undefined ? UNMEASURED : context.registry.metrics('http2', `cluster.${name}`).counters;
  return compileHttp2(context.reader, 'client', options ?? {}, counters, HTTP2_DEFAULTS.streamFlushTimeoutMs);
}

function typedOptions(reader: DocumentReader, cluster: Value): Value | undefined {
  const extensions = fieldOf(cluster, 'typed_extension_protocol_options') ?? {};
  for (const key of Object.keys(extensions))
    if (key !== PROTOCOL_OPTIONS)
      reader.report(
        'error',
        cluster,
        'typed_extension_protocol_options',
        `${JSON.stringify(key)} is not supported here; the key is ${PROTOCOL_OPTIONS}`,
      );
  return fieldOf(extensions, PROTOCOL_OPTIONS);
}
