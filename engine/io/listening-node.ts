/** NodeListening: a listening socket of node:net. */
import net from 'node:net';
import { addressText } from './addresses.js';
import type { Address, Listening, ListenOptions } from './transport.js';

/** Several threads can listen on one address: node:net learnt SO_REUSEPORT in 23.1 (and 22.12). */
export const HAS_REUSE_PORT = ((): boolean => {
  const [major, minor] = process.versions.node.split('.').map(Number) as [number, number];
  return process.platform === 'linux' && (major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12));
})();

export class NodeListening implements Listening {
  readonly #asked: Address;
  readonly #server: net.Server;
  #problem: Error | null = null;
  #onOutcome: ((problem: Error | null) => void) | null = null;

  constructor(options: ListenOptions, onSocket: (socket: net.Socket) => void) {
    const { address, backlog } = options;
    this.#asked = address;
    this.#server = net.createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, onSocket);
    this.#server.once('listening', () => this.#onOutcome?.(null));
    this.#server.on('error', (error: NodeJS.ErrnoException) => {
      this.#problem = Object.assign(new Error(`listen ${error.code} ${addressText(address)}`), { code: error.code });
      this.#onOutcome?.(this.#problem);
    });
    if (address.family === 'unix') this.#server.listen({ path: address.host, backlog });
    else {
      // reusePort is not in the types of Node 20, which does not have it.
      const where = { host: address.host, port: address.port, backlog, exclusive: true, reusePort: HAS_REUSE_PORT };
      this.#server.listen(where);
    }
  }

  get address(): Address {
    const actual = this.#server.address();
    return actual === null || typeof actual === 'string' ? this.#asked : { ...this.#asked, port: actual.port };
  }

  whenOpen(callback: (problem: Error | null) => void): void {
    if (this.#problem !== null || this.#server.listening) callback(this.#problem);
    else this.#onOutcome = callback;
  }

  close(): void {
    this.#server.close();
  }
}
