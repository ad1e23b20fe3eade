/** How a cluster balances: its policy under either spelling, and what surrounds it: subsets and localities. */
import type { LbPolicyRecord } from '../plan/lb-policy-record.js';
import type { LocalityRecord } from '../plan/locality-record.js';
import type { CriteriaRecord, SubsetsRecord } from '../plan/subsets-record.js';
import { compileHashingPolicy } from './compile-hashing.js';
import { compileLearningPolicy } from './compile-learning.js';
import { compileLocality } from './compile-locality.js';
import { slowStartOf } from './compile-slow-start.js';
import { compileSubsets } from './compile-subsets.js';
import { fieldOf, fieldsOf, flagOf, numberOf, textOf } from './compile-values.js';
import type { DocumentReader, Value } from './document.js';
import type { Runtime } from './runtime.js';

export interface Balancing {
  readonly lbPolicy: LbPolicyRecord;
  readonly locality: LocalityRecord;
  readonly subsets: SubsetsRecord | null;
}

/** criteria: of all routes. */
export function compileBalancing(
  reader: DocumentReader,
  runtime: Runtime,
  cluster: Value,
  criteria: readonly CriteriaRecord[],
): Balancing {
  const outermost = firstPolicy(fieldOf(cluster, 'load_balancing_policy'));
  const { typed, subset, isWeighted } = unwrap(reader, outermost);
  const lbPolicy = compileLbPolicy(reader, runtime, cluster, typed);
  const isHashed = lbPolicy.name === 'RING_HASH' || lbPolicy.name === 'MAGLEV';
  const common = fieldOf(cluster, 'common_lb_config') ?? {};
  const own = typed === undefined ? common : isHashed ? typed : (fieldOf(typed, 'locality_lb_config') ?? {});
  if (typed !== undefined) warnUnread(reader, cluster, common);
  const locality = isWeighted ? { kind: 'WEIGHTED' as const } : compileLocality(reader, runtime, own, isHashed);
  if (isWeighted && typed?.['locality_lb_config'] !== undefined)
    reader.report('warning', typed, 'locality_lb_config', 'has no effect within wrr_locality');
  const config = typed === undefined ? fieldOf(cluster, 'lb_subset_config') : subset;
  const subsets = compileSubsets(reader, config, criteria);
  if (subsets !== null && locality.kind === 'WEIGHTED' && !subsets.isLocalityWeightAware)
    reader.report(
      'warning',
      config,
      '',
      "locality weights don't count within subsets: locality_weight_aware is not set",
    );
  return { lbPolicy, locality, subsets };
}

/** Envoy takes the first that it knows; the schema refuses those that are not known here. */
function firstPolicy(list: Value | undefined): Value | undefined {
  const extension = fieldOf(fieldsOf(list ?? {}, 'policies')[0] ?? {}, 'typed_extension_config') ?? {};
  return fieldOf(extension, 'typed_config');
}

interface Unwrapped {
  /** Undefined: the cluster has no typed policy. */
  readonly typed: Value | undefined;
  readonly subset: Value | undefined;
  readonly isWeighted: boolean;
}

/** Down to the policy that picks endpoints: subsets may hold localities, and not the other way round. */
function unwrap(reader: DocumentReader, outermost: Value | undefined): Unwrapped {
  let typed = outermost;
  let subset: Value | undefined;
  let isWeighted = false;
  for (;;) {
    const type = String(typed?.['@type'] ?? '');
    if (typed !== undefined && type.endsWith('.Subset')) {
      if (subset !== undefined || isWeighted)
        reader.report('error', typed, '', 'subset must be the outermost policy, and can be there once');
      subset = typed;
      typed = firstPolicy(fieldOf(typed, 'subset_lb_policy')) ?? {};
    } else if (typed !== undefined && type.endsWith('.WrrLocality')) {
      if (isWeighted) reader.report('error', typed, '', 'wrr_locality can be there once');
      isWeighted = true;
      typed = firstPolicy(fieldOf(typed, 'endpoint_picking_policy')) ?? {};
    } else return { typed, subset, isWeighted };
  }
}

function warnUnread(reader: DocumentReader, cluster: Value, common: Value): void {
  const why = 'has no effect: load_balancing_policy comes before it';
  if (cluster['lb_subset_config'] !== undefined)
    reader.report('warning', cluster, 'lb_subset_config', `${why}, and has subsets as the policy subset`);
  for (const field of ['zone_aware_lb_config', 'locality_weighted_lb_config'])
    if (common[field] !== undefined)
      reader.report('warning', common, field, `${why}, and has locality_lb_config or wrr_locality for it`);
}

function compileLbPolicy(
  reader: DocumentReader,
  runtime: Runtime,
  cluster: Value,
  typed: Value | undefined,
): LbPolicyRecord {
  const legacy = textOf(cluster, 'lb_policy', 'ROUND_ROBIN');
  if (legacy === 'LOAD_BALANCING_POLICY_CONFIG' && typed === undefined)
    reader.report('error', cluster, 'lb_policy', 'needs load_balancing_policy beside it');
  if (typed !== undefined && cluster['lb_policy'] !== undefined && legacy !== 'LOAD_BALANCING_POLICY_CONFIG')
    reader.report('warning', cluster, 'lb_policy', 'has no effect: load_balancing_policy comes before it');
  const type = typed === undefined ? '' : String(typed['@type']);
  const learning =
    typed === undefined ? null : compileLearningPolicy(reader, runtime, type, typed, textOf(cluster, 'name'));
  if (learning !== null) return learning;
  const roundRobin = fieldOf(cluster, 'round_robin_lb_config');
  if (roundRobin !== undefined && (typed !== undefined || legacy !== 'ROUND_ROBIN'))
    reader.report('warning', cluster, 'round_robin_lb_config', 'has no effect: lb_policy is not ROUND_ROBIN');
  const isLeast = typed === undefined ? legacy === 'LEAST_REQUEST' : type.endsWith('.LeastRequest');
  if (cluster['least_request_lb_config'] !== undefined && (typed !== undefined || !isLeast))
    reader.report('warning', cluster, 'least_request_lb_config', 'has no effect: lb_policy is not LEAST_REQUEST');
  const hashing = compileHashingPolicy(reader, cluster, legacy, typed);
  if (hashing !== null) return hashing;
  if (typed === undefined ? legacy === 'RANDOM' : type.endsWith('.Random')) return { name: 'RANDOM' };
  if (!isLeast) return { name: 'ROUND_ROBIN', ...slowStartOf(reader, runtime, typed ?? roundRobin ?? {}) };
  const config = typed ?? fieldOf(cluster, 'least_request_lb_config') ?? {};
  const bias = fieldOf(config, 'active_request_bias') ?? {};
  return {
    name: 'LEAST_REQUEST',
    choiceCount: numberOf(config, 'choice_count', 2),
    fullScan: textOf(config, 'selection_method') === 'FULL_SCAN' || flagOf(config, 'enable_full_scan'),
    activeRequestBias: runtime.number(textOf(bias, 'runtime_key'), numberOf(bias, 'default_value', 1)),
    ...slowStartOf(reader, runtime, config),
  };
}
