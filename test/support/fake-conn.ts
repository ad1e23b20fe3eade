/** FakeConn and FakeArena: a connection in memory that records what is written; for tests of codecs. */
import type { ProxiedAddresses } from '../../engine/io/proxied.js';
import type { FaultCode } from '../../engine/fault/faults.js';
import { HOME_SLOT_INTS, Head } from '../../engine/http/head.js';
import type { Http1Shared } from '../../engine/http1/shared.js';
import type { TlsSession } from '../../engine/io/tls.js';
import type { Address, Arena, Conn, ConnOwner, HoldBits } from '../../engine/io/transport.js';
import { NO_OWNER, UNKNOWN_ADDRESS } from '../../engine/io/unowned.js';

export class FakeArena implements Arena {
  readonly bytes = new Uint8Array(4 << 20);
  #at = 0;
  reserve(byteCount: number): number {
    if (this.#at + byteCount > this.bytes.length) this.#at = 0;
    const at = this.#at;
    this.#at += byteCount;
    return at;
  }
  commit(end: number): void {
    this.#at = end;
  }
  carve(): number {
    return -1;
  }
}

export class FakeConn implements Conn {
  owner: ConnOwner = NO_OWNER;
  readonly id = 1;
  readonly remoteAddress: Address = UNKNOWN_ADDRESS;
  readonly localAddress: Address = UNKNOWN_ADDRESS;
  readonly secure = false;
  readonly alpn: string = '';
  tls: TlsSession | null = null;
  proxied: ProxiedAddresses | null = null;
  tlsFailure = '';
  bytesRead = 0;
  bytesWritten = 0;
  queuedBytes = 0;
  written = '';
  holds: HoldBits = 0;
  isEnded = false;
  isShutDown = false;
  abortedWith: FaultCode | null = null;

  write(bytes: Uint8Array, start: number, end: number): boolean {
    this.written += Buffer.from(bytes.subarray(start, end)).toString('latin1');
    this.bytesWritten += end - start;
    return false;
  }
  setHighMark(): void {}
  hold(reason: HoldBits): void {
    this.holds |= reason;
  }
  release(reason: HoldBits): void {
    this.holds &= ~reason;
  }
  endAfterFlush(): void {
    this.isEnded = true;
  }
  shutdownAfterFlush(): void {
    this.isShutDown = true;
  }
  abort(fault: FaultCode): void {
    this.abortedWith = fault;
  }
  startTls(): void {
    throw new Error('no TLS here');
  }
}

export function newHead(): Head {
  return new Head(new Uint8Array(2048), 0, 2048, new Int32Array(HOME_SLOT_INTS), 0);
}

export function newShared(arena: Arena = new FakeArena()): Http1Shared {
  return { arena, requestHead: newHead(), responseHead: newHead(), trailers: newHead() };
}
