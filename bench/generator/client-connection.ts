/** ClientConnection: one keep-alive connection of the generator, one request at a time. */
import net from 'node:net';

export interface ClientEvents {
  /** backend -1: the answer names none. serviceUs: as the backend says, -1 = it doesn't. */
  answered(connection: ClientConnection, status: number, backend: number, serviceUs: number): void;
  /** It is closed; wasBusy: with a request unanswered. */
  closed(connection: ClientConnection, wasBusy: boolean): void;
}

const END = Buffer.from('\r\n\r\n');

export class ClientConnection {
  /** Of the request under way, as its owner keeps them. */
  intendedUs = 0;
  sentUs = 0;
  key = -1;
  isBusy = false;
  isClosed = false;
  wasOpen = false;
  readonly #socket: net.Socket;
  readonly #events: ClientEvents;
  #rest: Buffer | null = null;
  /** Bytes of the body that are to come; -1 = the head is. */
  #bodyLeft = -1;
  #status = 0;
  #backend = -1;
  #serviceUs = -1;
  #isLast = false;

  constructor(host: string, port: number, events: ClientEvents, onReady: () => void) {
    this.#events = events;
    this.#socket = net.connect({ host, port, noDelay: true });
    this.#socket.once('connect', () => {
      this.wasOpen = true;
      onReady();
    });
    this.#socket.on('data', (chunk: Buffer) => this.#onBytes(chunk));
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      this.isClosed = true;
      this.#events.closed(this, this.isBusy);
    });
  }

  send(request: Buffer): void {
    this.isBusy = true;
    this.#socket.write(request);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #onBytes(chunk: Buffer): void {
    let bytes = this.#rest === null ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = null;
    if (this.#bodyLeft < 0) {
      const end = bytes.indexOf(END);
      if (end < 0) {
        this.#rest = bytes;
        return;
      }
      this.#readHead(bytes.toString('latin1', 0, end));
      bytes = bytes.subarray(end + END.length);
    }
    this.#bodyLeft -= bytes.length;
    if (this.#bodyLeft > 0) return;
    // More than the answer: nobody asked for it.
    if (this.#bodyLeft < 0) this.#isLast = true;
    this.#bodyLeft = -1;
    this.isBusy = false;
    if (this.#isLast) this.#socket.destroy();
    this.#events.answered(this, this.#status, this.#backend, this.#serviceUs);
  }

  #readHead(head: string): void {
    this.#status = Number(head.slice(9, 12));
    const number = (pattern: RegExp): number => Number(pattern.exec(head)?.[1] ?? -1);
    const length = number(/\r\ncontent-length: *(\d+)/i);
    this.#backend = number(/\r\nx-backend: *(\d+)/i);
    this.#serviceUs = number(/\r\nx-backend-us: *(\d+)/i);
    // A body without a length is not for a backend of ours: it can't be told where it ends.
    this.#isLast = length < 0 || /\r\nconnection: *close/i.test(head);
    this.#bodyLeft = Math.max(0, length);
  }
}
