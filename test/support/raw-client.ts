/** RawClient: a TCP connection to which a test writes bytes and from which it reads them. */
import net from 'node:net';

export class RawClient {
  readonly socket: net.Socket;
  received = '';
  isEnded = false;
  isClosed = false;

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.received += chunk.toString('latin1');
    });
    socket.on('end', () => {
      this.isEnded = true;
    });
    socket.on('close', () => {
      this.isClosed = true;
    });
    socket.on('error', () => {});
  }

  static connect(port: number, allowHalfOpen = true): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen });
      const client = new RawClient(socket);
      socket.once('connect', () => resolve(client));
      socket.once('error', reject);
    });
  }

  send(text: string): void {
    this.socket.write(Buffer.from(text, 'latin1'));
  }

  /** Waits until what came fits; the limit only keeps a broken test from hanging. */
  async until(fits: (received: string) => boolean, limitMs = 15000): Promise<string> {
    const deadline = Date.now() + limitMs;
    while (!fits(this.received)) {
      if (Date.now() > deadline) throw new Error(`did not come; received so far: ${JSON.stringify(this.received)}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return this.received;
  }

  async untilClosed(): Promise<string> {
    await this.until(() => this.isEnded || this.isClosed);
    return this.received;
  }

  close(): void {
    this.socket.destroy();
  }
}
