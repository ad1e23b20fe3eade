/** The node transport: node:net and node:tls behind the same laws; the fallback where the addon can't be had. */
import net from 'node:net';
import tls from 'node:tls';
import { DOWN_RESET, DOWN_TLS_TIMEOUT, type FaultCode, UP_CONNECT_TIMEOUT } from '../fault/faults.js';
import { errorFault, NodeConn } from './conn-node.js';
import { NodeListening } from './listening-node.js';
import {
  dialOptions,
  type KeptSession,
  NodeTlsContext,
  NodeTlsSession,
  PendingServerTls,
  tlsErrorText,
} from './tls-node.js';
import { SlabArena } from './slab-arena.js';
import {
  type DialTls,
  TLS_END_BROKEN,
  TLS_END_HANDSHAKE,
  TLS_END_VERIFY,
  type TlsContext,
  type TlsContextOptions,
  tlsFault,
} from './tls.js';
import type { Address, Conn, ConnOwner, ListenOptions, Listening, Transport } from './transport.js';
import { NO_OWNER } from './unowned.js';

const SLAB_BYTES = 64 * 1024;
const CARVE_BYTES = 8 * 1024 * 1024;

type DialTarget = { readonly path: string } | { readonly host: string; readonly port: number };

export class NodeTransport implements Transport {
  readonly name = 'node';
  readonly arena: SlabArena;
  onAccepted: (conn: Conn, listenerIndex: number) => void = (conn) => conn.abort(DOWN_RESET);
  onTurnFlushed: () => void = () => {};
  readonly #conns = new Set<NodeConn>();
  readonly #listening = new Set<NodeListening>();
  #dirty: NodeConn[] = [];
  #isInTurn = false;
  /** What onBytes lends in this turn; null = it is the arena's, or nothing. */
  #lent: Uint8Array | null = null;
  #isFlushPlanned = false;
  #nextId = 1;
  #turnUs = 0;
  readonly #startMs = performance.now();
  readonly #slab: Buffer;

