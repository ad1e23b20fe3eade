/** GrpcStatsRecord: which calls of which clusters are counted where, as plain data. */
import type { MetricsBase } from './records.js';

/** Counters of methods whose names come with the requests: scopes behind each other, by the number of the name. */
export interface AllMethodsRecord extends MetricsBase {
  /** Of a metrics/name-table.ts: "cluster/service/method". */
  readonly names: SharedArrayBuffer;
}

export interface GrpcStatsRecord {
  /** What has counters of its own; every other call is counted for its cluster alone. */
  readonly methods: readonly { readonly service: string; readonly method: string }[];
  /** By cluster: the GRPC scope of all other calls, then those of `methods` in order. */
  readonly scopes: Readonly<Record<string, readonly MetricsBase[]>>;
  /** Methods of any name have counters of their own as well; null = those of `methods` alone. */
  readonly all: AllMethodsRecord | null;
  /** Of a service's name the dots become underscores. */
  readonly replacesDots: boolean;
  /** Logs may read how many messages a call had. */
  readonly emitsState: boolean;
  /** Calls are timed, too. */
  readonly timesUpstream: boolean;
}
