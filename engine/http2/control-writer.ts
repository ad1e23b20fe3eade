/** ControlWriter: the small frames of a connection: SETTINGS, PING, GOAWAY, RST_STREAM, WINDOW_UPDATE. */
import type { Arena, Conn } from '../io/transport.js';
import type { ErrorCode } from './error-codes.js';
import {
  FLAG_ACK,
  FRAME_GOAWAY,
  FRAME_HEADER_BYTES,
  FRAME_PING,
  FRAME_RST_STREAM,
  FRAME_SETTINGS,
  FRAME_WINDOW_UPDATE,
  PREFACE,
  SETTING_BYTES,
  writeFrameHeader,
  writeUint32,
} from './frames.js';

export class ControlWriter {
  readonly #conn: Conn;
  readonly #arena: Arena;
  /** Written since the peer had taken everything. */
  frames = 0;

  constructor(conn: Conn, arena: Arena) {
    this.#conn = conn;
    this.#arena = arena;
  }

  preface(): void {
    this.#conn.write(PREFACE, 0, PREFACE.length);
  }

  /** pairs: identifier, value, identifier, value. */
  settings(pairs: readonly number[]): void {
    const length = (pairs.length / 2) * SETTING_BYTES;
    const start = this.#arena.reserve(FRAME_HEADER_BYTES + length);
    const bytes = this.#arena.bytes;
    let at = writeFrameHeader(bytes, start, length, FRAME_SETTINGS, 0, 0);
    for (let i = 0; i < pairs.length; i += 2) {
      bytes[at] = (pairs[i] as number) >> 8;
      bytes[at + 1] = (pairs[i] as number) & 0xff;
      at = writeUint32(bytes, at + 2, pairs[i + 1] as number);
    }
    this.#write(start, at);
  }

  settingsAck(): void {
    const start = this.#arena.reserve(FRAME_HEADER_BYTES);
    this.#write(start, writeFrameHeader(this.#arena.bytes, start, 0, FRAME_SETTINGS, FLAG_ACK, 0));
  }

  ping(flags: number, high: number, low: number): void {
    const start = this.#arena.reserve(FRAME_HEADER_BYTES + 8);
    const bytes = this.#arena.bytes;
    const at = writeFrameHeader(bytes, start, 8, FRAME_PING, flags, 0);
    this.#write(start, writeUint32(bytes, writeUint32(bytes, at, high), low));
  }

  goaway(lastId: number, code: ErrorCode): void {
    const start = this.#arena.reserve(FRAME_HEADER_BYTES + 8);
    const bytes = this.#arena.bytes;
    const at = writeFrameHeader(bytes, start, 8, FRAME_GOAWAY, 0, 0);
    this.#write(start, writeUint32(bytes, writeUint32(bytes, at, lastId), code));
  }

  rstStream(id: number, code: ErrorCode): void {
    const start = this.#arena.reserve(FRAME_HEADER_BYTES + 4);
    const bytes = this.#arena.bytes;
    this.#write(start, writeUint32(bytes, writeFrameHeader(bytes, start, 4, FRAME_RST_STREAM, 0, id), code));
  }

  windowUpdate(id: number, byteCount: number): void {
    const start = this.#arena.reserve(FRAME_HEADER_BYTES + 4);
    const bytes = this.#arena.bytes;
    this.#write(start, writeUint32(bytes, writeFrameHeader(bytes, start, 4, FRAME_WINDOW_UPDATE, 0, id), byteCount));
  }

  #write(start: number, end: number): void {
    this.#arena.commit(end);
    this.frames++;
    this.#conn.write(this.#arena.bytes, start, end);
  }
}
