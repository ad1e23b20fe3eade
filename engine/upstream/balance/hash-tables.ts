/** HashTables: the tables of one cluster, kept over endpoint lists that differ only in health or order. */
import type { LbPolicyRecord } from '../../plan/lb-policy-record.js';
import type { HashMember, HashTable } from './hash-table.js';
import { buildMaglev } from './maglev.js';
import { buildRing } from './ring-hash.js';
import type { TableFill } from '../../base/table-fill.js';
import { PORTABLE_FILL } from './portable-fill.js';

/**
 * So many lists that came without need of a table let it go: lists that alternate (failover and back) find theirs again.
 * A table is up to 100 MB at the largest ring size.
 */
const KEPT_LISTS = 1;

export type HashPolicyRecord = Extract<LbPolicyRecord, { readonly name: 'RING_HASH' | 'MAGLEV' }>;

export function isHashPolicy(policy: LbPolicyRecord): policy is HashPolicyRecord {
  return policy.name === 'RING_HASH' || policy.name === 'MAGLEV';
}

export class HashTables {
  readonly #fill: TableFill;
  readonly #kept = new Map<string, { readonly table: HashTable; list: number }>();
  #list = 0;

  constructor(fill: TableFill = PORTABLE_FILL) {
    this.#fill = fill;
  }

  /** A new list of endpoints: the tables that it needs are asked for next. */
  nextList(): void {
    this.#list++;
    for (const [signature, { list }] of this.#kept)
      if (this.#list - list > KEPT_LISTS + 1) this.#kept.delete(signature);
  }

  /** members: at least one. */
  get(policy: HashPolicyRecord, members: readonly HashMember[]): HashTable {
    const signature = JSON.stringify([shapeOf(policy), members.map((member) => [member.key, member.weight])]);
    const kept = this.#kept.get(signature) ?? { table: build(policy, members, this.#fill), list: 0 };
    kept.list = this.#list;
    this.#kept.set(signature, kept);
    return kept.table;
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
