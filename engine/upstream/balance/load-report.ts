/** LoadReport: what an endpoint says of its load (ORCA, xds.data.orca.v3.OrcaLoadReport), as far as balancing asks. */

/** The part of a report that a metric stands in. */
export const TOP_LEVEL = 0;
export const NAMED_METRICS = 1;
export const UTILIZATION = 2;
export const REQUEST_COST = 3;

const PARTS: readonly (readonly [string, number])[] = [
  ['named_metrics.', NAMED_METRICS],
  ['utilization.', UTILIZATION],
  ['request_cost.', REQUEST_COST],
];

interface WantedMetric {
  readonly part: number;
  /** Empty = every metric of that part. */
  readonly name: Uint8Array;
}

/** Who wants the metrics of a report. */
export interface MetricSink {
  reset(): void;
  /** False when there is no such top-level metric: then the report is void. */
  put(part: number, bytes: Uint8Array, from: number, to: number, value: number): boolean;
}

/** One per policy, filled again for each report; reading it leaves no garbage. */
export class LoadReport implements MetricSink {
  cpuUtilization = 0;
  memUtilization = 0;
  applicationUtilization = 0;
  /** Requests per second. */
  rps = 0;
  /** Errors per second. */
  eps = 0;
  /** Highest of the wanted metrics; 0 = none was there. */
  wantedUtilization = 0;
  readonly #wanted: readonly WantedMetric[];

  /** names: as in metric_names_for_computing_utilization: "named_metrics.a", "utilization.*", "mem_utilization". */
  constructor(names: readonly string[]) {
    this.#wanted = names.map((name) => {
      const found = PARTS.find(([prefix]) => name.startsWith(prefix));
      const rest = found === undefined ? name : name.slice(found[0].length);
      return { part: found?.[1] ?? TOP_LEVEL, name: encoder.encode(rest === '*' ? '' : rest) };
    });
  }

  reset(): void {
    this.cpuUtilization = 0;
    this.memUtilization = 0;
    this.applicationUtilization = 0;
    this.rps = 0;
    this.eps = 0;
    this.wantedUtilization = 0;
  }

  put(part: number, bytes: Uint8Array, from: number, to: number, value: number): boolean {
    for (let i = 0; i < this.#wanted.length; i++) {
      const wanted = this.#wanted[i] as WantedMetric;
      if (wanted.part !== part || value <= this.wantedUtilization) continue;
      if (wanted.name.length === 0 || isSame(bytes, from, to, wanted.name)) this.wantedUtilization = value;
    }
    if (part !== TOP_LEVEL) return true;
    if (isSame(bytes, from, to, CPU)) this.cpuUtilization = value;
    else if (isSame(bytes, from, to, MEM)) this.memUtilization = value;
    else if (isSame(bytes, from, to, APPLICATION)) this.applicationUtilization = value;
    else if (isSame(bytes, from, to, RPS)) this.rps = value;
    else if (isSame(bytes, from, to, EPS)) this.eps = value;
    else return false;
    return true;
  }

  /** What the endpoint itself calls its utilization, else the highest of the wanted metrics, else that of the CPU. */
  get utilization(): number {
    if (this.applicationUtilization > 0) return this.applicationUtilization;
    return this.wantedUtilization > 0 ? this.wantedUtilization : this.cpuUtilization;
  }
}

const encoder = new TextEncoder();
export const CPU: Uint8Array = encoder.encode('cpu_utilization');
export const MEM: Uint8Array = encoder.encode('mem_utilization');
export const APPLICATION: Uint8Array = encoder.encode('application_utilization');
export const RPS: Uint8Array = encoder.encode('rps_fractional');
export const EPS: Uint8Array = encoder.encode('eps');

const UNDERSCORE = 0x5f;

/** The proto name, or its JSON spelling: cpu_utilization is cpuUtilization. */
function isSame(bytes: Uint8Array, from: number, to: number, name: Uint8Array): boolean {
  let at = from;
  for (let i = 0; i < name.length; i++) {
    const wanted = name[i] as number;
    if (at < to && bytes[at] === wanted) at++;
    else if (wanted === UNDERSCORE && at < to && bytes[at] === (name[i + 1] as number) - 32) {
      at++;
      i++;
    } else return false;
  }
  return at === to;
}
