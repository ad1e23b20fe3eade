/** Loading: files of every wrong kind, and the overlay of --config-yaml. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadConfig, planOf } from '../../../engine/control/load.js';
import { PlanRegistry } from '../../../engine/control/registry.js';
import { renderProblems } from '../../../engine/fault/problem.js';
import type { SnapshotPlan } from '../../../engine/plan/records.js';
import { managerOf, rendered, yaml } from '../../support/config-problems.js';

const directory = mkdtempSync(join(tmpdir(), 'millrace-load-'));
after(() => rmSync(directory, { recursive: true }));

function fromFile(name: string): string {
  const loaded = loadConfig({
    path: join(directory, name),
    text: null,
    name,
    allowsUnknownFields: false,
    environment: {},
  });
  return renderProblems('problems' in loaded ? loaded.problems : loaded.warnings).replaceAll(directory, '<dir>');
}

function put(name: string, content: string | Uint8Array): string {
  writeFileSync(join(directory, name), content);
  return fromFile(name);
}

test('files that cannot be read are one line each', () => {
  assert.equal(fromFile('missing.yaml'), '<dir>/missing.yaml: error: does not exist');
  put('file', '');
  assert.equal(fromFile('file/x'), '<dir>/file/x: error: does not exist: a part of the path is no directory');
  mkdirSync(join(directory, 'sub'));
  assert.equal(fromFile('sub'), '<dir>/sub: error: is a directory: name the bootstrap file in it');
  assert.equal(put('latin1.yaml', Buffer.from('# caf\xe9\n', 'latin1')), '<dir>/latin1.yaml: error: is not UTF-8 text');
  assert.equal(
    put('utf16.yaml', Buffer.from('\ufeffadmin: {}', 'utf16le')),
    '<dir>/utf16.yaml: error: is not UTF-8 text',
  );
});

test('a file that may not be read', { skip: process.getuid?.() === 0 ? 'root may read everything' : false }, () => {
  put('secret.yaml', yaml());
  chmodSync(join(directory, 'secret.yaml'), 0);
  assert.equal(fromFile('secret.yaml'), '<dir>/secret.yaml: error: may not be read: no permission');
});

test('empty files, in every way of being empty', () => {
  const empty = 'error: the document is empty: a bootstrap needs static_resources';
  for (const text of ['', '\n', '# only a comment\n', '---\n', '---\n...\n', 'null', '~'])
    assert.match(put('empty.yaml', text), new RegExp(empty.replace(':', '.')), JSON.stringify(text));
});

test('byte order mark, CRLF, JSON, JSON with tabs', () => {
  assert.equal(put('bom.yaml', `\ufeff${yaml()}`), '');
  assert.equal(put('crlf.yaml', yaml().replaceAll('\n', '\r\n')), '');
  const json = '{\n\t"static_resources": {\n\t\t"clusters": [ { "name": "a\\/b" } ]\n\t}\n}';
  assert.match(put('tabs.json', json), /^tabs\.json:3:27: warning: static_resources\.clusters\[0\]\.name: no route/m);
});

function planWith(overlay: string): SnapshotPlan {
  const loaded = loadConfig({
    path: null,
    text: yaml({ admin: '{ address: { socket_address: { address: 127.0.0.1, port_value: 9901 } } }' }),
    name: 'x.yaml',
    overlay: { name: '<--config-yaml>', text: overlay },
    allowsUnknownFields: false,
    environment: {},
  });
  if ('problems' in loaded) assert.fail(renderProblems(loaded.problems));
  const { plan, admin } = planOf(loaded, new PlanRegistry(), new Map(), 1);
  return { ...plan, nodeId: `${plan.nodeId} admin ${admin?.host}:${admin?.port}` };
}

test('overlay: fields win, messages merge, lists grow', () => {
  const plan = planWith(`
admin: { address: { socketAddress: { portValue: 9902 } } }
node: { id: n }
static_resources: { clusters: [ { name: d, type: STATIC } ] }`);
  assert.equal(plan.nodeId, 'n admin 127.0.0.1:9902');
  assert.deepEqual(
    plan.clusters.map(({ name }) => name),
    ['c', 'd'],
  );
  assert.equal(plan.listeners.length, 1);
});

test('overlay: one of a oneof clears the others; aliases are of their own text', () => {
  const plan = planWith('admin: { address: { pipe: { path: &p /tmp/admin.sock } } }\nnode: { id: *p }');
  assert.equal(plan.nodeId, '/tmp/admin.sock admin /tmp/admin.sock:0');
});

test('overlay: a mistake in it is shown in it', () => {
  assert.equal(
    rendered(yaml(), { overlay: 'node: { id: n }\nadmin: { adress: {} }\n' }),
    `<--config-yaml>:2:10: error: admin.adress: unknown field adress in Admin; did you mean address?
  2 | admin: { adress: {} }
    |          ^~~~~~`,
  );
});

test('overlay: over an empty file it is the config', () => {
  assert.equal(rendered('', { overlay: yaml() }), '');
});

test('environment variables are put into header values and log formats on loading', () => {
  const text = yaml({
    manager:
      'access_log: [ { name: f, typed_config: { "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: /dev/stdout, log_format: { json_format: { zone: "%ENVIRONMENT(ZONE)%", code: "%RESPONSE_CODE%", deep: [ "%ENVIRONMENT(UNSET)%" ] } } } } ]',
    host: 'response_headers_to_add: [ { header: { key: x-zone, value: "z=%ENVIRONMENT(ZONE)% 100%%" } } ]',
  });
  const environment = { ZONE: 'eu 50%' };
  const loaded = loadConfig({ path: null, text, name: 'x.yaml', allowsUnknownFields: false, environment });
  if ('problems' in loaded) assert.fail(renderProblems(loaded.problems));
  const http = managerOf(planOf(loaded, new PlanRegistry(), new Map(), 1));
  assert.deepEqual(http.accessLogs[0]?.format, {
    kind: 'json',
    json: { zone: 'eu 50%%', code: '%RESPONSE_CODE%', deep: ['%ENVIRONMENT(UNSET)%'] },
    omitEmptyValues: false,
  });
  assert.equal(http?.routeConfig.virtualHosts[0]?.mutations.responseAdd[0]?.value, 'z=eu 50%% 100%%');
});

test('problems as JSON are one object per line', () => {
  const loaded = loadConfig({ path: null, text: 'a: 1', name: 'x.yaml', allowsUnknownFields: false, environment: {} });
  if (!('problems' in loaded)) assert.fail('it loaded');
  const lines = renderProblems(loaded.problems, 'json').split('\n');
  assert.equal(lines.length, loaded.problems.length);
  for (const line of lines) assert.equal(typeof JSON.parse(line).message, 'string');
});
