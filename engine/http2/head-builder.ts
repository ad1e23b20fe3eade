/** HeadBuilder: lines of a header block to a Head in the common form, with the rules that need the whole block. */
import {
  BAD_CONTENT_LENGTH_DUPLICATE,
  BAD_HOST,
  BAD_HOST_DUPLICATE,
  BAD_HOST_MISMATCH,
  BAD_METHOD,
  BAD_PSEUDO_FIELD,
  BAD_SCHEME,
  BAD_TARGET,
  BAD_TRAILER,
  BAD_UNDERSCORE,
  type FaultCode,
  UP_BAD_FRAMING,
  UP_BAD_STATUS_LINE,
} from '../fault/faults.js';
import {
  FIELD_INTERNED,
  FIELD_NEVER_INDEXED,
  FIELD_REMOVED,
  HEAD_EXPECT_CONTINUE,
  HEAD_EXTENDED_CONNECT,
  HEAD_HTTPS,
  HEAD_NEVER_INDEXED,
  HEAD_UPGRADE,
  type Head,
  INTERN_SHIFT,
} from '../http/head.js';
import { isFramingTrailer } from '../http/hop-by-hop.js';
import { METHOD_GET } from '../http/methods.js';
import { N } from '../http/names.js';
import { underscoreAction } from '../http/underscores.js';
import {
  type FieldInterns,
  LINE_ARG,
  LINE_ID,
  LINE_KIND,
  LINE_NAME_END,
  LINE_SIZE,
  LINE_START,
  LINE_STRIDE,
  LINE_VALUE_END,
  LINE_VALUE_START,
} from './field-interns.js';
import {
  ARG_BAD,
  bit,
  idOf,
  kindOf,
  LENGTH_BIG,
  LINE_AUTHORITY,
  LINE_CONTENT_LENGTH,
  LINE_COOKIE,
  LINE_EXPECT,
  LINE_HOST,
  LINE_METHOD,
  LINE_PATH,
  LINE_PLAIN,
  LINE_PROTOCOL,
  LINE_SCHEME,
  LINE_STATUS,
  LINE_UNDERSCORE,
  type LineKind,
  type NameFacts,
} from './header-rules.js';
import { ENTRY_OVERHEAD } from './hpack-table.js';
import type { BlockKind, HeaderLimits } from './hpack-decoder.js';
import { faultIn, fieldFault, tooBig, tooMany } from './line-faults.js';
import { joinCookies } from './join-cookies.js';
import { finishRequest, isSameAuthority, takeOddLength } from './request-rules.js';

const HOST = N.host;
const UPGRADE = N.upgrade;
const HOST_START = new TextEncoder().encode('host: ');

const BLOCK_REQUEST: BlockKind = 0;
const BLOCK_TRAILERS: BlockKind = 2;

const SEEN_REGULAR = 1;
const REQUEST_PSEUDO = bit(LINE_METHOD) | bit(LINE_SCHEME) | bit(LINE_AUTHORITY) | bit(LINE_PATH) | bit(LINE_PROTOCOL);
const RESPONSE_PSEUDO = bit(LINE_STATUS);

export class HeadBuilder {
  readonly #interns: FieldInterns;
  readonly #limits: HeaderLimits;
  readonly #maxHeadBytes: number;
  readonly #maxFields: number;
  #head!: Head;
  #kind: BlockKind = BLOCK_REQUEST;
  /** The first fault; nothing more is put into the head behind it. */
  #fault: FaultCode = 0;
  #sizeBytes = 0;
  /** Bit n: a line of kind n has come; bit 0: one that is no pseudo-header field. */
  #seen = 0;
  #cookies = 0;
  #pathArg = 0;
  #authorityArg = 0;
  #protocolIntern = 0;
  #protocolStart = 0;
  #protocolEnd = 0;

  constructor(interns: FieldInterns, limits: HeaderLimits) {
    this.#interns = interns;
    this.#limits = limits;
    this.#maxHeadBytes = limits.maxHeadBytes;
    this.#maxFields = limits.maxFields;
  }