  constructor() {
    this.arena = new SlabArena(SLAB_BYTES, CARVE_BYTES, () => this.#flush());
    this.#slab = Buffer.from(this.arena.bytes.buffer, 0, SLAB_BYTES);
  }

  dial(
    address: Address,
    connectTimeoutMs: number,
    owner: ConnOwner,
    dialTls: DialTls | null = null,
    preface: Uint8Array | null = null,
  ): Conn {
    const conn = new NodeConn(this, this.#nextId++, owner, true);
    const target = address.family === 'unix' ? { path: address.host } : { host: address.host, port: address.port };
    if (connectTimeoutMs > 0) conn.timer = setTimeout(() => this.#timeOut(conn, UP_CONNECT_TIMEOUT), connectTimeoutMs);
    if (preface !== null) conn.bytesWritten = preface.length;
    if (dialTls !== null) {
      if (preface === null) this.#dialTls(conn, target, dialTls);
      else this.#dialTlsBehind(conn, target, dialTls, preface);
      return conn;
    }
    const socket = net.connect({
      ...target,
      noDelay: true,
      allowHalfOpen: true,
      onread: { buffer: this.#slab, callback: (count) => this.#onRead(conn, count) },
    });
    this.#take(conn, socket);
    // It waits in node:net until there is a connection.
    if (preface !== null) socket.write(preface);
    socket.once('connect', () => this.#open(conn));
    return conn;
  }

  #open(conn: NodeConn): void {
    if (conn.timer !== null) clearTimeout(conn.timer);
    conn.isOpen = true;
    if (!conn.isEnded) this.#turn(() => conn.owner.onOpen(conn));
  }

  #timeOut(conn: NodeConn, fault: FaultCode): void {
    if (conn.fault !== 0) return;
    conn.fault = fault;
    if (conn.isHandshaking) conn.tlsFailure = 'TLS_error:|the handshake timed out';
    conn.socket?.destroy();
  }

  // ---- TLS -----------------------------------------------------------------------------------------------

  newTlsContext(options: TlsContextOptions): TlsContext {
    return new NodeTlsContext(options);
  }

  /** A handshake on a connection that begins with something else. */
  #dialTlsBehind(conn: NodeConn, target: DialTarget, dialTls: DialTls, preface: Uint8Array): void {
    conn.isHandshaking = true;
    conn.tlsContext = dialTls.context as NodeTlsContext;
    const raw = net.connect({ ...target, noDelay: true, allowHalfOpen: true });
    this.#take(conn, raw);
    raw.write(preface, () => {
      conn.isConnected = raw.remotePort !== undefined;
      if (conn.isConnected && !conn.isEnded && !conn.isClosed) this.#dialTls(conn, { socket: raw }, dialTls);
    });
  }

  #dialTls(conn: NodeConn, target: DialTarget | { socket: net.Socket }, dialTls: DialTls): void {
    const context = dialTls.context as NodeTlsContext;
    const { sessionKey } = dialTls;
    const session = context.takeSession(sessionKey);
    conn.isHandshaking = true;
    conn.tlsContext = context;
    const socket = tls.connect({ ...target, ...dialOptions(dialTls, session?.ticket) });
    socket.setNoDelay(true);
    this.#take(conn, socket);
    socket.once('connect', () => {
      conn.isConnected = true;
    });
    const tickets: Buffer[] = [];
    const keepTickets = (): void => {
      if (!conn.isOpen || context.options.maxSessionKeys === 0) return;
      const leafDer = conn.tls?.peerCertificateDer ?? null;
      for (const ticket of tickets.splice(0)) context.keepSession(sessionKey, { ticket, leafDer });
    };
    socket.once('secureConnect', () => {
      this.#onSecure(conn, socket, session);
      keepTickets();
    });
    // Those of TLS 1.2 come before anybody has judged the server.
    socket.on('session', (ticket: Buffer) => {
      tickets.push(ticket);
      keepTickets();
    });
  }

  startTls(
    conn: NodeConn,
    context: NodeTlsContext,
    bytes: Uint8Array,
    start: number,
    end: number,
    timeoutMs: number,
  ): void {
    const pending = new PendingServerTls(context);
    conn.isHandshaking = true;
    // What was read so far is read once more, by TLS.
    conn.bytesRead = 0;
    conn.isOpen = false;
    conn.isConnected = true;
    conn.tlsContext = context;
    if (timeoutMs > 0) conn.timer = setTimeout(() => this.#timeOut(conn, DOWN_TLS_TIMEOUT), timeoutMs);
    if (pending.take(bytes, start, end)) this.#beginServerTls(conn, pending);
    else conn.pendingTls = pending;
  }

  #beginServerTls(conn: NodeConn, pending: PendingServerTls): void {
    const { context, bytes, alpn } = pending;
    const { verify } = context.options;
    const raw = conn.socket as net.Socket;
    conn.pendingTls = null;
    raw.pause();
    if (bytes.length > 0) raw.unshift(bytes);
    const stapler = context.staplerFor(this, conn);
    const socket = new tls.TLSSocket(raw, {
      isServer: true,
      secureContext: context.secureContext,
      ...(stapler === null ? {} : { server: stapler }),
      requestCert: verify !== 'none',
      // Of these two OpenSSL alone refuses who has none.
      rejectUnauthorized: verify === 'require',
      ...(alpn.length === 0 ? {} : { ALPNProtocols: alpn }),
    });
    this.#take(conn, socket);
    socket.once('secure', () => this.#onSecure(conn, socket, undefined));
  }

  /** known: of the session that was offered. */
  #onSecure(conn: NodeConn, socket: tls.TLSSocket, known: KeptSession | undefined): void {
    if (conn.isEnded || conn.isClosed) return;
    const { options } = conn.tlsContext as NodeTlsContext;
    const session = new NodeTlsSession(socket, options.verify !== 'none', known);
    conn.tls = session;
    let fault: FaultCode = 0;
    if (session.verifyError !== 0 && !options.acceptUntrusted) {
      conn.tls = null;
      conn.tlsFailure = `TLS_error:|certificate verify failed:verify cert failed: ${session.verifyReason}`;
      fault = tlsFault(conn.isDialled, TLS_END_VERIFY);
    } else
      this.#turn(() => {
        fault = conn.owner.onHandshake(conn);
      });
    if (fault !== 0) {
      conn.fault = fault;
      conn.isEnded = true;
      // Read what is there, or the system would send a reset in the place of the alert and the end.
      socket.resume();
      socket.end(() => socket.destroy());
      return;
    }
    conn.isHandshaking = false;
    for (const bytes of conn.early.splice(0)) socket.write(bytes);
    if (conn.isShutDown) socket.end();
    socket.on('data', (chunk: Buffer) => this.#deliver(conn, chunk, 0, chunk.length));
    if (conn.holdBits !== 0) socket.pause();
    if (conn.isDialled) this.#open(conn);
    else {
      if (conn.timer !== null) clearTimeout(conn.timer);
      conn.isOpen = true;
    }
  }

