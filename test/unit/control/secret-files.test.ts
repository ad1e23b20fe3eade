/** SecretFiles: what was read stays, and what has changed is told secret by secret. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { SecretFiles } from '../../../engine/control/secret-files.js';

const directory = mkdtempSync(join(tmpdir(), 'millrace-secrets-'));
after(() => rmSync(directory, { recursive: true }));
const file = (name: string, text = name): string => {
  writeFileSync(join(directory, name), text);
  return join(directory, name);
};

test('contents stay as they were read; kept ones come before the disk', () => {
  const path = file('a');
  const files = new SecretFiles();
  assert.equal(files.read(path).toString(), 'a');
  file('a', 'b');
  assert.ok(files.hasChanged());
  assert.equal(files.read(path).toString(), 'a');
  const next = new SecretFiles(files.contentsOf([path]));
  assert.equal(next.read(path).toString(), 'a');
  assert.equal(new SecretFiles().read(path).toString(), 'b');
});

test('files of one secret change together, and so do secrets that share a file', () => {
  const [c1, k1, c2, k2, k3] = ['c1', 'k1', 'c2', 'k2', 'k3'].map((name) => file(name)) as [
    string,
    string,
    string,
    string,
    string,
  ];
  const list = file('list');
  const alone = file('alone');
  const files = new SecretFiles();
  files.read(list);
  files.read(alone);
  files.ofOneSecret('', () => [files.read(c1), files.read(k1)]);
  files.ofOneSecret(list, () => [files.read(c2), files.read(k2)]);
  files.ofOneSecret(list, () => files.read(k3));
  const changed = (): string[][] => files.changed().map((each) => [...each].sort());
  assert.deepEqual(changed(), []);
  file('k1', 'new');
  assert.deepEqual(changed(), [[c1, k1]]);
  rmSync(c2);
  file('alone', 'new');
  assert.deepEqual(changed().sort(), [[alone], [c1, k1], [c2, k2, k3, list]].sort());
});
