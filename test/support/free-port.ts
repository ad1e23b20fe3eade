/** Ports for servers that are told theirs: free, below those of outgoing connections, and nobody else's meanwhile. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const FIRST = 22000;
const LAST = 31999;
/** A file for each port that somebody has asked for, with the process's number: several test runs may go on at once. */
const TAKEN = join(tmpdir(), 'millrace-test-ports');

let next = FIRST + (process.pid % 60) * 100;
const own: number[] = [];
process.once('exit', () => {
  for (const port of own) rmSync(join(TAKEN, String(port)), { force: true });
});

export async function freePort(): Promise<number> {
  for (;;) {
    const port = next++;
    if (next > LAST) next = FIRST;
    if (take(port) && (await canListen(port))) return port;
  }
}

function take(port: number): boolean {
  const path = join(TAKEN, String(port));
  mkdirSync(TAKEN, { recursive: true });
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx' });
  } catch {
    if (isAlive(path)) return false;
    // Whoever asked for it has died without a word.
    rmSync(path, { force: true });
    return take(port);
  }
  own.push(port);
  return true;
}

function isAlive(path: string): boolean {
  try {
    process.kill(Number(readFileSync(path, 'utf8')), 0);
    return true;
  } catch {
    return false;
  }
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
