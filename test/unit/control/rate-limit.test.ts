/** local_ratelimit: the bucket in nanoseconds, its place over reloads, and what is said of a config that limits nobody. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig, planOf } from '../../../engine/control/load.js';
import { PlanRegistry } from '../../../engine/control/registry.js';
import type { LocalRateLimitRecord } from '../../../engine/plan/local-rate-limit-record.js';
import { briefly, compiled, managerOf, yaml } from '../../support/config-problems.js';

const TYPE = 'type.googleapis.com/envoy.extensions.filters.http';
const LIMIT = `"@type": ${TYPE}.local_ratelimit.v3.LocalRateLimit`;
const HCM = 'static_resources.listeners[0].filter_chains[0].filters[0].typed_config';
const AT = `${HCM}.http_filters[0].typed_config`;
const ALL = '{ default_value: { numerator: 100 } }';
const ON = `filter_enabled: ${ALL}, filter_enforced: ${ALL}`;
const BUCKET = 'token_bucket: { max_tokens: 10, tokens_per_fill: 3, fill_interval: 1s }';

const config = (fields: string, route = ''): string =>
  yaml({ routes: `[ { match: { prefix: "/" }, route: { cluster: c }${route} } ]` }).replace(
    /http_filters: .*/,
    `http_filters: [ { name: l, typed_config: { ${LIMIT}, stat_prefix: p, ${fields} } }, { name: r, typed_config: { "@type": ${TYPE}.router.v3.Router } } ]`,
  );
const recordOf = (fields: string): LocalRateLimitRecord =>
  managerOf(compiled(config(fields))).filters[0]?.config as LocalRateLimitRecord;

test('a bucket gives back one token per interval, never more often than was written', () => {
  const record = recordOf(`${BUCKET}, ${ON}`);
  assert.deepEqual([record.intervalNs, record.capacityNs], [333333334, 3333333340]);
  assert.deepEqual([record.status, record.perConnection, record.saysExhausted], [429, false, false]);
  assert.deepEqual(record.enabled, { numerator: 100, denominator: 100 });
  const one = recordOf(`token_bucket: { max_tokens: 5, fill_interval: 0.1s }, ${ON}, status: { code: 503 }`);
  assert.deepEqual([one.intervalNs, one.capacityNs, one.status], [100e6, 500e6, 503]);
  assert.equal(recordOf(`${BUCKET}, ${ON}, status: { code: ServiceUnavailable }`).status, 503);
});

test('without a bucket nothing is limited', () => {
  assert.deepEqual(briefly(config('')), []);
  assert.equal(recordOf(''), null);
});

test('a route has a bucket of its own; the same limit keeps its bucket over a reload, a changed one does not', () => {
  const own = (max: number): string =>
    `, typed_per_filter_config: { l: { ${LIMIT}, stat_prefix: q, token_bucket: { max_tokens: ${max}, fill_interval: 1s }, ${ON} } }`;
  const registry = new PlanRegistry();
  const buckets = (text: string): number[] => {
    const options = { path: null, text, name: 'x', allowsUnknownFields: false, environment: {} };
    const loaded = loadConfig(options);
    assert.ok(!('problems' in loaded));
    const http = managerOf(planOf(loaded, registry, new Map(), 1));
    const route = http.routeConfig.virtualHosts[0]?.routes[0]?.typedPerFilterConfig['l'];
    return [http.filters[0]?.config, route].map((each) => (each as LocalRateLimitRecord).bucket);
  };
  assert.deepEqual(buckets(config(`${BUCKET}, ${ON}`, own(1))), [0, 1]);
  assert.deepEqual(buckets(config(`${BUCKET}, ${ON}`, own(1))), [0, 1]);
  assert.deepEqual(buckets(config(`${BUCKET}, ${ON}`, own(2))), [0, 2]);
});

test('what limits nobody, or can not be done, is said', () => {
  const hint = (field: string): string =>
    `warning ${AT}.token_bucket: refuses nobody: without ${field} it is 0 %; for all requests write ${field}: { default_value: { numerator: 100 } }`;
  const cases: [string, string][] = [
    [`${BUCKET}, filter_enabled: ${ALL}`, hint('filter_enforced')],
    [`${BUCKET}, filter_enforced: ${ALL}`, hint('filter_enabled')],
    [`filter_enabled: ${ALL}`, `warning ${AT}.filter_enabled: has no effect without a token_bucket beside it`],
    [
      `token_bucket: { max_tokens: 4294967295, fill_interval: 3600s }, ${ON}`,
      `error ${AT}.token_bucket.max_tokens: an empty bucket would need more than 52 days to be full again`,
    ],
    [
      `${BUCKET}, ${ON}, status: { code: 200 }`,
      `warning ${AT}.status.code: 200 is no status to refuse with: 429 is sent`,
    ],
    [
      `${BUCKET}, ${ON}, status: { code: Nonsense }`,
      `error ${AT}.status.code: "Nonsense" is no status: give a number such as 429`,
    ],
    [
      `${BUCKET}, ${ON}, enable_x_ratelimit_headers: DRAFT_VERSION_03`,
      `error ${AT}.enable_x_ratelimit_headers: only "OFF" is supported here: X-RateLimit-* fields are not written yet`,
    ],
  ];
  for (const [fields, wanted] of cases) assert.deepEqual(briefly(config(fields)), [wanted], fields);
  const [descriptors] = briefly(config(`${BUCKET}, ${ON}, descriptors: []`));
  assert.match(descriptors as string, /descriptors/);
  const [short] = briefly(config(`token_bucket: { max_tokens: 1, fill_interval: 0.01s }, ${ON}`));
  assert.match(short as string, /fill_interval: .*at least 0\.05s/);
});
