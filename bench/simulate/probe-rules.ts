/** Probe rules: what Prequal's rule was compared with, as published, over the same pool of probes. */
import type { ProbeRule } from '../../engine/upstream/balance/probe-pool.js';
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
 * servers answer, q what is in flight and the request itself.
 */
export class CubicRule implements ProbeRule {
  saw(): void {}

  isBetter(rif: number, latencyUs: number, otherRif: number, otherLatencyUs: number): boolean {
    return cost(rif, latencyUs) < cost(otherRif, otherLatencyUs);
  }
}

/**
 * Nobody's mean latency is below a service time. A median of a few tiny requests may be, and for a server that nobody
 * has used for long it is 0: as a factor, either would draw everybody to one server.
 */
function cost(rif: number, latencyUs: number): number {
  return (rif + 1) ** 3 * Math.max(latencyUs, SERVICE_US);
}
