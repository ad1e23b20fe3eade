/** SocketPeer: the other end of a real connection, and what tests over sockets wait with. */
import assert from 'node:assert/strict';
import type net from 'node:net';
import type { Listening } from '../../engine/io/transport.js';
import type { Peer } from './transport.suite.js';

const PATIENCE_MS = 10_000;
export const SETTLE_MS = 25;

export class SocketPeer implements Peer {
  hasEnd = false;
  isClosed = false;
  readonly socket: net.Socket;
  readonly #chunks: Buffer[] = [];

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
    socket.on('end', () => {
      this.hasEnd = true;
    });
    socket.on('close', () => {
      this.isClosed = true;
    });
    // A reset is what some of the laws are about.
    socket.on('error', () => {});
  }

  get received(): Buffer {
    return Buffer.concat(this.#chunks);
  }
  send(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }
  end(): void {
    this.socket.end();
  }
  reset(): void {
    this.socket.resetAndDestroy();
  }
  pause(): void {
    this.socket.pause();
  }
  resume(): void {
    this.socket.resume();
  }
}

export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export async function until(what: string, holds: () => boolean): Promise<void> {
  for (const end = Date.now() + PATIENCE_MS; !holds(); await wait(1))
    assert.ok(Date.now() < end, `it never came to this: ${what}`);
}

export function opened(listening: Listening): Promise<void> {
  return new Promise((resolve, reject) => {
    listening.whenOpen((problem) => (problem === null ? resolve() : reject(problem)));
  });
}

let lastWorker = 60;
export function nextWorker(): number {
  return lastWorker++;
}
