/** Http2Shared: what all HTTP/2 connections of one worker use: arena, heads, interned fields, spare streams, time. */
import type { Prng } from '../base/prng.js';
import type { TimerWheel } from '../base/timer-wheel.js';
import type { HeadPool } from '../http/head-pool.js';
import type { Head } from '../http/head.js';
import type { Arena } from '../io/transport.js';
import type { WorkerMetrics } from '../metrics/slots.js';
import { FieldInterns } from './field-interns.js';
import type { Http2Stream } from './stream.js';

/** Of the transport: what HTTP/2 needs beyond its connections. */
export interface ArenaAndClock {
  readonly arena: Arena;
  nowMs(): number;
}

export class Http2Shared {
  readonly transport: ArenaAndClock;
  readonly heads: HeadPool;
  readonly wheel: TimerWheel;
  readonly metrics: WorkerMetrics;
  readonly random: Prng;
  readonly interns: FieldInterns;
  /** Filled by the decoder, swapped with what sink.onHead answers: codec.ts law 3. */
  head: Head;
  readonly trailers: Head;
  readonly spareStreams: Http2Stream[] = [];

  constructor(transport: ArenaAndClock, heads: HeadPool, wheel: TimerWheel, metrics: WorkerMetrics, random: Prng) {
    this.transport = transport;
    this.heads = heads;
    this.wheel = wheel;
    this.metrics = metrics;
    this.random = random;
    this.interns = new FieldInterns(transport.arena);
    this.head = heads.take();
    this.trailers = heads.take();
  }
}
