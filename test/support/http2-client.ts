/** Http2Client: node:http2 as a client, with promises: what a whole exchange gave, or the code it was reset with. */
import http2, { type ClientHttp2Session, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';

/** node:http2 resets streams (ENHANCE_YOUR_CALM) when more than 10 MiB of a session wait to be written. */
export const MEMORY_MIB = 1000;

export interface Http2Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly interim: readonly number[];
  readonly body: Buffer;
  readonly trailers: IncomingHttpHeaders;
  /** RST_STREAM's; 0 = the stream ended in order. */
  readonly code: number;
}

export class Http2Client {
  readonly session: ClientHttp2Session;
  readonly goaways: number[] = [];
  isClosed = false;

  private constructor(session: ClientHttp2Session) {
    this.session = session;
    session.on('error', () => {});
    session.on('goaway', (code) => this.goaways.push(code));
    session.on('close', () => {
      this.isClosed = true;
    });
  }

  static connect(port: number, settings: http2.Settings = {}): Promise<Http2Client> {
    const session = http2.connect(`http://127.0.0.1:${port}`, { settings, maxSessionMemory: MEMORY_MIB });
    return new Promise((resolve, reject) => {
      session.once('error', reject);
      session.once('remoteSettings', () => resolve(new Http2Client(session)));
    });
  }

  stream(headers: OutgoingHttpHeaders, endStream = false): http2.ClientHttp2Stream {
    const stream = this.session.request(headers, { endStream });
    stream.on('error', () => {});
    return stream;
  }

  /** body: null = none. */
  request(headers: OutgoingHttpHeaders, body: Buffer | string | null = null): Promise<Http2Answer> {
    const stream = this.stream(headers, body === null);
    if (body !== null) stream.end(body);
    return answerOf(stream);
  }

  close(): Promise<void> {
    if (this.isClosed || this.session.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      this.session.once('close', () => resolve());
      this.session.close();
    });
  }
}

/** Resolves when the stream is over, one way or another. */
export function answerOf(stream: http2.ClientHttp2Stream): Promise<Http2Answer> {
  const chunks: Buffer[] = [];
  const interim: number[] = [];
  let headers: IncomingHttpHeaders = {};
  let trailers: IncomingHttpHeaders = {};
  stream.on('headers', (each) => interim.push(Number(each[':status'])));
  stream.on('response', (each) => {
    headers = each;
  });
  stream.on('trailers', (each) => {
    trailers = each;
  });
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve) => {
    stream.once('close', () =>
      resolve({
        status: Number(headers[':status'] ?? 0),
        headers,
        interim,
        body: Buffer.concat(chunks),
        trailers,
        code: stream.rstCode,
      }),
    );
  });
}
