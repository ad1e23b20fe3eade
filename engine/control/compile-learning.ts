/** Policies that learn: their typed configs to records, with the defaults. */
import type { LbPolicyRecord, ProbeRecord } from '../plan/lb-policy-record.js';
import { fieldOf, flagOf, numberOf, textOf } from './compile-values.js';
import type { DocumentReader, Value } from './document.js';
import type { Runtime } from './runtime.js';
import { slowStartOf } from './compile-slow-start.js';

/** What a failure counts as where nothing else is said (linkerd's value). */
const FAILURE_PENALTY_MS = 5000;

/** Longer ones are rather a mistake. */
const PROBE_PATH_MAX = 1024;

/** Null for the type of another policy. */
export function compileLearningPolicy(
  reader: DocumentReader,
  runtime: Runtime,
  type: string,
  config: Value,
  clusterName: string,
): LbPolicyRecord | null {
  if (type.endsWith('.PeakEwma')) return peakEwma(config);
  if (type === 'millrace.load_balancing_policies.least_request.v1.LeastRequest')
    return biasedLeastRequest(reader, runtime, config);
  if (type.endsWith('.Prequal')) return prequal(reader, config, clusterName);
  if (type.endsWith('.PickFirst')) return { name: 'PICK_FIRST', shuffle: flagOf(config, 'shuffle_address_list') };
  if (type.endsWith('.ClientSideWeightedRoundRobin')) return clientSideWeighted(reader, runtime, config);
  return null;
}

function peakEwma(config: Value): LbPolicyRecord {
  return {
    name: 'PEAK_EWMA',
    decayUs: numberOf(config, 'decay_time', 10000) * 1000,
    defaultRttUs: numberOf(config, 'default_rtt', 10) * 1000,
    // Envoy's costs are milliseconds.
    penaltyUs: numberOf(config, 'penalty_value', 1e6) * 1000,
    failurePenaltyUs: numberOf(config, 'failure_penalty', FAILURE_PENALTY_MS) * 1000,
    fullScan: textOf(config, 'selection_method') === 'FULL_SCAN',
  };
}

/** Envoy's least_request, and what failures count as. */
function biasedLeastRequest(reader: DocumentReader, runtime: Runtime, config: Value): LbPolicyRecord {
  const bias = fieldOf(config, 'active_request_bias') ?? {};
  return {
    name: 'LEAST_REQUEST',
    choiceCount: numberOf(config, 'choice_count', 2),
    fullScan: textOf(config, 'selection_method') === 'FULL_SCAN',
    activeRequestBias: runtime.number(textOf(bias, 'runtime_key'), numberOf(bias, 'default_value', 1)),
    failurePenaltyUs: numberOf(config, 'failure_penalty', FAILURE_PENALTY_MS) * 1000,
    ...slowStartOf(reader, runtime, config),
  };
}

/** Q as it did best over loads and speeds of servers (prequal.test.ts); as many looks as the paper has probes. */
function prequal(reader: DocumentReader, config: Value, clusterName: string): LbPolicyRecord {
  const probe = fieldOf(config, 'probe');
  return {
    name: 'PREQUAL',
    quantile: numberOf(config, 'q_rif', 0.6),
    choiceCount: numberOf(config, 'choice_count', 3),
    failurePenaltyUs: numberOf(config, 'failure_penalty', FAILURE_PENALTY_MS) * 1000,
    expiryUs: numberOf(config, 'sample_expiration', 60000) * 1000,
    ...(probe === undefined ? {} : { probe: compileProbe(reader, probe, clusterName) }),
    ...(flagOf(config, 'read_load_reports') ? { readsReports: true } : {}),
  };
}

/** The paper's figures, but for the timeout: 3 ms there. */
function compileProbe(reader: DocumentReader, probe: Value, clusterName: string): ProbeRecord {
  const path = textOf(probe, 'path');
  if (!/^\/[\x21-\x7e]*$/.test(path) || path.includes('#'))
    reader.report('error', probe, 'path', `${JSON.stringify(path)} is no path: it begins with "/" and has no spaces`);
  if (path.length > PROBE_PATH_MAX) reader.report('error', probe, 'path', `has more than ${PROBE_PATH_MAX} characters`);
  return {
    path,
    // Envoy's health checks do the same.
    host: textOf(probe, 'host') || clusterName.replace(/[^\w.:-]/g, '-'),
    timeoutMs: numberOf(probe, 'timeout', 100),
    probesPerRequest: numberOf(probe, 'probes_per_request', 3),
    poolSize: numberOf(probe, 'pool_size', 16),
    maxAgeUs: numberOf(probe, 'max_age', 1000) * 1000,
    removalsPerRequest: numberOf(probe, 'removals_per_request', 1),
  };
}

function clientSideWeighted(reader: DocumentReader, runtime: Runtime, config: Value): LbPolicyRecord {
  return {
    name: 'CLIENT_SIDE_WEIGHTED_ROUND_ROBIN',
    blackoutUs: numberOf(config, 'blackout_period', 10000) * 1000,
    expirationUs: numberOf(config, 'weight_expiration_period', 180000) * 1000,
    updateUs: numberOf(config, 'weight_update_period', 1000) * 1000,
    errorUtilizationPenalty: numberOf(config, 'error_utilization_penalty', 1),
    metricNames: (config['metric_names_for_computing_utilization'] as readonly string[] | undefined) ?? [],
    ...slowStartOf(reader, runtime, config),
  };
}
