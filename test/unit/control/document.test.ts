/** Documents: YAML's corners, spellings, and what the compiler refuses. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '../../../engine/control/load.js';
import { bootstrap } from '../../support/bootstrap.js';

function load(text: string, allowsUnknownFields = false): { errors: string[]; warnings: string[] } {
  const loaded = loadConfig({ path: null, text, name: 'x.yaml', allowsUnknownFields, environment: {} });
  const problems = 'problems' in loaded ? loaded.problems : loaded.warnings;
  const of = (severity: string): string[] =>
    problems
      .filter((problem) => problem.severity === severity)
      .map(({ line, column, path, message }) => `${line}:${column} ${path}: ${message}`);
  return { errors: of('error'), warnings: of('warning') };
}

const good = bootstrap({ origins: [9000] })(8000, 8001);
/** The good document with a piece replaced. */
const changed = (from: string | RegExp, to: string): string => good.replace(from, to);
const some = (list: string[], part: string): void =>
  assert.ok(
    list.some((each) => each.includes(part)),
    `${part} in ${list.join('\n')}`,
  );

test('a good document has no problems', () => {
  assert.deepEqual(load(good), { errors: [], warnings: [] });
});

test('empty, several documents, tabs, duplicate keys, unquoted @type', () => {
  some(load('').errors, 'the document is empty');
  some(load('# nothing\n').errors, 'the document is empty');
  some(load(`${good}\n---\n${good}`).errors, 'a second document begins here');
  some(load('static_resources:\n\tlisteners: []\n').errors, '2:1');
  some(load('admin: {}\nadmin: {}\n').errors, 'twice');
  some(load('static_resources:\n  listeners:\n  - @type: x\n').errors, 'must be in quotes: "@type"');
});

test('anchors, aliases and merge keys are read', () => {
  const text = `
static_resources:
  clusters:
  - &base { name: a, type: STATIC, connect_timeout: 1s, load_assignment: { endpoints: [] } }
  - { <<: *base, name: b }
`;
  const { errors, warnings } = load(text);
  assert.deepEqual(errors, []);
  some(warnings, 'no route uses cluster "b"');
});

test('camelCase, numbers as text, enum numbers, durations', () => {
  assert.deepEqual(load(changed('"connect_timeout": "1s"', '"connectTimeout": "0.5s"')).errors, []);
  assert.deepEqual(load(changed('"port_value": 8000', '"portValue": "8000"')).errors, []);
  assert.deepEqual(load(changed('"type": "STATIC"', '"type": 0')).errors, []);
  some(
    load(changed('"connect_timeout": "1s"', '"connect_timeout": "1m"')).errors,
    'must be a duration such as "0.25s"',
  );
});

test('v2 spellings are read with a warning that shows the v3 form', () => {
  const lower = load(changed('"type": "STATIC"', '"type": "static"'));
  assert.deepEqual(lower.errors, []);
  some(lower.warnings, 'write STATIC');
  const single = load(
    changed('"domains": [\n       "*"\n      ]', '"domains": "*"').replace(
      /"domains": \[\s*"\*"\s*\]/,
      '"domains": "*"',
    ),
  );
  assert.deepEqual(single.errors, []);
  some(single.warnings, 'a list belongs here');
});

test('mistakes that only the whole shows', () => {
  some(
    load(changed('"cluster": "origin"', '"cluster": "orign"')).errors,
    'there is no cluster "orign"; did you mean origin?',
  );
  some(load(changed('"name": "envoy.filters.http.router"', '"name": "x", "disabled": true')).errors, 'disabled');
  some(
    load(changed(/"domains": \[\s*"\*"\s*\]/, '"domains": ["*", "*"]')).errors,
    'is taken by virtual host all already',
  );
  some(load(changed(/"domains": \[\s*"\*"\s*\]/, '"domains": [".*"]')).warnings, 'is taken literally');
  some(load(changed('"prefix": "/"', '"safe_regex": { "regex": "(" }')).errors, 'not an RE2 expression');
});

test('what Envoy has and we do not is refused by name, the unknown with a suggestion', () => {
  some(
    load(changed('"connect_timeout"', '"health_checks": [], "connect_timeout"')).errors,
    'health_checks of Cluster is known to Envoy but not supported here yet',
  );
  const unknown = changed('"connect_timeout"', '"conect_timeout"');
  some(load(unknown).errors, 'unknown field conect_timeout in Cluster; did you mean connect_timeout?');
  assert.deepEqual(load(unknown, true).errors, []);
  some(load(unknown, true).warnings, 'unknown field');
});

test('shadowed routes and unused clusters are warned of', () => {
  const routes = bootstrap({
    origins: [1],
    routes: [
      { match: { prefix: '/' }, route: { cluster: 'origin' } },
      { match: { path: '/never' }, direct_response: { status: 200 } },
    ],
  })(1, 2);
  some(load(routes).warnings, 'is never reached: route 0');
});
