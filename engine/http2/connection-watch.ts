/** ConnectionWatch: what of an HTTP/2 connection is due when: acknowledgement of SETTINGS, PINGs, drain, stalled streams. */
import type { Prng } from '../base/prng.js';
import { Timer, type TimerWheel } from '../base/timer-wheel.js';
import type { Http2Options } from './options.js';

/** A peer that doesn't acknowledge SETTINGS within this is broken, or keeps us to the old ones on purpose. */
const SETTINGS_TIMEOUT_MS = 10000;

/** What a PING was sent for, as its first four bytes. */
export const PING_KEEPALIVE = 0x6b656570;
export const PING_DRAIN = 0x64726169;

export interface WatchOwner {
  sendPing(purpose: number): void;
  onSettingsTimeout(): void;
  onPingTimeout(): void;
  /** The grace of a drain is over. */
  onDrainDue(): void;
  /** Resets streams that have waited for window since `sinceMs` or longer; answers since when the oldest left has. */
  resetStalled(sinceMs: number): number;
}

export class ConnectionWatch extends Timer {
  /** A frame has come since this was last cleared: the peer lives. */
  isHeard = false;
  readonly #owner: WatchOwner;
  readonly #options: Http2Options;
  readonly #wheel: TimerWheel;
  readonly #random: Prng;
  #settingsDueMs = 0;
  #nextPingMs = 0;
  #pingDueMs = 0;
  #drainDueMs = 0;
  #flushDueMs = 0;

  constructor(owner: WatchOwner, options: Http2Options, wheel: TimerWheel, random: Prng) {
    super();
    this.#owner = owner;
    this.#options = options;
    this.#wheel = wheel;
    this.#random = random;
  }

  /** Our SETTINGS have left. */
  start(nowMs: number): void {
    this.#settingsDueMs = nowMs + SETTINGS_TIMEOUT_MS;
    this.#planPing(nowMs);
    this.#arm();
  }

  onSettingsAck(): void {
    this.#settingsDueMs = 0;
  }

  /** Sends a PING now, unless one is under way. */
  ping(nowMs: number): void {
    if (this.#pingDueMs !== 0) return;
    const { timeoutMs } = this.#options.connectionKeepalive;
    this.isHeard = false;
    if (timeoutMs !== 0) this.#pingDueMs = nowMs + timeoutMs;
    this.#owner.sendPing(PING_KEEPALIVE);
    this.#arm();
  }

  /** The keepalive PING came back. */
  onPingAck(nowMs: number): void {
    this.#pingDueMs = 0;
    this.#planPing(nowMs);
    this.#arm();
  }

  startDrain(nowMs: number): void {
    this.#drainDueMs = nowMs + this.#options.drainTimeoutMs;
    this.#arm();
  }

  endDrain(): void {
    this.#drainDueMs = 0;
  }

  /** A stream begins to wait for window. */
  onQueued(nowMs: number): void {
    if (this.#flushDueMs !== 0 || this.#options.streamFlushTimeoutMs === 0) return;
    this.#flushDueMs = nowMs + this.#options.streamFlushTimeoutMs;
    this.#arm();
  }

  stop(): void {
    this.#wheel.forget(this);
  }

  #planPing(nowMs: number): void {
    const { intervalMs, jitterPercent } = this.#options.connectionKeepalive;
    if (intervalMs === 0) return;
    this.#nextPingMs = nowMs + intervalMs + Math.floor((intervalMs * jitterPercent * this.#random.float()) / 100);
  }

  #arm(): void {
    let next = 0;
    for (const due of [this.#settingsDueMs, this.#nextPingMs, this.#pingDueMs, this.#drainDueMs, this.#flushDueMs])
      if (due !== 0 && (next === 0 || due < next)) next = due;
    if (next !== 0) this.#wheel.arm(this, next);
  }

  onTimer(nowMs: number): void {
    if (isDue(this.#settingsDueMs, nowMs)) {
      this.#settingsDueMs = 0;
      this.#owner.onSettingsTimeout();
      return;
    }
    if (isDue(this.#pingDueMs, nowMs)) {
      const { timeoutMs } = this.#options.connectionKeepalive;
      if (!this.isHeard) {
        this.#pingDueMs = 0;
        this.#owner.onPingTimeout();
        return;
      }
      // Something else came: the PING's answer waits behind it.
      this.isHeard = false;
      this.#pingDueMs = nowMs + timeoutMs;
    }
    if (isDue(this.#nextPingMs, nowMs)) {
      this.#nextPingMs = 0;
      this.ping(nowMs);
      if (this.#pingDueMs === 0) this.#planPing(nowMs);
    }
    if (isDue(this.#drainDueMs, nowMs)) {
      this.#drainDueMs = 0;
      this.#owner.onDrainDue();
    }
    if (isDue(this.#flushDueMs, nowMs)) {
      const { streamFlushTimeoutMs } = this.#options;
      const sinceMs = this.#owner.resetStalled(nowMs - streamFlushTimeoutMs);
      this.#flushDueMs = sinceMs === 0 ? 0 : sinceMs + streamFlushTimeoutMs;
    }
    this.#arm();
  }
}

function isDue(dueMs: number, nowMs: number): boolean {
  return dueMs !== 0 && dueMs <= nowMs;
}
