/** What `npm start` runs: every command that it prints works, Ctrl-C ends it, and a port in use is one clear line. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import net from 'node:net';
import { test } from 'node:test';

const START = new URL('../../scenarios/quickstart/start.js', import.meta.url).pathname;
const ORIGIN_PORT = 8095;

/** Runs it until it said what is waited for, or ended. */
async function start(awaited: string): Promise<{ child: ChildProcess; exited: Promise<number | null>; text: string }> {
  const child = spawn(process.execPath, [START], { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve));
  await new Promise<void>((resolve) => {
    const take = (chunk: Buffer): void => {
      text += chunk.toString();
      if (text.includes(awaited)) resolve();
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    void exited.then(() => resolve());
  });
  return { child, exited, text };
}

test('every command that it prints works; SIGINT ends it', async (t) => {
  const { child, exited, text } = await start('Ctrl-C ends');
  if (text.includes('in use') || text.includes('another process has this address')) {
    assert.equal(await exited, 1);
    t.skip('its ports are in use on this machine');
    return;
  }
  const commands = [...text.matchAll(/^ {2}(curl .*?) {2,}/gm)].map((match) => match[1] as string);
  assert.ok(commands.length >= 5, text);
  for (const command of commands) {
    // Without blocking this process: the output of the child is read by it.
    const run = spawn('sh', ['-c', `${command} -q -sS --fail --max-time 10`]);
    let output = '';
    for (const stream of [run.stdout, run.stderr])
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
    assert.equal(await new Promise((resolve) => run.once('close', resolve)), 0, `${command}\n${output}`);
    assert.notEqual(output, '', command);
  }
  child.kill('SIGINT');
  assert.equal(await exited, 0);
});

test('a port in use is one line, and it ends', async () => {
  // Whoever has the port already, and if it is this test: it is in use.
  const taken = net.createServer();
  await new Promise<void>((resolve) => {
    taken.once('error', () => resolve());
    taken.listen(ORIGIN_PORT, '127.0.0.1', resolve);
  });
  const run = spawnSync(process.execPath, [START], { encoding: 'utf8' });
  taken.close();
  assert.equal(run.status, 1);
  assert.match(run.stderr, /^quickstart: 127\.0\.0\.1:809\d \(demo origin \w+-\d\) is in use by another process\n$/);
});
