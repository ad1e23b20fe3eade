/** FILTER_KINDS: every filter besides the router, by type URL. */
import type { FilterKind } from './filter.js';
import { BUFFER } from './buffer.js';
import { CORS } from './cors.js';
import { GRPC_HTTP1_BRIDGE } from './grpc-http1-bridge.js';
import { GRPC_STATS } from './grpc-stats.js';
import { GRPC_WEB } from './grpc-web.js';
import { LOCAL_RATE_LIMIT } from './local-rate-limit.js';
import { STATEFUL_SESSION } from './stateful-session.js';

// A filter is one entry here, one in engine/control/compile-filters.ts and one in engine/control/schema-filters.ts.
const KINDS: readonly FilterKind<unknown>[] = [
  BUFFER as unknown as FilterKind<unknown>,
  CORS as unknown as FilterKind<unknown>,
  GRPC_HTTP1_BRIDGE as unknown as FilterKind<unknown>,
  GRPC_STATS as unknown as FilterKind<unknown>,
  GRPC_WEB as unknown as FilterKind<unknown>,
  LOCAL_RATE_LIMIT as FilterKind<unknown>,
  STATEFUL_SESSION as FilterKind<unknown>,
];

export const FILTER_KINDS: ReadonlyMap<string, FilterKind<unknown>> = new Map(
  KINDS.map((kind) => [kind.typeUrl, kind]),
);
