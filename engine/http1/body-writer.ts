/** BodyWriter: a message body on its way out: framed as its head said, and counted so that no head ever lies. */
import { BODY_CHUNKED, BODY_LENGTH, BODY_NONE, type BodyKind } from '../http/framing.js';
import type { Head } from '../http/head.js';
import type { Arena, Conn } from '../io/transport.js';
import { writeChunk, writeLastChunk } from './chunked.js';
import { writeTrailers } from './head-writer.js';

const EMPTY = new Uint8Array(0);

export class BodyWriter {
  kind: BodyKind = BODY_NONE;
  /** More or fewer bytes than announced: the connection must not go on, or the next message begins at a wrong place. */
  isBroken = false;
  #remaining = 0;

  /** length: of BODY_LENGTH. */
  begin(kind: BodyKind, length: number): void {
    this.kind = kind;
    this.#remaining = length;
    this.isBroken = false;
  }

  /** True = the connection is full. */
  write(conn: Conn, arena: Arena, bytes: Uint8Array, start: number, end: number, last: boolean): boolean {
    switch (this.kind) {
      case BODY_NONE:
        return false;
      case BODY_CHUNKED:
        return (end > start || last) && writeChunk(conn, arena, bytes, start, end, last);
      case BODY_LENGTH:
        this.#remaining -= end - start;
        if (this.#remaining < 0 || (last && this.#remaining > 0)) {
          this.isBroken = true;
          return false;
        }
    }
    return conn.write(bytes, start, end);
  }

  /** The end, without further bytes. */
  end(conn: Conn, arena: Arena): boolean {
    return this.write(conn, arena, EMPTY, 0, 0, true);
  }

  /** The end, with trailers where the framing can carry them. */
  endWithTrailers(conn: Conn, arena: Arena, trailers: Head): boolean {
    if (this.kind !== BODY_CHUNKED) return this.end(conn, arena);
    const from = arena.reserve(3);
    const at = writeLastChunk(arena.bytes, from);
    arena.commit(at);
    conn.write(arena.bytes, from, at);
    return writeTrailers(conn, trailers, arena);
  }
}
