/** hash_policy of a route: every form as a record, and what is wrong or has no effect. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ForwardRecord, RouteConfigRecord } from '../../../engine/plan/records.js';
import { briefly, compiled, yaml } from '../../support/config-problems.js';

const routes = (policies: string): string =>
  `[ { match: { prefix: "/" }, route: { cluster: c, hash_policy: [ ${policies} ] } } ]`;

function policies(text: string): ForwardRecord['hashPolicies'] {
  const [listener] = compiled(yaml({ routes: routes(text) })).plan.listeners;
  const config = listener?.http.routeConfig as RouteConfigRecord;
  return (config.virtualHosts[0]?.routes[0]?.action as ForwardRecord).hashPolicies;
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

const problems = (text: string): string[] =>
  briefly(yaml({ routes: routes(text) })).map((line) => line.replace(/ static_resources\S*\.route\./, ' '));

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
