/** InMemoryProxy: a server codec and HTTP/1.1's client codec with nothing between them; its origin reads by reference-parser. */
import type { FaultCode } from '../../engine/fault/faults.js';
import { FAULTS } from '../../engine/fault/faults.js';
import type { MessageSink, MessageStream } from '../../engine/http/codec.js';
import { HEAD_UPGRADE, type Head } from '../../engine/http/head.js';
import { N } from '../../engine/http/names.js';
import { Http1ClientCodec } from '../../engine/http1/codec-client.js';
import { Http1ServerCodec, type Http1ServerOptions } from '../../engine/http1/codec-server.js';
import { Http2ServerCodec } from '../../engine/http2/codec-server.js';
import { HTTP2_DEFAULTS } from '../../engine/http2/options.js';
import { FakeConn, newHead, newShared } from './fake-conn.js';
import { newWorld } from './http2-peer.js';
import { parseRequests, type ReferenceRequest } from './reference-parser.js';
import { SERVER_OPTIONS } from './server-harness.js';

const ZERO = new TextEncoder().encode('0');
const DEFAULT_HOST = new TextEncoder().encode('default');

/** Of HTTP/2; nothing here takes time: one for all. */
const world = newWorld();

export class InMemoryProxy {
  readonly conn = new FakeConn();
  readonly codec: Http1ServerCodec | Http2ServerCodec;
  readonly shared = newShared();
  /** Connections to the origin, in order. */
  readonly upstreams: Upstream[] = [];
  readonly faults: string[] = [];
  isFinished = false;

  /** protocol: the client's. */
  constructor(options: Http1ServerOptions = SERVER_OPTIONS, protocol: 1 | 2 = 1) {
    const host = {
      onIdle: () => {},
      onFinished: () => {
        this.isFinished = true;
      },
      onStreamsFree: () => {},
      onDraining: () => {},
      onFailed: () => {},
    };
    const acceptor = { onStream: (stream: MessageStream) => new Request(this, stream) };
    this.codec =
      protocol === 1
        ? new Http1ServerCodec(this.conn, host, acceptor, options, this.shared)
        : new Http2ServerCodec(this.conn, host, acceptor, HTTP2_DEFAULTS, world.shared);
  }

  /** Bytes in pieces; the origin answers what is whole after each. */
  async feed(...pieces: Uint8Array[]): Promise<void> {
    for (const piece of pieces) {
      // A copy that is overwritten afterwards: whoever keeps a reference is found out.
      const lent = new Uint8Array(piece);
      this.codec.feed(lent, 0, lent.length);
      lent.fill(0xaa);
      await this.#settle();
    }
  }

  /** The client's FIN. */
  async end(): Promise<void> {
    this.codec.feedEnd();
    await this.#settle();
  }

  async #settle(): Promise<void> {
    do await Promise.resolve();
    while (this.upstreams.some((upstream) => upstream.answer()));
  }

  /** What the origin got, over all connections. */
  get requests(): ReferenceRequest[] {
    return this.upstreams.flatMap(({ conn }) => [...parseRequests(conn.written).requests]);
  }

  /** What no origin may ever get. */
  get violations(): string[] {
    return this.upstreams.map(({ conn }) => parseRequests(conn.written).violation).filter((each) => each !== '');
  }

  upstream(): Upstream {
    const idle = this.upstreams.find(({ codec }) => codec.streamsFree() > 0);
    if (idle !== undefined) return idle;
    const upstream = new Upstream(this);
    this.upstreams.push(upstream);
    return upstream;
  }
}

class Upstream {
  readonly conn = new FakeConn();
  readonly codec: Http1ClientCodec;
  #answered = 0;

  constructor(proxy: InMemoryProxy) {
    const host = { onIdle: () => {}, onFinished: () => {} };
    this.codec = new Http1ClientCodec(this.conn, host, SERVER_OPTIONS, proxy.shared);
  }

  /** Answers one request that is whole; false when there is none. */
  answer(): boolean {
    const { requests } = parseRequests(this.conn.written);
    const request = requests[this.#answered];
    if (request === undefined || this.conn.abortedWith !== null) return false;
    this.#answered++;
    const body = request.method === 'HEAD' || request.method === 'CONNECT' ? '' : 'ok';
    const status = request.method === 'CONNECT' ? '405 Method Not Allowed' : '200 OK';
    const length = request.method === 'CONNECT' ? 0 : 2;
    const bytes = new TextEncoder().encode(`HTTP/1.1 ${status}\r\nContent-Length: ${length}\r\n\r\n${body}`);
    this.codec.feed(bytes, 0, bytes.length);
    bytes.fill(0xaa);
    return true;
  }
}

/** One exchange: relays both ways; a refused request is answered with the status of its fault. */
class Request implements MessageSink {
  readonly #proxy: InMemoryProxy;
  readonly #down: MessageStream;
  #up: MessageStream | null = null;
  #isAnswered = false;

  constructor(proxy: InMemoryProxy, down: MessageStream) {
    this.#proxy = proxy;
    this.#down = down;
  }

  onHead(head: Head, end: boolean): Head {
    // As the proxy does it: an upgrade that is not configured is passed over, HTTP/1.0 without a host gets one.
    head.flags &= ~HEAD_UPGRADE;
    if (head.authorityEnd === head.authorityStart) head.setAuthority(DEFAULT_HOST, 0, DEFAULT_HOST.length);
    this.#up = this.#proxy.upstream().codec.openStream(new Response(this.#down));
    this.#up?.sendHead(head, end);
    return newHead();
  }
  onData(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    this.#up?.sendData(bytes, start, end, last);
  }
  onTrailers(trailers: Head): void {
    this.#up?.sendTrailers(trailers);
  }
  onReset(fault: FaultCode): void {
    this.#proxy.faults.push(FAULTS[fault]?.reason ?? '');
    this.#up?.reset(fault);
  }
  onInvalid(fault: FaultCode): void {
    this.onReset(fault);
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    const head = newHead();
    head.status = FAULTS[fault]?.status ?? 400;
    head.contentLength = 0;
    head.add(N['content-length'], ZERO, 0, 1);
    this.#down.sendHead(head, true);
  }
  onDrained(): void {}
}

class Response implements MessageSink {
  readonly #down: MessageStream;

  constructor(down: MessageStream) {
    this.#down = down;
  }
  onHead(head: Head, end: boolean): Head {
    this.#down.sendHead(head, end);
    return newHead();
  }
  onData(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    this.#down.sendData(bytes, start, end, last);
  }
  onTrailers(trailers: Head): void {
    this.#down.sendTrailers(trailers);
  }
  onReset(): void {}
  onInvalid(): void {}
  onDrained(): void {}
}
