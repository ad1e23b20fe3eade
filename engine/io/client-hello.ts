/** ClientHello: what a connection's first bytes say before TLS begins: whether it is TLS, and which name and protocols. */

// RFC 8446 §4.1.2 in the records of §5.1: a client may spread its hello over several. Everything is bounded: the hello by
// HELLO_MAX_BYTES, each list by the bytes that carry it; nothing is read twice, so bytes that trickle cost no more.

/** Read on: the hello is not whole yet. */
export const HELLO_PARTIAL = 0;
/** A whole hello; the fields are filled. */
export const HELLO_TLS = 1;
/** The first bytes are no TLS handshake. */
export const HELLO_OTHER = 2;
/** It began as TLS and is not a hello that a server could answer. */
export const HELLO_BROKEN = 3;
export type HelloState = 0 | 1 | 2 | 3;

/** As Envoy's inspector; hellos with post-quantum key shares and tickets have some 2,000. */
export const HELLO_MAX_BYTES = 16384;

const RECORD_HANDSHAKE = 22;
const MESSAGE_CLIENT_HELLO = 1;
const RECORD_HEAD_BYTES = 5;
const MESSAGE_HEAD_BYTES = 4;
/** RFC 8446 §5.1: a record of plaintext. */
const RECORD_MAX_BYTES = 16384;
const RANDOM_END = MESSAGE_HEAD_BYTES + 2 + 32;
const EXTENSION_SERVER_NAME = 0;
const EXTENSION_SIGNATURE_ALGORITHMS = 13;
const EXTENSION_ALPN = 16;
const EXTENSION_SUPPORTED_VERSIONS = 43;
const NAME_TYPE_HOST = 0;
/** A DNS name (RFC 1035 §2.3.4). */
const NAME_MAX_BYTES = 255;

export class ClientHello {
  /** Lower case; '' = none was sent, or one that is no host name. */
  serverName = '';
  /** In the client's order. */
  alpn: string[] = [];
  /** The highest that the client offers: 0x0304 is TLS 1.3. */
  version = 0;
  /** The wire's numbers, in the client's order; empty: it named none. */
  signatureAlgorithms: number[] = [];
  state: HelloState = HELLO_PARTIAL;
  /** The handshake message without the records around it. */
  #message = new Uint8Array(512);
  #length = 0;
  /** Of the message with its head; 0 = not known yet. */
  #wanted = 0;
  readonly #recordHead = new Uint8Array(RECORD_HEAD_BYTES);
  #recordHeadBytes = 0;
  #recordLeft = 0;

