/** %UPSTREAM_TRANSPORT_FAILURE_REASON%: why the connection to an endpoint failed. */
import { type FaultCode, FAULTS, UP_TLS_BROKEN, UP_TLS_HANDSHAKE, UP_TLS_VERIFY } from '../fault/faults.js';
import type { Pool } from '../upstream/pool.js';

/** '' = it did not. TLS has its own words; pool: of the endpoint, null before one was picked. */
export function transportFailureReason(fault: FaultCode, pool: Pool | null): string {
  const isOfTls = fault === UP_TLS_HANDSHAKE || fault === UP_TLS_VERIFY || fault === UP_TLS_BROKEN;
  if (isOfTls) return pool === null ? '' : pool.tlsFailure;
  const known = FAULTS[fault];
  // What was wrong with the request says nothing of an upstream.
  return known?.source === 'upstream' ? known.reason : '';
}
