/** Head: a request or response head as offsets into bytes, protocol-neutral, reused, never garbage. */
import type { FieldLine } from './field-line.js';
import { InternedLines } from './interned-lines.js';
import { LINE_STARTS, N, NAME_BYTES, type NameId, nameIdOf } from './names.js';

// Received fields are offsets into `bytes` (relative to `base`, so that a move is one addition). Added fields are
// composed at once in HTTP/1.1 wire form ("name: value\r\n") in the head's own `store`, so a writer passes them on
// without touching them again. Laws:
//  1. `bytes` is borrowed until the turn ends; retain() copies what is still needed into `store`.
//  2. Once a head was written to a connection, its store must not change until that turn has ended
//     (the transport still points into it): reset() only heads of an earlier turn.
//  3. Removing or adding never moves another field: a slot number stays valid until reset().
//  4. A head that has interned fields keeps their lines where they are until reset() (interned-lines.ts).

/** Integers per field in `slots`. */
const STRIDE = 6;
/** What a head has room for before it needs an array of its own. */
export const HOME_SLOT_INTS = STRIDE * 24;
const NAME_START = 0;
const NAME_END = 1;
const VALUE_START = 2;
const VALUE_END = 3;
const ID = 4;
const FLAGS = 5;

/** Field flags. */
export const FIELD_REMOVED = 1;
/** The field was added: its offsets are into `store`, relative to `storeStart`. */
export const FIELD_ADDED = 2;
/** Not in the form "name: value\r\n" (other white space): a writer composes the line anew instead of passing it on. */
export const FIELD_ODD = 4;
/** The line is one that all heads of the worker share: offsets into interned.bytes, its number above INTERN_SHIFT. */
export const FIELD_INTERNED = 8;
/** The sender asked that no hop puts it into a table (RFC 7541 §6.2.3). */
export const FIELD_NEVER_INDEXED = 16;
/** Field flags from this bit on are the number of an interned line. */
export const INTERN_SHIFT = 8;

/** Head flags, set by the parser. */
/** The request line was in absolute form, or differs for another reason from "METHOD path HTTP/1.1": compose it anew. */
export const HEAD_LINE_ODD = 1;
/** HTTP/1.0 message. */
export const HEAD_HTTP10 = 2;
/** The connection can't be used after this message (Connection: close, HTTP/1.0 without keep-alive). */
export const HEAD_CLOSE = 4;
/** Connection: upgrade with an Upgrade field. */
export const HEAD_UPGRADE = 8;
/** The body is delimited by chunked coding. */
export const HEAD_CHUNKED = 16;
/** The body lasts until the connection ends (responses only). */
export const HEAD_UNTIL_CLOSE = 32;
/** Scheme of the absolute-form target was https. */
export const HEAD_HTTPS = 64;
/** The target had an authority (absolute-form or :authority); it replaces Host. */
export const HEAD_ABSOLUTE = 128;
/** Connection names fields beyond close, keep-alive and upgrade, which must be dropped too. */
export const HEAD_NOMINATES = 256;
/** Expect: 100-continue. */
export const HEAD_EXPECT_CONTINUE = 512;
/** Asterisk-form target (OPTIONS *). */
export const HEAD_ASTERISK = 1024;
/** Authority-form target (CONNECT host:port). */
export const HEAD_AUTHORITY_FORM = 2048;
/** Connection: keep-alive. */
export const HEAD_KEEP_ALIVE = 4096;
/** Connection: upgrade, with or without an Upgrade field. */
export const HEAD_UPGRADE_NAMED = 8192;
/** An upgrade that is, or is to be, an extended CONNECT in HTTP/2 (RFC 8441): GET with an Upgrade field here. */
export const HEAD_EXTENDED_CONNECT = 16384;
/** Path, authority or method came with the wish that no hop puts them into a table (RFC 7541 §6.2.3). */
export const HEAD_NEVER_INDEXED = 32768;

const CONTENT_LENGTH = N['content-length'];
const decoder = new TextDecoder('latin1');
const EMPTY = new Uint8Array(0);
const NO_LINES = new InternedLines(EMPTY);