  begin(head: Head, kind: BlockKind): void {
    this.#head = head;
    this.#kind = kind;
    this.#fault = 0;
    this.#sizeBytes = 0;
    this.#seen = 0;
    this.#cookies = 0;
    head.beginOwn(this.#interns.lines);
  }

  get isOver(): boolean {
    return this.#fault !== 0;
  }
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  takeInterned(number: number): void {
    if (this.#fault !== 0) return;
    const facts = this.#interns.facts;
    const at = number * LINE_STRIDE;
    this.#sizeBytes += facts[at + LINE_SIZE] as number;
    this.#take(
      facts[at + LINE_KIND] as number,
      facts[at + LINE_ARG] as number,
      facts[at + LINE_ID] as number,
      facts[at + LINE_START] as number,
      facts[at + LINE_NAME_END] as number,
      facts[at + LINE_VALUE_START] as number,
      facts[at + LINE_VALUE_END] as number,
      FIELD_INTERNED | (number << INTERN_SHIFT),
    );
  }

  /** A line at head.storeUsed, behind which nothing is used: it is kept, or may be written over. */
  takeLine(
    start: number,
    nameLength: number,
    valueLength: number,
    known: NameFacts,
    arg: number,
    isNeverIndexed: 0 | 1,
  ): void {
    this.#sizeBytes += nameLength + valueLength + ENTRY_OVERHEAD;
    if (this.#fault !== 0) return;
    const head = this.#head;
    const store = head.store;
    let nameStart = start;
    let nameEnd = start + nameLength;
    const valueStart = nameEnd + 2;
    const valueEnd = valueStart + valueLength;
    store[valueEnd] = 0x0d;
    store[valueEnd + 1] = 0x0a;
    if (kindOf(known) === LINE_AUTHORITY) {
      // It is longer than "host", so the line of that name fits in front of the value.
      nameStart = valueStart - HOST_START.length;
      nameEnd = valueStart - 2;
      for (let i = 0; i < HOST_START.length; i++) store[nameStart + i] = HOST_START[i] as number;
    }
    head.storeUsed = valueEnd + 2;
    const base = head.base;
    this.#take(
      kindOf(known),
      arg,
      idOf(known),
      nameStart - base,
      nameEnd - base,
      valueStart - base,
      valueEnd - base,
      isNeverIndexed === 1 ? FIELD_NEVER_INDEXED : 0,
    );
  }

  #take(
    kind: LineKind,
    arg: number,
    id: number,
    nameStart: number,
    nameEnd: number,
    valueStart: number,
    valueEnd: number,
    flags: number,
  ): void {
    // Inside the loop: a block of a few bytes that refers to a long entry again and again ends here.
    if (this.#sizeBytes > this.#maxHeadBytes) {
      this.#fault = tooBig(this.#kind);
      return;
    }
    if (kind <= LINE_PROTOCOL) {
      this.#fault = this.#pseudo(kind, arg, nameStart, nameEnd, valueStart, valueEnd, flags);
      return;
    }
    this.#seen |= SEEN_REGULAR;
    const head = this.#head;
    if (kind !== LINE_PLAIN || arg === ARG_BAD) {
      const action = this.#rule(kind, arg, nameStart, nameEnd, valueStart, valueEnd, flags);
      if (action > 0) {
        this.#fault = action;
        return;
      }
      if (action < 0) flags |= FIELD_REMOVED;
    }
    if (head.fieldCount >= this.#maxFields) {
      this.#fault = tooMany(this.#kind);
      return;
    }
    if (this.#kind === BLOCK_TRAILERS && isFramingTrailer(id)) {
      this.#fault = BAD_TRAILER;
      return;
    }
    head.push(nameStart, nameEnd, valueStart, valueEnd, id, flags);
  }

