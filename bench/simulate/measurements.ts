/** Measurements: what one run of a simulation saw; latencies are in service times wherever they are read. */
import { build, type Histogram } from 'hdr-histogram-js';
import { SERVICE_US } from './scenario.js';

/** Largest latency that is told apart: 10,000 service times. */
const LATENCY_US_MAX = 1e4 * SERVICE_US;
const IN_FLIGHT_MAX = 1e6;

export const PERCENTILES = [50, 90, 99, 99.9] as const;

export class Measurements {
  readonly latencies: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: LATENCY_US_MAX,
    numberOfSignificantValueDigits: 3,
  });
  /** Requests in flight at the server that each request came to (itself not counted), plus one. */
  readonly inFlight: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: IN_FLIGHT_MAX,
    numberOfSignificantValueDigits: 3,
  });
  requests = 0;
  /** Answered by the server with an error. */
  failures = 0;
  /** Later than the timeout. */
  late = 0;
  probes = 0;
  events = 0;
  /** Requests with a key that came where the one before with the same key had come. */
  atHome = 0;
  /** Virtual. */
  durationUs = 0;
  /** By server. */
  readonly requestsAt: Float64Array;
  #sumUs = 0;

  constructor(servers: number) {
    this.requestsAt = new Float64Array(servers);
  }

  came(server: number, inFlight: number): void {
    this.requestsAt[server] = (this.requestsAt[server] as number) + 1;
    this.inFlight.recordValue(Math.min(inFlight + 1, IN_FLIGHT_MAX));
  }

  ended(latencyUs: number, isFailure: boolean, timeoutUs: number): void {
    this.requests++;
    if (isFailure) this.failures++;
    // A request that is cancelled in time may seem to come short of it by rounding.
    if (timeoutUs > 0 && latencyUs > timeoutUs - 1) this.late++;
    this.#sumUs += latencyUs;
    this.latencies.recordValue(Math.min(Math.max(1, Math.round(latencyUs)), LATENCY_US_MAX));
  }

  /** Of all latencies, exact. */
  get mean(): number {
    return this.#sumUs / this.requests / SERVICE_US;
  }
  /** percent: 99.9 and the like. */
  percentile(percent: number): number {
    return this.latencies.getValueAtPercentile(percent) / SERVICE_US;
  }
  get max(): number {
    return this.latencies.maxValue / SERVICE_US;
  }
  /** Percentile of the requests in flight that a request found at its server. */
  found(percent: number): number {
    return Math.max(0, this.inFlight.getValueAtPercentile(percent) - 1);
  }
  get lateShare(): number {
    return this.late / this.requests;
  }
  get failureShare(): number {
    return this.failures / this.requests;
  }
  get homeShare(): number {
    return this.atHome / this.requests;
  }
  /** The busiest server's requests over the mean. */
  get spread(): number {
    const mean = this.requestsAt.reduce((sum, count) => sum + count, 0) / this.requestsAt.length;
    return Math.max(...this.requestsAt) / mean;
  }
}
