/** Link: one simulated TCP connection: the engine's Conn on one side, a scripted PeerEnd on the other. */
import type { ProxiedAddresses } from '../../engine/io/proxied.js';
import { DOWN_RESET, type FaultCode, UP_RESET } from '../../engine/fault/faults.js';
import type { Address, Conn, ConnOwner, HoldBits } from '../../engine/io/transport.js';
import { NO_OWNER } from '../../engine/io/unowned.js';
import type { SimTransport } from './sim-transport.js';

/** A script at the other end of a connection. Never called inside a call that it makes. */
export interface SimPeer {
  onOpen(end: PeerEnd): void;
  /** bytes are the peer's own. */
  onBytes(end: PeerEnd, bytes: Uint8Array): void;
  onEnd(end: PeerEnd): void;
  /** Last, once. wasReset: what was on its way to the peer may be lost. */
  onClosed(end: PeerEnd, wasReset: boolean): void;
}

const REMOTE: Address = { family: 4, host: '10.1.2.3', port: 40000 };
const LOCAL: Address = { family: 4, host: '10.0.0.1', port: 80 };

/** The engine's side. Laws: engine/io/transport.ts. */
export class SimConn implements Conn {
  owner: ConnOwner = NO_OWNER;
  readonly id: number;
  readonly remoteAddress: Address;
  readonly localAddress = LOCAL;
  readonly secure = false;
  readonly alpn = '';
  readonly tls = null;
  proxied: ProxiedAddresses | null = null;
  tlsFailure = '';
  readonly link: Link;
  bytesRead = 0;
  bytesWritten = 0;
  queuedBytes = 0;
  highMark = 1 << 20;
  holdBits: HoldBits = 0;
  isEnded = false;
  isClosed = false;
  isShutDown = false;
  abortFault: FaultCode = 0;

  constructor(id: number, link: Link, remoteAddress: Address) {
    this.id = id;
    this.link = link;
    this.remoteAddress = remoteAddress;
  }

  write(bytes: Uint8Array, start: number, end: number): boolean {
    const transport = this.link.transport;
    if (start < 0 || end > bytes.length) throw new Error('write outside of the array');
    if (!this.isEnded && !this.isClosed && end > start) {
      if (this.isShutDown) throw new Error('write after shutdownAfterFlush()');
      this.bytesWritten += end - start;
      transport.queueWrite(this.link, bytes, start, end);
    }
    return this.queuedBytes >= this.highMark;
  }
  setHighMark(byteCount: number): void {
    this.highMark = byteCount;
  }
  hold(reason: HoldBits): void {
    this.holdBits |= reason;
  }
  release(reason: HoldBits): void {
    this.holdBits &= ~reason;
  }
  endAfterFlush(delayedCloseMs: number): void {
    if (this.isClosed || this.isEnded) return;
    this.isEnded = true;
    this.link.endWanted = delayedCloseMs;
    this.link.transport.planFlush();
  }
  shutdownAfterFlush(): void {
    if (this.isClosed || this.isEnded) return;
    this.isShutDown = true;
    this.link.transport.planFlush();
  }
  abort(fault: FaultCode): void {
    if (this.isClosed || this.abortFault !== 0) return;
    this.isEnded = true;
    this.abortFault = fault === 0 ? -1 : fault;
    this.link.transport.planFlush();
  }
  startTls(): void {
    throw new Error('the simulation has no TLS');
  }
}

/** The script's side. */
export class PeerEnd {
  readonly #link: Link;
  constructor(link: Link) {
    this.#link = link;
  }
  write(bytes: Uint8Array): void {
    this.#link.peerWrites(bytes);
  }
  /** FIN; reading goes on. */
  end(): void {
    this.#link.peerEnds();
  }
  /** close(): FIN, and whatever the engine still sends is answered with RST. */
  close(): void {
    this.#link.peerEnds();
    this.#link.isPeerDeaf = true;
  }
  reset(): void {
    this.#link.peerResets();
  }
  /** Stops taking bytes: the engine's queue grows. */
  set isPaused(value: boolean) {
    this.#link.isPeerPaused = value;
    this.#link.planArrival();
  }
  get isClosed(): boolean {
    return this.#link.isGone;
  }
}

