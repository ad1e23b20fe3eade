/** Behaviour: how one backend of a scenario answers: latency, concurrency limit, queue, failures, freezes. */
import type { Prng } from '../../engine/base/prng.js';
import type { ChangeEffect, Failures, LatencyShape } from '../scenario/scenario.js';

export interface BackendSettings {
  readonly latency: LatencyShape;
  /** 0 = no limit. */
  readonly concurrency: number;
  /** 0 = no limit. */
  readonly queue: number;
  readonly failures: Failures | null;
  readonly speed: number;
  readonly bodyBytes: number;
}

export interface Clock {
  nowMs(): number;
  after(ms: number, call: () => void): void;
}

export interface Reply {
  /** serviceUs: from the request's arrival. */
  answer(status: number, serviceUs: number): void;
}

interface Waiting {
  readonly reply: Reply;
  readonly arrivedMs: number;
}

export class Behaviour {
  readonly settings: BackendSettings;
  /** Requests that came, failures and refused ones with them. */
  received = 0;
  /** Answered with an error. */
  failed = 0;
  inFlightMax = 0;
  readonly #random: Prng;
  readonly #clock: Clock;
  readonly #onAnswer: (serviceUs: number) => void;
  #speed: number;
  #failures: Failures | null;
  #frozenUntilMs = 0;
  #inService = 0;
  #inFlight = 0;
  readonly #waiting: Waiting[] = [];

  /** onAnswer: hears the latency of every answer that is no error. */
  constructor(settings: BackendSettings, random: Prng, clock: Clock, onAnswer: (serviceUs: number) => void) {
    this.settings = settings;
    this.#random = random;
    this.#clock = clock;
    this.#onAnswer = onAnswer;
    this.#speed = settings.speed;
    this.#failures = settings.failures;
  }

  /** What is in service already goes on as it began. */
  change(effect: ChangeEffect): void {
    if (effect.speed !== undefined) this.#speed = effect.speed;
    if (effect.failures !== undefined) this.#failures = effect.failures;
    if (effect.freezeMs !== undefined) this.#frozenUntilMs = this.#clock.nowMs() + effect.freezeMs;
  }

  arrive(reply: Reply): void {
    const request = { reply, arrivedMs: this.#clock.nowMs() };
    this.received++;
    this.inFlightMax = Math.max(this.inFlightMax, ++this.#inFlight);
    const { concurrency, queue } = this.settings;
    const failures = this.#failures;
    if (failures !== null && this.#random.float() < failures.fraction) this.#fail(request, failures);
    else if (concurrency === 0 || this.#inService < concurrency) this.#serve(request);
    else if (queue === 0 || this.#waiting.length < queue) this.#waiting.push(request);
    else this.#answer(request, 503);
  }

  #fail(request: Waiting, { status, latencyMs }: Failures): void {
    this.#after(latencyMs, () => this.#answer(request, status));
  }

  #serve(request: Waiting): void {
    this.#inService++;
    this.#after(serviceMs(this.settings.latency, this.#random) / this.#speed, () => {
      this.#answer(request, 200);
      this.#inService--;
      const next = this.#waiting.shift();
      if (next !== undefined) this.#serve(next);
    });
  }

  /** Nothing ends while the backend is frozen, and what would have ended then ends with the freeze. */
  #after(ms: number, call: () => void): void {
    this.#clock.after(ms, () => {
      const frozenMs = this.#frozenUntilMs - this.#clock.nowMs();
      if (frozenMs > 0) this.#after(frozenMs, call);
      else call();
    });
  }

  #answer({ reply, arrivedMs }: Waiting, status: number): void {
    this.#inFlight--;
    const us = Math.round((this.#clock.nowMs() - arrivedMs) * 1000);
    if (status === 200) this.#onAnswer(us);
    else this.failed++;
    reply.answer(status, us);
  }
}

/** One draw of a latency, at speed 1. */
export function serviceMs({ distribution, meanMs, sigma }: LatencyShape, random: Prng): number {
  if (distribution === 'CONSTANT') return meanMs;
  if (distribution === 'EXPONENTIAL') return -Math.log(1 - random.float()) * meanMs;
  const normal = Math.sqrt(-2 * Math.log(1 - random.float())) * Math.cos(2 * Math.PI * random.float());
  return meanMs * Math.exp(sigma * normal - (sigma * sigma) / 2);
}