export class Head {
  /** Received bytes: borrowed, or `store` after retain(). */
  bytes: Uint8Array = EMPTY;
  /** Offset in `bytes` of the head's first byte; all received offsets are relative to it. */
  base = 0;
  /** Received length in bytes, with the empty line. 0 for a head made here. */
  length = 0;
  /** Method number of http/methods.ts (requests); 0 = not in the table, see methodStart/End. */
  method = 0;
  methodStart = 0;
  methodEnd = 0;
  /** Status (responses). */
  status = 0;
  flags = 0;
  /** Content-Length in bytes, -1 = none. */
  contentLength = -1;
  /** Path with query: offsets into pathBytes. */
  pathStart = 0;
  pathEnd = 0;
  pathAdded = false;
  /** The path is the value of this interned line; 0 = it is not interned. */
  pathIntern = 0;
  /** Authority from the target or from Host; start = end when there is none. Offsets into authorityBytes. */
  authorityStart = 0;
  authorityEnd = 0;
  authorityAdded = false;
  /** The authority is the value of this interned line; 0 = it is not interned. */
  authorityIntern = 0;
  /** Lines that interned fields are in; law 4 holds while internHold is not 0. */
  interned: InternedLines = NO_LINES;
  internHold = 0;
  /** Start and end of the received field lines (after the start line, before the empty line). */
  linesStart = 0;
  linesEnd = 0;
  fieldCount = 0;
  /** Bit n set: a field with id n (< 32) was received or added at some time since reset(). */
  present = 0;
  /** Fields, STRIDE integers each from slotsStart on: in one array of all pooled heads, or an own one of a big head. */
  slots: Int32Array;
  slotsStart: number;
  #slotsEnd: number;

  /** Own storage: [storeStart, storeEnd) of `store`, used up to storeUsed. */
  store: Uint8Array;
  storeStart: number;
  storeEnd: number;
  storeUsed: number;
  // The range given at construction, to which reset() returns after a big head had to grow out of it.
  readonly #home: Uint8Array;
  readonly #homeStart: number;
  readonly #homeEnd: number;

  /** slots: HOME_SLOT_INTS from slotsStart on are this head's. */
  constructor(store: Uint8Array, storeStart: number, storeEnd: number, slots: Int32Array, slotsStart: number) {
    this.slots = slots;
    this.slotsStart = slotsStart;
    this.#slotsEnd = slotsStart + HOME_SLOT_INTS;
    this.#home = store;
    this.#homeStart = storeStart;
    this.#homeEnd = storeEnd;
    this.store = store;
    this.storeStart = storeStart;
    this.storeEnd = storeEnd;
    this.storeUsed = storeStart;
  }

  reset(): void {
    this.bytes = EMPTY;
    this.base = 0;
    this.length = 0;
    this.method = 0;
    this.methodStart = 0;
    this.methodEnd = 0;
    this.status = 0;
    this.flags = 0;
    this.contentLength = -1;
    this.pathStart = 0;
    this.pathEnd = 0;
    this.pathAdded = false;
    this.pathIntern = 0;
    this.authorityStart = 0;
    this.authorityEnd = 0;
    this.authorityAdded = false;
    this.authorityIntern = 0;
    if (this.internHold !== 0) this.#letLinesGo();
    this.linesStart = 0;
    this.linesEnd = 0;
    this.fieldCount = 0;
    this.present = 0;
    if (this.store !== this.#home) {
      this.store = this.#home;
      this.storeStart = this.#homeStart;
      this.storeEnd = this.#homeEnd;
    }
    this.storeUsed = this.storeStart;
  }