export class Link {
  readonly transport: SimTransport;
  readonly peer: SimPeer;
  readonly peerEnd: PeerEnd;
  readonly conn: SimConn;
  readonly isDialled: boolean;
  /** -1: the engine may go on writing; else the delayed close that it asked for. */
  endWanted = -1;
  isPeerPaused = false;
  isPeerDeaf = false;
  /** Nothing passes any more in either direction. */
  isGone = false;
  isOpenDue: boolean;
  isAcceptDue: boolean;
  /** The fault of a dial that failed, until it was told. */
  dialFault: FaultCode = 0;
  /** Most bytes that ever waited to leave. */
  queuedMax = 0;
  readonly listenerIndex: number;
  // From the peer to the engine.
  #inbound: Uint8Array[] = [];
  #inboundBytes = 0;
  /** Of these, arrived at the engine's socket. */
  #arrived = 0;
  #hasPeerEnded = false;
  #isFinArrived = false;
  #isPeerEndSaid = false;
  #isResetArrived = false;
  // From the engine to the peer.
  #outbound: Uint8Array[] = [];
  #outboundBytes = 0;
  #kernel: Uint8Array[] = [];
  #kernelBytes = 0;
  readonly #kernelRoom: number;
  #wasFull = false;
  #isWritableDue = false;
  #isFinSent = false;
  #isFinTaken = false;
  #isClosedDue = false;
  #closedFault: FaultCode = 0;
  #isDeadlineSet = false;
  #isArrivalPlanned = false;

  constructor(
    transport: SimTransport,
    peer: SimPeer,
    listenerIndex: number,
    owner: ConnOwner | null,
    to: Address | null,
  ) {
    this.transport = transport;
    this.peer = peer;
    this.peerEnd = new PeerEnd(this);
    this.listenerIndex = listenerIndex;
    this.isDialled = owner !== null;
    this.isOpenDue = false;
    this.isAcceptDue = false;
    this.#kernelRoom = transport.pick([512, 4096, 65536, 262144]);
    this.conn = new SimConn(transport.nextId(), this, to ?? REMOTE);
    if (owner !== null) this.conn.owner = owner;
  }

  // ---- the peer's calls -------------------------------------------------------------------------------

