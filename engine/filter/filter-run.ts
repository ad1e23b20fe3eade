/** FilterRun: one exchange's way through its listener's filters in both directions: where it is, and what waits. */
import type { Head } from '../http/head.js';
import type { FilterChain } from './chain.js';
import { DONE, type FilterContext, type FilterState, HOLD, NEXT, TAKEN, type Verdict, WAIT } from './filter.js';
import { type Direction, type Kept, NONE, REQUEST, RESPONSE, Way } from './way.js';

/** The exchange, as its filters' run sees it: what comes out of them goes there. */
export interface Filtered extends FilterContext {
  /** The request head has passed all hooks: on to an endpoint. */
  pick(): void;
  relayRequest(bytes: Uint8Array, start: number, end: number, last: boolean): void;
  relayRequestTrailers(trailers: Head): void;
  sendResponse(end: boolean): void;
  relayResponse(bytes: Uint8Array, start: number, end: number, last: boolean): void;
  relayResponseTrailers(trailers: Head): void;
  /** The head outlives the turn. */
  keepHead(direction: Direction): void;
  /** A copy of trailers that outlives the turn; given back by dropTrailers(). */
  keepTrailers(trailers: Head): Head;
  dropTrailers(trailers: Head): void;
  /** Nothing more is read from where this direction begins, or on again. */
  holdSource(direction: Direction, isHeld: boolean): void;
  /** A request head waits for its body: a client that wants to be asked for it (Expect) is asked. */
  askForBody(): void;
  /** An endpoint is being connected to: what follows the request head has nowhere to go before requestReady(). */
  readonly isAcquiring: boolean;
  /** So many bytes that came have gone on. */
  credit(direction: Direction, byteCount: number): void;
}

const NOTHING = new Uint8Array(0);
/** Tickets of this worker: each is given once. */
let tickets = 0;

export class FilterRun {
  readonly #chain: FilterChain;
  readonly #states: readonly FilterState[];
  #configs: readonly unknown[];
  #x: Filtered | null = null;
  readonly #request: Way;
  readonly #response: Way;
  /** The hook that runs: its direction and place. */
  #running: Way | null = null;
  #place = NONE;

  constructor(chain: FilterChain) {
    this.#chain = chain;
    this.#states = chain.newStates();
    this.#configs = chain.configsOf(null);
    this.#request = new Way(REQUEST, chain.length);
    this.#response = new Way(RESPONSE, chain.length);
  }

  begin(x: Filtered): void {
    this.#x = x;
  }

