/** BlockMemo: the last header block and the head that it became, for a peer that sends the same one again and again. */
import { sameWords, viewOf } from '../base/words.js';
import { FIELD_INTERNED, FIELD_REMOVED, HEAD_NEVER_INDEXED, type Head } from '../http/head.js';
import type { FieldInterns } from './field-interns.js';
import { LINE_PATH, PSEUDO_NAMES } from './header-rules.js';

// The same bytes mean the same head as long as the dynamic table is the same (nothing was inserted or evicted) and the
// interned lines are (the round). Only heads that consist of interned lines are remembered: nothing is to be copied but
// their slots. A path that came as a literal is interned for that.

const MAX_BYTES = 128;
const MAX_FIELDS = 24;
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
  #length = 0;
  #kind = 0;
  #inserted = 0;
  #oldest = 0;
  #round = 0;
  #patience = 1;
  #wait = 1;

  #method = 0;
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
    head.method = this.#method;
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
    if (head.fieldCount > MAX_FIELDS || !this.#isInterned(head)) return;
    if (this.#bytes.length === 0) {
      this.#bytes = new Uint8Array(MAX_BYTES);
      this.#view = viewOf(this.#bytes);
      this.#slots = new Int32Array(MAX_FIELDS * SLOT_INTS);
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
    const ints = head.fieldCount * SLOT_INTS;
    for (let i = 0; i < ints; i++) this.#slots[i] = head.slots[head.slotsStart + i] as number;
  }

  /** Is all of it interned, or can be? */
  #isInterned(head: Head): boolean {
    if (head.authorityIntern === 0 && head.authorityEnd !== head.authorityStart) return false;
    if (head.methodEnd !== head.methodStart) return false;
    for (let slot = 0; slot < head.fieldCount; slot++)
      if ((head.fieldFlags(slot) & (FIELD_INTERNED | FIELD_REMOVED)) !== FIELD_INTERNED) return false;
    return head.pathIntern !== 0 || head.pathEnd === head.pathStart || this.#internPath(head);
  }

  /** The literal line is still in the store, in front of its value. */
  #internPath(head: Head): boolean {
    if ((head.flags & HEAD_NEVER_INDEXED) !== 0) return false;
    const valueStart = head.pathStart + head.base;
    const number = this.#interns.internPath(head.store, valueStart - PATH_LINE, head.pathEnd - head.pathStart);
    if (number === 0) return false;
    head.pathIntern = number;
    head.pathStart = this.#interns.valueStart(number);
    head.pathEnd = this.#interns.valueEnd(number);
    return true;
  }
}
