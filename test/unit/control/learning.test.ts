/** Policies that learn: what their typed configs come to, with defaults, and what is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig, planOf } from '../../../engine/control/load.js';
import { PlanRegistry } from '../../../engine/control/registry.js';
import type { LbPolicyRecord } from '../../../engine/plan/lb-policy-record.js';
import { briefly, yaml } from '../../support/config-problems.js';

const ENDPOINTS =
  'load_assignment: { endpoints: [ { lb_endpoints: [ { endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 9001 } } } } ] } ] }';
const ENVOY = 'envoy.extensions.load_balancing_policies';
const OURS = 'millrace.load_balancing_policies';

const WEIGHTED = `${ENVOY}.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin`;

function text(type: string, fields = ''): string {
  const policy = `{ typed_extension_config: { name: p, typed_config: { "@type": type.googleapis.com/${type}${fields === '' ? '' : `, ${fields}`} } } }`;
  return yaml({ cluster: `load_balancing_policy: { policies: [ ${policy} ] }, ${ENDPOINTS}` });
}

function policyOf(type: string, fields = ''): LbPolicyRecord | undefined {
  return planned(text(type, fields));
}

/** What the fields of a cluster come to. */
function clusterPolicy(fields: string): LbPolicyRecord | undefined {
  return planned(yaml({ cluster: `${fields}, ${ENDPOINTS}` }));
}

function planned(source: string): LbPolicyRecord | undefined {
  assert.deepEqual(briefly(source), []);
  const loaded = loadConfig({ path: null, text: source, name: 'x', allowsUnknownFields: false, environment: {} });
  if ('problems' in loaded) assert.fail('it has problems');
  return planOf(loaded, new PlanRegistry(), new Map(), 1).plan.clusters[0]?.lbPolicy;
}

test('peak_ewma: the defaults of Envoy, and the fields that only exist here', () => {
  const defaults = {
    name: 'PEAK_EWMA',
    decayUs: 10_000_000,
    defaultRttUs: 10_000,
    penaltyUs: 1e9,
    failurePenaltyUs: 5_000_000,
    fullScan: false,
  };
  assert.deepEqual(policyOf(`${ENVOY}.peak_ewma.v3alpha.PeakEwma`), defaults);
  assert.deepEqual(policyOf(`${OURS}.peak_ewma.v1.PeakEwma`), defaults);
  assert.deepEqual(
    policyOf(`${ENVOY}.peak_ewma.v3alpha.PeakEwma`, 'decay_time: 1s, default_rtt: 0.03s, penalty_value: 500'),
    { ...defaults, decayUs: 1_000_000, defaultRttUs: 30_000, penaltyUs: 500_000 },
  );
  assert.deepEqual(
    policyOf(`${OURS}.peak_ewma.v1.PeakEwma`, 'selection_method: FULL_SCAN, failure_penalty: 0.25s, decayTime: 2s'),
    { ...defaults, decayUs: 2_000_000, fullScan: true, failurePenaltyUs: 250_000 },
  );
});

test('least_request with a failure penalty', () => {
  const defaults = { name: 'LEAST_REQUEST', choiceCount: 2, fullScan: false, activeRequestBias: 1 };
  const type = `${OURS}.least_request.v1.LeastRequest`;
  assert.deepEqual(policyOf(type), { ...defaults, failurePenaltyUs: 5_000_000 });
  assert.deepEqual(
    policyOf(
      type,
      'choice_count: 3, selection_method: FULL_SCAN, failure_penalty: 1s, active_request_bias: { default_value: 0.5, runtime_key: r }',
    ),
    { ...defaults, choiceCount: 3, fullScan: true, activeRequestBias: 0.5, failurePenaltyUs: 1_000_000 },
  );
});

test('prequal that asks, and that reads reports', () => {
  const type = `${OURS}.prequal.v1.Prequal`;
  const same = { name: 'PREQUAL', quantile: 0.6, choiceCount: 3, failurePenaltyUs: 5_000_000, expiryUs: 60_000_000 };
  const probe = {
    path: '/load',
    host: 'c',
    timeoutMs: 100,
    probesPerRequest: 3,
    poolSize: 16,
    maxAgeUs: 1_000_000,
    removalsPerRequest: 1,
  };
  assert.deepEqual(policyOf(type, 'read_load_reports: true'), { ...same, readsReports: true });
  assert.deepEqual(policyOf(type, 'probe: { path: /load }'), { ...same, probe });
  const fields =
    'probe: { path: "/x?y", host: h.example, timeout: 0.02s, probes_per_request: 0.5, pool_size: 4, max_age: 2s, removals_per_request: 0.25 }';
  assert.deepEqual(policyOf(type, fields), {
    ...same,
    probe: {
      path: '/x?y',
      host: 'h.example',
      timeoutMs: 20,
      probesPerRequest: 0.5,
      poolSize: 4,
      maxAgeUs: 2_000_000,
      removalsPerRequest: 0.25,
    },
  });
});

test('prequal', () => {
  const type = `${OURS}.prequal.v1.Prequal`;
  const defaults = {
    name: 'PREQUAL',
    quantile: 0.6,
    choiceCount: 3,
    failurePenaltyUs: 5_000_000,
    expiryUs: 60_000_000,
  };
  assert.deepEqual(policyOf(type), defaults);
  assert.deepEqual(policyOf(type, 'q_rif: 0.84, choice_count: 16, failure_penalty: 1s, sample_expiration: 10s'), {
    ...defaults,
    quantile: 0.84,
    choiceCount: 16,
    failurePenaltyUs: 1_000_000,
    expiryUs: 10_000_000,
  });
});

