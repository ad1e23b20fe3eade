/** NodeConn: one connection of the node transport. */
import type { ProxiedAddresses } from './proxied.js';
import type net from 'node:net';
import {
  DOWN_RESET,
  type FaultCode,
  NO_DESCRIPTORS,
  UP_CONNECT_REFUSED,
  UP_CONNECT_TIMEOUT,
  UP_CONNECT_UNREACHABLE,
  UP_RESET,
} from '../fault/faults.js';
import type { NodeTlsContext, NodeTlsSession, PendingServerTls } from './tls-node.js';
import { STAPLE_NOT_ASKED, type TlsContext, type TlsStaple } from './tls.js';
import type { Address, Conn, ConnOwner, HoldBits } from './transport.js';
import { UNKNOWN_ADDRESS } from './unowned.js';

const DEFAULT_HIGH_MARK_BYTES = 1 << 20;

/** What a connection needs of its transport. */
export interface NodeConnHost {
  queueWrite(conn: NodeConn, bytes: Uint8Array, start: number, end: number): void;
  planFlush(conn: NodeConn): void;
  closed(conn: NodeConn): void;
  startTls(
    conn: NodeConn,
    context: NodeTlsContext,
    bytes: Uint8Array,
    start: number,
    end: number,
    timeoutMs: number,
  ): void;
}

export class NodeConn implements Conn {
  owner: ConnOwner;
  readonly id: number;
  readonly transport: NodeConnHost;
  readonly isDialled: boolean;
  socket: net.Socket | null = null;
  proxied: ProxiedAddresses | null = null;
  tlsFailure = '';
  tls: NodeTlsSession | null = null;
  /** What became of the client's wish for an OCSP response. */
  staple: TlsStaple = STAPLE_NOT_ASKED;
  tlsContext: NodeTlsContext | null = null;
  /** A server whose client has not said enough to begin. */
  pendingTls: PendingServerTls | null = null;
  /** From startTls() or dial() until the handshake is accepted: nothing of what is written may leave. */
  isHandshaking = false;
  /** TCP is there. */
  isConnected = false;
  early: Buffer[] = [];
  isShutDown = false;
  timer: NodeJS.Timeout | null = null;
  bytesRead = 0;
  bytesWritten = 0;
  holdBits: HoldBits = 0;
  highMark = DEFAULT_HIGH_MARK_BYTES;
  isOpen: boolean;
  isEnded = false;
  isClosed = false;
  hasPeerEnded = false;
  fault: FaultCode = 0;
  wasFull = false;
  /** This turn's bytes, composed in one array that node:net may keep. */
  pieces: { bytes: Uint8Array; start: number; end: number }[] = [];
  pieceBytes = 0;
  /** What to do once the turn's bytes are handed over. */
  afterFlush: (() => void) | null = null;
  #remote: Address | null = null;
  #local: Address | null = null;

  constructor(transport: NodeConnHost, id: number, owner: ConnOwner, isDialled: boolean) {
    this.transport = transport;
    this.id = id;
    this.owner = owner;
    this.isDialled = isDialled;
    this.isOpen = !isDialled;
  }

