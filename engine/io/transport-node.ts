/** The node transport: node:net behind the same laws; the fallback where the addon can't be had. */
import net from 'node:net';
import {
  DOWN_RESET,
  type FaultCode,
  NO_DESCRIPTORS,
  UP_CONNECT_REFUSED,
  UP_CONNECT_TIMEOUT,
  UP_CONNECT_UNREACHABLE,
  UP_RESET,
} from '../fault/faults.js';
import { NodeListening } from './listening-node.js';
import type { TlsContext, TlsContextOptions, TlsSession } from './tls.js';
import {
  type Address,
  type Arena,
  type Conn,
  type ConnOwner,
  type HoldBits,
  type ListenOptions,
  type Listening,
  SCRATCH_BYTES,
  type Transport,
} from './transport.js';
import { NO_OWNER, UNKNOWN_ADDRESS } from './unowned.js';

const SLAB_BYTES = 64 * 1024;
const CARVE_BYTES = 8 * 1024 * 1024;
const DEFAULT_HIGH_MARK_BYTES = 1 << 20;

const NO_TLS = 'the node transport has no TLS';

class NodeConn implements Conn {
  owner: ConnOwner;
  readonly id: number;
  readonly transport: NodeTransport;
  readonly isDialled: boolean;
  socket: net.Socket | null = null;
  tlsFailure = '';
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

  constructor(transport: NodeTransport, id: number, owner: ConnOwner, isDialled: boolean) {
    this.transport = transport;
    this.id = id;
    this.owner = owner;
    this.isDialled = isDialled;
    this.isOpen = !isDialled;
  }

  get secure(): boolean {
    return false;
  }
  get alpn(): string {
    return '';
  }
  get queuedBytes(): number {
    return this.socket?.writableLength ?? 0;
  }
  get tls(): TlsSession | null {
    return null;
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
      socket.end(() => {
        if (delayedCloseMs === 0 || this.hasPeerEnded) socket.destroy();
        else setTimeout(() => socket.destroy(), delayedCloseMs).unref();
      });
      // What still comes is read and dropped until the peer's FIN.
      socket.resume();
    });
  }
  shutdownAfterFlush(): void {
    if (this.isEnded || this.isClosed) return;
    this.#afterFlush(() => this.socket?.end());
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
      else socket.resetAndDestroy();
    });
  }

  startTls(): void {
    throw new Error(NO_TLS);
  }

  #afterFlush(action: () => void): void {
    this.afterFlush = action;
    this.transport.planFlush(this);
  }
}

class NodeArena implements Arena {
  readonly bytes: Uint8Array = new Uint8Array(SLAB_BYTES + SCRATCH_BYTES + CARVE_BYTES);
  readonly #flush: () => void;
  #scratchAt = SLAB_BYTES;
  #carveAt = SLAB_BYTES + SCRATCH_BYTES;

  constructor(flush: () => void) {
    this.#flush = flush;
  }
  reserve(byteCount: number): number {
    if (this.#scratchAt + byteCount > SLAB_BYTES + SCRATCH_BYTES) {
      this.#flush();
      this.#scratchAt = SLAB_BYTES;
    }
    const at = this.#scratchAt;
    this.#scratchAt = at + byteCount;
    return at;
  }
  commit(end: number): void {
    this.#scratchAt = end;
  }
  carve(byteCount: number): number {
    if (this.#carveAt + byteCount > this.bytes.length) return -1;
    this.#carveAt += byteCount;
    return this.#carveAt - byteCount;
  }
  free(): void {
    this.#scratchAt = SLAB_BYTES;
  }
}

export class NodeTransport implements Transport {
  readonly name = 'node';
  readonly arena: NodeArena;
  onAccepted: (conn: Conn, listenerIndex: number) => void = (conn) => conn.abort(DOWN_RESET);
  onTurnFlushed: () => void = () => {};
  readonly #conns = new Set<NodeConn>();
  readonly #listening = new Set<NodeListening>();
  #dirty: NodeConn[] = [];
  #isInTurn = false;
  #isFlushPlanned = false;
  #nextId = 1;
  #turnUs = 0;
  readonly #startMs = performance.now();
  readonly #slab: Buffer;