  peerWrites(bytes: Uint8Array): void {
    if (this.isGone || this.#hasPeerEnded || bytes.length === 0) return;
    this.#inbound.push(Uint8Array.from(bytes));
    this.#inboundBytes += bytes.length;
    this.planArrival();
  }
  peerEnds(): void {
    this.#hasPeerEnded = true;
    this.planArrival();
  }
  peerResets(): void {
    if (this.isGone) return;
    this.isGone = true;
    this.transport.schedule.after(this.transport.delayMs(), () => {
      this.#isResetArrived = true;
      // The kernel drops what was not read; now and then some of it was read before the reset came.
      if (this.transport.chance(50)) this.#arrived = 0;
    });
    this.transport.schedule.after(0, () => this.peer.onClosed(this.peerEnd, false));
  }

  // ---- the network ------------------------------------------------------------------------------------

  /** Some bytes move, in both directions, at a random time; again until nothing is left to move. */
  planArrival(): void {
    if (this.#isArrivalPlanned) return;
    this.#isArrivalPlanned = true;
    this.transport.schedule.after(this.transport.delayMs(), () => {
      this.#isArrivalPlanned = false;
      this.#arrive();
    });
  }

  #arrive(): void {
    const { transport } = this;
    if (this.isGone) return;
    const inFlight = this.#inboundBytes - this.#arrived;
    if (inFlight > 0) this.#arrived += Math.min(inFlight, transport.pieceBytes());
    if (this.#arrived === this.#inboundBytes && this.#hasPeerEnded) this.#isFinArrived = true;
    if (!this.isPeerPaused) this.#give();
    const isMore = this.#inboundBytes > this.#arrived || (this.#hasPeerEnded && !this.#isFinArrived);
    if (isMore || (!this.isPeerPaused && (this.#kernelBytes > 0 || (this.#isFinSent && !this.#isFinTaken))))
      this.planArrival();
  }

  /** From the kernel's send buffer to the peer. */
  #give(): void {
    if (this.#kernelBytes > 0) {
      const bytes = take(this.#kernel, Math.min(this.#kernelBytes, this.transport.pieceBytes()));
      this.#kernelBytes -= bytes.length;
      if (this.isPeerDeaf) {
        this.isGone = true;
        this.#isResetArrived = true;
        this.transport.schedule.after(0, () => this.peer.onClosed(this.peerEnd, false));
        return;
      }
      this.peer.onBytes(this.peerEnd, bytes);
      this.#toKernel();
    }
    if (this.#isFinSent && this.#kernelBytes === 0 && !this.#isFinTaken) {
      this.#isFinTaken = true;
      this.peer.onEnd(this.peerEnd);
    }
  }

  // ---- the engine's side --------------------------------------------------------------------------------

  /** Bytes of a flush, already copied. */
  send(bytes: Uint8Array): void {
    if (this.isGone || this.#isFinSent) return;
    this.#outbound.push(bytes);
    this.#outboundBytes += bytes.length;
  }

  /** The end of a turn, as far as this connection goes. */
  flush(): void {
    const { conn } = this;
    if (conn.isClosed || this.#isClosedDue) return;
    if (conn.abortFault !== 0) {
      this.#close(conn.abortFault === -1 ? 0 : conn.abortFault, true);
      return;
    }
    this.#toKernel();
    if (this.#outboundBytes > this.queuedMax) this.queuedMax = this.#outboundBytes;
    conn.queuedBytes = this.#outboundBytes;
    if (conn.queuedBytes >= conn.highMark) this.#wasFull = true;
    this.#endIfFlushed();
  }

  #toKernel(): void {
    const room = Math.min(this.#kernelRoom - this.#kernelBytes, this.#outboundBytes);
    if (room > 0) {
      this.#kernel.push(take(this.#outbound, room));
      this.#kernelBytes += room;
      this.#outboundBytes -= room;
      this.conn.queuedBytes = this.#outboundBytes;
    }
    if (this.#wasFull && this.#outboundBytes <= this.conn.highMark / 2) {
      this.#wasFull = false;
      this.#isWritableDue = true;
    }
    if (this.#outboundBytes === 0) this.#endIfFlushed();
    if (this.#kernelBytes > 0 || (this.#isFinSent && !this.#isFinTaken)) this.planArrival();
  }

  #endIfFlushed(): void {
    const { conn, transport } = this;
    if (this.#outboundBytes > 0 || this.isOpenDue || this.isGone) return;
    if (this.endWanted >= 0) {
      if (this.endWanted === 0 || this.#isPeerEndSaid) {
        this.#sendFin();
        this.#close(0, false);
      } else if (!this.#isDeadlineSet) {
        this.#isDeadlineSet = true;
        this.#sendFin();
        transport.schedule.after(this.endWanted, () => this.#close(0, false));
      }
    } else if (conn.isShutDown && !this.#isFinSent) {
      this.#sendFin();
      if (this.#isPeerEndSaid) this.#close(0, false);
    }
  }

  #sendFin(): void {
    if (this.#isFinSent) return;
    this.#isFinSent = true;
    this.planArrival();
  }

  /** The engine's descriptor is closed; isHard, or unread bytes: the peer gets RST. */
  #close(fault: FaultCode, isHard: boolean): void {
    if (this.#isClosedDue || this.conn.isClosed) return;
    this.#isClosedDue = true;
    this.#closedFault = fault;
    if (this.isGone) return;
    const isReset = isHard || this.#arrived > 0;
    const tell = (): void => {
      // In order: what is in the kernel's buffer still leaves, unless a reset overtakes it.
      if (!isReset && !this.isPeerPaused && (this.#kernelBytes > 0 || !this.#isFinTaken)) {
        this.#give();
        this.transport.schedule.after(this.transport.delayMs(), tell);
        return;
      }
      if (!isReset && this.isPeerPaused) {
        this.transport.schedule.after(50, tell);
        return;
      }
      if (this.isGone) return;
      this.isGone = true;
      this.peer.onClosed(this.peerEnd, isReset);
    };
    this.transport.schedule.after(this.transport.delayMs(), tell);
  }

  get hasEvent(): boolean {
    const { conn } = this;
    if (conn.isClosed) return false;
    if (this.isAcceptDue || this.isOpenDue || this.dialFault !== 0 || this.#isClosedDue || this.#isResetArrived)
      return true;
    if (this.#isWritableDue) return true;
    const isReading = conn.holdBits === 0 || conn.isEnded;
    return isReading && (this.#arrived > 0 || (this.#isFinArrived && this.#inboundBytes === 0 && !this.#isPeerEndSaid));
  }

  /** Tells the engine one thing, inside a turn. */
  deliver(): void {
    const { conn, transport } = this;
    if (this.isAcceptDue) {
      this.isAcceptDue = false;
      transport.onAccepted(conn, this.listenerIndex);
    } else if (this.#isClosedDue) this.#sayClosed(this.#closedFault);
    else if (this.dialFault !== 0) this.#sayClosed(this.dialFault);
    else if (this.isOpenDue) {
      this.isOpenDue = false;
      if (!conn.isEnded) conn.owner.onOpen(conn);
    } else if (this.#isWritableDue) {
      this.#isWritableDue = false;
      conn.queuedBytes = this.#outboundBytes;
      if (!conn.isEnded) conn.owner.onWritable(conn);
    } else if (this.#isResetArrived && (this.#arrived === 0 || conn.holdBits !== 0 || transport.chance(30)))
      this.#sayClosed(this.isDialled ? UP_RESET : DOWN_RESET);
    else if (this.#arrived > 0) this.#deliverBytes();
    else if (this.#isFinArrived && !this.#isPeerEndSaid) {
      this.#isPeerEndSaid = true;
      if (!conn.isEnded) conn.owner.onPeerEnd(conn);
      else if (this.#isFinSent) this.#close(0, false);
      if (conn.isShutDown && this.#isFinSent) this.#close(0, false);
    }
  }

  #deliverBytes(): void {
    const { conn, transport } = this;
    const bytes = take(this.#inbound, Math.min(this.#arrived, transport.readBytes()));
    this.#arrived -= bytes.length;
    this.#inboundBytes -= bytes.length;
    // After its end the engine's side only discards.
    if (conn.isEnded) return;
    conn.bytesRead += bytes.length;
    const at = transport.lend(bytes);
    conn.owner.onBytes(conn, transport.arena.bytes, at, at + bytes.length);
  }

  #sayClosed(fault: FaultCode): void {
    const { conn } = this;
    conn.isClosed = true;
    conn.isEnded = true;
    this.isGone = true;
    conn.owner.onClosed(conn, fault);
  }
}

/** Takes byteCount bytes off the front of a list of pieces. */
function take(pieces: Uint8Array[], byteCount: number): Uint8Array {
  const whole = new Uint8Array(byteCount);
  let at = 0;
  while (at < byteCount) {
    const first = pieces[0] as Uint8Array;
    const length = Math.min(first.length, byteCount - at);
    whole.set(first.subarray(0, length), at);
    at += length;
    if (length === first.length) pieces.shift();
    else pieces[0] = first.subarray(length);
  }
  return whole;
}