  /** What ended it, where neither we nor the policy did. */
  #noteTlsError(conn: NodeConn, error: NodeJS.ErrnoException): void {
    const isOfTls = (error.code ?? '').startsWith('ERR_SSL') || (error.code ?? '').startsWith('ERR_TLS');
    if (!conn.isHandshaking) {
      conn.fault = isOfTls ? tlsFault(conn.isDialled, TLS_END_BROKEN) : errorFault(conn, error.code ?? '');
      if (isOfTls) conn.tlsFailure = tlsErrorText(error);
    } else if (isOfTls || conn.isConnected) {
      conn.tlsFailure = tlsErrorText(error);
      const isOfCertificate = /did not return a certificate/.test(conn.tlsFailure);
      conn.fault = tlsFault(conn.isDialled, isOfCertificate ? TLS_END_VERIFY : TLS_END_HANDSHAKE);
    } else conn.fault = errorFault(conn, error.code ?? '');
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
    accepted.on('data', (chunk: Buffer) => {
      if (conn.socket === accepted) this.#deliver(conn, chunk, 0, chunk.length);
    });
    this.#turn(() => this.onAccepted(conn, listenerIndex));
    if (conn.holdBits === 0 && conn.socket === accepted) accepted.resume();
  }

  #take(conn: NodeConn, socket: net.Socket): void {
    conn.socket = socket;
    this.#conns.add(conn);
    // A socket that TLS has been put around tells nothing any more.
    const isOurs = (): boolean => conn.socket === socket;
    socket.on('end', () => {
      if (!isOurs()) return;
      conn.hasPeerEnded = true;
      if (conn.isEnded || conn.isHandshaking) socket.destroy();
      else this.#turn(() => conn.owner.onPeerEnd(conn));
    });
    socket.on('drain', () => {
      if (isOurs()) this.#onDrain(conn);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (conn.fault !== 0 || !isOurs()) return;
      if (conn.tlsContext === null) conn.fault = errorFault(conn, error.code ?? '');
      else this.#noteTlsError(conn, error);
    });
    socket.on('close', () => {
      if (isOurs()) this.closed(conn);
    });
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
    if (conn.pendingTls !== null) {
      if (conn.pendingTls.take(bytes, start, end)) this.#beginServerTls(conn, conn.pendingTls);
      return;
    }
    conn.bytesRead += end - start;
    this.#beginTurn();
    this.#lent = bytes;
    conn.owner.onBytes(conn, bytes, start, end);
    this.#endTurn();
    this.#lent = null;
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
    if (conn.timer !== null) clearTimeout(conn.timer);
    if (conn.isHandshaking && conn.isConnected && conn.fault === 0 && !conn.isEnded) {
      conn.fault = tlsFault(conn.isDialled, TLS_END_HANDSHAKE);
      conn.tlsFailure = 'TLS_error:|the peer closed the connection in the handshake';
    }
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
    else if (bytes === this.arena.bytes || bytes === this.#lent) conn.pieces.push({ bytes, start, end });
    // Law 12: whoever composed them may compose the next ones in the same place.
    else conn.pieces.push({ bytes: new Uint8Array(bytes.subarray(start, end)), start: 0, end: end - start });
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
        if (conn.isHandshaking) conn.early.push(whole);
        else socket.write(whole);
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