  /** Takes the next bytes of the connection; bytes behind the hello are passed over. */
  feed(bytes: Uint8Array, start: number, end: number): HelloState {
    let at = start;
    while (at < end && this.state === HELLO_PARTIAL) {
      if (this.#recordLeft === 0) {
        this.#recordHead[this.#recordHeadBytes++] = bytes[at++] as number;
        this.#checkRecordHead();
      } else {
        const taken = Math.min(end - at, this.#recordLeft);
        this.#take(bytes, at, at + taken);
        this.#recordLeft -= taken;
        at += taken;
      }
    }
    return this.state;
  }

  /** The first byte decides whether it is TLS; everything else that is wrong is TLS gone wrong. */
  #checkRecordHead(): void {
    const head = this.#recordHead;
    if (head[0] !== RECORD_HANDSHAKE) {
      this.state = this.#length === 0 ? HELLO_OTHER : HELLO_BROKEN;
      return;
    }
    // No version of TLS has another major number; a plain protocol may begin with the byte 22, if hardly with both.
    if (this.#recordHeadBytes === 2 && head[1] !== 3) this.state = this.#length === 0 ? HELLO_OTHER : HELLO_BROKEN;
    if (this.#recordHeadBytes < RECORD_HEAD_BYTES) return;
    this.#recordHeadBytes = 0;
    this.#recordLeft = ((head[3] as number) << 8) | (head[4] as number);
    // An empty record of a handshake is forbidden (RFC 8446 §5.1): a way to keep a server reading for nothing.
    if (this.#recordLeft === 0 || this.#recordLeft > RECORD_MAX_BYTES) this.state = HELLO_BROKEN;
  }

  #take(bytes: Uint8Array, start: number, end: number): void {
    const length = this.#length + end - start;
    // The largest record more than the hello may have: the rest is refused below.
    if (length > this.#message.length) {
      const larger = new Uint8Array(Math.max(length, this.#message.length * 2));
      larger.set(this.#message.subarray(0, this.#length));
      this.#message = larger;
    }
    this.#message.set(bytes.subarray(start, end), this.#length);
    this.#length = length;
    if (this.#wanted === 0 && length >= MESSAGE_HEAD_BYTES) {
      const message = this.#message;
      if (message[0] !== MESSAGE_CLIENT_HELLO) {
        this.state = HELLO_BROKEN;
        return;
      }
      this.#wanted = MESSAGE_HEAD_BYTES + (((message[1] as number) << 16) | this.#uint16(2));
      if (this.#wanted > HELLO_MAX_BYTES) this.state = HELLO_BROKEN;
    }
    if (this.state === HELLO_PARTIAL && this.#wanted !== 0 && length >= this.#wanted)
      this.state = this.#parse(this.#wanted) ? HELLO_TLS : HELLO_BROKEN;
  }

  #uint16(at: number): number {
    return ((this.#message[at] as number) << 8) | (this.#message[at + 1] as number);
  }

  /** legacy_version, random, session id, cipher suites, compression methods; then extensions, which TLS 1.2 may lack. */
  #parse(end: number): boolean {
    const message = this.#message;
    if (end < RANDOM_END + 1) return false;
    this.version = this.#uint16(MESSAGE_HEAD_BYTES);
    let at = RANDOM_END;
    const sessionBytes = message[at] as number;
    if (sessionBytes > 32) return false;
    at += 1 + sessionBytes;
    if (at + 2 > end) return false;
    const suiteBytes = this.#uint16(at);
    at += 2 + suiteBytes;
    if (suiteBytes < 2 || (suiteBytes & 1) !== 0 || at + 1 > end) return false;
    const compressionBytes = message[at] as number;
    at += 1 + compressionBytes;
    if (compressionBytes < 1 || at > end) return false;
    if (at === end) return true;
    if (at + 2 > end || at + 2 + this.#uint16(at) !== end) return false;
    return this.#parseExtensions(at + 2, end);
  }

  #parseExtensions(start: number, end: number): boolean {
    // RFC 8446 §4.2: one of each type at most; of those that are read here, two would be two answers.
    let seen = 0;
    for (let at = start; at < end; ) {
      if (at + 4 > end) return false;
      const type = this.#uint16(at);
      const from = at + 4;
      const to = from + this.#uint16(at + 2);
      if (to > end) return false;
      const bit = extensionBit(type);
      if ((seen & bit) !== 0) return false;
      seen |= bit;
      if (!this.#parseExtension(type, from, to)) return false;
      at = to;
    }
    return true;
  }

  #parseExtension(type: number, from: number, to: number): boolean {
    if (type === EXTENSION_SERVER_NAME) return this.#parseServerName(from, to);
    if (type === EXTENSION_ALPN) return this.#parseAlpn(from, to);
    if (type === EXTENSION_SUPPORTED_VERSIONS) return this.#parseVersions(from, to);
    if (type === EXTENSION_SIGNATURE_ALGORITHMS) return this.#parseSignatureAlgorithms(from, to);
    return true;
  }

  /** RFC 6066 §3: one host name at most. */
  #parseServerName(from: number, to: number): boolean {
    if (from + 2 > to || from + 2 + this.#uint16(from) !== to) return false;
    for (let at = from + 2; at < to; ) {
      if (at + 3 > to) return false;
      const type = this.#message[at] as number;
      const start = at + 3;
      const end = start + this.#uint16(at + 1);
      if (end > to || end === start) return false;
      if (type === NAME_TYPE_HOST) {
        if (this.serverName !== '' || end - start > NAME_MAX_BYTES) return false;
        const name = this.#ascii(start, end);
        if (name === null) return false;
        this.serverName = name.toLowerCase();
      }
      at = end;
    }
    return true;
  }

  /** RFC 7301 §3.1. */
  #parseAlpn(from: number, to: number): boolean {
    if (from + 2 > to || from + 2 + this.#uint16(from) !== to) return false;
    for (let at = from + 2; at < to; ) {
      const start = at + 1;
      const end = start + (this.#message[at] as number);
      if (end > to || end === start) return false;
      this.alpn.push(Buffer.from(this.#message.subarray(start, end)).toString('latin1'));
      at = end;
    }
    return this.alpn.length > 0;
  }

  #parseVersions(from: number, to: number): boolean {
    const byteCount = this.#message[from] as number;
    if (from >= to || from + 1 + byteCount !== to || byteCount < 2 || (byteCount & 1) !== 0) return false;
    let highest = 0;
    for (let at = from + 1; at < to; at += 2) {
      const version = this.#uint16(at);
      // 0x?a?a is GREASE (RFC 8701).
      if (version > highest && (version & 0x0f0f) !== 0x0a0a) highest = version;
    }
    this.version = highest;
    return true;
  }

  #parseSignatureAlgorithms(from: number, to: number): boolean {
    if (from + 2 > to || from + 2 + this.#uint16(from) !== to || ((to - from) & 1) !== 0) return false;
    for (let at = from + 2; at < to; at += 2) this.signatureAlgorithms.push(this.#uint16(at));
    return true;
  }

  /** Null when a byte of it is no printable ASCII: it would be read differently by whoever compares it (NUL, UTF-8). */
  #ascii(start: number, end: number): string | null {
    for (let at = start; at < end; at++) {
      const byte = this.#message[at] as number;
      if (byte <= 0x20 || byte >= 0x7f) return null;
    }
    return Buffer.from(this.#message.subarray(start, end)).toString('latin1');
  }
}

function extensionBit(type: number): number {
  if (type === EXTENSION_SERVER_NAME) return 1;
  if (type === EXTENSION_ALPN) return 2;
  if (type === EXTENSION_SUPPORTED_VERSIONS) return 4;
  return type === EXTENSION_SIGNATURE_ALGORITHMS ? 8 : 0;
}
