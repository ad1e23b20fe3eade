/** BlockMemo: the last header block and the head that it became, for a peer that sends the same one again and again. */
import { sameWords, viewOf } from '../base/words.js';
import { HEAD_NEVER_INDEXED, type Head } from '../http/head.js';
import type { FieldInterns } from './field-interns.js';
import { LINE_PATH, PSEUDO_NAMES } from './header-rules.js';

// The same bytes mean the same head as long as the dynamic table is the same (nothing was inserted or evicted) and the
// interned lines are (the round). What of the head is not interned lies in its store, with offsets relative to that, so
// it is copied as it is: cookies, for one, which are kept for the connection alone. A path that came as a literal is
// interned, so that the encoder of the other side knows it again.

const MAX_BYTES = 128;
const MAX_FIELDS = 24;
const MAX_STORE_BYTES = 512;
const SLOT_INTS = 6;
/** Between the name of :path and its value. */
const PATH_LINE = (PSEUDO_NAMES[LINE_PATH] as Uint8Array).length + 2;
/** Blocks to let pass before the next is learnt: doubled up to this for as long as none comes again. */
const PATIENCE_MAX = 64;
const NOTHING = new Uint8Array(0);

export class BlockMemo {
  readonly #interns: FieldInterns;
  // Made when the first block is learnt: many connections send one request.
  #bytes = NOTHING;
  #view = viewOf(NOTHING);
  #slots = new Int32Array(0);
  #store = NOTHING;
  #storeView = viewOf(NOTHING);
  #storeLength = 0;
  #length = 0;
  #kind = 0;
  #inserted = 0;
  #oldest = 0;
  #round = 0;
  #patience = 1;
  #wait = 1;

  #method = 0;
  #methodStart = 0;
  #methodEnd = 0;
  #status = 0;
  #flags = 0;
  #contentLength = -1;
  #pathIntern = 0;
  #pathStart = 0;
  #pathEnd = 0;
  #authorityIntern = 0;
  #authorityStart = 0;
  #authorityEnd = 0;
  #fieldCount = 0;
  #present = 0;

  constructor(interns: FieldInterns) {
    this.#interns = interns;
  }

  /** Is this the block, and does it still mean the same? inserted, oldest: of the dynamic table. */
  isFor(bytes: Uint8Array, start: number, end: number, kind: number, inserted: number, oldest: number): boolean {
    const length = end - start;
    const interns = this.#interns;
    if (length !== this.#length || kind !== this.#kind || interns.round !== this.#round) return false;
    if (inserted !== this.#inserted || oldest !== this.#oldest) return false;
    if (bytes === interns.lines.bytes) return sameWords(interns.view, start, this.#view, 0, length);
    const own = this.#bytes;
    for (let i = 0; i < length; i++) if (own[i] !== bytes[start + i]) return false;
    return true;
  }

  /** Fills a head that was reset, once isFor() said so. */
  fill(head: Head): void {
    this.#patience = 1;
    this.#wait = 1;
    head.beginOwn(this.#interns.lines);
    if (this.#storeLength !== 0) this.#fillStore(head);
    head.method = this.#method;
    head.methodStart = this.#methodStart;
    head.methodEnd = this.#methodEnd;
    head.status = this.#status;
    head.flags = this.#flags;
    head.contentLength = this.#contentLength;
    head.pathIntern = this.#pathIntern;
    head.pathStart = this.#pathStart;
    head.pathEnd = this.#pathEnd;
    head.authorityIntern = this.#authorityIntern;
    head.authorityStart = this.#authorityStart;
    head.authorityEnd = this.#authorityEnd;
    head.pushSlots(this.#slots, this.#fieldCount, this.#present);
  }

  /** Word by word, the last of which may go beyond the end. */
  #fillStore(head: Head): void {
    const length = this.#storeLength;
    const to = head.room(length + 4);
    if (head.store === this.#interns.lines.bytes) {
      const { view } = this.#interns;
      const own = this.#storeView;
      for (let i = 0; i < length; i += 4) view.setInt32(to + i, own.getInt32(i, true), true);
    } else for (let i = 0; i < length; i++) head.store[to + i] = this.#store[i] as number;
    head.storeUsed = to + length;
  }

  /** Considers a block that was decoded without a fault, and without a change of the table. */
  consider(
    bytes: Uint8Array,
    start: number,
    end: number,
    kind: number,
    inserted: number,
    oldest: number,
    head: Head,
  ): void {
    if (--this.#wait > 0 || end - start > MAX_BYTES) return;
    this.#patience = Math.min(this.#patience * 2, PATIENCE_MAX);
    this.#wait = this.#patience;
    if (head.fieldCount > MAX_FIELDS || head.storeUsed - head.storeStart > MAX_STORE_BYTES) return;
    if (head.pathIntern === 0 && head.pathEnd !== head.pathStart) this.#internPath(head);
    if (this.#bytes.length === 0) {
      this.#bytes = new Uint8Array(MAX_BYTES);
      this.#view = viewOf(this.#bytes);
      this.#slots = new Int32Array(MAX_FIELDS * SLOT_INTS);
      this.#store = new Uint8Array(MAX_STORE_BYTES);
      this.#storeView = viewOf(this.#store);
    }
    for (let at = start; at < end; at++) this.#bytes[at - start] = bytes[at] as number;
    this.#length = end - start;
    this.#kind = kind;
    this.#inserted = inserted;
    this.#oldest = oldest;
    this.#round = this.#interns.round;
    this.#take(head);
  }

  #take(head: Head): void {
    this.#method = head.method;
    this.#status = head.status;
    this.#flags = head.flags;
    this.#contentLength = head.contentLength;
    this.#pathIntern = head.pathIntern;
    this.#pathStart = head.pathStart;
    this.#pathEnd = head.pathEnd;
    this.#authorityIntern = head.authorityIntern;
    this.#authorityStart = head.authorityStart;
    this.#authorityEnd = head.authorityEnd;
    this.#fieldCount = head.fieldCount;
    this.#present = head.present;
    this.#methodStart = head.methodStart;
    this.#methodEnd = head.methodEnd;
    this.#storeLength = head.storeUsed - head.storeStart;
    for (let i = 0; i < this.#storeLength; i++) this.#store[i] = head.store[head.storeStart + i] as number;
    const ints = head.fieldCount * SLOT_INTS;
    for (let i = 0; i < ints; i++) this.#slots[i] = head.slots[head.slotsStart + i] as number;
  }

  /** The literal line is still in the store, in front of its value. */
  #internPath(head: Head): void {
    if ((head.flags & HEAD_NEVER_INDEXED) !== 0) return;
    const valueStart = head.pathStart + head.base;
    const number = this.#interns.internPath(head.store, valueStart - PATH_LINE, head.pathEnd - head.pathStart);
    if (number === 0) return;
    head.pathIntern = number;
    head.pathStart = this.#interns.valueStart(number);
    head.pathEnd = this.#interns.valueEnd(number);
  }
}
