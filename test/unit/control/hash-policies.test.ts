/** hash_policy of a route: every form as a record, and what is wrong or has no effect. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ForwardRecord } from '../../../engine/plan/records.js';
import { briefly, clusterWith, compiled, managerOf, yaml } from '../../support/config-problems.js';

const config = (policies: string, cluster = 'lb_policy: MAGLEV', choice = 'cluster: c'): string =>
  yaml({
    cluster: clusterWith(cluster),
    routes: `[ { match: { prefix: "/" }, route: { ${choice}, hash_policy: [ ${policies} ] } } ]`,
  });

function policies(text: string): ForwardRecord['hashPolicies'] {
  const table = managerOf(compiled(config(text))).routeConfig;
  return (table.virtualHosts[0]?.routes[0]?.action as ForwardRecord).hashPolicies;
}

test('each policy with its fields', () => {
  assert.deepEqual(
    policies(
      '{ header: { header_name: X-User } }, { header: { header_name: ":path", regex_rewrite: { pattern: { regex: "/(a)" }, substitution: "\\\\1" } }, terminal: true }, { query_parameter: { name: q } }, { connection_properties: { source_ip: true } }',
    ),
    [
      { kind: 'header', terminal: false, name: 'x-user', rewrite: null },
      { kind: 'header', terminal: true, name: ':path', rewrite: { pattern: '/(a)', substitution: '\\1' } },
      { kind: 'query_parameter', terminal: false, name: 'q' },
      { kind: 'source_ip', terminal: false },
    ],
  );
});

test('cookies: only read without ttl, given out with one', () => {
  const plain = { kind: 'cookie', terminal: false, name: 'a', maxAgeSeconds: null, path: '', attributes: [] };
  assert.deepEqual(policies('{ cookie: { name: a } }'), [plain]);
  assert.deepEqual(policies('{ cookie: { name: a, ttl: 0s } }'), [{ ...plain, maxAgeSeconds: 0 }]);
  assert.deepEqual(
    policies(
      '{ cookie: { name: a, ttl: 90s, path: /x, attributes: [ { name: SameSite, value: Lax }, { name: Secure } ] } }',
    ),
    [
      {
        ...plain,
        maxAgeSeconds: 90,
        path: '/x',
        attributes: [
          { name: 'SameSite', value: 'Lax' },
          { name: 'Secure', value: '' },
        ],
      },
    ],
  );
});

const shortened = (text: string): string[] =>
  briefly(text).map((line) => line.replace(/ static_resources\S*\.route\./, ' '));
const problems = (text: string): string[] => shortened(config(text));

test('mistakes are said at their place', () => {
  const cases: [string, string][] = [
    ['{ header: { header_name: "a b" } }', 'error hash_policy[0].header.header_name: "a b" is not a header name'],
    [
      '{ header: { header_name: ":status" } }',
      'error hash_policy[0].header.header_name: ":status" is not a header name',
    ],
    ['{ cookie: { name: "a=b" } }', 'error hash_policy[0].cookie.name: "a=b" is not a cookie name'],
    [
      '{ cookie: { name: a, ttl: 1s, path: "/;b" } }',
      'error hash_policy[0].cookie.path: must be printable ASCII without ";"',
    ],
    [
      '{ cookie: { name: a, ttl: 1s, attributes: [ { name: "b c" } ] } }',
      'error hash_policy[0].cookie.attributes[0].name: "b c" is not an attribute\'s name',
    ],
    [
      '{ cookie: { name: a, ttl: 1s, attributes: [ { name: b, value: "c;d" } ] } }',
      'error hash_policy[0].cookie.attributes[0].value: must be printable ASCII without ";"',
    ],
    [
      '{ cookie: { name: a, ttl: 1.5s } }',
      'warning hash_policy[0].cookie.ttl: a cookie lives whole seconds: it gets 1',
    ],
    [
      '{ cookie: { name: a, path: /b } }',
      'warning hash_policy[0].cookie.path: has no effect without ttl: the cookie is only read, not given out',
    ],
    [
      '{ connection_properties: {} }',
      'warning hash_policy[0].connection_properties: has no effect without source_ip: true',
    ],
    [
      '{ filter_state: { key: a } }',
      'error hash_policy[0].filter_state: filter_state of HashPolicy is known to Envoy but not supported here yet',
    ],
    [
      Array.from({ length: 32 }, () => '{ query_parameter: { name: a } }').join(', '),
      'error hash_policy: 32 policies; a route has at most 31',
    ],
  ];
  for (const [text, wanted] of cases) assert.deepEqual(problems(text), [wanted]);
  assert.match(problems('{ terminal: true }').join(), /^error hash_policy\[0\].*header/);
  assert.match(
    problems('{ header: { header_name: a, regex_rewrite: { pattern: { regex: "(" }, substitution: "" } } }').join(),
    /not an RE2 expression/,
  );
});

test('a hash policy that no cluster of the route asks for has no effect, nor a cluster that no route hashes for', () => {
  const policy = '{ query_parameter: { name: a } }';
  const unread = (names: string, by: string): string =>
    `warning hash_policy: has no effect: ${names} balances by ${by}; RING_HASH and MAGLEV go by hashes`;
  assert.deepEqual(shortened(config(policy, 'lb_policy: RANDOM')), [unread('c', 'RANDOM')]);
  const weighted = 'weighted_clusters: { clusters: [ { name: c, weight: 1 } ] }';
  assert.deepEqual(shortened(config(policy, 'lb_policy: ROUND_ROBIN', weighted)), [unread('c', 'ROUND_ROBIN')]);
  for (const choice of ['cluster: c', weighted, 'cluster_header: x']) {
    assert.deepEqual(shortened(config(policy, 'lb_policy: MAGLEV', choice)), []);
    if (choice.includes('header')) assert.deepEqual(shortened(config(policy, 'lb_policy: RANDOM', choice)), []);
  }
  assert.deepEqual(shortened(yaml({ cluster: clusterWith('lb_policy: RING_HASH') })), [
    'warning static_resources.clusters[0].lb_policy: no route to it has a hash_policy: every request goes to a random endpoint',
  ]);
});
