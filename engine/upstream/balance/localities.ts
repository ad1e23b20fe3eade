/** Localities: endpoints of a priority by where they are, and what share of its requests each place gets. */
import { localityOf } from '../../plan/locality-record.js';
import type { EndpointRecord } from '../../plan/records.js';

export interface Locality {
  readonly name: string;
  /** As configured. */
  readonly weight: number;
  /** Indexes of its endpoints. */
  readonly members: readonly number[];
  /** Those of them that requests may go to. */
  readonly eligible: readonly number[];
}

/** By name, the one called `first` before the others. eligible: a part of members. */
export function localitiesOf(
  records: readonly EndpointRecord[],
  members: readonly number[],
  eligible: readonly number[],
  first = '',
): Locality[] {
  const isEligible = new Set(eligible);
  const found = new Map<string, number[]>();
  for (const index of members) {
    const name = localityOf(records[index] as EndpointRecord);
    const known = found.get(name);
    if (known === undefined) found.set(name, [index]);
    else known.push(index);
  }
  const rank = (name: string): string => (first !== '' && name === first ? '' : ` ${name}`);
  return [...found]
    .sort(([a], [b]) => (rank(a) < rank(b) ? -1 : 1))
    .map(([name, indexes]) => ({
      name,
      weight: (records[indexes[0] as number] as EndpointRecord).localityWeight,
      members: indexes,
      eligible: indexes.filter((index) => isEligible.has(index)),
    }));
}

/**
 * Envoy's effective weights, up to a common factor: weight x min(1, overprovisioning x eligible / all). Whole numbers
 * where those are exact. overprovisioningPercent: 140 = 1.4.
 */
export function effectiveWeights(localities: readonly Locality[], overprovisioningPercent: number): number[] {
  const parts = localities.map(({ weight, members, eligible }) => ({
    numerator: weight * Math.min(100 * members.length, overprovisioningPercent * eligible.length),
    denominator: members.length,
  }));
  return commonWhole(parts);
}

/**
 * Weight of each index where a locality's weight is shared out among its endpoints by theirs (tables of hashes); up to
 * a common factor. 0 in localities without weight. Null: no locality has any, so localities don't matter.
 */
export function sharedOutWeights(
  localities: readonly Locality[],
  records: readonly EndpointRecord[],
): Float64Array | null {
  if (localities.every(({ weight }) => weight === 0)) return null;
  const shared = new Float64Array(records.length);
  const sums = localities.map(({ members }) =>
    members.reduce((sum, index) => sum + (records[index] as EndpointRecord).weight, 0),
  );
  const whole = commonWhole(
    localities.map(({ weight }, at) => ({ numerator: weight, denominator: sums[at] as number })),
  );
  localities.forEach(({ members }, at) => {
    for (const index of members) shared[index] = (whole[at] as number) * (records[index] as EndpointRecord).weight;
  });
  return shared;
}

interface Fraction {
  readonly numerator: number;
  readonly denominator: number;
}

/** Larger ones are scaled down, and no longer exact: 2^40 times a weight of 2^13 is still a whole number. */
const WHOLE_MAX = 2 ** 40;

/** The fractions times the least number that makes them whole. */
function commonWhole(fractions: readonly Fraction[]): number[] {
  let multiple = 1;
  for (const { denominator } of fractions) {
    multiple = (multiple / greatestCommonDivisor(multiple, denominator)) * denominator;
    if (multiple > WHOLE_MAX) break;
  }
  const isExact = multiple <= WHOLE_MAX;
  const scaled = fractions.map(({ numerator, denominator }) =>
    isExact ? numerator * (multiple / denominator) : numerator / denominator,
  );
  const most = scaled.reduce((largest, each) => Math.max(largest, each), 0);
  if (isExact && most <= WHOLE_MAX) {
    const divisor = scaled.reduce(greatestCommonDivisor, 0);
    return divisor === 0 ? scaled : scaled.map((each) => each / divisor);
  }
  return scaled.map((each) => (each === 0 ? 0 : Math.max(1, Math.round((each / most) * WHOLE_MAX))));
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
