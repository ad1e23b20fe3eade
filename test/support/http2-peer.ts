/** Http2Peer: HTTP/2 codecs on a fake connection and clock, spoken to in frames. */
import { Prng } from '../../engine/base/prng.js';
import { TimerWheel } from '../../engine/base/timer-wheel.js';
import { FAULTS, type FaultCode } from '../../engine/fault/faults.js';
import type { Codec, MessageSink, MessageStream, MultiplexedHost } from '../../engine/http/codec.js';
import { HEAD_AUTHORITY_FORM, type Head } from '../../engine/http/head.js';
import { HeadPool } from '../../engine/http/head-pool.js';
import { methodNumber } from '../../engine/http/methods.js';
import { Http2ClientCodec } from '../../engine/http2/codec-client.js';
import { Http2ServerCodec } from '../../engine/http2/codec-server.js';
import { HTTP2_DEFAULTS, type Http2Options } from '../../engine/http2/options.js';
import type { StreamStore } from '../../engine/http2/stream-store.js';
import { Http2Shared } from '../../engine/http2/shared.js';
import { HTTP2 } from '../../engine/metrics/declare.js';
import { newMetricsMemory, WorkerMetrics } from '../../engine/metrics/slots.js';
import { FakeArena, FakeConn, newHead } from './fake-conn.js';
import { FrameLines, frames } from './http2-frames.js';
import { RecordingSink } from './recording-sink.js';

const arena = new FakeArena();

/** A clock that the test moves. */
export class FakeClock {
  readonly arena = arena;
  timeMs = 1000;
  nowMs(): number {
    return this.timeMs;
  }
}

/** One reservation of address space for all tests of a file: counters are told apart by their base. */
const memory = newMetricsMemory();

export function newHttp2Shared(clock = new FakeClock()): Http2Shared {
  const wheel = new TimerWheel(clock.nowMs());
  return new Http2Shared(clock, new HeadPool(clock.arena), wheel, new WorkerMetrics(memory), Prng.fromSeed(1));
}

export interface World {
  readonly clock: FakeClock;
  readonly shared: Http2Shared;
}

export function newWorld(): World {
  const clock = new FakeClock();
  return { clock, shared: newHttp2Shared(clock) };
}

/** Writes down what a codec tells its owner. */
export class RecordingHost implements MultiplexedHost {
  readonly heard: string[] = [];
  onIdle(): void {}
  onFinished(): void {
    this.heard.push('finished');
  }
  onStreamsFree(): void {}
  onDraining(): void {
    this.heard.push('draining');
  }
  onFailed(fault: FaultCode): void {
    this.heard.push(`failed ${FAULTS[fault]?.reason}`);
  }
}

let nextCounters = 0;

/** What both harnesses share: frames in, frames out, a clock. */
abstract class Http2Harness {
  readonly clock: FakeClock;
  readonly shared: Http2Shared;
  readonly conn = new FakeConn();
  readonly host = new RecordingHost();
  /** Reason of the fault that feed() answered. */
  fault = '';
  readonly #lines: FrameLines;
  abstract readonly codec: Codec & { readonly store: StreamStore };

  /** world: where several harnesses live, one after the other. */
  constructor(isServer: boolean, world: World) {
    this.clock = world.clock;
    this.shared = world.shared;
    this.#lines = new FrameLines(!isServer, this.shared.interns);
    // Blocks are used again after a while: a fuzzer makes more harnesses than there are counters.
    this.counters = nextCounters;
    nextCounters = (nextCounters + HTTP2.names.length) % 10000;
    this.shared.metrics.counters.fill(0, this.counters, this.counters + HTTP2.names.length);
  }

  /** Feeds bytes that are overwritten afterwards: whoever keeps a reference is found out. */
  feedBytes(bytes: Uint8Array): this {
    const lent = new Uint8Array(bytes);
    const fault = this.codec.feed(lent, 0, lent.length);
    if (fault !== 0) this.fault = FAULTS[fault]?.reason ?? '';
    lent.fill(0xaa);
    return this;
  }

  feed(...lines: readonly string[]): this {
    return this.feedBytes(frames(...lines));
  }

  /** Frames written since. */
  written(): string[] {
    const text = this.conn.written;
    this.conn.written = '';
    return this.#lines.read(text);
  }

  /** A part of a frame has been written, and not the rest. */
  get hasRest(): boolean {
    return this.#lines.hasRest;
  }

