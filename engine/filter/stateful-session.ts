/** StatefulSession: the endpoint that answered a client serves it again; a cookie or a header names it (Envoy). */
import { decodeBase64 } from '../base/base64.js';
import { addressText } from '../format/address-text.js';
import { Cookie, setCookieText } from '../http/cookie.js';
import type { Head } from '../http/head.js';
import { N, nameIdOf } from '../http/names.js';
import type { StatefulSessionRecord } from '../plan/stateful-session-record.js';
import { type FilterContext, type FilterKind, NEXT, type Verdict } from './filter.js';

// The client carries the endpoint's address in base64. A cookie has a protobuf message in it, {1: address,
// 2: expires}, as Envoy writes it, or the bare address, as older ones did. Envoy counts `expires` from the start of
// the machine; ours is the time of day, which holds on every proxy and after a restart.

const encoder = new TextEncoder();
const SET_COOKIE = N['set-cookie'];
/** More than any address has, and what is around it. */
const VALUE_BYTES_MAX = 192;
/** What a request carries: decoded, and the range of the address in it. */
const carried = new Uint8Array(VALUE_BYTES_MAX);
let addressStart = 0;
let addressEnd = 0;

/** Of the protobuf message: field number and wire type. */
const ADDRESS_TAG = 0x0a;
const EXPIRES_TAG = 0x10;

interface Carrier {
  /** False: the session is not for this request. */
  covers(head: Head): boolean;
  /** Finds the address that the request carries; false when it has none, or one that holds no longer. */
  read(x: FilterContext): boolean;
  /** Gives the client the address. */
  write(x: FilterContext, address: string): void;
}

class StatefulSession {
  readonly isStrict: boolean;
  readonly carrier: Carrier;
  /** Set while the request is one of the session's: its path may be another one when the answer comes. */
  readonly mark: number;

  constructor(record: StatefulSessionRecord, mark: number) {
    this.mark = mark;
    this.isStrict = record.strict;
    this.carrier =
      record.state.kind === 'cookie' ? new CookieCarrier(record.state) : new HeaderCarrier(record.state.name);
  }
}

export const STATEFUL_SESSION: FilterKind<StatefulSession> = {
  typeUrl: 'envoy.extensions.filters.http.stateful_session.v3.StatefulSession',
  build: (record, mark) => new StatefulSession(record as StatefulSessionRecord, mark),
  onRequestHead(x: FilterContext, { carrier, isStrict, mark }: StatefulSession): Verdict {
    if (!carrier.covers(x.request)) return NEXT;
    x.marks |= mark;
    if (carrier.read(x)) x.overrideHost(carried, addressStart, addressEnd, isStrict);
    return NEXT;
  },
  onResponseHead(x: FilterContext, { carrier, mark }: StatefulSession): Verdict {
    // Our own answers bind nobody: an endpoint that could not be reached is none to come back to.
    if ((x.marks & mark) === 0 || x.upstreamHeadUs === 0 || x.isAtOverrideHost) return NEXT;
    if (x.upstreamAddress !== null) carrier.write(x, addressText(x.upstreamAddress));
    return NEXT;
  },
};

type CookieState = StatefulSessionRecord['state'] & { readonly kind: 'cookie' };

class CookieCarrier implements Carrier {
  readonly #config: CookieState;
  readonly #cookie: Cookie;
  readonly #path: Uint8Array;

  constructor(config: CookieState) {
    this.#config = config;
    this.#cookie = new Cookie({ ...config, maxAgeSeconds: null });
    this.#path = encoder.encode(config.path === '/' ? '' : config.path);
  }

  covers(head: Head): boolean {
    const path = this.#path;
    if (path.length === 0) return true;
    const bytes = head.pathBytes;
    const from = head.pathFrom;
    const length = head.pathTo - from;
    if (length < path.length) return false;
    for (let i = 0; i < path.length; i++) if (bytes[from + i] !== path[i]) return false;
    if (length === path.length || path[path.length - 1] === SLASH) return true;
    const next = bytes[from + path.length];
    return next === SLASH || next === QUESTION || next === HASH;
  }

  read(x: FilterContext): boolean {
    const cookie = this.#cookie;
    if (!cookie.find(x.request)) return false;
    const length = decodeBase64(cookie.bytes, cookie.start, cookie.end, carried);
    if (length <= 0) return false;
    addressStart = 0;
    addressEnd = length;
    return carried[0] !== ADDRESS_TAG || readMessage(length, x.startWallMs / 1000);
  }

  write(x: FilterContext, address: string): void {
    const config = this.#config;
    const expires = config.maxAgeSeconds === 0 ? 0 : Math.ceil(x.startWallMs / 1000) + config.maxAgeSeconds;
    const value = encoder.encode(setCookieText(config, messageOf(address, expires).toString('base64')));
    x.response.add(SET_COOKIE, value, 0, value.length);
  }
}

const SLASH = 0x2f;
const QUESTION = 0x3f;
const HASH = 0x23;

/** The message in `carried`, which begins with its address; false when it has expired, or is not whole. */
function readMessage(length: number, nowSeconds: number): boolean {
  addressStart = 2;
  addressEnd = 2 + (carried[1] as number);
  // A length of two bytes is that of no address.
  if (length < 3 || (carried[1] as number) >= 0x80 || addressEnd > length || addressEnd === addressStart) return false;
  if (addressEnd === length) return true;
  if (carried[addressEnd] !== EXPIRES_TAG) return false;
  let expires = 0;
  let unit = 1;
  for (let at = addressEnd + 1; at < length; at++) {
    const byte = carried[at] as number;
    expires += (byte & 0x7f) * unit;
    unit *= 0x80;
    if (byte < 0x80) return at === length - 1 && (expires === 0 || nowSeconds <= expires);
  }
  return false;
}

/** expires: epoch seconds, 0 = never. */
function messageOf(address: string, expires: number): Buffer {
  const text = Buffer.from(address);
  const bytes = [ADDRESS_TAG, text.length, ...text];
  if (expires > 0) bytes.push(EXPIRES_TAG);
  for (let rest = expires; rest > 0; rest = Math.floor(rest / 0x80))
    bytes.push((rest % 0x80) + (rest >= 0x80 ? 0x80 : 0));
  return Buffer.from(bytes);
}

class HeaderCarrier implements Carrier {
  readonly #name: Uint8Array;
  readonly #id: number;

  constructor(name: string) {
    this.#name = encoder.encode(name);
    this.#id = nameIdOf(name);
  }

  covers(): boolean {
    return true;
  }

  read(x: FilterContext): boolean {
    const head = x.request;
    const slot = head.findByName(this.#name);
    if (slot < 0) return false;
    addressStart = 0;
    addressEnd = decodeBase64(head.fieldBytes(slot), head.valueStart(slot), head.valueEnd(slot), carried);
    return addressEnd > 0;
  }

  write(x: FilterContext, address: string): void {
    const value = encoder.encode(Buffer.from(address).toString('base64'));
    x.response.removeAllByName(this.#name);
    x.response.addName(this.#name, this.#id, value, 0, value.length);
  }
}
