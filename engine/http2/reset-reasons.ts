/** ResetReasons: the counters of streams that were reset: all of them, and each by the code it was reset with. */
import { HTTP2, RESET_REASONS } from '../metrics/declare.js';
import type { ErrorCode } from './error-codes.js';

export const RX_RESET = HTTP2.index.rx_reset;
export const TX_RESET = HTTP2.index.tx_reset;
const RX_BY_CODE = HTTP2.index['rx_reset.no_error'];
const TX_BY_CODE = HTTP2.index['tx_reset.no_error'];
const OTHER = RESET_REASONS.length - 1;

export function receivedFor(code: ErrorCode): number {
  return RX_BY_CODE + Math.min(code, OTHER);
}

export function sentFor(code: ErrorCode): number {
  return TX_BY_CODE + Math.min(code, OTHER);
}
