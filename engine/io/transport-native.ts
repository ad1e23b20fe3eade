/** The native transport: drains one batch of the addon's events per turn and leaves one batch of operations. */
import { DOWN_RESET, type FaultCode } from '../fault/faults.js';
import type { Addon, AddonPoller } from './addon.js';
import { addressFrom, familyNumber, listenError } from './addresses.js';
import { closeFault, dialFault, NativeConn } from './conn-native.js';
import {
  ENTRY_INTS,
  EVENT_ACCEPTED,
  EVENT_BYTES,
  EVENT_CLOSED,
  EVENT_HANDSHAKE,
  EVENT_OPENED,
  EVENT_PEER_END,
  EVENT_QUEUED,
  EVENT_WRITABLE,
  EVENTS_MAX,
  OP_END,
  OP_OPEN,
  OP_WRITE,
  OPS_MAX,
} from './event-layout.js';
import { SlabArena } from './slab-arena.js';
import type { DialTls, TlsContext, TlsContextOptions } from './tls.js';
import { FACT_FAILURE, NativeTlsContext } from './tls-native.js';
import {
  type Address,
  type Conn,
  type ConnOwner,
  type ListenOptions,
  type Listening,
  SCRATCH_BYTES,
  type Transport,
} from './transport.js';
import { NO_OWNER, UNKNOWN_ADDRESS } from './unowned.js';

/** One turn's received bytes. Larger gathers more of big bodies per crossing, smaller stays in the cache. */
const SLAB_BYTES = 512 * 1024;
/** Stores of pooled heads: 2.7 KiB each, so 6,000 heads; pages are committed when touched. */
const CARVE_BYTES = 16 * 1024 * 1024;
/** How long a peer that the policy refused may take to close. */
const REFUSED_CLOSE_MS = 1000;

export class NativeTransport implements Transport {
  readonly name = 'native';
  readonly arena: SlabArena;
  onAccepted: (conn: Conn, listenerIndex: number) => void = (conn) => conn.abort(DOWN_RESET);
  onTurnFlushed: () => void = () => {};
  readonly #events: Int32Array;
  readonly #ops: Int32Array;
  readonly #clock: Float64Array;
  readonly #poller: AddonPoller;
  readonly #addon: Addon;
  #opCount = 0;
  #conns: (NativeConn | null)[] = [];
  #nextId = 1;
  #isInTurn = false;
  #isFlushPlanned = false;
  #isClosed = false;
  readonly #flushPlanned: () => void;

