/** FrameDispatch: which frame may come when, its length, ids and budget (RFC 9113 §6); what it means is the connection's. */
import type { AbuseBudget } from './abuse.js';
import { ENHANCE_YOUR_CALM, type ErrorCode, FRAME_SIZE_ERROR, PROTOCOL_ERROR } from './error-codes.js';
import type { FrameSink } from './frame-reader.js';
import {
  FLAG_ACK,
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FLAG_PADDED,
  FLAG_PRIORITY,
  FRAME_CONTINUATION,
  FRAME_GOAWAY,
  FRAME_HEADERS,
  FRAME_PING,
  FRAME_PRIORITY,
  FRAME_PUSH_PROMISE,
  FRAME_RST_STREAM,
  FRAME_SETTINGS,
  FRAME_WINDOW_UPDATE,
  SETTING_BYTES,
  uint31,
  uint32,
} from './frames.js';
import { HeaderAssembly } from './header-assembly.js';
import type { Intake } from './intake.js';
import type { Outbox } from './outbox.js';
import type { Http2Stream } from './stream.js';
import type { StreamStore } from './stream-store.js';

/** What frames of the right form mean. */
export interface FrameOwner {
  readonly abuse: AbuseBudget;
  readonly intake: Intake;
  readonly outbox: Outbox;
  /** A whole header block. */
  onBlock(
    id: number,
    flags: number,
    isSelfDependent: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): ErrorCode;
  /** A header block that is too big, or comes in too many pieces. */
  onEndlessBlock(): void;
  onSettings(bytes: Uint8Array, start: number, end: number): ErrorCode;
  onSettingsAck(): void;
  /** high, low: its eight bytes. */
  onPing(isAck: boolean, high: number, low: number): void;
  readonly store: StreamStore;
  streamError(stream: Http2Stream, error: ErrorCode): ErrorCode;
  onGoaway(lastId: number, code: ErrorCode): void;
  /** byteCount may be 0. */
  onWindowUpdate(id: number, byteCount: number): ErrorCode;
  onReset(id: number, code: ErrorCode): ErrorCode;
}

export class FrameDispatch implements FrameSink {
  readonly #owner: FrameOwner;
  readonly #abuse: AbuseBudget;
  readonly #assembly: HeaderAssembly;
  /** The peer's first frame has come: SETTINGS. */
  #isGreeted = false;
  #isAcknowledged = false;

  constructor(owner: FrameOwner, maxHeadBytes: number) {
    this.#owner = owner;
    this.#abuse = owner.abuse;
    this.#assembly = new HeaderAssembly(maxHeadBytes);
  }

  /** A header block has begun and is not whole. */
  get hasPartialBlock(): boolean {
    return this.#assembly.id !== 0;
  }

