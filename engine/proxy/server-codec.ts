/** ServerCodec: the codec of a client connection, of either protocol. */
import type { MultiplexedHost, StreamAcceptor } from '../http/codec.js';
import { Http1ServerCodec } from '../http1/codec-server.js';
import { Http2ServerCodec } from '../http2/codec-server.js';
import type { Conn } from '../io/transport.js';
import type { Core } from './core.js';
import type { ListenerRuntime } from './snapshot.js';

export type ServerCodec = Http1ServerCodec | Http2ServerCodec;

export function newServerCodec(
  protocol: 1 | 2,
  core: Core,
  listener: ListenerRuntime,
  conn: Conn,
  owner: MultiplexedHost & StreamAcceptor,
): ServerCodec {
  if (protocol === 1) return new Http1ServerCodec(conn, owner, owner, listener.http1, core.http1);
  return new Http2ServerCodec(conn, owner, owner, listener.http2, core.http2);
}
