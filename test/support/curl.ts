/** curl as a client: run with arguments, answered with what it received and what it said. */
import { spawn } from 'node:child_process';

export interface CurlRun {
  readonly code: number | null;
  /** Standard output as bytes; with -i the heads too. */
  readonly output: Buffer;
  /** What -v says: heads in both directions, connections. */
  readonly notes: string;
}

/** input: goes to standard input. The time limit only keeps a broken test from hanging. */
export function curl(args: readonly string[], input?: Buffer): Promise<CurlRun> {
  const child = spawn('curl', ['-q', '-sS', '-v', '--max-time', '30', '--noproxy', '*', ...args]);
  const output: Buffer[] = [];
  let notes = '';
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => {
    notes += chunk.toString('latin1');
  });
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output: Buffer.concat(output), notes }));
  });
}
