/** RifReport: what a server says of all requests in flight there, whoever sent them, and of their latency. */
import { type MetricSink, NAMED_METRICS } from './load-report.js';

// In a load report (ORCA) as named metrics: "endpoint-load-metrics: TEXT named_metrics.rif=12, named_metrics.latency_us=3400".

const encoder = new TextEncoder();
const RIF = encoder.encode('rif');
const LATENCY = encoder.encode('latency_us');
const RIF_MAX = 0xfffff;
const LATENCY_MAX_US = 0x3fffffff;

/** One per picker, filled again for each report; whole numbers, so that reading it leaves no garbage. */
export class RifReport implements MetricSink {
  /** Requests in flight, -1 = the report doesn't say. */
  rif = -1;
  /** 0 = it doesn't say, or nobody was answered yet. */
  latencyUs = 0;

  reset(): void {
    this.rif = -1;
    this.latencyUs = 0;
  }

  put(part: number, bytes: Uint8Array, from: number, to: number, value: number): boolean {
    if (part !== NAMED_METRICS || !(value >= 0)) return true;
    if (isSame(bytes, from, to, RIF)) this.rif = value < RIF_MAX ? Math.round(value) : RIF_MAX;
    else if (isSame(bytes, from, to, LATENCY))
      this.latencyUs = value < LATENCY_MAX_US ? Math.round(value) : LATENCY_MAX_US;
    return true;
  }
}

function isSame(bytes: Uint8Array, from: number, to: number, name: Uint8Array): boolean {
  if (to - from !== name.length) return false;
  for (let i = 0; i < name.length; i++) if (bytes[from + i] !== name[i]) return false;
  return true;
}