  /** Lets time pass in the steps of the wheel. */
  pass(ms: number): this {
    for (let passed = 0; passed < ms; passed += 20) {
      this.clock.timeMs += 20;
      this.shared.wheel.advance(this.clock.timeMs);
    }
    return this;
  }

  count(name: keyof typeof HTTP2.index): number {
    return this.shared.metrics.counters[this.counters + HTTP2.index[name]] as number;
  }

  readonly counters: number;
  protected options(overrides: Partial<Http2Options>): Http2Options {
    return { ...HTTP2_DEFAULTS, counters: this.counters, ...overrides };
  }
}

const OK = new TextEncoder().encode('ok');

/** A server codec that has been greeted, and answers every whole request at once unless told otherwise. */
export class Http2ServerHarness extends Http2Harness {
  readonly codec: Http2ServerCodec;
  readonly sinks: RecordingSink[] = [];
  readonly streams: MessageStream[] = [];
  /** What to do with a request that is whole. */
  answer: (stream: MessageStream) => void = (stream) => answerOk(stream);

  constructor(overrides: Partial<Http2Options> = {}, isGreeted = true, world = newWorld()) {
    super(true, world);
    const acceptor = {
      onStream: (stream: MessageStream): MessageSink => {
        const sink = new RecordingSink();
        sink.onEnd = () => this.answer(stream);
        sink.onRefused = () => answerStatus(stream, 431);
        this.sinks.push(sink);
        this.streams.push(stream);
        return sink;
      },
    };
    this.codec = new Http2ServerCodec(this.conn, this.host, acceptor, this.options(overrides), this.shared);
    if (!isGreeted) return;
    this.feed('PREFACE', 'SETTINGS 0', 'SETTINGS 0 ACK');
    this.written();
  }

  get events(): string[] {
    return this.sinks.flatMap(eventsOf);
  }
}

/** A client codec with its requests. */
export class Http2ClientHarness extends Http2Harness {
  readonly codec: Http2ClientCodec;
  readonly sinks: RecordingSink[] = [];
  readonly streams: MessageStream[] = [];

  constructor(overrides: Partial<Http2Options> = {}, world = newWorld()) {
    super(false, world);
    this.codec = new Http2ClientCodec(this.conn, this.host, this.options(overrides), this.shared);
  }

  greet(...settings: readonly string[]): this {
    return this.feed(`SETTINGS 0 ${settings.join(' + ')}`.trim(), 'SETTINGS 0 ACK');
  }

  /** isWhole: without a body; otherwise the stream is still open. */
  request(method = 'GET', isWhole = true, flags = 0): MessageStream {
    const sink = new RecordingSink();
    const stream = this.codec.openStream(sink) as MessageStream;
    const head = requestHead(method);
    head.flags |= flags;
    this.sinks.push(sink);
    this.streams.push(stream);
    stream.sendHead(head, isWhole);
    return stream;
  }

  get events(): string[] {
    return this.sinks.flatMap(eventsOf);
  }
}

/** Data that no end followed is put before the fault. */
function eventsOf(sink: RecordingSink): string[] {
  const events = sink.events.map((event) =>
    event.startsWith('data') && event.length > 60 ? `data of ${JSON.parse(event.slice(5)).length} bytes` : event,
  );
  if (sink.body === '') return events;
  const at = sink.faults.length > 0 ? events.length - 1 : events.length;
  const { length } = sink.body;
  const body = length > 40 ? `of ${length} bytes` : JSON.stringify(sink.body);
  return [...events.slice(0, at), `data ${body}`, ...events.slice(at)];
}

const PATH = new TextEncoder().encode('/');
const HOST = new TextEncoder().encode('a');

export function requestHead(method = 'GET'): Head {
  const head = newHead();
  head.method = methodNumber(method);
  head.setPath(PATH, 0, 1);
  head.setAuthority(HOST, 0, 1);
  if (method === 'CONNECT') head.flags |= HEAD_AUTHORITY_FORM;
  return head;
}

export function responseHead(status: number): Head {
  const head = newHead();
  head.status = status;
  return head;
}

export function answerOk(stream: MessageStream): void {
  stream.sendHead(responseHead(200), false);
  stream.sendData(OK, 0, 2, true);
}

function answerStatus(stream: MessageStream, status: number): void {
  stream.sendHead(responseHead(status), true);
}
