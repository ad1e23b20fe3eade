/** ClientCodec: the codec of an upstream connection, of either protocol. */
import type { MultiplexedHost } from '../http/codec.js';
import { Http1ClientCodec } from '../http1/codec-client.js';
import { Http2ClientCodec } from '../http2/codec-client.js';
import type { Conn } from '../io/transport.js';
import type { Cluster } from './cluster.js';

export type ClientCodec = Http1ClientCodec | Http2ClientCodec;

export function newClientCodec(protocol: 1 | 2, cluster: Cluster, conn: Conn, host: MultiplexedHost): ClientCodec {
  const { http1, http2 } = cluster.context;
  if (protocol === 1) return new Http1ClientCodec(conn, host, cluster.http1Options, http1);
  return new Http2ClientCodec(conn, host, cluster.http2Options, http2);
}
