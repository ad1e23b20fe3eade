/** Http2Peer: frames and header blocks composed by hand, and what a codec wrote taken apart; shared state for codecs. */
import { Prng } from '../../engine/base/prng.js';
import { TimerWheel } from '../../engine/base/timer-wheel.js';
import { HeadPool } from '../../engine/http/head-pool.js';
import { Http2Shared } from '../../engine/http2/shared.js';
import { newMetricsMemory, WorkerMetrics } from '../../engine/metrics/slots.js';
import { FakeArena } from './fake-conn.js';

/** A clock that the test moves. */
export class FakeClock {
  readonly arena = new FakeArena();
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
