/** ServerHarness: a server codec on a fake connection that answers every request with 200. */
import type { MessageSink, MessageStream } from '../../engine/http/codec.js';
import { N } from '../../engine/http/names.js';
import { Http1ServerCodec, type Http1ServerOptions } from '../../engine/http1/codec-server.js';
import { FakeConn, newHead, newShared } from './fake-conn.js';
import { RecordingSink } from './recording-sink.js';

export const SERVER_OPTIONS: Http1ServerOptions = {
  maxHeadBytes: 60 * 1024,
  maxFields: 100,
  acceptHttp10: true,
  allowAbsoluteUrl: true,
  underscores: 'ALLOW',
};

const LENGTH = new TextEncoder().encode('2');
const BODY = new TextEncoder().encode('ok');

export class ServerHarness {
  readonly conn = new FakeConn();
  readonly sinks: RecordingSink[] = [];
  isFinished = false;
  readonly codec: Http1ServerCodec;

  constructor(options: Http1ServerOptions = SERVER_OPTIONS) {
    const host = {
      onIdle: () => {},
      onFinished: () => {
        this.isFinished = true;
      },
    };
    this.codec = new Http1ServerCodec(
      this.conn,
      host,
      { onStream: (stream) => this.#onStream(stream) },
      options,
      newShared(),
    );
  }

  #onStream(stream: MessageStream): MessageSink {
    const sink = new RecordingSink();
    sink.onEnd = () => queueMicrotask(() => answer(stream));
    this.sinks.push(sink);
    return sink;
  }

  get events(): string[] {
    return this.sinks.flatMap((sink) => sink.events);
  }
  /** Requests that came whole and without a fault. */
  get complete(): number {
    return this.sinks.filter((sink) => sink.ended === 1 && sink.faults.length === 0).length;
  }
  get faults(): string[] {
    return this.sinks.flatMap((sink) => sink.faults);
  }

  /** Feeds pieces, letting the answers go out in between. */
  async feed(...pieces: Uint8Array[]): Promise<void> {
    for (const piece of pieces) {
      // A copy that is overwritten afterwards: whoever keeps a reference is found out.
      const lent = new Uint8Array(piece);
      this.codec.feed(lent, 0, lent.length);
      lent.fill(0xaa);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

function answer(stream: MessageStream): void {
  const head = newHead();
  head.status = 200;
  head.contentLength = 2;
  head.add(N['content-length'], LENGTH, 0, 1);
  stream.sendHead(head, false);
  stream.sendData(BODY, 0, 2, true);
}
