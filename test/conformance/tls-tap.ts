/** Tap: a relay between two ends of a TLS connection that sees its records and may cut them into pieces. */
import net from 'node:net';

export const RECORD_ALERT = 21;
export const RECORD_DATA = 23;

export interface TlsRecord {
  readonly type: number;
  readonly byteCount: number;
}

export class Tap {
  readonly port: number;
  /** What the server sent, by records. */
  readonly fromServer: TlsRecord[] = [];
  readonly #server: net.Server;
  readonly #sockets: net.Socket[] = [];
  #rest: Buffer = Buffer.alloc(0);

  private constructor(server: net.Server) {
    this.#server = server;
    this.port = (server.address() as net.AddressInfo).port;
  }

  /** pieceBytes 0: as it comes. */
  static async open(to: number, pieceBytes = 0): Promise<Tap> {
    let tap: Tap | null = null;
    const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
      const far = net.connect({ host: '127.0.0.1', port: to, allowHalfOpen: true, noDelay: true });
      tap?.join(near, far, pieceBytes);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    tap = new Tap(server);
    return tap;
  }

  join(near: net.Socket, far: net.Socket, pieceBytes: number): void {
    this.#sockets.push(near, far);
    near.on('data', (bytes: Buffer) => send(far, bytes, pieceBytes));
    far.on('data', (bytes: Buffer) => {
      this.#read(bytes);
      send(near, bytes, pieceBytes);
    });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('end', () => to.end());
      from.on('error', () => to.destroy());
    }
  }

  #read(bytes: Buffer): void {
    let rest = Buffer.concat([this.#rest, bytes]);
    while (rest.length >= 5 && rest.length >= 5 + rest.readUInt16BE(3)) {
      const byteCount = rest.readUInt16BE(3);
      this.fromServer.push({ type: rest[0] as number, byteCount });
      rest = rest.subarray(5 + byteCount);
    }
    this.#rest = rest;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

function send(to: net.Socket, bytes: Buffer, pieceBytes: number): void {
  if (pieceBytes === 0) to.write(bytes);
  else for (let at = 0; at < bytes.length; at += pieceBytes) to.write(bytes.subarray(at, at + pieceBytes));
}
