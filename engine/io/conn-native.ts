/** NativeConn: a connection of the native transport: what its owner asks becomes operations of the addon's ring. */
import type { ProxiedAddresses } from './proxied.js';
import {
  DOWN_RESET,
  type FaultCode,
  NO_DESCRIPTORS,
  UP_CONNECT_REFUSED,
  UP_CONNECT_TIMEOUT,
  UP_CONNECT_UNREACHABLE,
  UP_RESET,
} from '../fault/faults.js';
import { OP_ABORT, OP_END, OP_HIGH_MARK, OP_HOLD, OP_RELEASE, OP_SHUTDOWN } from './event-layout.js';
import { STAPLE_NOT_ASKED, type TlsContext, type TlsEnd, type TlsSession, type TlsStaple, tlsFault } from './tls.js';
import { FACT_STAPLE, type NativeTlsContext, NativeTlsSession } from './tls-native.js';
import type { Address, Conn, ConnOwner, HoldBits } from './transport.js';
import type { NativeTransport } from './transport-native.js';

const DEFAULT_HIGH_MARK_BYTES = 1 << 20;

// errno values of Linux, the only platform of this transport.
const EMFILE = 24;
const ENFILE = 23;
const ECONNREFUSED = 111;
const ENOENT = 2;
const ETIMEDOUT = 110;

export class NativeConn implements Conn {
  owner: ConnOwner;
  readonly id: number;
  readonly slot: number;
  readonly transport: NativeTransport;
  readonly isDialled: boolean;
  secure = false;
  alpn = '';
  proxied: ProxiedAddresses | null = null;
  tlsFailure = '';
  /** The names of which alpn is one. */
  alpnNames: readonly string[] = [];
  bytesRead = 0;
  bytesWritten = 0;
  queuedBytes = 0;
  holdBits: HoldBits = 0;
  highMark = DEFAULT_HIGH_MARK_BYTES;
  /** Somebody was told so and waits for onWritable. */
  wasFull = false;
  isOpen: boolean;
  /** Nothing may be written any more. */
  isEnded = false;
  abortFault: FaultCode = 0;
  isClosed = false;
  /** The peer's FIN came without close_notify. */
  isTruncated = false;
  #remote: Address | null = null;
  #local: Address | null = null;
  #session: NativeTlsSession | null = null;
  /** -1: not read yet. */
  #staple = -1;

  constructor(transport: NativeTransport, slot: number, id: number, owner: ConnOwner, isDialled: boolean) {
    this.transport = transport;
    this.slot = slot;
    this.id = id;
    this.owner = owner;
    this.isDialled = isDialled;
    this.isOpen = !isDialled;
  }

  get staple(): TlsStaple {
    if (this.#staple < 0) this.#staple = (this.transport.tlsFact(this, FACT_STAPLE) ?? STAPLE_NOT_ASKED) as TlsStaple;
    return this.#staple as TlsStaple;
  }
  /** Null before the handshake is done. */
  get tls(): TlsSession | null {
    if (this.#session === null && this.secure) this.#session = new NativeTlsSession(this);
    return this.#session;
  }
  get remoteAddress(): Address {
    if (this.#remote === null) this.#remote = this.transport.addressOf(this, true);
    return this.#remote;
  }
  get localAddress(): Address {
    if (this.#local === null) this.#local = this.transport.addressOf(this, false);
    return this.#local;
  }

  write(bytes: Uint8Array, start: number, end: number): boolean {
    const isFull = this.queuedBytes >= this.highMark;
    if (isFull) this.wasFull = true;
    if (this.isEnded || end <= start) return isFull;
    this.bytesWritten += end - start;
    this.transport.pushWrite(this.slot, bytes, start, end);
    return isFull;
  }

  hold(reason: HoldBits): void {
    const before = this.holdBits;
    this.holdBits = before | reason;
    if (before === 0 && !this.isClosed) this.transport.push(OP_HOLD, this.slot, 0);
  }

  release(reason: HoldBits): void {
    const before = this.holdBits;
    if (before === 0) return;
    this.holdBits = before & ~reason;
    if (this.holdBits === 0 && !this.isClosed) this.transport.push(OP_RELEASE, this.slot, 0);
  }

  setHighMark(byteCount: number): void {
    this.highMark = byteCount;
    if (!this.isClosed) this.transport.push(OP_HIGH_MARK, this.slot, byteCount);
  }

  endAfterFlush(delayedCloseMs: number): void {
    if (this.isClosed || this.isEnded) return;
    this.isEnded = true;
    this.transport.push(OP_END, this.slot, delayedCloseMs);
  }

  shutdownAfterFlush(): void {
    if (this.isClosed || this.isEnded) return;
    this.transport.push(OP_SHUTDOWN, this.slot, 0);
  }

  abort(fault: FaultCode): void {
    if (this.isClosed || this.abortFault !== 0) return;
    this.isEnded = true;
    this.abortFault = fault;
    this.transport.push(OP_ABORT, this.slot, 0);
  }

  startTls(context: TlsContext, bytes: Uint8Array, start: number, end: number, handshakeTimeoutMs: number): void {
    if (this.isClosed || this.isEnded) return;
    this.bytesRead -= end - start;
    this.alpnNames = (context as NativeTlsContext).alpn;
    this.transport.startTls(this.slot, context as NativeTlsContext, bytes, start, end, handshakeTimeoutMs);
  }
}

export function dialFault(errno: number): FaultCode {
  if (errno === ECONNREFUSED || errno === ENOENT) return UP_CONNECT_REFUSED;
  if (errno === ETIMEDOUT) return UP_CONNECT_TIMEOUT;
  if (errno === EMFILE || errno === ENFILE) return NO_DESCRIPTORS;
  return UP_CONNECT_UNREACHABLE;
}

export function closeFault(conn: NativeConn, errno: number): FaultCode {
  if (errno === 0) return 0;
  if (errno < 0) return tlsFault(conn.isDialled, -errno as TlsEnd);
  if (!conn.isDialled) return DOWN_RESET;
  return conn.isOpen ? UP_RESET : dialFault(errno);
}
