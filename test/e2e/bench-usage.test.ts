/** The command line of the laboratory: every part says how it is used when it is asked. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../../engine/io/addon.js';

for (const args of [['--help'], ['lb', '--help'], ['handshakes', '-h'], ['simulate', '--help']])
  test(`bench ${args.join(' ')}`, () => {
    const main = join(packageRoot(), 'dist', 'bench', 'main.js');
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, /^usage: /);
  });