  constructor() {
    this.arena = new NodeArena(() => this.#flush());
    this.#slab = Buffer.from(this.arena.bytes.buffer, 0, SLAB_BYTES);
  }

  dial(address: Address, connectTimeoutMs: number, owner: ConnOwner): Conn {
    const conn = new NodeConn(this, this.#nextId++, owner, true);
    const target = address.family === 'unix' ? { path: address.host } : { host: address.host, port: address.port };
    const socket = net.connect({
      ...target,
      noDelay: true,
      allowHalfOpen: true,
      onread: { buffer: this.#slab, callback: (count) => this.#onRead(conn, count) },
    });
    this.#take(conn, socket);
    const timer = connectTimeoutMs > 0 ? setTimeout(() => this.#timeOut(conn), connectTimeoutMs) : null;
    socket.once('connect', () => {
      if (timer !== null) clearTimeout(timer);
      conn.isOpen = true;
      if (!conn.isEnded) this.#turn(() => conn.owner.onOpen(conn));
    });
    socket.once('close', () => {
      if (timer !== null) clearTimeout(timer);
    });
    return conn;
  }

  newTlsContext(_options: TlsContextOptions): TlsContext {
    throw new Error(NO_TLS);
  }

  #timeOut(conn: NodeConn): void {
    if (conn.isOpen) return;
    conn.fault = UP_CONNECT_TIMEOUT;
    conn.socket?.destroy();
  }

  listen(options: ListenOptions, listenerIndex: number): Listening {
    const listening = new NodeListening(options, (socket) => this.#accept(socket, listenerIndex));
    this.#listening.add(listening);
    return listening;
  }

  #accept(accepted: net.Socket, listenerIndex: number): void {
    const conn = new NodeConn(this, this.#nextId++, NO_OWNER, false);
    // A server's sockets take no read buffer of ours, so their chunks are lent as they are.
    this.#take(conn, accepted);
    accepted.on('data', (chunk: Buffer) => this.#deliver(conn, chunk, 0, chunk.length));
    this.#turn(() => this.onAccepted(conn, listenerIndex));
    if (conn.holdBits === 0) accepted.resume();
  }

  #take(conn: NodeConn, socket: net.Socket): void {
    conn.socket = socket;
    this.#conns.add(conn);
    socket.on('end', () => {
      conn.hasPeerEnded = true;
      if (conn.isEnded) socket.destroy();
      else this.#turn(() => conn.owner.onPeerEnd(conn));
    });
    socket.on('drain', () => this.#onDrain(conn));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (conn.fault === 0) conn.fault = errorFault(conn, error.code ?? '');
    });
    socket.on('close', () => this.closed(conn));
  }

  #onDrain(conn: NodeConn): void {
    if (!conn.wasFull || conn.queuedBytes >= conn.highMark / 2) return;
    conn.wasFull = false;
    if (!conn.isEnded) this.#turn(() => conn.owner.onWritable(conn));
  }

  #onRead(conn: NodeConn, count: number): boolean {
    this.#deliver(conn, this.arena.bytes, 0, count);
    return conn.holdBits === 0;
  }

  #deliver(conn: NodeConn, bytes: Uint8Array, start: number, end: number): void {
    if (conn.isEnded || conn.isClosed) return;
    conn.bytesRead += end - start;
    this.#beginTurn();
    conn.owner.onBytes(conn, bytes, start, end);
    this.#endTurn();
  }

  #turn(action: () => void): void {
    this.#beginTurn();
    action();
    this.#endTurn();
  }

  /** Law 10: the clock stands still from here on. */
  #beginTurn(): void {
    this.#turnUs = this.nowUs();
    this.#isInTurn = true;
  }

  /** The slab is read into again by the next callback: the turn's writes are copied out now. */
  #endTurn(): void {
    this.#isInTurn = false;
    this.#flush();
    this.arena.free();
    this.onTurnFlushed();
  }

  closed(conn: NodeConn): void {
    if (conn.isClosed) return;
    conn.isClosed = true;
    conn.isEnded = true;
    this.#conns.delete(conn);
    this.#turn(() => conn.owner.onClosed(conn, conn.fault));
  }

  // ---- writes --------------------------------------------------------------------------------------------

  queueWrite(conn: NodeConn, bytes: Uint8Array, start: number, end: number): void {
    if (conn.pieces.length === 0) this.planFlush(conn);
    const last = conn.pieces[conn.pieces.length - 1];
    if (last !== undefined && last.bytes === bytes && last.end === start) last.end = end;
    else conn.pieces.push({ bytes, start, end });
    conn.pieceBytes += end - start;
  }

  planFlush(conn: NodeConn): void {
    this.#dirty.push(conn);
    if (this.#isInTurn || this.#isFlushPlanned) return;
    this.#isFlushPlanned = true;
    queueMicrotask(() => {
      this.#isFlushPlanned = false;
      this.#endTurn();
    });
  }

  #flush(): void {
    const dirty = this.#dirty;
    if (dirty.length === 0) return;
    this.#dirty = [];
    for (const conn of dirty) this.#flushConn(conn);
  }

  #flushConn(conn: NodeConn): void {
    const { pieces, pieceBytes, socket } = conn;
    if (pieces.length > 0) {
      conn.pieces = [];
      conn.pieceBytes = 0;
      if (socket !== null && !socket.destroyed && socket.writable) {
        const whole = Buffer.allocUnsafe(pieceBytes);
        let at = 0;
        for (const { bytes, start, end } of pieces) {
          whole.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), at);
          at += end - start;
        }
        socket.write(whole);
        // Full by our count, but not by Node's: then it emits no drain, and whoever waits for one would wait for ever.
        if (conn.wasFull && !socket.writableNeedDrain) setImmediate(() => this.#onDrain(conn));
      }
    }
    const after = conn.afterFlush;
    conn.afterFlush = null;
    after?.();
  }

  // ---- clock ---------------------------------------------------------------------------------------------

  nowMs(): number {
    return Math.floor(this.nowUs() / 1000);
  }
  nowUs(): number {
    return this.#isInTurn ? this.#turnUs : (performance.now() - this.#startMs) * 1000;
  }
  wallMs(): number {
    return Date.now();
  }

  close(): void {
    for (const listening of this.#listening) listening.close();
    for (const conn of this.#conns) conn.socket?.destroy();
  }
}

function addressOf(family: string | undefined, host: string | undefined, port: number | undefined): Address {
  if (family === undefined || host === undefined) return UNKNOWN_ADDRESS;
  return { family: family === 'IPv6' ? 6 : 4, host, port: port ?? 0 };
}

function errorFault(conn: NodeConn, code: string): FaultCode {
  if (conn.isOpen) return conn.isDialled ? UP_RESET : DOWN_RESET;
  if (code === 'ECONNREFUSED' || code === 'ENOENT') return UP_CONNECT_REFUSED;
  if (code === 'ETIMEDOUT') return UP_CONNECT_TIMEOUT;
  return code === 'EMFILE' || code === 'ENFILE' ? NO_DESCRIPTORS : UP_CONNECT_UNREACHABLE;
}
