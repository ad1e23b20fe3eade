/** RateMemory: where in the memory of all workers each rate limit has its cell. */
import { SET_WORDS } from './rate-cells.js';

// Connections first, because a keyed table stands at the start of its memory; then a cache line for each cell, so that
// workers that take from two limits don't fight over one. Pages are committed when they are touched.

/** Sets of the table of connections, 8 of them each. */
export const CONNECTION_SETS = 4096;
/** Limits of a process. */
export const RATE_LIMITS_MAX = 16384;
const LINE_WORDS = 8;
const CELLS_BASE = CONNECTION_SETS * SET_WORDS;

export function newRateMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer((CELLS_BASE + RATE_LIMITS_MAX * LINE_WORDS) * BigInt64Array.BYTES_PER_ELEMENT);
}

/** The cell of a limit, by its dense number. */
export function rateCell(limit: number): number {
  return CELLS_BASE + limit * LINE_WORDS;
}
