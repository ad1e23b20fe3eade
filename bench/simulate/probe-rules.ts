/** Probe rules: what Prequal's rule was compared with, as published, over the same pool of probes. */
import type { ProbeRule } from './probe-pool.js';
import { SERVICE_US } from './scenario.js';

/** Latency and requests in flight in equal parts; a request in flight counts as much as it takes alone. */
export class LinearRule implements ProbeRule {
  saw(): void {}

  isBetter(rif: number, latencyUs: number, otherRif: number, otherLatencyUs: number): boolean {
    return latencyUs + SERVICE_US * rif < otherLatencyUs + SERVICE_US * otherRif;
  }
}

/**
 * C3 (NSDI 2015): R - 1/mu + q^3 / mu. R - 1/mu is time in the network, which this model hasn't; 1/mu is the latency that
 * servers answer, q what is in flight and the request itself. It multiplies by latency: one that a few tiny requests made
 * look near 0 draws everybody for a while, which shows at p99.9.
 */
export class CubicRule implements ProbeRule {
  saw(): void {}

  isBetter(rif: number, latencyUs: number, otherRif: number, otherLatencyUs: number): boolean {
    return cost(rif, latencyUs) < cost(otherRif, otherLatencyUs);
  }
}

/** A server that nobody has used for long has no latency; taken for 0, it would draw everybody. */
function cost(rif: number, latencyUs: number): number {
  return (rif + 1) ** 3 * (latencyUs === 0 ? SERVICE_US : latencyUs);
}
