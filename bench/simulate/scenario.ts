/** Scenario: proxies, servers and load of a simulation, as plain values; every time is in service times. */
import type { DemandShape } from './demand.js';
import type { Discipline } from './server.js';

/** One service time: a request of mean demand alone on a server of speed 1 (before what truncation adds). */
export const SERVICE_US = 100_000;

export interface ServerGroup {
  readonly count: number;
  readonly cores: number;
  /** Service that one core gives per unit of time. */
  readonly speed: number;
  readonly discipline: Discipline;
  /** Somebody else on the machine takes all but `factor` of its speed, now and then. */
  readonly antagonist?: { readonly factor: number; readonly meanOn: number; readonly meanOff: number };
  /** This share of the requests fails, each after `latency`. */
  readonly failures?: { readonly share: number; readonly latency: number };
}

export interface Scenario {
  readonly name: string;
  /** One sentence. */
  readonly summary: string;
  readonly proxies: number;
  /** Per proxy; each has a picker of its own, and gets requests at random. */
  readonly workers: number;
  readonly servers: readonly ServerGroup[];
  readonly demand: DemandShape;
  /** Requests have one of so many keys, the k-th with a probability that falls as 1 / k^exponent. */
  readonly keys?: { readonly count: number; readonly exponent: number };
  /** Of the capacity (cores x speed) without antagonists and failures; requests come as a Poisson process. */
  readonly load: number;
  /** What takes longer counts as late; 0 = nothing does. */
  readonly timeout: number;
  /** At the timeout the proxy gives up and the server stops; else late requests run on, and their latency counts. */
  readonly cancelsLate: boolean;
  /** All proxies begin at the same place of their rotation: a deployment of proxies that draw none. */
  readonly startsInStep: boolean;
  /** Not measured. */
  readonly warmUpRequests: number;
  readonly requests: number;
}

export function serverCount(scenario: Scenario): number {
  return scenario.servers.reduce((sum, { count }) => sum + count, 0);
}

/** Service that all servers together give per unit of time. */
export function capacity(scenario: Scenario): number {
  return scenario.servers.reduce((sum, { count, cores, speed }) => sum + count * cores * speed, 0);
}

/** Servers, each as its group. */
export function expanded(scenario: Scenario): ServerGroup[] {
  return scenario.servers.flatMap((group) => Array.from({ length: group.count }, () => group));
}
