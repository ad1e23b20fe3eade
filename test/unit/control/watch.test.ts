/** Watching a file: its content counts, however it is changed. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { type FileWatch, watchFile } from '../../../engine/control/watch.js';

let directory: string;
let path: string;
let changes: number;
let watcher: FileWatch | null;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-watch-'));
  path = join(directory, 'envoy.yaml');
  changes = 0;
  watcher = null;
});
afterEach(() => {
  watcher?.close();
  rmSync(directory, { recursive: true, force: true });
});

function watch(): void {
  watcher = watchFile(path, () => {
    changes++;
  });
}
/** Until so many changes were told; the limit only keeps a broken test from hanging. */
async function told(count: number): Promise<void> {
  for (let i = 0; i < 1000 && changes < count; i++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(changes, count);
}
/** Nothing more is told, as far as one can wait for nothing. */
async function quiet(): Promise<void> {
  const before = changes;
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal(changes, before);
}

test('an edit in place, in several steps, is one change', async () => {
  writeFileSync(path, 'a');
  watch();
  writeFileSync(path, '');
  writeFileSync(path, 'b');
  await told(1);
  await quiet();
});

test('a file that is renamed over it', async () => {
  writeFileSync(path, 'a');
  watch();
  for (const [times, text] of [
    [1, 'b'],
    [2, 'c'],
  ] as const) {
    writeFileSync(join(directory, 'new'), text);
    renameSync(join(directory, 'new'), path);
    await told(times);
  }
});

test('a touch, another file, and the same content again are no change', async () => {
  writeFileSync(path, 'a');
  watch();
  utimesSync(path, new Date(0), new Date(0));
  writeFileSync(join(directory, 'other'), 'x');
  writeFileSync(path, 'a');
  await quiet();
});

test('a file that goes is no change; when it comes back with other content it is', async () => {
  writeFileSync(path, 'a');
  watch();
  rmSync(path);
  await quiet();
  writeFileSync(path, 'a');
  await quiet();
  rmSync(path);
  writeFileSync(path, 'b');
  await told(1);
});

test('a link that is swapped, as Kubernetes does it', async () => {
  for (const version of ['one', 'two']) {
    mkdirSync(join(directory, version));
    writeFileSync(join(directory, version, 'envoy.yaml'), version);
  }
  symlinkSync('one', join(directory, 'data'));
  symlinkSync(join('data', 'envoy.yaml'), path);
  watch();
  symlinkSync('two', join(directory, 'next'));
  renameSync(join(directory, 'next'), join(directory, 'data'));
  await told(1);
});

test('an edit of the file that a link points to, in another directory', async () => {
  const real = join(directory, 'real');
  mkdirSync(real);
  writeFileSync(join(real, 'config.yaml'), 'a');
  symlinkSync(join(real, 'config.yaml'), path);
  watch();
  writeFileSync(join(real, 'config.yaml'), 'b');
  await told(1);
  // The link is turned elsewhere, and it is that file now that counts.
  const other = join(directory, 'other');
  mkdirSync(other);
  writeFileSync(join(other, 'config.yaml'), 'c');
  symlinkSync(join(other, 'config.yaml'), join(directory, 'link'));
  renameSync(join(directory, 'link'), path);
  await told(2);
  writeFileSync(join(other, 'config.yaml'), 'd');
  await told(3);
  writeFileSync(join(real, 'config.yaml'), 'e');
  await quiet();
});
