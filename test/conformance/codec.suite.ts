/** The laws of http/codec.ts as tests, for any pair of a client codec and a server codec joined in memory. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FAULTS, type FaultCode } from '../../engine/fault/faults.js';
import type { Codec, MessageSink, MessageStream } from '../../engine/http/codec.js';
import { type Head, HEAD_CHUNKED } from '../../engine/http/head.js';
import { METHOD_GET, METHOD_HEAD, METHOD_POST } from '../../engine/http/methods.js';
import { nameIdOf } from '../../engine/http/names.js';
import { newHead } from '../support/fake-conn.js';

/** Two codecs and the wire between them. */
export interface CodecPair {
  readonly client: Codec;
  readonly server: Codec;
  /** Streams and sinks of the requests that the server has seen. */
  readonly accepted: readonly { readonly stream: MessageStream; readonly sink: LawfulSink }[];
  /** Moves what was written, both ways, in pieces of at most pieceBytes, until nothing is left; then a turn ends. */
  transfer(pieceBytes: number): Promise<void>;
  /** Nothing is taken from this side's connection while full: write() answers true. */
  setFull(side: 'client' | 'server', isFull: boolean): void;
}

export type MakePair = (makeSink: () => LawfulSink) => CodecPair;

/** Depth of calls that a test makes on streams: a sink call inside one breaks law 5. */
let callDepth = 0;

/** Calls a stream as an exchange does. */
export function call(make: () => unknown): void {
  callDepth++;
  make();
  callDepth--;
}

/** Records, and complains when a law is broken. */
export class LawfulSink implements MessageSink {
  readonly events: string[] = [];
  body = '';
  drained = 0;
  #isOver = false;

