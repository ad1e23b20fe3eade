/** Demand: how much service requests need, in microseconds of one core at speed 1, drawn from a seeded distribution. */
import type { Prng } from '../../engine/base/prng.js';

export type DemandShape =
  /** Always the unit. */
  | { readonly kind: 'constant' }
  /** Mean of one unit. */
  | { readonly kind: 'exponential' }
  /** Mean of one unit before what is below 0 becomes 0; deviation in units. */
  | { readonly kind: 'normal'; readonly deviation: number }
  /** Mean of one unit; sigma of the logarithm. */
  | { readonly kind: 'lognormal'; readonly sigma: number };

export class Demand {
  /** Mean of what draw() answers, after truncation. */
  readonly meanUs: number;
  readonly #shape: DemandShape;
  readonly #unitUs: number;
  readonly #random: Prng;
  /** The second of a pair of normal values; NaN = there is none. */
  #spare = Number.NaN;

  constructor(shape: DemandShape, unitUs: number, random: Prng) {
    this.#shape = shape;
    this.#unitUs = unitUs;
    this.#random = random;
    this.meanUs = unitUs * (shape.kind === 'normal' ? truncatedMean(shape.deviation) : 1);
  }

  draw(): number {
    const shape = this.#shape;
    switch (shape.kind) {
      case 'constant':
        return this.#unitUs;
      case 'exponential':
        return this.#unitUs * exponential(this.#random);
      case 'normal':
        return this.#unitUs * Math.max(0, 1 + shape.deviation * this.#normal());
      case 'lognormal':
        return this.#unitUs * Math.exp(shape.sigma * this.#normal() - shape.sigma ** 2 / 2);
    }
  }

  /** Marsaglia's polar method: two values at a time. */
  #normal(): number {
    const spare = this.#spare;
    if (!Number.isNaN(spare)) {
      this.#spare = Number.NaN;
      return spare;
    }
    for (;;) {
      const x = 2 * this.#random.float() - 1;
      const y = 2 * this.#random.float() - 1;
      const square = x * x + y * y;
      if (square >= 1 || square === 0) continue;
      const scale = Math.sqrt((-2 * Math.log(square)) / square);
      this.#spare = y * scale;
      return x * scale;
    }
  }
}

/** Mean 1. */
export function exponential(random: Prng): number {
  return -Math.log(1 - random.float());
}

/** Mean of max(0, X), X normal with mean 1: Phi(1/s) + s * phi(1/s). */
function truncatedMean(deviation: number): number {
  if (deviation === 0) return 1;
  const z = 1 / deviation;
  const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
  return normalBelow(z) + deviation * density;
}

/** Phi(z), z >= 0: Abramowitz and Stegun 26.2.17, error below 7.5e-8. */
function normalBelow(z: number): number {
  const t = 1 / (1 + 0.2316419 * z);
  const series = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return 1 - (series * Math.exp((-z * z) / 2)) / Math.sqrt(2 * Math.PI);
}
