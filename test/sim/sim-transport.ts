/** SimTransport: a transport in memory, seeded, on a virtual clock; it splits, delays and resets, and spoils lent bytes. */
import type { Prng } from '../../engine/base/prng.js';
import { DOWN_RESET, type FaultCode } from '../../engine/fault/faults.js';
import type { DialTls, TlsContext } from '../../engine/io/tls.js';
import {
  type Address,
  type Arena,
  type Conn,
  type ConnOwner,
  type Listening,
  SCRATCH_BYTES,
  type Transport,
} from '../../engine/io/transport.js';
import { Link, type SimPeer } from './link.js';
import type { Schedule } from './schedule.js';

const SLAB_BYTES = 256 * 1024;
const CARVE_BYTES = 2 * 1024 * 1024;
/** What a lent byte is after its turn: whoever kept a reference reads nonsense. */
const SPOILT = 0xaa;

class SimArena implements Arena {
  readonly bytes: Uint8Array = new Uint8Array(SLAB_BYTES + SCRATCH_BYTES + CARVE_BYTES);
  /** Ranges that were carved: how many heads exist. */
  carvedCount = 0;
  readonly #transport: SimTransport;
  #scratchAt = SLAB_BYTES;
  #carveAt = SLAB_BYTES + SCRATCH_BYTES;

