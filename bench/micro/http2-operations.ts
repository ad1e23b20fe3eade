/** Operations of HTTP/2: what a request and its answer cost in the codec of one side, both directions. */
import type { MessageSink, MessageStream } from '../../engine/http/codec.js';
import type { Head } from '../../engine/http/head.js';
import { N } from '../../engine/http/names.js';
import { Http2ClientCodec } from '../../engine/http2/codec-client.js';
import { Http2ServerCodec } from '../../engine/http2/codec-server.js';
import { writeUint32 } from '../../engine/http2/frames.js';
import { HTTP2_DEFAULTS } from '../../engine/http2/options.js';
import { FakeConn } from '../../test/support/fake-conn.js';
import { newWorld, requestHead, responseHead } from '../../test/support/http2-peer.js';
import type { Operation } from './operations.js';

/** Streams under way at a time, about as many as one client connection of h2load has; divides what micro.ts repeats. */
const STREAMS = 40;
const BODY_BYTES = 128;

/** Takes what is written until it is told to forget it. */
class TapConn extends FakeConn {
  isTapped = true;
  override write(bytes: Uint8Array, start: number, end: number): boolean {
    return this.isTapped && super.write(bytes, start, end);
  }
}

/** Bytes of frames whose ids move on with every batch. */
class Batch {
  readonly bytes: Uint8Array;
  readonly #idsAt: number[] = [];

  constructor(written: string) {
    this.bytes = new Uint8Array(Buffer.from(written, 'latin1'));
    for (let at = 0; at < this.bytes.length; at += 9 + Buffer.from(this.bytes).readUIntBE(at, 3))
      this.#idsAt.push(at + 5);
  }

  advance(): void {
    const view = this.bytes;
    for (const at of this.#idsAt) {
      const id =
        ((view[at] as number) << 24) |
        ((view[at + 1] as number) << 16) |
        ((view[at + 2] as number) << 8) |
        (view[at + 3] as number);
      writeUint32(view, at, id + 2 * STREAMS);
    }
  }
}

class QuietSink implements MessageSink {
  ended = 0;
  onHead(head: Head, end: boolean): Head {
    if (end) this.ended++;
    return head;
  }
  onData(_bytes: Uint8Array, _start: number, _end: number, last: boolean): void {
    if (last) this.ended++;
  }
  onTrailers(): void {}
  onReset(): void {}
  onInvalid(): void {}
  onDrained(): void {}
}

/** Answers at once. */
class AnsweringSink extends QuietSink {
  readonly #answer: Head;
  readonly #body: Uint8Array;
  stream: MessageStream | null = null;

  constructor(answer: Head, body: Uint8Array) {
    super();
    this.#answer = answer;
    this.#body = body;
  }
  override onHead(head: Head, end: boolean): Head {
    const stream = this.stream as MessageStream;
    stream.sendHead(this.#answer, false);
    stream.sendData(this.#body, 0, BODY_BYTES, true);
    return super.onHead(head, end);
  }
}

const quiet = (): void => {};
const host = { onIdle: quiet, onFinished: quiet, onStreamsFree: quiet, onDraining: quiet, onFailed: quiet };

function add(head: Head, name: keyof typeof N, value: string): void {
  const bytes = new TextEncoder().encode(value);
  head.add(N[name], bytes, 0, bytes.length);
}

function browserHead(): Head {
  const head = requestHead();
  add(head, 'user-agent', 'Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0');
  add(head, 'accept', 'text/html,application/xhtml+xml;q=0.9,*/*;q=0.8');
  add(head, 'accept-encoding', 'gzip, deflate, br');
  return head;
}

function answerHead(): Head {
  const head = responseHead(200);
  add(head, 'content-type', 'text/plain');
  add(head, 'content-length', String(BODY_BYTES));
  add(head, 'server', 'origin');
  head.contentLength = BODY_BYTES;
  return head;
}

/** The two sides of a connection, in step: what one wrote is what the other is fed. */
export function http2Operations(): Operation[] {
  const world = newWorld();
  const near = new TapConn();
  const far = new TapConn();
  const options = { ...HTTP2_DEFAULTS, initialConnectionWindowBytes: 1 << 30, initialStreamWindowBytes: 1 << 30 };
  const sink = new AnsweringSink(answerHead(), world.clock.arena.bytes);
  const acceptor = {
    onStream(stream: MessageStream): MessageSink {
      sink.stream = stream;
      return sink;
    },
  };
  const client = new Http2ClientCodec(near, host, options, world.shared);
  const server = new Http2ServerCodec(far, host, acceptor, options, world.shared);
  const request = browserHead();
  const answers = new QuietSink();
  const ask = (): void => {
    for (let i = 0; i < STREAMS; i++) (client.openStream(answers) as MessageStream).sendHead(request, true);
  };
  const move = (from: TapConn, to: { feed(bytes: Uint8Array, start: number, end: number): number }): Uint8Array => {
    const bytes = new Uint8Array(Buffer.from(from.written, 'latin1'));
    from.written = '';
    if (to.feed(bytes, 0, bytes.length) !== 0) throw new Error('the codecs of the benchmark disagree');
    return bytes;
  };
  // Tables and interned fields fill, until a batch is like the one before it.
  let asked = '';
  let answered = '';
  for (let round = 0; round < 8; round++) {
    ask();
    asked = near.written;
    move(near, server);
    answered = far.written;
    move(far, client);
  }
  near.isTapped = false;
  far.isTapped = false;
  const requests = new Batch(asked);
  const replies = new Batch(answered);
  /** Windows are never the limit here. */
  const credit = (codec: Http2ServerCodec): void => {
    if (codec.outbox.window < 1 << 20) codec.outbox.window = 1 << 30;
  };
  const group = 'http2 codec';
  return [
    {
      group,
      name: `server: a request in, an answer of ${BODY_BYTES} B out`,
      run(times) {
        for (let i = 0; i < times; i += STREAMS) {
          requests.advance();
          if (server.feed(requests.bytes, 0, requests.bytes.length) !== 0) throw new Error('a fault in the benchmark');
          credit(server);
        }
        return sink.ended;
      },
    },
    {
      group,
      name: `client: a request out, an answer of ${BODY_BYTES} B in`,
      run(times) {
        for (let i = 0; i < times; i += STREAMS) {
          ask();
          replies.advance();
          if (client.feed(replies.bytes, 0, replies.bytes.length) !== 0) throw new Error('a fault in the benchmark');
        }
        return answers.ended;
      },
    },
  ];
}
