/** TcpRuntime: one tcp_proxy filter chain as this worker runs it. */
import type { Prng } from '../base/prng.js';
import type { ListenerRecord } from '../plan/records.js';
import type { TcpProxyRecord } from '../plan/tcp-proxy-record.js';
import { HashPolicies } from '../route/hash-policy.js';
import type { Cluster } from '../upstream/cluster.js';
import type { AccessLog } from './access-log.js';
import type { TcpRecord } from './tcp-record.js';

export class TcpRuntime {
  readonly listener: ListenerRecord;
  readonly record: TcpProxyRecord;
  readonly accessLogs: readonly AccessLog[];
  readonly hashPolicies: HashPolicies | null;
  readonly #clusters: ReadonlyMap<string, Cluster>;
  readonly #totalWeight: number;

  constructor(
    listener: ListenerRecord,
    record: TcpProxyRecord,
    clusters: ReadonlyMap<string, Cluster>,
    accessLogs: readonly AccessLog[],
  ) {
    this.listener = listener;
    this.record = record;
    this.accessLogs = accessLogs;
    this.hashPolicies = record.hashesSourceAddress ? new HashPolicies([{ kind: 'source_ip', terminal: false }]) : null;
    this.#clusters = clusters;
    this.#totalWeight = record.clusters.reduce((sum, { weight }) => sum + weight, 0);
  }

  /** By weight; null when the plan has no such cluster. */
  chooseCluster(random: Prng): Cluster | null {
    const { clusters } = this.record;
    let at = clusters.length === 1 ? 0 : random.below(this.#totalWeight);
    for (const { name, weight } of clusters) {
      at -= weight;
      if (at < 0 || clusters.length === 1) return this.#clusters.get(name) ?? null;
    }
    return null;
  }

  log(record: TcpRecord): void {
    for (const log of this.accessLogs) log.log(record);
  }
}
