/** GrpcHttp1BridgeRecord: what the bridge does for clients of HTTP/1, as plain data. */

export interface GrpcHttp1BridgeRecord {
  /** application/x-protobuf becomes a gRPC message, and the answer's message loses its frame. */
  readonly upgradeProtobuf: boolean;
  /** The query of the path is dropped. */
  readonly ignoreQuery: boolean;
  /** Of a request or an answer that is kept whole: the listener's buffer limit. */
  readonly maxBytes: number;
}
