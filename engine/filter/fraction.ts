/** Fractions of requests, drawn by lot. */
import type { FractionRecord } from '../plan/local-rate-limit-record.js';
import type { FilterContext } from './filter.js';

/** Whole fractions draw nothing. */
export function isDrawn(x: FilterContext, { numerator, denominator }: FractionRecord): boolean {
  if (numerator >= denominator) return true;
  return numerator > 0 && x.draw(denominator) < numerator;
}
