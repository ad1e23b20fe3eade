/** Messages of sharing requests between localities: of the cluster itself, and within typed policies. */
import { Percent } from './schema-core.js';
import { bool, type Message, message, oneOf, uint } from './schema.js';

const LocalityWeightedLbConfig: Message = { name: 'LocalityWeightedLbConfig', fields: {} };

const zoneAwareFields: Message['fields'] = {
  routing_enabled: message(() => Percent),
  min_cluster_size: uint,
  fail_traffic_on_panic: bool,
};
const ForceLocalZone: Message = { name: 'ForceLocalZone', fields: { min_size: uint } };
const ZoneAwareLbConfig: Message = { name: 'ZoneAwareLbConfig', fields: zoneAwareFields };
const TypedZoneAwareLbConfig: Message = {
  name: 'ZoneAwareLbConfig',
  fields: {
    ...zoneAwareFields,
    force_locality_direct_routing: bool,
    force_local_zone: message(() => ForceLocalZone),
    locality_basis: oneOf('HEALTHY_HOSTS_NUM', 'HEALTHY_HOSTS_WEIGHT'),
  },
};

/** Of common_lb_config, where at most one of them may be. */
export const LOCALITY_FIELDS: Message['fields'] = {
  zone_aware_lb_config: message(() => ZoneAwareLbConfig),
  locality_weighted_lb_config: message(() => LocalityWeightedLbConfig),
};

const LocalityLbConfig: Message = {
  name: 'LocalityLbConfig',
  fields: {
    zone_aware_lb_config: message(() => TypedZoneAwareLbConfig),
    locality_weighted_lb_config: message(() => LocalityWeightedLbConfig),
  },
  oneof: [['zone_aware_lb_config', 'locality_weighted_lb_config']],
};

/** For typed policies that draw endpoints. */
export const LOCALITY_LB_CONFIG: Message['fields'] = { locality_lb_config: message(() => LocalityLbConfig) };
/** For those that hash. */
export const LOCALITY_WEIGHTED: Message['fields'] = {
  locality_weighted_lb_config: message(() => LocalityWeightedLbConfig),
};