  onFrame(type: number, flags: number, id: number, bytes: Uint8Array, start: number, end: number): ErrorCode {
    const assembly = this.#assembly;
    if (assembly.id !== 0 && (type !== FRAME_CONTINUATION || id !== assembly.id)) return PROTOCOL_ERROR;
    // RFC 9113 §3.4: SETTINGS first, from either side.
    if (!this.#isGreeted && (type !== FRAME_SETTINGS || (flags & FLAG_ACK) !== 0)) return PROTOCOL_ERROR;
    switch (type) {
      case FRAME_HEADERS:
        return this.#onHeaders(flags, id, bytes, start, end);
      case FRAME_WINDOW_UPDATE:
        return this.#onWindowUpdate(id, bytes, start, end);
      case FRAME_RST_STREAM:
        return this.#onRstStream(id, bytes, start, end);
      case FRAME_SETTINGS:
        return this.#onSettings(flags, id, bytes, start, end);
      case FRAME_PING:
        return this.#onPing(flags, id, bytes, start, end);
      case FRAME_PRIORITY:
        return this.#onPriority(id, bytes, start, end);
      case FRAME_GOAWAY:
        return this.#onGoaway(id, bytes, start, end);
      case FRAME_CONTINUATION:
        return this.#onContinuation(flags, bytes, start, end);
      case FRAME_PUSH_PROMISE:
        // We never allowed any (RFC 9113 §8.4).
        return PROTOCOL_ERROR;
      default:
        return this.#abuse.isControlFlood() ? ENHANCE_YOUR_CALM : 0;
    }
  }

  onDataFrame(flags: number, id: number, frameBytes: number, padding: number): ErrorCode {
    if (this.#assembly.id !== 0 || !this.#isGreeted) return PROTOCOL_ERROR;
    return this.#owner.intake.begin(flags, id, frameBytes, padding);
  }

  onDataBytes(bytes: Uint8Array, start: number, end: number, isWhole: boolean): ErrorCode {
    return this.#owner.intake.bytes(bytes, start, end, isWhole);
  }

  // ---- header blocks -------------------------------------------------------------------------------------

  #onHeaders(flags: number, id: number, bytes: Uint8Array, start: number, end: number): ErrorCode {
    if (id === 0) return PROTOCOL_ERROR;
    let from = start;
    let to = end;
    if ((flags & FLAG_PADDED) !== 0) {
      if (from === to) return FRAME_SIZE_ERROR;
      to -= bytes[from++] as number;
    }
    let isSelfDependent = false;
    if ((flags & FLAG_PRIORITY) !== 0) {
      if (from + 5 > end) return FRAME_SIZE_ERROR;
      isSelfDependent = uint31(bytes, from) === id;
      from += 5;
    }
    if (to < from) return PROTOCOL_ERROR;
    if (this.#abuse.isTooEmpty(to === from && (flags & FLAG_END_STREAM) === 0)) return ENHANCE_YOUR_CALM;
    if ((flags & FLAG_END_HEADERS) !== 0) return this.#owner.onBlock(id, flags, isSelfDependent, bytes, from, to);
    return this.#assembled(this.#assembly.begin(id, flags, isSelfDependent, bytes, from, to));
  }

  #onContinuation(flags: number, bytes: Uint8Array, start: number, end: number): ErrorCode {
    const assembly = this.#assembly;
    if (assembly.id === 0) return PROTOCOL_ERROR;
    if (this.#abuse.isTooEmpty(start === end && (flags & FLAG_END_HEADERS) === 0)) return ENHANCE_YOUR_CALM;
    const error = this.#assembled(assembly.continue(bytes, start, end));
    if (error !== 0 || (flags & FLAG_END_HEADERS) === 0) return error;
    const { id, flags: first, isSelfDependent, bytes: block, length } = assembly;
    assembly.end();
    return this.#owner.onBlock(id, first, isSelfDependent, block, 0, length);
  }

  #assembled(error: ErrorCode): ErrorCode {
    if (error !== 0) this.#owner.onEndlessBlock();
    return error;
  }

  // ---- control frames ------------------------------------------------------------------------------------

  #onSettings(flags: number, id: number, bytes: Uint8Array, start: number, end: number): ErrorCode {
    if (id !== 0) return PROTOCOL_ERROR;
    if ((flags & FLAG_ACK) !== 0) {
      if (end > start) return FRAME_SIZE_ERROR;
      if (this.#isAcknowledged) return this.#abuse.isControlFlood() ? ENHANCE_YOUR_CALM : 0;
      this.#isAcknowledged = true;
      this.#owner.onSettingsAck();
      return 0;
    }
    if ((end - start) % SETTING_BYTES !== 0) return FRAME_SIZE_ERROR;
    if (this.#abuse.isControlFlood()) return ENHANCE_YOUR_CALM;
    this.#isGreeted = true;
    return this.#owner.onSettings(bytes, start, end);
  }

  #onPing(flags: number, id: number, bytes: Uint8Array, start: number, end: number): ErrorCode {
    if (id !== 0) return PROTOCOL_ERROR;
    if (end - start !== 8) return FRAME_SIZE_ERROR;
    if (this.#abuse.isControlFlood()) return ENHANCE_YOUR_CALM;
    this.#owner.onPing((flags & FLAG_ACK) !== 0, uint32(bytes, start), uint32(bytes, start + 4));
    return 0;
  }

  #onPriority(id: number, bytes: Uint8Array, start: number, end: number): ErrorCode {
    if (id === 0) return PROTOCOL_ERROR;
    if (this.#abuse.isPriorityFlood()) return ENHANCE_YOUR_CALM;
    const error = end - start !== 5 ? FRAME_SIZE_ERROR : uint31(bytes, start) === id ? PROTOCOL_ERROR : 0;
    if (error === 0) return 0;
    const stream = this.#owner.store.find(id);
    // An error of the stream (RFC 9113 §6.3), but one that doesn't exist can't be reset.
    return stream === null ? error : this.#owner.streamError(stream, error);
  }

  #onGoaway(id: number, bytes: Uint8Array, start: number, end: number): ErrorCode {
    if (id !== 0) return PROTOCOL_ERROR;
    if (end - start < 8) return FRAME_SIZE_ERROR;
    if (this.#abuse.isControlFlood()) return ENHANCE_YOUR_CALM;
    this.#owner.onGoaway(uint31(bytes, start), uint32(bytes, start + 4));
    return 0;
  }

  #onWindowUpdate(id: number, bytes: Uint8Array, start: number, end: number): ErrorCode {
    if (end - start !== 4) return FRAME_SIZE_ERROR;
    if (this.#abuse.isWindowUpdateFlood(this.#owner.outbox.dataFrames)) return ENHANCE_YOUR_CALM;
    return this.#owner.onWindowUpdate(id, uint31(bytes, start));
  }

  #onRstStream(id: number, bytes: Uint8Array, start: number, end: number): ErrorCode {
    if (id === 0) return PROTOCOL_ERROR;
    if (end - start !== 4) return FRAME_SIZE_ERROR;
    return this.#owner.onReset(id, uint32(bytes, start));
  }
}