  constructor(transport: SimTransport) {
    this.#transport = transport;
  }
  reserve(byteCount: number): number {
    if (byteCount > SCRATCH_BYTES) throw new Error('more scratch than there is');
    if (this.#scratchAt + byteCount > SLAB_BYTES + SCRATCH_BYTES) {
      this.#transport.flushWrites();
      this.#scratchAt = SLAB_BYTES;
    }
    const at = this.#scratchAt;
    this.#scratchAt = at + byteCount;
    this.#transport.planFlush();
    return at;
  }
  commit(end: number): void {
    this.#scratchAt = end;
  }
  carve(byteCount: number): number {
    this.carvedCount++;
    if (this.#carveAt + byteCount > this.bytes.length) return -1;
    this.#carveAt += byteCount;
    return this.#carveAt - byteCount;
  }
  spoil(slabUsed: number): void {
    this.bytes.fill(SPOILT, 0, slabUsed);
    this.bytes.fill(SPOILT, SLAB_BYTES, this.#scratchAt);
    this.#scratchAt = SLAB_BYTES;
  }
}

interface Write {
  readonly link: Link;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

export class SimTransport implements Transport {
  readonly name = 'sim';
  readonly arena: SimArena;
  readonly schedule: Schedule;
  onAccepted: (conn: Conn, listenerIndex: number) => void = (conn) => conn.abort(DOWN_RESET);
  onTurnFlushed: () => void = () => {};
  /** Who answers a dial: a script, or the fault of the attempt with the time after which it fails. */
  onDial: (address: Address) => SimPeer | { readonly fault: FaultCode; readonly afterMs: number };
  readonly links: Link[] = [];
  /** No delay is long. */
  isQuick = false;
  /** Most bytes that ever waited for one peer. */
  queuedMax = 0;
  readonly #random: Prng;
  #writes: Write[] = [];
  #slabAt = 0;
  #nextId = 1;
  #isFlushWanted = false;
  #isInTurn = false;

  constructor(schedule: Schedule, random: Prng, onDial: SimTransport['onDial']) {
    this.schedule = schedule;
    this.#random = random;
    this.onDial = onDial;
    this.arena = new SimArena(this);
  }

  // ---- Transport ------------------------------------------------------------------------------------------

  dial(
    address: Address,
    connectTimeoutMs: number,
    owner: ConnOwner,
    _tls: DialTls | null = null,
    preface: Uint8Array | null = null,
  ): Conn {
    const answer = this.onDial(address);
    if ('fault' in answer) {
      const link = this.#addLink(NOBODY, 0, owner, address);
      link.isGone = true;
      const afterMs = connectTimeoutMs > 0 ? Math.min(answer.afterMs, connectTimeoutMs) : answer.afterMs;
      this.schedule.after(afterMs, () => {
        link.dialFault = answer.fault;
      });
      return link.conn;
    }
    const link = this.#addLink(answer, 0, owner, address);
    if (preface !== null) link.conn.write(preface, 0, preface.length);
    this.schedule.after(this.delayMs(), () => {
      link.isOpenDue = true;
      answer.onOpen(link.peerEnd);
    });
    return link.conn;
  }

  newTlsContext(): TlsContext {
    throw new Error('the simulation has no TLS');
  }
  listen(): Listening {
    throw new Error('the simulation connects by itself');
  }
  nowMs(): number {
    return this.schedule.nowMs;
  }
  nowUs(): number {
    return this.schedule.nowMs * 1000;
  }
  wallMs(): number {
    return 1_700_000_000_000 + this.schedule.nowMs;
  }
  close(): void {
    for (const { conn } of this.links) conn.abort(DOWN_RESET);
  }

  // ---- for scripts --------------------------------------------------------------------------------------------

  /** A client connects. */
  connect(listenerIndex: number, peer: SimPeer): void {
    const link = this.#addLink(peer, listenerIndex, null, null);
    this.schedule.after(this.delayMs(), () => {
      link.isAcceptDue = true;
      peer.onOpen(link.peerEnd);
    });
  }

  #addLink(peer: SimPeer, listenerIndex: number, owner: ConnOwner | null, to: Address | null): Link {
    const link = new Link(this, peer, listenerIndex, owner, to);
    this.links.push(link);
    return link;
  }

  /** Runs until nothing is left to do before untilMs, then lets the clock stand there. */
  async run(untilMs: number, tick: (nowMs: number) => void, tickMs: number): Promise<void> {
    const { schedule } = this;
    for (;;) {
      if (schedule.runDue()) continue;
      if (this.links.some((link) => link.hasEvent)) {
        await this.#turn();
        continue;
      }
      if (schedule.nowMs >= untilMs || (this.links.length === 0 && schedule.isEmpty)) return;
      const nextTickMs = (Math.floor(schedule.nowMs / tickMs) + 1) * tickMs;
      schedule.nowMs = Math.min(untilMs, nextTickMs, Math.max(schedule.nextMs, schedule.nowMs));
      if (schedule.nowMs === nextTickMs) {
        tick(schedule.nowMs);
        await this.#settle();
      }
    }
  }

  async #turn(): Promise<void> {
    this.#isInTurn = true;
    for (let i = 1 + this.#random.below(8); i > 0; i--) {
      const ready = this.links.filter((link) => link.hasEvent);
      if (ready.length === 0) break;
      (ready[this.#random.below(ready.length)] as Link).deliver();
    }
    this.#isInTurn = false;
    this.#endTurn();
    await this.#settle();
    for (let at = this.links.length - 1; at >= 0; at--) if (this.links[at]?.conn.isClosed === true) this.#forget(at);
  }

  #forget(at: number): void {
    const link = this.links.splice(at, 1)[0] as Link;
    this.queuedMax = Math.max(this.queuedMax, link.queuedMax);
  }

  /** What microtasks and timers wrote leaves as well, as it does after a callback outside of a turn. */
  async #settle(): Promise<void> {
    do {
      if (this.#isFlushWanted) this.#endTurn();
      await Promise.resolve();
      await Promise.resolve();
    } while (this.#isFlushWanted);
  }

  #endTurn(): void {
    this.#isFlushWanted = false;
    this.flushWrites();
    for (const link of [...this.links]) link.flush();
    this.arena.spoil(this.#slabAt);
    this.#slabAt = 0;
    this.onTurnFlushed();
  }

  // ---- for links ------------------------------------------------------------------------------------------------

  queueWrite(link: Link, bytes: Uint8Array, start: number, end: number): void {
    this.#isFlushWanted = true;
    // Only ranges of the arena are left where they are until the end of the turn.
    const isArena = bytes === this.arena.bytes;
    this.#writes.push({
      link,
      bytes: isArena ? bytes : new Uint8Array(bytes.subarray(start, end)),
      start: isArena ? start : 0,
      end: isArena ? end : end - start,
    });
  }
  planFlush(): void {
    this.#isFlushWanted = true;
  }
  flushWrites(): void {
    for (const { link, bytes, start, end } of this.#writes) link.send(bytes.slice(start, end));
    this.#writes = [];
  }
  nextId(): number {
    return this.#nextId++;
  }
  /** A place in the slab that holds a copy of the bytes until the turn ends. */
  lend(bytes: Uint8Array): number {
    if (!this.#isInTurn) throw new Error('bytes outside of a turn');
    if (this.#slabAt + bytes.length > SLAB_BYTES) throw new Error('slab too small for a turn');
    const at = this.#slabAt;
    this.arena.bytes.set(bytes, at);
    this.#slabAt += (bytes.length + 7) & ~7;
    return at;
  }
  chance(percent: number): boolean {
    return this.#random.below(100) < percent;
  }
  pick<T>(choices: readonly T[]): T {
    return choices[this.#random.below(choices.length)] as T;
  }
  delayMs(): number {
    return this.isQuick ? this.pick([0, 0, 1, 2]) : this.pick([0, 0, 0, 1, 2, 5, 30]);
  }
  /** How much the network moves at once. */
  pieceBytes(): number {
    return this.chance(20) ? 1 + this.#random.below(3) : this.pick([17, 100, 1460, 16384]);
  }
  readBytes(): number {
    return this.chance(10) ? 1 + this.#random.below(4) : this.pick([64, 4096, 16384]);
  }
}

const NOBODY: SimPeer = { onOpen() {}, onBytes() {}, onEnd() {}, onClosed() {} };
