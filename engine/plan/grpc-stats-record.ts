/** GrpcStatsRecord: which calls of which clusters are counted where, as plain data. */
import type { MetricsBase } from './records.js';

export interface GrpcStatsRecord {
  /** What has counters of its own; every other call is counted for its cluster alone. */
  readonly methods: readonly { readonly service: string; readonly method: string }[];
  /** By cluster: the GRPC scope of all other calls, then those of `methods` in order. */
  readonly scopes: Readonly<Record<string, readonly MetricsBase[]>>;
  /** Calls are timed, too. */
  readonly timesUpstream: boolean;
}