  /** RFC 9113 §8.3: before all others, each once, of this direction, none in trailers. */
  #pseudo(
    kind: LineKind,
    arg: number,
    nameStart: number,
    nameEnd: number,
    valueStart: number,
    valueEnd: number,
    flags: number,
  ): FaultCode {
    const allowed = this.#kind === BLOCK_REQUEST ? REQUEST_PSEUDO : this.#kind === BLOCK_TRAILERS ? 0 : RESPONSE_PSEUDO;
    if ((allowed & bit(kind)) === 0 || (this.#seen & (bit(kind) | SEEN_REGULAR)) !== 0)
      return faultIn(this.#kind, BAD_PSEUDO_FIELD);
    this.#seen |= bit(kind);
    const head = this.#head;
    const intern = flags >>> INTERN_SHIFT;
    if ((flags & FIELD_NEVER_INDEXED) !== 0) head.flags |= HEAD_NEVER_INDEXED;
    switch (kind) {
      case LINE_METHOD:
        if (arg === ARG_BAD) return BAD_METHOD;
        head.method = arg;
        if (arg === 0) this.#keepMethod(valueStart, valueEnd, flags);
        return 0;
      case LINE_SCHEME:
        if (arg === ARG_BAD) return BAD_SCHEME;
        if (arg === 1) head.flags |= HEAD_HTTPS;
        return 0;
      case LINE_AUTHORITY:
        if (arg === ARG_BAD) return BAD_HOST;
        this.#authorityArg = arg;
        head.authorityIntern = intern;
        head.authorityStart = valueStart;
        head.authorityEnd = valueEnd;
        head.push(nameStart, nameEnd, valueStart, valueEnd, HOST, flags);
        return 0;
      case LINE_PATH:
        if (arg === ARG_BAD) return BAD_TARGET;
        this.#pathArg = arg;
        head.pathIntern = intern;
        head.pathStart = valueStart;
        head.pathEnd = valueEnd;
        return 0;
      case LINE_STATUS:
        if (arg === ARG_BAD) return UP_BAD_STATUS_LINE;
        head.status = arg;
        return 0;
      default:
        if (arg === ARG_BAD || !this.#limits.allowExtendedConnect) return BAD_PSEUDO_FIELD;
        this.#protocolIntern = intern;
        this.#protocolStart = valueStart;
        this.#protocolEnd = valueEnd;
        return 0;
    }
  }

  /** A method that is not in the table: its name is kept in the store. */
  #keepMethod(start: number, end: number, flags: number): void {
    const head = this.#head;
    if ((flags & FIELD_INTERNED) === 0) {
      head.methodStart = start;
      head.methodEnd = end;
      return;
    }
    const to = head.room(end - start);
    const source = this.#interns.lines.bytes;
    for (let i = start; i < end; i++) head.store[to + i - start] = source[i] as number;
    head.storeUsed = to + (end - start);
    head.methodStart = to - head.base;
    head.methodEnd = head.storeUsed - head.base;
  }

  /** What a field with a rule asks for: 0 = keep, > 0 a fault, -1 = drop it. */
  #rule(
    kind: LineKind,
    arg: number,
    nameStart: number,
    nameEnd: number,
    valueStart: number,
    valueEnd: number,
    flags: number,
  ): number {
    const head = this.#head;
    const isRequest = this.#kind === BLOCK_REQUEST;
    const isInterned = (flags & FIELD_INTERNED) !== 0;
    const bytes = isInterned ? this.#interns.lines.bytes : head.store;
    const base = isInterned ? 0 : head.base;
    const isRepeated = (this.#seen & bit(kind)) !== 0;
    this.#seen |= bit(kind);
    const fault = fieldFault(this.#kind, kind, arg);
    if (fault !== 0) return fault;
    switch (kind) {
      case LINE_HOST:
        return isRequest ? this.#host(bytes, valueStart + base, valueEnd + base, isRepeated) : 0;
      case LINE_CONTENT_LENGTH:
        if (isRepeated) return isRequest ? BAD_CONTENT_LENGTH_DUPLICATE : UP_BAD_FRAMING;
        if (arg >= 0 && arg < LENGTH_BIG) {
          head.contentLength = arg;
          return 0;
        }
        return takeOddLength(head, arg, isRequest, bytes, valueStart + base, valueEnd + base);
      case LINE_EXPECT:
        if (isRequest) head.flags |= HEAD_EXPECT_CONTINUE;
        return 0;
      case LINE_COOKIE:
        this.#cookies++;
        return 0;
      case LINE_UNDERSCORE: {
        if (!isRequest) return 0;
        const action = underscoreAction(bytes, nameStart + base, nameEnd + base, this.#limits.underscores);
        return action < 0 ? BAD_UNDERSCORE : -action;
      }
      default:
        return 0;
    }
  }

  /** Host beside :authority says the same, or the request could go to two places (RFC 9113 §8.3.1); then it is dropped. */
  #host(bytes: Uint8Array, start: number, end: number, isRepeated: boolean): number {
    if (isRepeated) return BAD_HOST_DUPLICATE;
    if ((this.#seen & bit(LINE_AUTHORITY)) === 0) return 0;
    const { authorityBytes, authorityFrom, authorityTo, flags } = this.#head;
    const isHttps = (flags & HEAD_HTTPS) !== 0;
    const isSame = isSameAuthority(authorityBytes, authorityFrom, authorityTo, bytes, start, end, isHttps);
    return isSame ? -1 : BAD_HOST_MISMATCH;
  }

  finish(): FaultCode {
    if (this.#fault !== 0) return this.#fault;
    if (this.#cookies > 1) joinCookies(this.#head);
    if (this.#kind === BLOCK_REQUEST) return this.#finishRequest();
    if (this.#kind === BLOCK_TRAILERS) return 0;
    return (this.#seen & bit(LINE_STATUS)) === 0 ? UP_BAD_STATUS_LINE : 0;
  }

  #finishRequest(): FaultCode {
    const head = this.#head;
    const fault = finishRequest(head, this.#seen, this.#pathArg, this.#authorityArg);
    if (fault === 0 && (this.#seen & bit(LINE_PROTOCOL)) !== 0) this.#upgrade();
    return fault;
  }

  /** RFC 8441 in the form of HTTP/1.1: GET with an Upgrade field. */
  #upgrade(): void {
    const head = this.#head;
    head.method = METHOD_GET;
    head.flags |= HEAD_UPGRADE | HEAD_EXTENDED_CONNECT;
    const length = this.#protocolEnd - this.#protocolStart;
    let to = head.beginAdd(UPGRADE, length);
    const isInterned = this.#protocolIntern !== 0;
    const source = isInterned ? this.#interns.lines.bytes : head.store;
    const from = this.#protocolStart + (isInterned ? 0 : head.base);
    for (let i = 0; i < length; i++) head.store[to++] = source[from + i] as number;
    head.endAdd(to);
  }
}
