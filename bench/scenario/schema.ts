/** The messages of a scenario file and of the policies' file, in the language of the config schemas. */
import { bool, list, type Message, message, oneOf, string, struct, text } from '../../engine/control/schema.js';

const fraction = { kind: 'number', min: 0, max: 1 } as const;
const positive = { kind: 'number', min: 0.001 } as const;
const seconds = { kind: 'number', min: 0, max: 3600 } as const;
const milliseconds = { kind: 'number', min: 0, max: 600000 } as const;

const Latency: Message = {
  name: 'Latency',
  fields: {
    distribution: oneOf('CONSTANT', 'EXPONENTIAL', 'LOGNORMAL'),
    mean_ms: milliseconds,
    /** LOGNORMAL: standard deviation of the logarithm. */
    sigma: { kind: 'number', min: 0, max: 5 },
  },
  required: ['mean_ms'],
};

const Failures: Message = {
  name: 'Failures',
  fields: { fraction, status: { kind: 'uint', min: 400, max: 599 }, latency_ms: milliseconds },
  required: ['fraction'],
};

const BackendGroup: Message = {
  name: 'BackendGroup',
  fields: {
    name: text,
    count: { kind: 'uint', min: 1, max: 1000 },
    latency: message(() => Latency),
    /** Requests in service at a time, 0 = no limit; more wait. */
    concurrency: { kind: 'uint', max: 100000 },
    /** Requests that may wait, more are answered 503; 0 = no limit. */
    queue: { kind: 'uint', max: 1000000 },
    failures: message(() => Failures),
    /** Divides the latency. */
    speed: positive,
    body_bytes: { kind: 'uint', max: 10000000 },
    /** False: not in the proxy's list from the start; a change lets it join. */
    is_member: bool,
  },
  required: ['name', 'count', 'latency'],
};

const Change: Message = {
  name: 'Change',
  fields: {
    /** From the first request. */
    at_s: seconds,
    /** Undone after so long; without it the change stays. */
    for_s: { kind: 'number', min: 0.001, max: 3600 },
    /** Again and again; needs for_s. */
    every_s: { kind: 'number', min: 0.001, max: 3600 },
    group: text,
    /** The first so many of the group; without it all. */
    backends: { kind: 'uint', min: 1, max: 1000 },
    speed: positive,
    failures: message(() => Failures),
    is_up: bool,
    is_member: bool,
    /** Nothing is answered for so long. */
    freeze_ms: { kind: 'number', min: 1, max: 60000 },
  },
  required: ['at_s', 'group'],
  oneof: [['speed', 'failures', 'is_up', 'is_member', 'freeze_ms']],
};

const Keys: Message = {
  name: 'Keys',
  fields: {
    count: { kind: 'uint', min: 1, max: 1000000 },
    distribution: oneOf('UNIFORM', 'ZIPF'),
    /** ZIPF: key k comes with a probability of k^-exponent over the sum of all. */
    exponent: { kind: 'number', min: 0, max: 5 },
    header: text,
  },
  required: ['count'],
};

const RequestKind: Message = {
  name: 'RequestKind',
  fields: {
    method: oneOf('GET', 'POST'),
    path: text,
    body_bytes: { kind: 'uint', max: 1000000 },
    weight: { kind: 'uint', min: 1 },
  },
  required: ['path'],
};

const Load: Message = {
  name: 'Load',
  fields: {
    connections: { kind: 'uint', min: 1, max: 10000 },
    /** Requests per second whatever comes back (open loop); without it every connection asks again when answered. */
    rate: { kind: 'number', min: 1, max: 200000 },
    arrivals: oneOf('POISSON', 'UNIFORM'),
    warm_up_s: seconds,
    duration_s: { kind: 'number', min: 0.1, max: 3600 },
    timeout_ms: { kind: 'number', min: 1, max: 600000 },
    keys: message(() => Keys),
    mix: list(message(() => RequestKind)),
  },
  required: ['connections', 'duration_s'],
};

/** Figures that hold on any machine: counts. */
export const COUNT_METRICS = [
  'requests',
  'errors',
  'error_fraction',
  'spread',
  'spread_deviation',
  'group_share',
  'keys_moved',
] as const;
/** Figures of one machine and moment. */
export const TIME_METRICS = ['p50_ms', 'p90_ms', 'p99_ms', 'p999_ms', 'max_ms'] as const;

const Expectation: Message = {
  name: 'Expectation',
  fields: {
    metric: oneOf(...COUNT_METRICS, ...TIME_METRICS),
    /** Without it every policy. */
    policy: text,
    /** group_share: of which backends. */
    group: text,
    /** The figure over this policy's. */
    relative_to: text,
    min: { kind: 'number' },
    max: { kind: 'number' },
  },
  required: ['metric'],
};

export const ScenarioMessage: Message = {
  name: 'Scenario',
  fields: {
    title: text,
    question: text,
    seed: { kind: 'uint' },
    workers: { kind: 'uint', min: 1, max: 64 },
    policies: { kind: 'list', of: text, notEmpty: true },
    backends: { kind: 'list', of: message(() => BackendGroup), notEmpty: true },
    load: message(() => Load),
    changes: list(message(() => Change)),
    expectations: list(message(() => Expectation)),
  },
  required: ['title', 'policies', 'backends', 'load'],
};

const PolicyMessage: Message = {
  name: 'Policy',
  fields: {
    name: text,
    note: string,
    /** Laid over the cluster "backends" of the scenario's config. */
    cluster: struct,
    /** Laid over its routes' actions. */
    route: struct,
    /** Each worker as a process of its own, for comparison: it counts its own requests alone. */
    per_worker: bool,
  },
  required: ['name', 'cluster'],
};

export const PoliciesMessage: Message = {
  name: 'Policies',
  fields: { policies: { kind: 'list', of: message(() => PolicyMessage), notEmpty: true } },
  required: ['policies'],
};
