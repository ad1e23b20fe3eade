/** Messages of the balancing policies that hash: of the cluster itself, and typed. */
import { Percent } from './schema-core.js';
import { LOCALITY_FIELDS, LOCALITY_WEIGHTED } from './schema-locality.js';
import { bool, type Field, type Message, message, oneOf } from './schema.js';

/** Envoy's limit of points on a ring, and its default. */
export const RING_SIZE_MAX = 8388608;
/** Envoy's limit of a Maglev table. */
export const TABLE_SIZE_MAX = 5000011;

const ringSize: Field = { kind: 'uint', min: 1, max: RING_SIZE_MAX };
const tableSize: Field = { kind: 'uint', min: 2, max: TABLE_SIZE_MAX };
const balanceFactor: Field = { kind: 'uint', min: 100 };

export const RingHashLbConfig: Message = {
  name: 'RingHashLbConfig',
  fields: {
    minimum_ring_size: ringSize,
    maximum_ring_size: ringSize,
    hash_function: oneOf('XX_HASH', 'MURMUR_HASH_2'),
  },
};
export const MaglevLbConfig: Message = { name: 'MaglevLbConfig', fields: { table_size: tableSize } };

const ConsistentHashingLbConfig: Message = {
  name: 'ConsistentHashingLbConfig',
  fields: { use_hostname_for_hashing: bool, hash_balance_factor: balanceFactor },
  unsupported: ['hash_policy'],
};
export const CommonLbConfig: Message = {
  name: 'CommonLbConfig',
  fields: {
    consistent_hashing_lb_config: message(() => ConsistentHashingLbConfig),
    healthy_panic_threshold: message(() => Percent),
    ...LOCALITY_FIELDS,
  },
  unsupported: [
    'update_merge_window',
    'ignore_new_hosts_until_first_hc',
    'close_connections_on_host_set_change',
    'override_host_status',
  ],
  oneof: [['?', 'zone_aware_lb_config', 'locality_weighted_lb_config']],
};

const RingHash: Message = {
  name: 'RingHash',
  typeUrl: 'envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash',
  fields: {
    hash_function: oneOf('DEFAULT_HASH', 'XX_HASH', 'MURMUR_HASH_2'),
    minimum_ring_size: ringSize,
    maximum_ring_size: ringSize,
    use_hostname_for_hashing: bool,
    hash_balance_factor: balanceFactor,
    consistent_hashing_lb_config: message(() => ConsistentHashingLbConfig),
    ...LOCALITY_WEIGHTED,
  },
};
const Maglev: Message = {
  name: 'Maglev',
  typeUrl: 'envoy.extensions.load_balancing_policies.maglev.v3.Maglev',
  fields: {
    table_size: tableSize,
    consistent_hashing_lb_config: message(() => ConsistentHashingLbConfig),
    ...LOCALITY_WEIGHTED,
  },
};

/** By type URL without "type.googleapis.com/". */
export const HASHING_POLICIES: Readonly<Record<string, Message>> = {
  [RingHash.typeUrl as string]: RingHash,
  [Maglev.typeUrl as string]: Maglev,
};