  constructor(addon: Addon, workerId: number) {
    this.#addon = addon;
    this.arena = new SlabArena(SLAB_BYTES, CARVE_BYTES, () => this.execute());
    this.#events = new Int32Array(new ArrayBuffer(EVENTS_MAX * ENTRY_INTS * 4));
    this.#ops = new Int32Array(new ArrayBuffer(OPS_MAX * ENTRY_INTS * 4));
    this.#clock = new Float64Array(new ArrayBuffer(16));
    this.#flushPlanned = () => this.#flushOutside();
    this.#poller = new addon.Poller(
      workerId,
      this.arena.bytes.buffer,
      SLAB_BYTES,
      this.#events.buffer as ArrayBuffer,
      this.#ops.buffer as ArrayBuffer,
      this.#clock.buffer as ArrayBuffer,
      (count) => this.#turn(count),
      (slot, certificate) => this.#judge(slot, certificate),
    );
  }

  dial(
    address: Address,
    connectTimeoutMs: number,
    owner: ConnOwner,
    tls: DialTls | null = null,
    preface: Uint8Array | null = null,
  ): Conn {
    const context = tls === null ? null : (tls.context as NativeTlsContext);
    const slot = this.#poller.dial(
      familyNumber(address),
      address.host,
      address.port,
      connectTimeoutMs,
      context === null ? null : context.addonContext,
      tls === null ? '' : tls.serverName,
      tls === null ? '' : tls.sessionKey,
      tls === null ? null : tls.alpn,
      preface,
    );
    const conn = new NativeConn(this, slot, this.#nextId++, owner, true);
    if (preface !== null) conn.bytesWritten = preface.length;
    if (context !== null) conn.alpnNames = tls?.alpn ?? context.alpn;
    if (slot >= 0) this.#conns[slot] = conn;
    else {
      // Law 3: the outcome never comes inside the call.
      conn.isEnded = true;
      setImmediate(() => this.#closeConn(conn, dialFault(-slot)));
    }
    return conn;
  }

  newTlsContext(options: TlsContextOptions): TlsContext {
    return new NativeTlsContext(this.#addon, options);
  }

  listen(options: ListenOptions, listenerIndex: number): Listening {
    const { address, backlog, reusePort, shared = null } = options;
    const family = familyNumber(address);
    const descriptor =
      shared === null
        ? this.#poller.listen(family, address.host, address.port, backlog, reusePort, listenerIndex)
        : this.#poller.shareListener(shared, listenerIndex);
    if (descriptor < 0) throw listenError(address, descriptor);
    const actual = addressFrom(this.#addon.addressOf(descriptor)) ?? address;
    const close = (): void => this.#poller.closeListener(descriptor);
    return { address: actual, whenOpen: (callback) => callback(null), close };
  }

  nowMs(): number {
    if (!this.#isInTurn) this.#poller.tick();
    return Math.floor((this.#clock[0] as number) / 1000);
  }
  nowUs(): number {
    if (!this.#isInTurn) this.#poller.tick();
    return this.#clock[0] as number;
  }
  wallMs(): number {
    if (!this.#isInTurn) this.#poller.tick();
    return this.#clock[1] as number;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#opCount > 0) this.execute();
    this.#poller.close();
  }

  // ---- for NativeConn and the arena --------------------------------------------------------------------

  pushWrite(slot: number, bytes: Uint8Array, start: number, end: number): void {
    if (bytes !== this.arena.bytes) {
      this.#copyWrite(slot, bytes, start, end);
      return;
    }
    const at = this.#opCount * ENTRY_INTS;
    const ops = this.#ops;
    // The range right behind the one before it: one range.
    if (
      at > 0 &&
      ops[at - 4] === OP_WRITE &&
      ops[at - 3] === slot &&
      (ops[at - 2] as number) + (ops[at - 1] as number) === start
    ) {
      ops[at - 1] = (ops[at - 1] as number) + (end - start);
      return;
    }
    ops[at] = OP_WRITE;
    ops[at + 1] = slot;
    ops[at + 2] = start;
    ops[at + 3] = end - start;
    this.#opCount++;
    if (this.#opCount === OPS_MAX) this.execute();
    else if (!this.#isInTurn) this.#planFlush();
  }

  /** Bytes from elsewhere go through scratch, in pieces that it can hold. */
  #copyWrite(slot: number, bytes: Uint8Array, start: number, end: number): void {
    for (let from = start; from < end; ) {
      const length = Math.min(end - from, SCRATCH_BYTES / 4);
      const to = this.arena.reserve(length);
      const target = this.arena.bytes;
      if (length <= 64) for (let i = 0; i < length; i++) target[to + i] = bytes[from + i] as number;
      else target.set(bytes.subarray(from, from + length), to);
      this.pushWrite(slot, target, to, to + length);
      from += length;
    }
  }

  push(kind: number, slot: number, value: number): void {
    const at = this.#opCount * ENTRY_INTS;
    const ops = this.#ops;
    ops[at] = kind;
    ops[at + 1] = slot;
    ops[at + 2] = value;
    ops[at + 3] = 0;
    this.#opCount++;
    if (this.#opCount === OPS_MAX) this.execute();
    else if (!this.#isInTurn) this.#planFlush();
  }

  /** Operations so far are carried out now. */
  execute(): void {
    const count = this.#opCount;
    this.#opCount = 0;
    if (count > 0) this.#poller.execute(count);
  }

  startTls(
    slot: number,
    context: NativeTlsContext,
    bytes: Uint8Array,
    start: number,
    end: number,
    handshakeTimeoutMs: number,
  ): void {
    this.#poller.startTls(slot, context.addonContext, bytes, start, end, handshakeTimeoutMs);
  }

  /** Null when the connection is closed. */
  tlsFact(conn: NativeConn, kind: number): unknown {
    return this.#conns[conn.slot] === conn ? this.#poller.tlsFact(conn.slot, kind) : null;
  }

  addressOf(conn: NativeConn, isPeer: boolean): Address {
    return (conn.isClosed ? null : addressFrom(this.#poller.address(conn.slot, isPeer))) ?? UNKNOWN_ADDRESS;
  }

  // ---- turns -----------------------------------------------------------------------------------------

  #turn(count: number): number {
    this.#isInTurn = true;
    this.arena.free();
    this.onTurnFlushed();
    const events = this.#events;
    const conns = this.#conns;
    for (let i = 0, at = 0; i < count; i++, at += ENTRY_INTS) {
      const kind = events[at] as number;
      const slot = events[at + 1] as number;
      if (kind === EVENT_BYTES) {
        const conn = conns[slot];
        const start = events[at + 2] as number;
        const length = events[at + 3] as number;
        if (conn == null || conn.isEnded) continue;
        conn.bytesRead += length;
        conn.owner.onBytes(conn, this.arena.bytes, start, start + length);
      } else this.#rareEvent(kind, slot, events[at + 2] as number, events[at + 3] as number);
    }
    this.#isInTurn = false;
    const ops = this.#opCount;
    this.#opCount = 0;
    return ops;
  }

  #rareEvent(kind: number, slot: number, a: number, b: number): void {
    if (kind === EVENT_ACCEPTED) {
      const accepted = new NativeConn(this, slot, this.#nextId++, NO_OWNER, false);
      this.#conns[slot] = accepted;
      this.onAccepted(accepted, a);
      return;
    }
    const conn = this.#conns[slot];
    if (conn == null) return;
    if (kind === EVENT_QUEUED) conn.queuedBytes = a;
    else if (kind === EVENT_WRITABLE) {
      conn.queuedBytes = a;
      // Not by what was queued last: a few bytes more may have said meanwhile that it is less than the mark.
      if (conn.wasFull && !conn.isEnded) {
        conn.wasFull = false;
        conn.owner.onWritable(conn);
      }
    } else if (kind === EVENT_OPENED) {
      conn.isOpen = true;
      if (!conn.isEnded) conn.owner.onOpen(conn);
    } else if (kind === EVENT_PEER_END) {
      conn.isTruncated = a === 1;
      if (!conn.isEnded) conn.owner.onPeerEnd(conn);
    } else if (kind === EVENT_HANDSHAKE) this.#onHandshake(conn, a);
    else if (kind === EVENT_CLOSED) {
      if (a < 0 && !conn.isClosed) this.#keepFailure(conn);
      this.#closeConn(conn, b === 1 ? conn.abortFault : closeFault(conn, a));
      this.#conns[slot] = null;
    }
  }

  /** What can't be read of the connection when it is gone. */
  #keepFailure(conn: NativeConn): void {
    // Who has refused has said why.
    if (conn.tlsFailure === '') conn.tlsFailure = this.tlsFact(conn, FACT_FAILURE) as string;
    void conn.staple;
  }

  /** Called by the addon in the midst of a handshake: nothing is written, nothing is closed. */
  #judge(slot: number, certificate: Uint8Array): boolean {
    const conn = this.#conns[slot];
    if (conn == null || conn.isEnded || conn.owner.onPeerCertificate === undefined) return true;
    return conn.owner.onPeerCertificate(conn, certificate) === 0;
  }

  #onHandshake(conn: NativeConn, alpnIndex: number): void {
    if (conn.isEnded) return;
    conn.secure = true;
    if (alpnIndex >= 0) conn.alpn = conn.alpnNames[alpnIndex] as string;
    const fault = conn.owner.onHandshake(conn);
    if (conn.isEnded) return;
    if (fault !== 0) {
      // The owner need not wait for the peer, which is told by close_notify and not by a reset that could overtake it.
      this.push(OP_END, conn.slot, REFUSED_CLOSE_MS);
      this.#closeConn(conn, fault);
      return;
    }
    this.push(OP_OPEN, conn.slot, 0);
    if (!conn.isDialled) return;
    conn.isOpen = true;
    conn.owner.onOpen(conn);
  }

  #closeConn(conn: NativeConn, fault: FaultCode): void {
    if (conn.isClosed) return;
    conn.isClosed = true;
    conn.isEnded = true;
    conn.owner.onClosed(conn, fault);
  }

  /** Operations that came from timers, messages or DNS leave at the end of that callback. */
  #planFlush(): void {
    if (this.#isFlushPlanned) return;
    this.#isFlushPlanned = true;
    queueMicrotask(this.#flushPlanned);
  }

  #flushOutside(): void {
    this.#isFlushPlanned = false;
    if (this.#isClosed) return;
    this.execute();
    this.arena.free();
    this.onTurnFlushed();
  }
}
