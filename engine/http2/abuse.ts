/** AbuseBudget: what a peer may do that costs us more than it costs the peer, each with its limit and its counter. */
import { HTTP2 } from '../metrics/declare.js';
import type { Http2Options } from './options.js';

// Each answers true when the budget is used up: the connection then ends with ENHANCE_YOUR_CALM, others go on.

/**
 * Streams that end early by the peer's doing: reset by it (rapid reset, CVE-2023-44487), or by us for what it sent
 * (MadeYouReset, CVE-2025-8671). Each may have cost a request to an upstream, and is one reset more on a connection that
 * others share: upstreams have budgets too. A browser leaves a page with a few hundred; each answered request pays for
 * one more, so who mostly listens to answers is never in want.
 */
const RESET_BURST = 500;
const RESETS_PER_SECOND = 33;
/**
 * Frames that ask for an answer or for nothing at all: SETTINGS, PING, unknown ones, late ones. Each useful frame pays
 * for one: gRPC measures its bandwidth with a PING per round trip of data.
 */
const CONTROL_BURST = 1000;
const CONTROLS_PER_SECOND = 100;
/** What Envoy lets WINDOW_UPDATEs begin with. */
const WINDOW_UPDATES_FREE = 5;

const EMPTY_FLOOD = HTTP2.index.inbound_empty_frames_flood;
const PRIORITY_FLOOD = HTTP2.index.inbound_priority_frames_flood;
const WINDOW_UPDATE_FLOOD = HTTP2.index.inbound_window_update_frames_flood;
const RESET_FLOOD = HTTP2.index.inbound_reset_flood;
const CONTROL_FLOOD = HTTP2.index.inbound_control_frames_flood;
const OUTBOUND_FLOOD = HTTP2.index.outbound_flood;
const OUTBOUND_CONTROL_FLOOD = HTTP2.index.outbound_control_flood;

/** What budgets need of the connection. */
export interface AbuseView {
  count(counter: number): void;
  nowMs(): number;
}

/** Refills with time, up to its burst. */
class TokenBucket {
  readonly #burst: number;
  readonly #perMs: number;
  #tokens: number;
  #atMs: number;

  constructor(burst: number, perSecond: number, nowMs: number) {
    this.#burst = burst;
    this.#perMs = perSecond / 1000;
    this.#tokens = burst;
    this.#atMs = nowMs;
  }

  /** extra: tokens that were earned otherwise. */
  take(nowMs: number, extra: number): boolean {
    this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#atMs) * this.#perMs + extra);
    this.#atMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}

export class AbuseBudget {
  readonly #view: AbuseView;
  readonly #options: Http2Options;
  readonly #resets: TokenBucket;
  readonly #controls: TokenBucket;
  /** HEADERS and DATA that came since the last control frame. */
  #usefulFrames = 0;
  #emptyFrames = 0;
  #priorityFrames = 0;
  #windowUpdates = 0;
  /** Streams that this connection has had. */
  streams = 0;
  /** Requests that were answered since the last early end of a stream. */
  answered = 0;

  constructor(view: AbuseView, options: Http2Options) {
    const nowMs = view.nowMs();
    this.#view = view;
    this.#options = options;
    this.#resets = new TokenBucket(RESET_BURST, RESETS_PER_SECOND, nowMs);
    this.#controls = new TokenBucket(CONTROL_BURST, CONTROLS_PER_SECOND, nowMs);
  }

  /** HEADERS, CONTINUATION or DATA; isEmpty: without payload and without an end (CVE-2019-9518). */
  isTooEmpty(isEmpty: boolean): boolean {
    this.#usefulFrames++;
    if (!isEmpty) {
      this.#emptyFrames = 0;
      return false;
    }
    if (++this.#emptyFrames <= this.#options.maxConsecutiveInboundFramesWithEmptyPayload) return false;
    this.#view.count(EMPTY_FLOOD);
    return true;
  }

  /** CVE-2019-9513. */
  isPriorityFlood(): boolean {
    const limit = this.#options.maxInboundPriorityFramesPerStream * (1 + this.streams);
    if (++this.#priorityFrames <= limit) return false;
    this.#view.count(PRIORITY_FLOOD);
    return true;
  }

  isWindowUpdateFlood(dataFramesSent: number): boolean {
    const perDataFrame = this.#options.maxInboundWindowUpdateFramesPerDataFrameSent;
    const limit = WINDOW_UPDATES_FREE + 2 * (this.streams + perDataFrame * dataFramesSent);
    if (++this.#windowUpdates <= limit) return false;
    this.#view.count(WINDOW_UPDATE_FLOOD);
    return true;
  }

  isResetFlood(): boolean {
    const isWithin = this.#resets.take(this.#view.nowMs(), this.answered);
    this.answered = 0;
    if (isWithin) return false;
    this.#view.count(RESET_FLOOD);
    return true;
  }

  /** CVE-2019-9512, CVE-2019-9515, for peers that read what we answer. */
  isControlFlood(): boolean {
    const isWithin = this.#controls.take(this.#view.nowMs(), this.#usefulFrames);
    this.#usefulFrames = 0;
    if (isWithin) return false;
    this.#view.count(CONTROL_FLOOD);
    return true;
  }

  /** Frames that the peer made us write and doesn't read. */
  isOutboundFlood(frames: number, controlFrames: number): boolean {
    if (controlFrames > this.#options.maxOutboundControlFrames) this.#view.count(OUTBOUND_CONTROL_FLOOD);
    else if (frames + controlFrames > this.#options.maxOutboundFrames) this.#view.count(OUTBOUND_FLOOD);
    else return false;
    return true;
  }
}
