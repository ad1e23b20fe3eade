/** FakeTransport: dialled connections in memory; the test says when they open, speak, end and close. */
import { type FaultCode, UP_CONNECT_REFUSED } from '../../engine/fault/faults.js';
import type { DialTls, TlsContext } from '../../engine/io/tls.js';
import type { Address, Conn, ConnOwner, Listening, Transport } from '../../engine/io/transport.js';
import { FakeArena, FakeConn } from './fake-conn.js';

export class DialledConn extends FakeConn {
  readonly target: Address;
  isOpen = false;
  isClosed = false;

  constructor(target: Address, owner: ConnOwner) {
    super();
    this.target = target;
    this.owner = owner;
  }

  open(): void {
    this.isOpen = true;
    this.owner.onOpen(this);
  }
  refuse(fault: FaultCode = UP_CONNECT_REFUSED): void {
    this.close(fault);
  }
  /** Bytes are overwritten afterwards: whoever keeps a reference is found out. */
  say(text: string): void {
    const lent = new Uint8Array(Buffer.from(text, 'latin1'));
    this.bytesRead += lent.length;
    this.owner.onBytes(this, lent, 0, lent.length);
    lent.fill(0xaa);
  }
  peerEnd(): void {
    this.owner.onPeerEnd(this);
  }
  close(fault: FaultCode = 0): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.owner.onClosed(this, fault);
  }
}

export class FakeTransport implements Transport {
  readonly name = 'sim';
  readonly arena = new FakeArena();
  onAccepted: (conn: Conn, listenerIndex: number) => void = () => {};
  onTurnFlushed: () => void = () => {};
  /** Every connection ever dialled, in order. */
  readonly conns: DialledConn[] = [];
  timeUs = 1_000_000;

  dial(
    address: Address,
    _connectTimeoutMs: number,
    owner: ConnOwner,
    _tls: DialTls | null = null,
    preface: Uint8Array | null = null,
  ): Conn {
    const conn = new DialledConn(address, owner);
    if (preface !== null) conn.write(preface, 0, preface.length);
    this.conns.push(conn);
    return conn;
  }
  newTlsContext(): TlsContext {
    throw new Error('no TLS here');
  }
  listen(): Listening {
    throw new Error('nothing listens here');
  }
  nowMs(): number {
    return Math.floor(this.timeUs / 1000);
  }
  nowUs(): number {
    return this.timeUs;
  }
  wallMs(): number {
    return this.nowMs();
  }
  close(): void {}

  /** What the engine ended or aborted is closed now, as the real ones do after the turn. */
  settle(): void {
    for (const conn of this.conns)
      if (conn.abortedWith !== null) conn.close(conn.abortedWith);
      else if (conn.isEnded) conn.close();
  }

  /** Connections that are still there. */
  get live(): DialledConn[] {
    return this.conns.filter((conn) => !conn.isClosed && !conn.isEnded && conn.abortedWith === null);
  }
}