test('pick_first', () => {
  const type = `${ENVOY}.pick_first.v3.PickFirst`;
  assert.deepEqual(policyOf(type), { name: 'PICK_FIRST', shuffle: false });
  assert.deepEqual(policyOf(type, 'shuffle_address_list: true'), { name: 'PICK_FIRST', shuffle: true });
});

test('client_side_weighted_round_robin', () => {
  const defaults = {
    name: 'CLIENT_SIDE_WEIGHTED_ROUND_ROBIN',
    blackoutUs: 10_000_000,
    expirationUs: 180_000_000,
    updateUs: 1_000_000,
    errorUtilizationPenalty: 1,
    metricNames: [],
  };
  assert.deepEqual(policyOf(WEIGHTED), defaults);
  assert.deepEqual(
    policyOf(
      WEIGHTED,
      'enable_oob_load_report: false, blackout_period: 0s, weight_expiration_period: 60s, weight_update_period: 0.1s, error_utilization_penalty: 0.5, metric_names_for_computing_utilization: [ named_metrics.queue ]',
    ),
    {
      ...defaults,
      blackoutUs: 0,
      expirationUs: 60_000_000,
      updateUs: 100_000,
      errorUtilizationPenalty: 0.5,
      metricNames: ['named_metrics.queue'],
    },
  );
});

test('slow_start_config of client_side_weighted_round_robin', () => {
  const policy = policyOf(WEIGHTED, 'slow_start_config: { slow_start_window: 1s }');
  assert.deepEqual(policy?.name === 'CLIENT_SIDE_WEIGHTED_ROUND_ROBIN' && policy.slowStart, {
    windowUs: 1_000_000,
    aggression: 1,
    minWeight: 0.1,
  });
});

test('slow_start_config of round_robin and least_request, in every place', () => {
  const config =
    'slow_start_config: { slow_start_window: 30s, aggression: { default_value: 2, runtime_key: a }, min_weight_percent: { value: 25 } }';
  const slowStart = { windowUs: 30_000_000, aggression: 2, minWeight: 0.25 };
  const roundRobin = { name: 'ROUND_ROBIN', slowStart };
  const least = { name: 'LEAST_REQUEST', choiceCount: 2, fullScan: false, activeRequestBias: 1, slowStart };
  assert.deepEqual(policyOf(`${ENVOY}.round_robin.v3.RoundRobin`, config), roundRobin);
  assert.deepEqual(policyOf(`${ENVOY}.least_request.v3.LeastRequest`, config), least);
  assert.deepEqual(policyOf(`${OURS}.least_request.v1.LeastRequest`, `failure_penalty: 0s, ${config}`), {
    ...least,
    failurePenaltyUs: 0,
  });
  assert.deepEqual(clusterPolicy(`round_robin_lb_config: { ${config} }`), roundRobin);
  assert.deepEqual(clusterPolicy(`lb_policy: LEAST_REQUEST, least_request_lb_config: { ${config} }`), least);
  assert.deepEqual(policyOf(`${ENVOY}.round_robin.v3.RoundRobin`, 'slow_start_config: { slow_start_window: 1s }'), {
    name: 'ROUND_ROBIN',
    slowStart: { windowUs: 1_000_000, aggression: 1, minWeight: 0.1 },
  });
});

const AT = 'static_resources.clusters[0].load_balancing_policy.policies[0].typed_extension_config.typed_config';
const MISTAKES: readonly (readonly [string, string, string])[] = [
  [
    `${ENVOY}.peak_ewma.v3alpha.PeakEwma`,
    'aggregation_interval: 0.1s',
    `error ${AT}.aggregation_interval: aggregation_interval of PeakEwma is known to Envoy but not supported here yet`,
  ],
  [
    `${OURS}.peak_ewma.v1.PeakEwma`,
    'decay_time: 0s',
    `error ${AT}.decay_time: must be a duration of at least 0.001s, not "0s"`,
  ],
  [
    `${OURS}.peak_ewma.v1.PeakEwma`,
    'selection_method: SCAN',
    `error ${AT}.selection_method: must be one of N_CHOICES, FULL_SCAN (did you mean FULL_SCAN?), not "SCAN"`,
  ],
  [
    `${OURS}.prequal.v1.Prequal`,
    'probe: { path: "load now" }',
    `error ${AT}.probe.path: "load now" is no path: it begins with "/" and has no spaces`,
  ],
  [`${OURS}.prequal.v1.Prequal`, 'probe: {}', `error ${AT}.probe: path is required in Probe`],
  [`${OURS}.prequal.v1.Prequal`, 'q_rif: 1.5', `error ${AT}.q_rif: must be a number from 0 to 1, not 1.5`],
  [
    WEIGHTED,
    'weight_update_period: 0.01s',
    `error ${AT}.weight_update_period: must be a duration of at least 0.1s, not "0.01s"`,
  ],
  [
    WEIGHTED,
    'enable_oob_load_report: true',
    `error ${AT}.enable_oob_load_report: only false is supported here: load is read from responses`,
  ],
  [
    `${ENVOY}.round_robin.v3.RoundRobin`,
    'slow_start_config: {}',
    `error ${AT}.slow_start_config: slow_start_window is required in SlowStartConfig`,
  ],
  [
    `${ENVOY}.round_robin.v3.RoundRobin`,
    'slow_start_config: { slow_start_window: 1s, aggression: { default_value: 0 } }',
    `error ${AT}.slow_start_config.aggression.default_value: must be above 0; 1 is linear`,
  ],
];

for (const [type, fields, want] of MISTAKES)
  test(`refused: ${fields}`, () => {
    const said = briefly(text(type, fields));
    assert.deepEqual(said, [want]);
  });
