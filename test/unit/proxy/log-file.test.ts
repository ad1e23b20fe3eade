/** Log files: order, rotation, and lines that can't be written: counted, said once, never kept in memory for ever. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { read } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { LogFile } from '../../../engine/proxy/log-file.js';

let directory: string;
let troubles: string[];
let dropped: number;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-log-'));
  troubles = [];
  dropped = 0;
});
afterEach(() => rmSync(directory, { recursive: true }));

function open(path: string): LogFile {
  return new LogFile(path, {
    onTrouble: (message) => troubles.push(message),
    onDropped: (lines) => {
      dropped += lines;
    },
  });
}
function append(file: LogFile, text: string): void {
  const bytes = Buffer.from(text);
  file.append(bytes, bytes.length, text.split('\n').length - 1);
  // The block is the caller's again.
  bytes.fill(0x78);
}
/** A descriptor of this process, unless it is gone already. */
function isOpenAs(descriptor: string, path: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`) === path;
  } catch {
    return false;
  }
}
function drained(file: LogFile): Promise<void> {
  return new Promise((resolve) => file.whenDrained(resolve));
}

test('blocks come in order, behind what the file has', async () => {
  const path = join(directory, 'a.log');
  const first = open(path);
  for (let i = 0; i < 50; i++) append(first, `line ${i}\n`);
  await drained(first);
  first.close();
  const second = open(path);
  append(second, 'more\n');
  await drained(second);
  second.close();
  assert.equal(readFileSync(path, 'utf8'), `${Array.from({ length: 50 }, (_, i) => `line ${i}\n`).join('')}more\n`);
  assert.equal(dropped, 0);
});

test('a path that can not be opened is an error at once', () => {
  assert.throws(() => open(join(directory, 'none', 'a.log')), /ENOENT/);
});

test('rotation: what comes after reopen() goes to a new file of the same name', async () => {
  const path = join(directory, 'a.log');
  const file = open(path);
  append(file, 'old\n');
  await drained(file);
  renameSync(path, `${path}.1`);
  append(file, 'still old\n');
  await drained(file);
  file.reopen();
  append(file, 'new\n');
  await drained(file);
  file.close();
  assert.equal(readFileSync(`${path}.1`, 'utf8'), 'old\nstill old\n');
  assert.equal(readFileSync(path, 'utf8'), 'new\n');
});

test('a reopen that fails is said, and lines go on into the old file', async () => {
  const path = join(directory, 'sub');
  execFileSync('mkdir', [path]);
  const file = open(join(path, 'a.log'));
  renameSync(path, join(directory, 'moved'));
  file.reopen();
  append(file, 'kept\n');
  await drained(file);
  file.close();
  assert.equal(troubles.length, 1);
  assert.match(troubles[0] as string, /a\.log: not opened: ENOENT/);
  assert.equal(readFileSync(join(directory, 'moved', 'a.log'), 'utf8'), 'kept\n');
  assert.equal(dropped, 0);
});

test('a closed file is opened again by who still logs, and no descriptor stays', async () => {
  const path = join(directory, 'a.log');
  const descriptors = (): number => readdirSync('/proc/self/fd').filter((name) => isOpenAs(name, path)).length;
  const file = open(path);
  file.close();
  append(file, 'late\n');
  await drained(file);
  append(file, 'later\n');
  await drained(file);
  for (let i = 0; i < 50 && descriptors() > 0; i++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(descriptors(), 0);
  assert.equal(readFileSync(path, 'utf8'), 'late\nlater\n');
});

test('a file that is closed and can not be opened again drops what comes, counted by lines', async () => {
  const path = join(directory, 'sub');
  execFileSync('mkdir', [path]);
  const file = open(join(path, 'a.log'));
  file.close();
  await drained(file);
  await new Promise((resolve) => setTimeout(resolve, 20));
  rmSync(path, { recursive: true });
  append(file, 'one\ntwo\n');
  append(file, 'three\n');
  await drained(file);
  assert.equal(dropped, 3);
  assert.ok(troubles.some((each) => /lines dropped: ENOENT/.test(each)));
});

test('a full disk: lines are counted and the trouble is said once', { skip: !existsSync('/dev/full') }, async () => {
  const file = open('/dev/full');
  append(file, 'one\ntwo\n');
  append(file, 'three\n');
  await drained(file);
  assert.equal(dropped, 3);
  assert.deepEqual(troubles, [`access log /dev/full: lines dropped: ENOSPC: no space left on device, write`]);
  file.close();
});

test('more than 64 blocks do not wait: the newest are dropped and the others still come', async () => {
  const path = join(directory, 'a.log');
  const file = open(path);
  for (let i = 0; i < 100; i++) append(file, `a${i}\nb${i}\n`);
  await drained(file);
  file.close();
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  assert.equal(lines.length, 2 * 65, 'one block is being written, 64 wait');
  assert.equal(dropped, 2 * 35);
  assert.deepEqual(troubles, [`access log ${path}: lines dropped: the file does not keep up`]);
});

test('a pipe with a slow reader gets every line whole', async () => {
  const path = join(directory, 'pipe');
  execFileSync('mkfifo', [path]);
  // Open for both, so that neither end waits for the other.
  const reader = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const file = open(path);
  const line = `${'x'.repeat(99)}\n`;
  for (let i = 0; i < 30; i++) append(file, line.repeat(100));
  let text = '';
  const buffer = Buffer.alloc(7000);
  while (text.length < 300000) {
    const count = await new Promise<number>((resolve) =>
      read(reader, buffer, 0, buffer.length, null, (error, bytes) => resolve(error === null ? bytes : 0)),
    );
    text += buffer.toString('latin1', 0, count);
    if (count === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await drained(file);
  file.close();
  closeSync(reader);
  assert.equal(text, line.repeat(3000));
  assert.equal(dropped, 0);
});
