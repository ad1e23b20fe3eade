/** FrameReader: cuts received bytes into frames, however they are split; DATA is passed on as it comes. */
import { type ErrorCode, FRAME_SIZE_ERROR, PROTOCOL_ERROR } from './error-codes.js';
import { FLAG_PADDED, FRAME_BYTES_MAX, FRAME_DATA, FRAME_HEADER_BYTES, uint31 } from './frames.js';

// Laws: 1. Every frame but DATA comes whole: payload in bytes[start, end), borrowed until the call returns.
// 2. DATA comes as onDataFrame, then onDataBytes per piece that is here, without padding; the piece that completes the
//    frame says so, also when it is empty. 3. The first error ends everything: nothing is read behind it.

export interface FrameSink {
  onFrame(type: number, flags: number, id: number, bytes: Uint8Array, start: number, end: number): ErrorCode;
  /** frameBytes with padding: what flow control counts; padding: of these, what never comes as data. */
  onDataFrame(flags: number, id: number, frameBytes: number, padding: number): ErrorCode;
  onDataBytes(bytes: Uint8Array, start: number, end: number, isWhole: boolean): ErrorCode;
}

const NOTHING = new Uint8Array(0);

export class FrameReader {
  readonly #sink: FrameSink;
  /** A frame of which a part has come: its header and as much of its payload. */
  #part = NOTHING;
  #partBytes = 0;
  /** Inside a DATA frame: what is left of data and padding. */
  #dataLeft = 0;
  #paddingLeft = 0;
  #isInData = false;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  feed(bytes: Uint8Array, start: number, end: number): ErrorCode {
    let at = start;
    while (at < end) {
      if (this.#isInData) {
        at = this.#feedData(bytes, at, end);
        if (at < 0) return -at;
        continue;
      }
      if (this.#partBytes > 0) {
        at = this.#feedPart(bytes, at, end);
        if (at < 0) return -at;
        continue;
      }
      if (at + FRAME_HEADER_BYTES > end) return this.#keep(bytes, at, end, FRAME_HEADER_BYTES);
      const length = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
      const type = bytes[at + 3] as number;
      if (length > FRAME_BYTES_MAX) return FRAME_SIZE_ERROR;
      const payload = at + FRAME_HEADER_BYTES;
      if (type === FRAME_DATA) {
        // The padding's length has to be here to say how much is data.
        if (((bytes[at + 4] as number) & FLAG_PADDED) !== 0 && length > 0 && payload === end)
          return this.#keep(bytes, at, end, FRAME_HEADER_BYTES + 1);
        const error = this.#beginData(bytes, at, length);
        if (error !== 0) return error;
        at = payload + (((bytes[at + 4] as number) & FLAG_PADDED) !== 0 ? 1 : 0);
        // An empty frame is whole already.
        if (at === end || this.#dataLeft + this.#paddingLeft === 0) {
          at = this.#feedData(bytes, at, end);
          if (at < 0) return -at;
        }
        continue;
      }
      if (payload + length > end) return this.#keep(bytes, at, end, FRAME_HEADER_BYTES + length);
      const error = this.#sink.onFrame(
        type,
        bytes[at + 4] as number,
        uint31(bytes, at + 5),
        bytes,
        payload,
        payload + length,
      );
      if (error !== 0) return error;
      at = payload + length;
    }
    return 0;
  }

  /** Begins the DATA frame whose header lies at bytes[at]. */
  #beginData(bytes: Uint8Array, at: number, length: number): ErrorCode {
    const flags = bytes[at + 4] as number;
    let padding = 0;
    if ((flags & FLAG_PADDED) !== 0) {
      if (length === 0) return FRAME_SIZE_ERROR;
      padding = 1 + (bytes[at + FRAME_HEADER_BYTES] as number);
      // RFC 9113 §6.1: padding as long as the payload or longer.
      if (padding > length) return PROTOCOL_ERROR;
    }
    this.#isInData = true;
    this.#dataLeft = length - padding;
    this.#paddingLeft = padding === 0 ? 0 : padding - 1;
    return this.#sink.onDataFrame(flags, uint31(bytes, at + 5), length, padding);
  }

  /** Passes on what is here of a DATA frame; answers where it stopped, or minus an error. */
  #feedData(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    const stop = Math.min(end, start + this.#dataLeft);
    this.#dataLeft -= stop - start;
    const paddingEnd = Math.min(end, stop + (this.#dataLeft === 0 ? this.#paddingLeft : 0));
    this.#paddingLeft -= paddingEnd - stop;
    const isWhole = this.#dataLeft === 0 && this.#paddingLeft === 0;
    if (isWhole) this.#isInData = false;
    at = paddingEnd;
    if (stop > start || isWhole) {
      const error = this.#sink.onDataBytes(bytes, start, stop, isWhole);
      if (error !== 0) return -error;
    }
    return at;
  }

  /** Keeps the first part of a frame; need: bytes that let us go on. */
  #keep(bytes: Uint8Array, start: number, end: number, need: number): ErrorCode {
    this.#part = new Uint8Array(need);
    this.#part.set(bytes.subarray(start, end));
    this.#partBytes = end - start;
    return 0;
  }

  /** More of a frame that began in an earlier piece; answers where it stopped, or minus an error. */
  #feedPart(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (this.#partBytes < this.#part.length && at < end) {
      const stop = Math.min(end, at + this.#part.length - this.#partBytes);
      this.#part.set(bytes.subarray(at, stop), this.#partBytes);
      this.#partBytes += stop - at;
      at = stop;
    }
    const part = this.#part;
    if (this.#partBytes < part.length) return at;
    const length = ((part[0] as number) << 16) | ((part[1] as number) << 8) | (part[2] as number);
    if (length > FRAME_BYTES_MAX) return -FRAME_SIZE_ERROR;
    const type = part[3] as number;
    const isData = type === FRAME_DATA;
    const isPadded = ((part[4] as number) & FLAG_PADDED) !== 0;
    const need = FRAME_HEADER_BYTES + (isData ? (isPadded && length > 0 ? 1 : 0) : length);
    if (part.length < need) {
      this.#keep(part, 0, part.length, need);
      return at;
    }
    this.#part = NOTHING;
    this.#partBytes = 0;
    if (isData) {
      const error = this.#beginData(part, 0, length);
      if (error !== 0) return -error;
      return this.#dataLeft + this.#paddingLeft === 0 ? this.#feedData(bytes, at, at) : at;
    }
    const error = this.#sink.onFrame(
      type,
      part[4] as number,
      uint31(part, 5),
      part,
      FRAME_HEADER_BYTES,
      FRAME_HEADER_BYTES + length,
    );
    return error === 0 ? at : -error;
  }
}
