/** Balancing policies that hash: of lb_policy with its messages, and typed ones, to records. */
import type { ConsistentHashingRecord, LbPolicyRecord } from '../plan/lb-policy-record.js';
import { fieldOf, flagOf, numberOf, textOf } from './compile-values.js';
import type { DocumentReader, Value } from './document.js';
import { RING_SIZE_MAX } from './schema-hashing.js';

const MINIMUM_RING_SIZE = 1024;
const TABLE_SIZE = 65537;

/** typed: what stands in load_balancing_policy, of this type; else legacy is the lb_policy. Null: another policy. */
export function compileHashingPolicy(
  reader: DocumentReader,
  cluster: Value,
  legacy: string,
  typed: Value | undefined,
): LbPolicyRecord | null {
  const type = typed === undefined ? '' : String(typed['@type']);
  const isRing = typed === undefined ? legacy === 'RING_HASH' : type.endsWith('.RingHash');
  const isMaglev = typed === undefined ? legacy === 'MAGLEV' : type.endsWith('.Maglev');
  const owner = typed ?? fieldOf(cluster, 'common_lb_config') ?? {};
  const consistent = fieldOf(owner, 'consistent_hashing_lb_config');
  const isLegacy = typed === undefined;
  warnWhereUnread(reader, cluster, 'ring_hash_lb_config', isLegacy && isRing, 'lb_policy is not RING_HASH');
  warnWhereUnread(reader, cluster, 'maglev_lb_config', isLegacy && isMaglev, 'lb_policy is not MAGLEV');
  warnWhereUnread(
    reader,
    fieldOf(cluster, 'common_lb_config') ?? {},
    'consistent_hashing_lb_config',
    isLegacy && (isRing || isMaglev),
    'lb_policy is neither RING_HASH nor MAGLEV',
  );
  if (isRing) return ring(reader, typed ?? fieldOf(cluster, 'ring_hash_lb_config') ?? {}, consistent);
  if (isMaglev) return maglev(reader, typed ?? fieldOf(cluster, 'maglev_lb_config') ?? {}, consistent);
  return null;
}

function warnWhereUnread(reader: DocumentReader, value: Value, field: string, isRead: boolean, why: string): void {
  if (value[field] !== undefined && !isRead) reader.report('warning', value, field, `has no effect: ${why}`);
}

function ring(reader: DocumentReader, config: Value, consistent: Value | undefined): LbPolicyRecord {
  const maximumRingSize = numberOf(config, 'maximum_ring_size', RING_SIZE_MAX);
  const minimumRingSize = numberOf(config, 'minimum_ring_size', Math.min(MINIMUM_RING_SIZE, maximumRingSize));
  if (minimumRingSize > maximumRingSize)
    reader.report('error', config, 'minimum_ring_size', `is more than maximum_ring_size (${maximumRingSize})`);
  const isMurmur = textOf(config, 'hash_function') === 'MURMUR_HASH_2';
  return {
    name: 'RING_HASH',
    minimumRingSize,
    maximumRingSize,
    hashFunction: isMurmur ? 'MURMUR_HASH_2' : 'XX_HASH',
    ...consistentHashing(config, consistent),
  };
}

function maglev(reader: DocumentReader, config: Value, consistent: Value | undefined): LbPolicyRecord {
  const tableSize = numberOf(config, 'table_size', TABLE_SIZE);
  // Otherwise an endpoint's steps through the table don't come by all of its slots.
  if (!isPrime(tableSize)) {
    let near = tableSize;
    while (!isPrime(near)) near--;
    reader.report('error', config, 'table_size', `${tableSize} is not a prime; ${near} is`);
  }
  return { name: 'MAGLEV', tableSize, ...consistentHashing(config, consistent) };
}

/** The message of its own comes before the older fields of the policy itself (Envoy). */
function consistentHashing(config: Value, consistent: Value | undefined): ConsistentHashingRecord {
  const from = consistent ?? config;
  return {
    useHostname: flagOf(from, 'use_hostname_for_hashing'),
    balanceFactor: numberOf(from, 'hash_balance_factor', 0),
  };
}

/** number: at least 2. */
function isPrime(number: number): boolean {
  for (let divisor = 2; divisor * divisor <= number; divisor++) if (number % divisor === 0) return false;
  return true;
}
