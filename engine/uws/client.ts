/** UwsClient: who a request came from, and the bytes of its response head as the head writer leaves them. */
import type { ProxiedAddresses } from '../io/proxied.js';
import type { Address, Conn, ConnOwner } from '../io/transport.js';
import { NO_OWNER, UNKNOWN_ADDRESS } from '../io/unowned.js';

const FIRST_BYTES = 2048;

/** A connection as far as uWebSockets.js shows one: addresses, and write() into memory. */
export class UwsClient implements Conn {
  owner: ConnOwner = NO_OWNER;
  /** uWebSockets.js gives connections no identity: counted are requests. */
  id = 0;
  remoteAddress: Address = UNKNOWN_ADDRESS;
  localAddress: Address = UNKNOWN_ADDRESS;
  readonly secure = false;
  readonly alpn = '';
  readonly tls = null;
  proxied: ProxiedAddresses | null = null;
  tlsFailure = '';
  readonly bytesRead = 0;
  bytesWritten = 0;
  readonly queuedBytes = 0;
  #bytes = Buffer.allocUnsafe(FIRST_BYTES);
  #used = 0;

  /** What was written since clear(). */
  written(start: number, fromEnd: number): Uint8Array {
    return this.#bytes.subarray(start, this.#used - fromEnd);
  }

  clear(): void {
    this.#used = 0;
  }

  write(bytes: Uint8Array, start: number, end: number): boolean {
    const length = end - start;
    if (this.#used + length > this.#bytes.length) {
      const bigger = Buffer.allocUnsafe((this.#used + length) * 2);
      bigger.set(this.#bytes.subarray(0, this.#used));
      this.#bytes = bigger;
    }
    this.#bytes.set(bytes.subarray(start, end), this.#used);
    this.#used += length;
    return false;
  }

  setHighMark(): void {}
  hold(): void {}
  release(): void {}
  endAfterFlush(): void {}
  shutdownAfterFlush(): void {}
  abort(): void {}
  startTls(): void {}
}
