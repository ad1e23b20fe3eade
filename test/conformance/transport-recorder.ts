/** Recorder: an owner that writes down what a transport tells it and fails when it is told inside a call of its own. */
import assert from 'node:assert/strict';
import type { FaultCode } from '../../engine/fault/faults.js';
import type { Conn, ConnOwner, Transport } from '../../engine/io/transport.js';

export class Recorder implements ConnOwner {
  /** In order: open, bytes, writable, peerEnd, "closed <fault>". */
  readonly calls: string[] = [];
  byteCount = 0;
  /** Called with lent bytes. */
  onBytesCall: ((bytes: Uint8Array, start: number, end: number) => void) | null = null;
  readonly #chunks: Buffer[] = [];
  readonly #transport: Transport;
  #isCalling = false;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Law 3: nothing is told while this runs. */
  calling<T>(run: () => T): T {
    this.#isCalling = true;
    try {
      return run();
    } finally {
      this.#isCalling = false;
    }
  }

  get received(): Buffer {
    return Buffer.concat(this.#chunks);
  }
  get isClosed(): boolean {
    return this.calls.at(-1)?.startsWith('closed') === true;
  }
  count(call: string): number {
    return this.calls.filter((other) => other === call).length;
  }

  /** What onHandshake answers; null: 0, and the handshake is not among the calls. */
  verdict: FaultCode | null = null;
  /** Set by those who want to be asked. */
  onPeerCertificate?: (conn: Conn, certificate: Uint8Array) => FaultCode;
  onHandshakeCall: ((conn: Conn) => void) | null = null;
  onHandshake(conn: Conn): FaultCode {
    if (this.verdict !== null) this.#note('handshake');
    this.onHandshakeCall?.(conn);
    return this.verdict ?? 0;
  }
  onOpen(): void {
    this.#note('open');
  }
  onBytes(_conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    assert.ok(start >= 0 && end > start && end <= bytes.length, `bytes [${start}, ${end})`);
    if (this.calls.at(-1) !== 'bytes') this.#note('bytes');
    this.byteCount += end - start;
    this.#chunks.push(Buffer.from(bytes.subarray(start, end)));
    if (this.onBytesCall === null) return;
    this.#isCalling = true;
    this.onBytesCall(bytes, start, end);
    this.#isCalling = false;
  }
  onWritable(): void {
    this.#note('writable');
  }
  onPeerEnd(): void {
    this.#note('peerEnd');
  }
  onClosed(_conn: Conn, fault: FaultCode): void {
    this.#note(`closed ${fault}`);
  }

  #note(call: string): void {
    assert.ok(!this.#isCalling, `law 3: ${call} inside a call of the owner`);
    assert.ok(!this.isClosed, `law 4: ${call} after ${this.calls.at(-1)}`);
    assert.ok(Number.isFinite(this.#transport.nowMs()));
    this.calls.push(call);
  }
}
