/** Prober: one worker's probes of a cluster: requests of our own that ask servers how loaded they are. */
import { Timer } from '../base/timer-wheel.js';
import { type FaultCode, UP_TIMEOUT } from '../fault/faults.js';
import type { MessageSink, MessageStream } from '../http/codec.js';
import { HOME_SLOT_INTS, Head } from '../http/head.js';
import { methodNumber } from '../http/methods.js';
import { CLUSTER } from '../metrics/declare.js';
import type { ProbeRecord } from '../plan/lb-policy-record.js';
import type { ProbeTargets } from './balance/balancer.js';
import type { Probed } from './balance/picker.js';
import type { Cluster } from './cluster.js';
import type { Pool, StreamWaiter } from './pool.js';

// Asynchronous: no request waits for a probe. Each request brings a few, to servers drawn at random, on the connections
// of the pools; what they answer is for the requests after it. They count as connections do, and not as requests: what
// is in flight is what clients sent. Probes and their one request head are made once and used again.

/** So many at a time; servers that don't answer must not take all connections. */
const PROBES_MAX = 32;
const HEAD_BYTES = 4096;
const PROBES = CLUSTER.index.lb_probes;
const PROBES_FAILED = CLUSTER.index.lb_probes_failed;
const PROBES_DROPPED = CLUSTER.index.lb_probes_dropped;

export class Prober {
  readonly cluster: Cluster;
  readonly record: ProbeRecord;
  /** The request of every probe; never changed. */
  readonly head: Head;
  #targets: Int32Array = new Int32Array(0);
  #probed: readonly Probed[] = [];
  readonly #spare: Probe[] = [];
  #made = 0;
  #owed = 0;

  constructor(cluster: Cluster, record: ProbeRecord) {
    this.cluster = cluster;
    this.record = record;
    this.head = requestHead(record);
  }

  /** A new list: from now on these are probed. */
  aim({ targets, probed }: ProbeTargets): void {
    this.#targets = targets;
    this.#probed = probed;
  }

  /** A request has gone out: sends the probes that it brings, the fraction adds up. All go to different servers. */
  requestSent(): void {
    const targets = this.#targets;
    this.#owed += this.record.probesPerRequest;
    const due = Math.floor(this.#owed);
    this.#owed -= due;
    for (let at = 0; at < due && at < targets.length; at++) {
      const other = at + this.cluster.context.random.below(targets.length - at);
      const target = targets[other] as number;
      targets[other] = targets[at] as number;
      targets[at] = target;
      this.#send(target);
    }
  }

  #send(index: number): void {
    let probe = this.#spare.pop();
    if (probe === undefined) {
      if (this.#made === PROBES_MAX) {
        this.cluster.count(PROBES_DROPPED, 1);
        return;
      }
      this.#made++;
      probe = new Probe(this);
    }
    this.cluster.count(PROBES, 1);
    probe.send(this.cluster.pool(index));
  }

  answered(row: number, head: Head): void {
    for (let i = 0; i < this.#probed.length; i++) (this.#probed[i] as Probed).answered(row, head);
  }

  /** It is over, one way or the other. */
  ended(probe: Probe, row: number, isAnswered: boolean): void {
    this.#spare.push(probe);
    if (isAnswered) return;
    this.cluster.count(PROBES_FAILED, 1);
    for (let i = 0; i < this.#probed.length; i++) (this.#probed[i] as Probed).unanswered(row);
  }
}

/** One probe; used again when it has ended. */
class Probe extends Timer implements MessageSink, StreamWaiter {
  readonly #prober: Prober;
  #pool: Pool | null = null;
  #stream: MessageStream | null = null;
  #isAnswered = false;

  constructor(prober: Prober) {
    super();
    this.#prober = prober;
  }

  send(pool: Pool): void {
    const { cluster, record } = this.#prober;
    this.#pool = pool;
    this.#isAnswered = false;
    cluster.context.wheel.arm(this, cluster.context.transport.nowMs() + record.timeoutMs);
    cluster.lastFault = 0;
    const stream = pool.acquire(this, this, false, false);
    if (stream !== null) this.onStreamReady(stream);
    else if (cluster.lastFault !== 0) this.#end();
  }

  onStreamReady(stream: MessageStream): void {
    this.#stream = stream;
    stream.sendHead(this.#prober.head, true);
  }

  onStreamFault(): void {
    this.#end();
  }

  onTimer(): void {
    const stream = this.#stream;
    if (stream !== null) stream.reset(UP_TIMEOUT);
    else this.#pool?.cancel(this);
    this.#end();
  }

  #end(): void {
    const pool = this.#pool;
    if (pool === null) return;
    this.#pool = null;
    this.#stream = null;
    this.#prober.cluster.context.wheel.disarm(this);
    this.#prober.ended(this, pool.endpoint.row, this.#isAnswered);
  }

  onHead(head: Head, end: boolean): Head {
    if (head.status < 200) return head;
    this.#isAnswered = head.status < 300;
    if (this.#isAnswered && this.#pool !== null) this.#prober.answered(this.#pool.endpoint.row, head);
    if (end) this.#end();
    return head;
  }

  onData(_bytes: Uint8Array, start: number, end: number, last: boolean): void {
    this.#stream?.consumed(end - start);
    if (last) this.#end();
  }

  onTrailers(): void {
    this.#end();
  }

  onReset(_fault: FaultCode): void {
    this.#isAnswered = false;
    this.#end();
  }

  onInvalid(_fault: FaultCode): void {}
  onDrained(): void {}
}

function requestHead({ path, host }: ProbeRecord): Head {
  const encoder = new TextEncoder();
  const [target, authority] = [encoder.encode(path), encoder.encode(host)];
  const head = new Head(new Uint8Array(HEAD_BYTES), 0, HEAD_BYTES, new Int32Array(HOME_SLOT_INTS), 0);
  head.method = methodNumber('GET');
  head.setPath(target, 0, target.length);
  head.setAuthority(authority, 0, authority.length);
  return head;
}
