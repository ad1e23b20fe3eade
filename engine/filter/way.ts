/** Way: one direction of an exchange through its filters: how far the head has come, and what is kept behind it. */
import type { Head } from '../http/head.js';

export const REQUEST = 0;
export const RESPONSE = 1;
export type Direction = typeof REQUEST | typeof RESPONSE;

/** What came, or was emitted, while a filter waited; for the filter at `place` and those behind it. */
export interface Kept {
  readonly place: number;
  readonly bytes: Uint8Array;
  readonly last: boolean;
  readonly trailers: Head | null;
}

/** Who takes back copies of trailers. */
export interface TrailersOwner {
  dropTrailers(trailers: Head): void;
}

/** No filter. */
export const NONE = -2;

export class Way {
  readonly direction: Direction;
  readonly first: number;
  readonly step: number;
  /** Behind the last filter. */
  readonly end: number;
  isWaiting = false;
  /** It is no filter that waits: there is nowhere to go yet. */
  isBlocked = false;
  ticket = 0;
  /** Where the head goes on, and whether anything follows it. */
  headAt: number;
  headEnd = false;
  hasPassedHead = false;
  /** The filter that holds the head. */
  heldBy = NONE;
  /** Hooks are passed over: one of them has replied. */
  isBypassed = false;
  kept: Kept[] = [];
  /** Bytes that came and have not gone on. */
  owed = 0;
  isSourceHeld = false;
  /** Nothing more comes. */
  hasEnded = false;

  constructor(direction: Direction, length: number) {
    this.direction = direction;
    this.first = direction === REQUEST ? 0 : length - 1;
    this.step = direction === REQUEST ? 1 : -1;
    this.end = direction === REQUEST ? length : -1;
    this.headAt = this.first;
  }

  reset(x: TrailersOwner): void {
    this.isWaiting = false;
    this.isBlocked = false;
    this.ticket = 0;
    this.headAt = this.first;
    this.headEnd = false;
    this.hasPassedHead = false;
    this.heldBy = NONE;
    this.isBypassed = false;
    this.owed = 0;
    this.isSourceHeld = false;
    this.hasEnded = false;
    if (this.kept.length === 0) return;
    for (const { trailers } of this.kept) if (trailers !== null) x.dropTrailers(trailers);
    this.kept = [];
  }
}
