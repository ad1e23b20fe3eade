/** GrpcTimeoutRecord: how far a gRPC client's own deadline (grpc-timeout) counts on a route. */

export interface GrpcTimeoutRecord {
  /** As max_stream_duration, at most so long; 0 = as long as it says, null = not at all. */
  readonly headerMaxMs: number | null;
  /** So much less than it says: the answer is to be there before the client gives up. */
  readonly headerOffsetMs: number;
  /** The older form: as the route's timeout. */
  readonly maxMs: number | null;
  readonly offsetMs: number;
}
