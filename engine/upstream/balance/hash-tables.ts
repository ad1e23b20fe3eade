/** HashTables: the tables of one cluster, kept over endpoint lists that differ only in health or order. */
import type { LbPolicyRecord } from '../../plan/lb-policy-record.js';
import type { HashMember, HashTable } from './hash-table.js';
import { buildMaglev } from './maglev.js';
import { buildRing } from './ring-hash.js';
import { PORTABLE_FILL, type TableFill } from './table-fill.js';

/** Lists that alternate (failover and back) find theirs again. A table is up to 100 MB at the largest ring size. */
const KEPT_MAX = 2;

export type HashPolicyRecord = Extract<LbPolicyRecord, { readonly name: 'RING_HASH' | 'MAGLEV' }>;

export function isHashPolicy(policy: LbPolicyRecord): policy is HashPolicyRecord {
  return policy.name === 'RING_HASH' || policy.name === 'MAGLEV';
}

export class HashTables {
  readonly #fill: TableFill;
  /** Newest last. */
  readonly #kept: { readonly signature: string; readonly table: HashTable }[] = [];

  constructor(fill: TableFill = PORTABLE_FILL) {
    this.#fill = fill;
  }

  /** members: at least one. */
  get(policy: HashPolicyRecord, members: readonly HashMember[]): HashTable {
    const signature = JSON.stringify([shapeOf(policy), members.map((member) => [member.key, member.weight])]);
    const at = this.#kept.findIndex((each) => each.signature === signature);
    const table = at >= 0 ? (this.#kept[at] as { table: HashTable }).table : build(policy, members, this.#fill);
    if (at >= 0) this.#kept.splice(at, 1);
    this.#kept.push({ signature, table });
    if (this.#kept.length > KEPT_MAX) this.#kept.shift();
    return table;
  }
}

function build(policy: HashPolicyRecord, members: readonly HashMember[], fill: TableFill): HashTable {
  return policy.name === 'RING_HASH' ? buildRing(members, policy, fill) : buildMaglev(members, policy.tableSize, fill);
}

/** What of a policy decides about its table. */
function shapeOf(policy: HashPolicyRecord): readonly unknown[] {
  return policy.name === 'RING_HASH'
    ? [policy.minimumRingSize, policy.maximumRingSize, policy.hashFunction]
    : [policy.tableSize];
}