  /** The exchange is over: back to the chain. */
  end(): void {
    const x = this.#x as Filtered;
    this.#request.reset(x);
    this.#response.reset(x);
    for (let i = 0; i < this.#states.length; i++) (this.#states[i] as FilterState).reset();
    this.#configs = this.#chain.configsOf(null);
    this.#x = null;
    this.#chain.give(this);
  }

  // ---- what comes ----------------------------------------------------------------------------------------

  requestHead(end: boolean): void {
    this.#configs = this.#chain.configsOf((this.#x as Filtered).filterScope);
    this.#request.headEnd = end;
    this.#request.hasEnded = end;
    this.#head(this.#request);
  }

  responseHead(end: boolean): void {
    this.#response.headEnd = end;
    this.#response.hasEnded = end;
    this.#head(this.#response);
  }

  requestData(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    this.#arrive(this.#request, bytes, start, end, last);
  }

  responseData(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    this.#arrive(this.#response, bytes, start, end, last);
  }

  requestTrailers(trailers: Head): void {
    this.#ends(this.#request);
    this.#trailers(this.#request, this.#request.first, trailers);
  }

  responseTrailers(trailers: Head): void {
    this.#ends(this.#response);
    this.#trailers(this.#response, this.#response.first, trailers);
  }

  /** The request's head has left for an endpoint: so may what has been kept behind it. */
  requestReady(): void {
    if (this.#request.isBlocked) this.#goOn(this.#request);
  }

  /** An answer of our own, from the start, whatever had come of another; end: it has no body. */
  reply(end: boolean): void {
    const isInside = this.#running === this.#response;
    this.#response.reset(this.#x as Filtered);
    this.#response.isBypassed = isInside;
    this.responseHead(end);
  }

  // ---- FilterContext -------------------------------------------------------------------------------------

  ticket(): number {
    const way = this.#running;
    if (way === null) return 0;
    way.ticket = ++tickets;
    return way.ticket;
  }

  resume(ticket: number): void {
    if (ticket === 0) return;
    if (this.#request.isWaiting && this.#request.ticket === ticket) this.#goOn(this.#request);
    else if (this.#response.isWaiting && this.#response.ticket === ticket) this.#goOn(this.#response);
  }

  emit(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    const way = this.#running;
    if (way === null) return;
    const place = this.#place;
    if (way.heldBy === place) {
      const isEmpty = last && start === end && way === this.#response;
      this.#releaseHead(way, isEmpty);
      if (isEmpty) return;
    }
    this.#data(way, place + way.step, bytes, start, end, last);
  }

  // ---- through the hooks ---------------------------------------------------------------------------------

  #head(way: Way): void {
    const x = this.#x as Filtered;
    const hooks = way === this.#request ? this.#chain.requestHead : this.#chain.responseHead;
    while (way.headAt !== way.end && !way.isBypassed) {
      const place = way.headAt;
      way.headAt += way.step;
      const hook = hooks[place];
      const config = this.#configs[place];
      if (hook === undefined || config === null) continue;
      const running = this.#running;
      const before = this.#place;
      this.#running = way;
      this.#place = place;
      const verdict = hook(x, config, this.#states[place] as FilterState, way.headEnd);
      this.#running = running;
      this.#place = before;
      if (verdict === WAIT) {
        x.keepHead(way.direction);
        this.#wait(way);
        return;
      }
      if (verdict === HOLD && !way.headEnd) {
        x.keepHead(way.direction);
        way.heldBy = place;
        if (way === this.#request) x.askForBody();
        return;
      }
      if (verdict === DONE) {
        way.isBypassed = true;
        return;
      }
    }
    way.hasPassedHead = true;
    if (way === this.#request) x.pick();
    else x.sendResponse(way.headEnd);
  }

  #releaseHead(way: Way, end: boolean): void {
    way.heldBy = NONE;
    way.headEnd = end;
    this.#head(way);
  }

  #arrive(way: Way, bytes: Uint8Array, start: number, end: number, last: boolean): void {
    if (last) this.#ends(way);
    this.#data(way, way.first, bytes, start, end, last);
    // What waits is owed until it has gone on.
    if (way.isWaiting) way.owed += end - start;
    else (this.#x as Filtered | null)?.credit(way.direction, end - start);
  }

  #data(way: Way, from: number, bytes: Uint8Array, start: number, end: number, last: boolean): void {
    const x = this.#x as Filtered;
    if (way.isWaiting) {
      this.#keep(way, from, bytes, start, end, last);
      return;
    }
    const hooks = way === this.#request ? this.#chain.requestData : this.#chain.responseData;
    for (let place = from; place !== way.end; place += way.step) {
      const hook = hooks[place];
      const config = this.#configs[place];
      if (hook === undefined || config === null || way.isBypassed) continue;
      const running = this.#running;
      const before = this.#place;
      this.#running = way;
      this.#place = place;
      const verdict = hook(x, config, this.#states[place] as FilterState, bytes, start, end, last);
      this.#running = running;
      this.#place = before;
      if (verdict === WAIT) {
        this.#wait(way);
        this.#keep(way, place, bytes, start, end, last);
        return;
      }
      if (verdict === DONE) way.isBypassed = true;
      if (verdict === TAKEN || verdict === DONE) return;
      if (way.heldBy === place) this.#releaseHead(way, false);
      // The head waits now, or what the hook emitted: this goes behind.
      if (way.isWaiting) {
        this.#keep(way, place + way.step, bytes, start, end, last);
        return;
      }
    }
    if (way !== this.#request) x.relayResponse(bytes, start, end, last);
    else if (x.isAcquiring) {
      this.#block(way);
      this.#keep(way, way.end, bytes, start, end, last);
    } else x.relayRequest(bytes, start, end, last);
  }

  #trailers(way: Way, from: number, trailers: Head): void {
    const x = this.#x as Filtered;
    if (way.isWaiting) {
      this.#keepTrailers(way, from, trailers);
      return;
    }
    const hooks = way === this.#request ? this.#chain.requestTrailers : this.#chain.responseTrailers;
    for (let place = from; place !== way.end; place += way.step) {
      const hook = hooks[place];
      const config = this.#configs[place];
      let verdict: Verdict = NEXT;
      if (hook !== undefined && config !== null && !way.isBypassed) {
        const running = this.#running;
        const before = this.#place;
        this.#running = way;
        this.#place = place;
        verdict = hook(x, config, this.#states[place] as FilterState, trailers);
        this.#running = running;
        this.#place = before;
      }
      if (verdict === WAIT) {
        this.#wait(way);
        this.#keepTrailers(way, place, trailers);
        return;
      }
      if (verdict === DONE) way.isBypassed = true;
      if (verdict === TAKEN || verdict === DONE) return;
      if (way.heldBy === place) this.#releaseHead(way, false);
      if (way.isWaiting) {
        this.#keepTrailers(way, place + way.step, trailers);
        return;
      }
    }
    if (way !== this.#request) x.relayResponseTrailers(trailers);
    else if (x.isAcquiring) {
      this.#block(way);
      this.#keepTrailers(way, way.end, trailers);
    } else x.relayRequestTrailers(trailers);
  }

  // ---- waiting -------------------------------------------------------------------------------------------

  #wait(way: Way): void {
    way.isWaiting = true;
    if (way.hasEnded || way.isSourceHeld) return;
    way.isSourceHeld = true;
    (this.#x as Filtered).holdSource(way.direction, true);
  }

  /** At the end of the filters, until there is somewhere to go. */
  #block(way: Way): void {
    way.isBlocked = true;
    this.#wait(way);
  }

  #release(way: Way): void {
    if (!way.isSourceHeld) return;
    way.isSourceHeld = false;
    (this.#x as Filtered).holdSource(way.direction, false);
  }

  /** Its source may serve others from now on: no hold of ours stays on it. */
  #ends(way: Way): void {
    way.hasEnded = true;
    this.#release(way);
  }

  #keep(way: Way, place: number, bytes: Uint8Array, start: number, end: number, last: boolean): void {
    way.kept.push({ place, bytes: new Uint8Array(bytes.subarray(start, end)), last, trailers: null });
  }

  #keepTrailers(way: Way, place: number, trailers: Head): void {
    const copy = (this.#x as Filtered).keepTrailers(trailers);
    way.kept.push({ place, bytes: NOTHING, last: true, trailers: copy });
  }

  #goOn(way: Way): void {
    const x = this.#x as Filtered;
    way.isWaiting = false;
    way.isBlocked = false;
    way.ticket = 0;
    this.#release(way);
    if (!way.hasPassedHead && way.heldBy === NONE) this.#head(way);
    const kept = way.kept;
    way.kept = [];
    for (let at = 0; at < kept.length; at++) {
      const { place, bytes, last, trailers } = kept[at] as Kept;
      if (way.isWaiting) {
        // Behind what the filter that waits now was given, and what those before it emitted.
        way.kept.push(...kept.slice(at));
        return;
      }
      if (trailers === null) this.#data(way, place, bytes, 0, bytes.length, last);
      else {
        this.#trailers(way, place, trailers);
        x.dropTrailers(trailers);
      }
    }
    if (way.isWaiting) return;
    const owed = way.owed;
    way.owed = 0;
    if (owed > 0) x.credit(way.direction, owed);
  }
}
