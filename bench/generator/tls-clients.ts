/** TlsClients: full and resumed TLS 1.3 handshakes one after the other, and connections that only stand there. */
import tls from 'node:tls';

const GROW_AT_ONCE = 32;

export interface HandshakeCount {
  readonly done: number;
  readonly failed: number;
}

export class TlsClients {
  readonly #port: number;
  readonly #secureContext = tls.createSecureContext({ minVersion: 'TLSv1.3' });
  readonly #idle: tls.TLSSocket[] = [];

  constructor(port: number) {
    this.#port = port;
  }

  /** New handshakes until the time is over; each connection ends in order once the server's side is done too. */
  async handshakes(seconds: number, atOnce: number, resumes: boolean, isOver: () => boolean): Promise<HandshakeCount> {
    const session = resumes ? await this.#session() : undefined;
    const endMs = performance.now() + seconds * 1000;
    let done = 0;
    let failed = 0;
    const loop = async (): Promise<void> => {
      while (performance.now() < endMs && !isOver()) {
        const isGood = await this.#handshake(session);
        if (isGood) done++;
        else failed++;
      }
    };
    await Promise.all(Array.from({ length: atOnce }, loop));
    return { done, failed };
  }

  #connect(session?: Buffer): tls.TLSSocket {
    const more = session === undefined ? {} : { session };
    const secureContext = this.#secureContext;
    return tls.connect({ host: '127.0.0.1', port: this.#port, rejectUnauthorized: false, secureContext, ...more });
  }

  /** False: refused, or not resumed where it should have been. */
  #handshake(session?: Buffer): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = this.#connect(session);
      let isGood = false;
      socket.once('secureConnect', () => {
        isGood = socket.isSessionReused() === (session !== undefined);
        // Its tickets follow when the server has read our side of the handshake.
        socket.once('session', () => socket.end());
      });
      socket.once('error', () => {
        isGood = false;
      });
      socket.once('close', () => resolve(isGood));
      socket.resume();
    });
  }

  #session(): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const socket = this.#connect();
      socket.once('session', (session) => {
        socket.end();
        resolve(session);
      });
      socket.once('error', reject);
      socket.resume();
    });
  }

  /** Opens that many connections on which nothing is said. */
  async openIdle(count: number): Promise<void> {
    let opened = 0;
    const open = async (): Promise<void> => {
      while (opened < count) {
        opened++;
        const socket = this.#connect();
        this.#idle.push(socket);
        await new Promise<void>((resolve, reject) => {
          socket.once('session', () => resolve());
          socket.once('error', reject);
          socket.resume();
        });
      }
    };
    await Promise.all(Array.from({ length: GROW_AT_ONCE }, open));
  }

  close(): void {
    for (const socket of this.#idle) socket.destroy();
  }
}