  #letLinesGo(): void {
    this.interned.release(this.internHold);
    this.internHold = 0;
  }

  /** Has it anything that reset() gives back? */
  get owesReset(): boolean {
    return this.internHold !== 0 || this.store !== this.#home;
  }

  // ---- reading ---------------------------------------------------------------------------------

  /** May a field of this id (< 32) be there? One bit test; true also for one that was removed since. */
  has(id: NameId): boolean {
    return (this.present & (1 << id)) !== 0;
  }

  /** Slot of the first field with this id at or after `from`, or -1. */
  find(id: NameId, from = 0): number {
    if (id < 32 && (this.present & (1 << id)) === 0) return -1;
    const slots = this.slots;
    for (let slot = from, at = this.slotsStart + from * STRIDE; slot < this.fieldCount; slot++, at += STRIDE)
      if (slots[at + ID] === id && ((slots[at + FLAGS] as number) & FIELD_REMOVED) === 0) return slot;
    return -1;
  }

  /** The same for a name that is not well known, given in lower case. */
  findByName(lowercase: Uint8Array, from = 0): number {
    for (let slot = from; slot < this.fieldCount; slot++) {
      if (this.isRemoved(slot) || this.nameEnd(slot) - this.nameStart(slot) !== lowercase.length) continue;
      const bytes = this.fieldBytes(slot);
      const start = this.nameStart(slot);
      let i = 0;
      while (i < lowercase.length && lower(bytes[start + i] as number) === lowercase[i]) i++;
      if (i === lowercase.length) return slot;
    }
    return -1;
  }

  fieldId(slot: number): NameId {
    return this.slots[this.slotsStart + slot * STRIDE + ID] as number;
  }
  fieldFlags(slot: number): number {
    return this.slots[this.slotsStart + slot * STRIDE + FLAGS] as number;
  }
  flagField(slot: number, flags: number): void {
    const at = this.slotsStart + slot * STRIDE + FLAGS;
    this.slots[at] = (this.slots[at] as number) | flags;
  }
  isRemoved(slot: number): boolean {
    return ((this.slots[this.slotsStart + slot * STRIDE + FLAGS] as number) & FIELD_REMOVED) !== 0;
  }
  /** The array that the offsets of this field are into. */
  fieldBytes(slot: number): Uint8Array {
    const flags = this.slots[this.slotsStart + slot * STRIDE + FLAGS] as number;
    if ((flags & FIELD_INTERNED) !== 0) return this.interned.bytes;
    return (flags & FIELD_ADDED) !== 0 ? this.store : this.bytes;
  }
  nameStart(slot: number): number {
    return (this.slots[this.slotsStart + slot * STRIDE + NAME_START] as number) + this.fieldBase(slot);
  }
  nameEnd(slot: number): number {
    return (this.slots[this.slotsStart + slot * STRIDE + NAME_END] as number) + this.fieldBase(slot);
  }
  valueStart(slot: number): number {
    return (this.slots[this.slotsStart + slot * STRIDE + VALUE_START] as number) + this.fieldBase(slot);
  }
  valueEnd(slot: number): number {
    return (this.slots[this.slotsStart + slot * STRIDE + VALUE_END] as number) + this.fieldBase(slot);
  }

  /** ASCII case-insensitive comparison of a value with a lower-case one. */
  valueEquals(slot: number, lowercase: Uint8Array): boolean {
    const start = this.valueStart(slot);
    if (this.valueEnd(slot) - start !== lowercase.length) return false;
    const bytes = this.fieldBytes(slot);
    for (let i = 0; i < lowercase.length; i++) if (lower(bytes[start + i] as number) !== lowercase[i]) return false;
    return true;
  }

  get pathBytes(): Uint8Array {
    if (this.pathIntern !== 0) return this.interned.bytes;
    return this.pathAdded ? this.store : this.bytes;
  }
  get pathFrom(): number {
    if (this.pathIntern !== 0) return this.pathStart;
    return this.pathStart + (this.pathAdded ? this.storeStart : this.base);
  }
  get pathTo(): number {
    if (this.pathIntern !== 0) return this.pathEnd;
    return this.pathEnd + (this.pathAdded ? this.storeStart : this.base);
  }
  get authorityBytes(): Uint8Array {
    if (this.authorityIntern !== 0) return this.interned.bytes;
    return this.authorityAdded ? this.store : this.bytes;
  }
  get authorityFrom(): number {
    if (this.authorityIntern !== 0) return this.authorityStart;
    return this.authorityStart + (this.authorityAdded ? this.storeStart : this.base);
  }
  get authorityTo(): number {
    if (this.authorityIntern !== 0) return this.authorityEnd;
    return this.authorityEnd + (this.authorityAdded ? this.storeStart : this.base);
  }

  // These four allocate: for logs, filters and admin, not for every request.

  nameString(slot: number): string {
    return decoder.decode(this.fieldBytes(slot).subarray(this.nameStart(slot), this.nameEnd(slot))).toLowerCase();
  }
  valueString(slot: number): string {
    return decoder.decode(this.fieldBytes(slot).subarray(this.valueStart(slot), this.valueEnd(slot)));
  }
  pathString(): string {
    return decoder.decode(this.pathBytes.subarray(this.pathFrom, this.pathTo));
  }
  authorityString(): string {
    return decoder.decode(this.authorityBytes.subarray(this.authorityFrom, this.authorityTo));
  }
  /** Every value of a name, joined by ", " (RFC 9110 §5.3), or null when it is absent. */
  joinedString(lowercase: string): string | null {
    const id = nameIdOf(lowercase);
    const name = id === 0 ? new TextEncoder().encode(lowercase) : (NAME_BYTES[id] as Uint8Array);
    let joined: string | null = null;
    let slot = id === 0 ? this.findByName(name) : this.find(id);
    while (slot >= 0) {
      joined = joined === null ? this.valueString(slot) : `${joined}, ${this.valueString(slot)}`;
      slot = id === 0 ? this.findByName(name, slot + 1) : this.find(id, slot + 1);
    }
    return joined;
  }

  // ---- parsers ---------------------------------------------------------------------------------

  /** Begins a received head at bytes[base]. Offsets given afterwards are relative to base. */
  begin(bytes: Uint8Array, base: number): void {
    this.reset();
    this.bytes = bytes;
    this.base = base;
  }

  /**
   * Begins a head that a parser composes itself, line by line, in the store: received offsets are relative to
   * storeStart, and interned ones are into `lines`. The head was reset.
   */
  beginOwn(lines: InternedLines): void {
    this.bytes = this.store;
    this.base = this.storeStart;
    if (this.internHold !== 0) this.#letLinesGo();
    this.interned = lines;
    this.internHold = lines.hold();
  }

  /** Slots of interned fields all at once, into a head without fields: `count` of them at source[0...]. */
  pushSlots(source: Int32Array, count: number, present: number): void {
    const ints = count * STRIDE;
    if (this.slotsStart + ints > this.#slotsEnd) this.growSlots(ints);
    const slots = this.slots;
    const to = this.slotsStart;
    for (let i = 0; i < ints; i++) slots[to + i] = source[i] as number;
    this.fieldCount = count;
    this.present = present;
  }

  /** Makes room for byteCount bytes at storeUsed; answers that offset. */
  room(byteCount: number): number {
    if (this.storeUsed + byteCount > this.storeEnd) this.growStore(byteCount);
    return this.storeUsed;
  }

  /** A received field; offsets relative to base. */
  push(nameStart: number, nameEnd: number, valueStart: number, valueEnd: number, id: NameId, flags: number): void {
    let at = this.slotsStart + this.fieldCount * STRIDE;
    if (at >= this.#slotsEnd) {
      this.growSlots();
      at = this.fieldCount * STRIDE;
    }
    this.fieldCount++;
    const slots = this.slots;
    slots[at + NAME_START] = nameStart;
    slots[at + NAME_END] = nameEnd;
    slots[at + VALUE_START] = valueStart;
    slots[at + VALUE_END] = valueEnd;
    slots[at + ID] = id;
    slots[at + FLAGS] = flags;
    if (id < 32) this.present |= 1 << id;
  }

  // ---- changes ---------------------------------------------------------------------------------

  remove(slot: number): void {
    const at = this.slotsStart + slot * STRIDE + FLAGS;
    this.slots[at] = (this.slots[at] as number) | FIELD_REMOVED;
    // Without the field nothing announces a length: a writer must delimit the body in another way.
    if (this.slots[at - FLAGS + ID] === CONTENT_LENGTH) this.contentLength = -1;
  }

  /** Removes every field of this id. */
  removeAll(id: NameId): void {
    for (let slot = this.find(id); slot >= 0; slot = this.find(id, slot + 1)) this.remove(slot);
  }

  removeAllByName(lowercase: Uint8Array): void {
    for (let slot = this.findByName(lowercase); slot >= 0; slot = this.findByName(lowercase, slot + 1))
      this.remove(slot);
  }

  /**
   * Adds a field with a value of at most valueMax bytes: returns the offset in `store` at which the caller writes
   * the value; endAdd(end) must follow at once. No other add in between.
   */
  beginAdd(id: NameId, valueMax: number): number {
    const name = LINE_STARTS[id] as Uint8Array;
    const need = name.length + valueMax + 2;
    if (this.storeUsed + need > this.storeEnd) this.growStore(need);
    const start = this.storeUsed - this.storeStart;
    const valueStart = start + name.length;
    this.push(start, valueStart - 2, valueStart, valueStart, id, FIELD_ADDED);
    // set() moves short arrays several times faster than a loop over bytes does.
    this.store.set(name, this.storeUsed);
    return this.storeUsed + name.length;
  }

  /** Adds a line composed before, by fieldLine(): the cheapest way, for values that don't change per request. */
  addLine(line: FieldLine): void {
    const bytes = line.bytes;
    if (this.storeUsed + bytes.length + 2 > this.storeEnd) this.growStore(bytes.length + 2);
    const start = this.storeUsed - this.storeStart;
    const nameEnd = start + line.nameLength;
    this.push(start, nameEnd, nameEnd + 2, start + bytes.length - 2, line.id, FIELD_ADDED);
    this.store.set(bytes, this.storeUsed);
    this.storeUsed += bytes.length;
  }

  beginAddName(lowercase: Uint8Array, id: NameId, valueMax: number): number {
    const need = lowercase.length + valueMax + 4;
    if (this.storeUsed + need > this.storeEnd) this.growStore(need);
    const start = this.storeUsed - this.storeStart;
    const nameEnd = start + lowercase.length;
    this.push(start, nameEnd, nameEnd + 2, nameEnd + 2, id, FIELD_ADDED);
    const store = this.store;
    let at = this.storeUsed;
    for (let i = 0; i < lowercase.length; i++) store[at++] = lowercase[i] as number;
    store[at] = 0x3a;
    store[at + 1] = 0x20;
    return at + 2;
  }

  /** end: offset in `store` after the value's last byte. */
  endAdd(end: number): void {
    this.slots[this.slotsStart + (this.fieldCount - 1) * STRIDE + VALUE_END] = end - this.storeStart;
    this.store[end] = 0x0d;
    this.store[end + 1] = 0x0a;
    this.storeUsed = end + 2;
  }

  add(id: NameId, value: Uint8Array, start: number, end: number): void {
    const at = this.beginAdd(id, end - start);
    this.writeValue(value, start, end, at);
  }

  addName(lowercase: Uint8Array, id: NameId, value: Uint8Array, start: number, end: number): void {
    const at = this.beginAddName(lowercase, id, end - start);
    this.writeValue(value, start, end, at);
  }

  private writeValue(value: Uint8Array, start: number, end: number, at: number): void {
    const store = this.store;
    if (start === 0 && end === value.length) store.set(value, at);
    else for (let i = start; i < end; i++) store[at + i - start] = value[i] as number;
    this.endAdd(at + end - start);
  }

  /** Replaces the path with query (rewrites). */
  setPath(path: Uint8Array, start: number, end: number): void {
    this.pathStart = this.keep(path, start, end);
    this.pathEnd = this.pathStart + (end - start);
    this.pathAdded = true;
    this.pathIntern = 0;
    this.flags |= HEAD_LINE_ODD;
  }

  /** Replaces the authority: Host of HTTP/1, :authority of HTTP/2. */
  setAuthority(authority: Uint8Array, start: number, end: number): void {
    this.authorityStart = this.keep(authority, start, end);
    this.authorityEnd = this.authorityStart + (end - start);
    this.authorityAdded = true;
    this.authorityIntern = 0;
  }

  /** Copies the received bytes that are still borrowed into the head's own store; allocates only for big heads. */
  retain(): void {
    if (this.length === 0 || (this.bytes === this.store && this.base >= this.storeStart && this.base < this.storeEnd))
      return;
    if (this.storeUsed + this.length > this.storeEnd) this.growStore(this.length);
    const store = this.store;
    const to = this.storeUsed;
    if (this.bytes === store) store.copyWithin(to, this.base, this.base + this.length);
    else for (let i = 0; i < this.length; i++) store[to + i] = this.bytes[this.base + i] as number;
    this.bytes = store;
    this.base = to;
    this.storeUsed = to + this.length;
  }

  /** Makes this an equal head of its own, owing nothing to the other. */
  copyFrom(other: Head): void {
    this.reset();
    const slotInts = other.fieldCount * STRIDE;
    if (this.#slotsEnd - this.slotsStart < slotInts) this.growSlots(slotInts);
    for (let i = 0; i < slotInts; i++) this.slots[this.slotsStart + i] = other.slots[other.slotsStart + i] as number;
    const used = other.storeUsed - other.storeStart;
    if (this.storeStart + used + other.length > this.storeEnd) this.growStore(used + other.length);
    this.store.set(other.store.subarray(other.storeStart, other.storeUsed), this.storeStart);
    this.storeUsed = this.storeStart + used;
    this.bytes = other.bytes;
    this.base = other.base;
    this.length = other.length;
    this.method = other.method;
    this.methodStart = other.methodStart;
    this.methodEnd = other.methodEnd;
    this.status = other.status;
    this.flags = other.flags;
    this.contentLength = other.contentLength;
    this.pathStart = other.pathStart;
    this.pathEnd = other.pathEnd;
    this.pathAdded = other.pathAdded;
    this.pathIntern = other.pathIntern;
    this.authorityStart = other.authorityStart;
    this.authorityEnd = other.authorityEnd;
    this.authorityAdded = other.authorityAdded;
    this.authorityIntern = other.authorityIntern;
    this.interned = other.interned;
    if (other.internHold !== 0) this.internHold = this.interned.hold();
    this.linesStart = other.linesStart;
    this.linesEnd = other.linesEnd;
    this.fieldCount = other.fieldCount;
    this.present = other.present;
    if (this.bytes === other.store && this.base >= other.storeStart && this.base < other.storeEnd) {
      this.bytes = this.store;
      this.base = this.base - other.storeStart + this.storeStart;
    } else this.retain();
  }

  private fieldBase(slot: number): number {
    const flags = this.slots[this.slotsStart + slot * STRIDE + FLAGS] as number;
    if ((flags & FIELD_INTERNED) !== 0) return 0;
    return (flags & FIELD_ADDED) !== 0 ? this.storeStart : this.base;
  }

  /** Copies into the store; answers the offset relative to storeStart. */
  private keep(bytes: Uint8Array, start: number, end: number): number {
    const byteCount = end - start;
    if (this.storeUsed + byteCount > this.storeEnd) {
      // Growing moves the store: if the source is the store itself, its offset moves with it.
      const inside = bytes === this.store && start >= this.storeStart && start < this.storeEnd;
      const relative = start - this.storeStart;
      this.growStore(byteCount);
      if (inside) {
        bytes = this.store;
        start = relative + this.storeStart;
      }
    }
    const to = this.storeUsed;
    const store = this.store;
    for (let i = 0; i < byteCount; i++) store[to + i] = bytes[start + i] as number;
    this.storeUsed = to + byteCount;
    return to - this.storeStart;
  }

  /** Moves the slots to an array of its own, for good: a head that was big once is likely to be again. */
  private growSlots(leastInts = 0): void {
    const used = this.slots.subarray(this.slotsStart, this.#slotsEnd);
    const bigger = new Int32Array(Math.max(used.length * 2, leastInts));
    bigger.set(used);
    this.slots = bigger;
    this.slotsStart = 0;
    this.#slotsEnd = bigger.length;
  }

  /** Moves to an array of its own that has room for byteCount more, until reset(). */
  private growStore(byteCount: number): void {
    const used = this.storeUsed - this.storeStart;
    const bigger = new Uint8Array((used + byteCount) * 2 + 256);
    bigger.set(this.store.subarray(this.storeStart, this.storeUsed));
    const isRetained = this.bytes === this.store && this.base >= this.storeStart && this.base < this.storeEnd;
    if (isRetained) {
      this.bytes = bigger;
      this.base -= this.storeStart;
    }
    this.store = bigger;
    this.storeStart = 0;
    this.storeEnd = bigger.length;
    this.storeUsed = used;
  }
}

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}