  #hear(event: string, isEnd: boolean): void {
    assert.equal(callDepth, 0, `law 5: ${event} inside a call on a stream`);
    assert.equal(this.#isOver, false, `laws 1 and 2: ${event} behind the end`);
    this.events.push(event);
    this.#isOver = isEnd;
  }
  onHead(head: Head, end: boolean): Head {
    const isInterim = head.status !== 0 && head.status < 200 && head.status !== 101;
    assert.ok(
      this.events.every((event) => event.startsWith('interim')),
      'law 1: head* comes first',
    );
    assert.ok(!(isInterim && end), 'law 1: an interim head is not the end');
    const fields: string[] = [];
    for (let slot = 0; slot < head.fieldCount; slot++)
      if (!head.isRemoved(slot)) fields.push(`${head.nameString(slot)}: ${head.valueString(slot)}`);
    const start = head.status === 0 ? `${head.method} ${head.pathString()}` : String(head.status);
    this.#hear(`${isInterim ? 'interim' : 'head'} ${start} [${fields.sort().join('; ')}]`, end);
    // Law 3: this one is kept, another is given; a codec that went on using it would change it under us.
    return newHead();
  }
  onData(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    assert.ok(
      this.events.some((event) => event.startsWith('head')),
      'law 1: data behind a head',
    );
    this.body += Buffer.from(bytes.subarray(start, end)).toString('latin1');
    if (last) this.#hear('end', true);
    else assert.equal(this.#isOver, false, 'law 1: data behind the end');
  }
  onTrailers(trailers: Head): void {
    const fields: string[] = [];
    for (let slot = 0; slot < trailers.fieldCount; slot++)
      fields.push(`${trailers.nameString(slot)}: ${trailers.valueString(slot)}`);
    this.#hear(`trailers [${fields.join('; ')}]`, true);
  }
  /** A request that was whole is reset all the same when its connection dies before the answer: once. */
  onReset(fault: FaultCode): void {
    this.#isOver = this.events.at(-1)?.startsWith('reset') === true;
    this.#hear(`reset ${FAULTS[fault]?.reason ?? ''}`, true);
  }
  onInvalid(fault: FaultCode): void {
    this.#hear(`invalid ${FAULTS[fault]?.reason ?? ''}`, true);
  }
  onDrained(): void {
    this.drained++;
  }
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

function add(head: Head, name: string, value: string): void {
  const bytes = bytesOf(value);
  const id = nameIdOf(name);
  if (id !== 0) head.add(id, bytes, 0, bytes.length);
  else head.addName(bytesOf(name), 0, bytes, 0, bytes.length);
}

export function requestHead(method: number, path: string, length = -1): Head {
  const head = newHead();
  head.method = method;
  head.setPath(bytesOf(path), 0, path.length);
  head.setAuthority(bytesOf('a'), 0, 1);
  if (length >= 0) add(head, 'content-length', String(length));
  head.contentLength = length;
  add(head, 'x-one', '1');
  return head;
}

export function responseHead(status: number, length = -1): Head {
  const head = newHead();
  head.status = status;
  if (length >= 0) add(head, 'content-length', String(length));
  head.contentLength = length;
  add(head, 'x-two', '2');
  return head;
}

const BODY = 'abcdefghij'.repeat(30);
const data = bytesOf(BODY);

/** Sends in three pieces, the last with the end. */
function sendBody(stream: MessageStream): void {
  call(() => stream.sendData(data, 0, 100, false));
  call(() => stream.sendData(data, 100, 100, false));
  call(() => stream.sendData(data, 100, data.length, true));
}

function startsAs(events: readonly string[], ...starts: string[]): void {
  assert.deepEqual(
    events.map((event, index) => event.slice(0, starts[index]?.length ?? event.length)),
    starts,
  );
}

/** Registers the tests. */
export function codecLaws(name: string, makePair: MakePair): void {
  const open = (): { pair: CodecPair; sink: LawfulSink; stream: MessageStream } => {
    const pair = makePair(() => new LawfulSink());
    const sink = new LawfulSink();
    return { pair, sink, stream: pair.client.openStream(sink) as MessageStream };
  };
  for (const pieceBytes of [1, 7, 65536])
    test(`${name}: whole exchanges in pieces of ${pieceBytes}`, async () => {
      const { pair, sink, stream } = open();
      call(() => stream.sendHead(requestHead(METHOD_POST, '/a', data.length), false));
      sendBody(stream);
      await pair.transfer(pieceBytes);
      const first = pair.accepted[0] as (typeof pair.accepted)[number];
      startsAs(first.sink.events, `head ${METHOD_POST} /a [`, 'end');
      assert.match(first.sink.events[0] as string, /x-one: 1/);
      assert.equal(first.sink.body, BODY);
      call(() => first.stream.sendHead(responseHead(103), false));
      call(() => first.stream.sendHead(responseHead(200), false));
      sendBody(first.stream);
      await pair.transfer(pieceBytes);
      startsAs(sink.events, 'interim 103 [x-two: 2]', 'head 200 [', 'end');
      assert.equal(sink.body, BODY);
      await secondExchange(pair, pieceBytes);
    });
  test(`${name}: without bodies, and HEAD`, async () => {
    for (const method of [METHOD_GET, METHOD_HEAD]) {
      const { pair, sink, stream } = open();
      call(() => stream.sendHead(requestHead(method, '/'), true));
      await pair.transfer(9);
      const first = pair.accepted[0] as (typeof pair.accepted)[number];
      startsAs(first.sink.events, `head ${method} / [`);
      const length = method === METHOD_HEAD ? 5 : 0;
      call(() => first.stream.sendHead(responseHead(200, length), true));
      await pair.transfer(9);
      startsAs(sink.events, `head 200 [content-length: ${length}`);
      assert.equal(pair.client.streamsFree() > 0, true);
    }
  });
  test(`${name}: law 6: full, and drained`, async () => {
    const { pair, stream } = open();
    pair.setFull('client', true);
    call(() => stream.sendHead(requestHead(METHOD_POST, '/'), false));
    callDepth++;
    assert.equal(stream.sendData(data, 0, data.length, false), true);
    callDepth--;
    pair.setFull('client', false);
    pair.client.onWritable();
    await pair.transfer(64);
    assert.equal(pair.accepted[0]?.sink.body, BODY);
  });
  test(`${name}: law 7: a dead stream does nothing`, async () => {
    const { pair, sink, stream } = open();
    call(() => stream.sendHead(requestHead(METHOD_GET, '/'), true));
    await pair.transfer(64);
    pair.client.close(1);
    pair.server.close(1);
    const { stream: down, sink: request } = pair.accepted[0] as (typeof pair.accepted)[number];
    assert.equal(sink.events.length, 1);
    assert.match(sink.events[0] as string, /^reset/);
    assert.match(request.events.at(-1) as string, /^head|^reset/);
    for (const each of [stream, down])
      call(() => {
        each.sendHead(responseHead(200), true);
        each.sendData(data, 0, data.length, true);
        each.sendTrailers(newHead());
        each.reset(1);
        each.hold(1);
        each.release(1);
        each.consumed(1);
      });
    await pair.transfer(64);
    assert.equal(sink.events.length, 1);
  });
}

/** A second exchange on the same pair, with trailers in both directions. */
async function secondExchange(pair: CodecPair, pieceBytes: number): Promise<void> {
  const sink = new LawfulSink();
  const stream = pair.client.openStream(sink) as MessageStream;
  assert.notEqual(stream, null);
  const trailers = newHead();
  add(trailers, 'grpc-status', '0');
  const head = requestHead(METHOD_POST, '/b');
  head.flags |= HEAD_CHUNKED;
  call(() => stream.sendHead(head, false));
  call(() => stream.sendData(data, 0, data.length, false));
  call(() => stream.sendTrailers(trailers));
  await pair.transfer(pieceBytes);
  const second = pair.accepted[1] as (typeof pair.accepted)[number];
  startsAs(second.sink.events, `head ${METHOD_POST} /b [`, 'trailers [grpc-status: 0]');
  assert.equal(second.stream.isReused, true);
  call(() => second.stream.sendHead(responseHead(200), false));
  call(() => second.stream.sendData(data, 0, data.length, false));
  call(() => second.stream.sendTrailers(trailers));
  await pair.transfer(pieceBytes);
  startsAs(sink.events, 'head 200 [', 'trailers [grpc-status: 0]');
  assert.equal(sink.body, BODY);
}