  get secure(): boolean {
    return this.tls !== null;
  }
  get alpn(): string {
    return this.tls?.alpn ?? '';
  }
  get queuedBytes(): number {
    return this.socket?.writableLength ?? 0;
  }
  get remoteAddress(): Address {
    if (this.#remote === null)
      this.#remote = addressOf(this.socket?.remoteFamily, this.socket?.remoteAddress, this.socket?.remotePort);
    return this.#remote;
  }
  get localAddress(): Address {
    if (this.#local === null)
      this.#local = addressOf(this.socket?.localFamily, this.socket?.localAddress, this.socket?.localPort);
    return this.#local;
  }

  write(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.isEnded || this.isClosed || end <= start) return this.queuedBytes >= this.highMark;
    this.bytesWritten += end - start;
    this.transport.queueWrite(this, bytes, start, end);
    const isFull = this.queuedBytes + this.pieceBytes >= this.highMark;
    if (isFull) this.wasFull = true;
    return isFull;
  }

  hold(reason: HoldBits): void {
    if (this.holdBits === 0) this.socket?.pause();
    this.holdBits |= reason;
  }
  release(reason: HoldBits): void {
    if (this.holdBits === 0) return;
    this.holdBits &= ~reason;
    if (this.holdBits === 0) this.socket?.resume();
  }
  setHighMark(byteCount: number): void {
    this.highMark = byteCount;
  }

  endAfterFlush(delayedCloseMs: number): void {
    if (this.isEnded || this.isClosed) return;
    this.isEnded = true;
    this.#afterFlush(() => {
      const socket = this.socket;
      if (socket === null) return;
      if (this.isHandshaking) {
        socket.destroy();
        return;
      }
      socket.end(() => {
        if (delayedCloseMs === 0 || this.hasPeerEnded) socket.destroy();
        else setTimeout(() => socket.destroy(), delayedCloseMs).unref();
      });
      // What still comes is read and dropped until the peer's FIN.
      socket.resume();
      if (delayedCloseMs > 0) this.#leaveWhenStuck(socket, delayedCloseMs, -1);
    });
  }
  /** Law 5: as long again after each step forward. left: bytes that waited when the last one was looked for. */
  #leaveWhenStuck(socket: net.Socket, delayedCloseMs: number, left: number): void {
    const timer = setTimeout(() => {
      if (socket.destroyed || socket.writableFinished) return;
      const { _handle } = socket as unknown as { readonly _handle: { readonly writeQueueSize?: number } | null };
      const now = socket.writableLength + (_handle?.writeQueueSize ?? 0);
      if (now === left) socket.destroy();
      else this.#leaveWhenStuck(socket, delayedCloseMs, now);
    }, delayedCloseMs);
    timer.unref();
  }
  shutdownAfterFlush(): void {
    if (this.isEnded || this.isClosed) return;
    this.isShutDown = true;
    this.#afterFlush(() => {
      if (!this.isHandshaking) this.socket?.end();
    });
  }
  abort(fault: FaultCode): void {
    if (this.isClosed || this.fault !== 0) return;
    this.isEnded = true;
    this.fault = fault;
    this.pieces = [];
    this.pieceBytes = 0;
    const socket = this.socket;
    // Law 3: never inside this call.
    setImmediate(() => {
      if (socket === null) this.transport.closed(this);
      else if (this.tlsContext !== null) socket.destroy();
      else socket.resetAndDestroy();
    });
  }

  startTls(context: TlsContext, bytes: Uint8Array, start: number, end: number, handshakeTimeoutMs: number): void {
    if (this.isEnded || this.isClosed) return;
    this.transport.startTls(this, context as NodeTlsContext, bytes, start, end, handshakeTimeoutMs);
  }

  #afterFlush(action: () => void): void {
    this.afterFlush = action;
    this.transport.planFlush(this);
  }
}

function addressOf(family: string | undefined, host: string | undefined, port: number | undefined): Address {
  if (family === undefined || host === undefined) return UNKNOWN_ADDRESS;
  return { family: family === 'IPv6' ? 6 : 4, host, port: port ?? 0 };
}

/** What an error of node:net or node:tls means. */
export function errorFault(conn: NodeConn, code: string): FaultCode {
  if (conn.isOpen) return conn.isDialled ? UP_RESET : DOWN_RESET;
  if (code === 'ECONNREFUSED' || code === 'ENOENT') return UP_CONNECT_REFUSED;
  if (code === 'ETIMEDOUT') return UP_CONNECT_TIMEOUT;
  return code === 'EMFILE' || code === 'ENFILE' ? NO_DESCRIPTORS : UP_CONNECT_UNREACHABLE;
}
