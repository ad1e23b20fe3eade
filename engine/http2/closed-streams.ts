/** ClosedStreams: how streams of a connection closed, so that late frames on them get the answer they deserve. */

/** Not among the last ones: long closed, or skipped. */
export const CLOSED_UNKNOWN = 0;
/** Both sides ended it, or the peer reset it: nothing may follow (RFC 9113 §5.1). */
export const CLOSED_BY_PEER = 1;
/** We reset it: what the peer sent before it knew is taken and dropped. */
export const CLOSED_BY_US = 2;
export type ClosedHow = number;

/** More remembers more of what is still on its way after many resets at once; 5 bytes each. */
const STREAMS = 256;

export class ClosedStreams {
  // Made when the first stream closes: an idle connection needs none.
  #ids: Int32Array | null = null;
  #hows: Uint8Array | null = null;

  note(id: number, how: ClosedHow): void {
    if (this.#ids === null || this.#hows === null) {
      this.#ids = new Int32Array(STREAMS);
      this.#hows = new Uint8Array(STREAMS);
    }
    const at = (id >> 1) & (STREAMS - 1);
    this.#ids[at] = id;
    this.#hows[at] = how;
  }

  how(id: number): ClosedHow {
    if (this.#ids === null || this.#hows === null) return CLOSED_UNKNOWN;
    const at = (id >> 1) & (STREAMS - 1);
    return this.#ids[at] === id ? (this.#hows[at] as number) : CLOSED_UNKNOWN;
  }
}
