/** ProxyProtocol: the PROXY preface, versions 1 and 2, in which a balancer in front says who the client is: read and written. */
import { isIP } from 'node:net';
import type { ProxiedAddresses } from './proxied.js';
import type { Address } from './transport.js';

// The HAProxy PROXY protocol specification (2020/03/05), §2.1 and §2.2. Once per connection, off the path of requests:
// it may make garbage. Law: what is read never depends on how the bytes were cut.

/** Answers of read() when nothing was consumed. */
export const PREFACE_MORE = 0;
/** The first bytes are of something else. */
export const PREFACE_NONE = -1;
/** It begins like a preface, and is none: whoever sent it can't be believed. */
export const PREFACE_BAD = -2;

/** §2.1: the longest line of version 1, with CRLF. */
const V1_BYTES_MAX = 107;
/** Version 2's addresses and TLVs. A longer one would let a peer keep memory busy that serves nothing. */
const V2_BYTES_MAX = 16 + 4096;
const V1_START = Buffer.from('PROXY ', 'latin1');
const V2_START = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V2_HEAD_BYTES = 16;
const NOWHERE: Address = { family: 'unix', host: '', port: 0 };
const NOBODY: ProxiedAddresses = { source: NOWHERE, destination: NOWHERE };
const UNIX_PATH_BYTES = 108;
const INET = 1;
const INET6 = 2;
const UNIX = 3;

/** Longest preface that may have to be kept together until it is whole. */
export const PREFACE_BYTES_MAX = V2_BYTES_MAX;

/** What a preface said; source null: it says nothing of a client (LOCAL, UNKNOWN), the connection speaks for itself. */
export class ProxyPreface {
  version: 1 | 2 = 1;
  source: Address | null = null;
  destination: Address | null = null;

  /** Bytes consumed from start on, or PREFACE_MORE, PREFACE_NONE, PREFACE_BAD. */
  read(bytes: Uint8Array, start: number, end: number): number {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
    this.source = null;
    this.destination = null;
    if (beginsLike(text, V2_START)) {
      this.version = 2;
      return text.length < V2_HEAD_BYTES ? PREFACE_MORE : this.#readV2(text);
    }
    if (!beginsLike(text, V1_START)) return PREFACE_NONE;
    this.version = 1;
    return text.length < V1_START.length ? PREFACE_MORE : this.#readV1(text);
  }

  #readV1(text: Buffer): number {
    const lineEnd = text.subarray(0, V1_BYTES_MAX).indexOf('\n');
    if (lineEnd < 0) return text.length >= V1_BYTES_MAX ? PREFACE_BAD : PREFACE_MORE;
    if (text[lineEnd - 1] !== 0x0d) return PREFACE_BAD;
    const words = text.toString('latin1', V1_START.length, lineEnd - 1).split(' ');
    // What follows UNKNOWN is to be ignored.
    if (words[0] === 'UNKNOWN') return lineEnd + 1;
    const family = words[0] === 'TCP4' ? 4 : words[0] === 'TCP6' ? 6 : 0;
    if (family === 0 || words.length !== 5) return PREFACE_BAD;
    const [, sourceHost, destinationHost, sourcePort, destinationPort] = words as [
      string,
      string,
      string,
      string,
      string,
    ];
    if (isIP(sourceHost) !== family || isIP(destinationHost) !== family) return PREFACE_BAD;
    if (!isPort(sourcePort) || !isPort(destinationPort)) return PREFACE_BAD;
    this.source = { family, host: sourceHost, port: Number(sourcePort) };
    this.destination = { family, host: destinationHost, port: Number(destinationPort) };
    return lineEnd + 1;
  }

  #readV2(text: Buffer): number {
    const command = text.readUInt8(12);
    if (command >> 4 !== 2 || (command & 15) > 1) return PREFACE_BAD;
    const length = V2_HEAD_BYTES + text.readUInt16BE(14);
    if (length > V2_BYTES_MAX) return PREFACE_BAD;
    if (text.length < length) return PREFACE_MORE;
    // LOCAL: the balancer's own health check.
    if ((command & 15) === 0) return length;
    return this.#readV2Addresses(text.subarray(V2_HEAD_BYTES, length), text.readUInt8(13)) ? length : PREFACE_BAD;
  }

  #readV2Addresses(body: Buffer, familyAndProtocol: number): boolean {
    const family = familyAndProtocol >> 4;
    const protocol = familyAndProtocol & 15;
    // UNSPEC: a client that can't be named. Datagrams don't come over TCP.
    if (family === 0) return protocol <= 2;
    if (protocol !== 1) return false;
    if (family === UNIX) {
      if (body.length < 2 * UNIX_PATH_BYTES) return false;
      this.source = unixAddress(body.subarray(0, UNIX_PATH_BYTES));
      this.destination = unixAddress(body.subarray(UNIX_PATH_BYTES, 2 * UNIX_PATH_BYTES));
      return true;
    }
    const hostBytes = family === INET ? 4 : family === INET6 ? 16 : 0;
    if (hostBytes === 0 || body.length < 2 * hostBytes + 4) return false;
    this.source = ipAddress(body.subarray(0, hostBytes), body.readUInt16BE(2 * hostBytes));
    this.destination = ipAddress(body.subarray(hostBytes, 2 * hostBytes), body.readUInt16BE(2 * hostBytes + 2));
    return true;
  }
}

/**
 * The preface to send before anything else; client null: of nobody (UNKNOWN, LOCAL). Addresses of two families can't be
 * said: then it says nothing of the client.
 */
export function writePreface(version: 1 | 2, client: ProxiedAddresses | null): Uint8Array {
  const { source, destination } = client ?? NOBODY;
  return version === 1 ? writeV1(source, destination) : writeV2(source, destination);
}

function writeV1(source: Address, destination: Address): Uint8Array {
  if (source.family === 'unix' || source.family !== destination.family) return Buffer.from('PROXY UNKNOWN\r\n');
  const ports = `${source.port} ${destination.port}`;
  return Buffer.from(`PROXY TCP${source.family} ${source.host} ${destination.host} ${ports}\r\n`);
}

function writeV2(source: Address, destination: Address): Uint8Array {
  const isKnown = source.family !== 'unix' && source.family === destination.family;
  const hostBytes = !isKnown ? 0 : source.family === 4 ? 4 : 16;
  const out = Buffer.alloc(V2_HEAD_BYTES + (isKnown ? 2 * hostBytes + 4 : 0));
  V2_START.copy(out);
  // LOCAL when there is nobody to name.
  out[12] = isKnown ? 0x21 : 0x20;
  out[13] = !isKnown ? 0 : ((source.family === 4 ? INET : INET6) << 4) | 1;
  out.writeUInt16BE(out.length - V2_HEAD_BYTES, 14);
  if (!isKnown) return out;
  ipBytes(source.host, hostBytes).copy(out, V2_HEAD_BYTES);
  ipBytes(destination.host, hostBytes).copy(out, V2_HEAD_BYTES + hostBytes);
  out.writeUInt16BE(source.port, V2_HEAD_BYTES + 2 * hostBytes);
  out.writeUInt16BE(destination.port, V2_HEAD_BYTES + 2 * hostBytes + 2);
  return out;
}

function beginsLike(text: Buffer, start: Buffer): boolean {
  const length = Math.min(text.length, start.length);
  return text.compare(start, 0, length, 0, length) === 0;
}

/** Decimal without a leading zero: other readers of the same line might take 010 for 8. */
function isPort(text: string): boolean {
  return /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65535;
}

function unixAddress(path: Buffer): Address {
  const end = path.indexOf(0);
  return { family: 'unix', host: path.toString('latin1', 0, end < 0 ? path.length : end), port: 0 };
}

function ipAddress(host: Buffer, port: number): Address {
  if (host.length === 4) return { family: 4, host: host.join('.'), port };
  const groups: string[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(host.readUInt16BE(at).toString(16));
  return { family: 6, host: compressed(groups), port };
}

/** RFC 5952 §4.2: the longest run of zeros, of two at least, becomes "::"; the first of equals. */
function compressed(groups: readonly string[]): string {
  let best = 0;
  let bestLength = 1;
  for (let from = 0; from < groups.length; from++) {
    let to = from;
    while (groups[to] === '0') to++;
    if (to - from > bestLength) {
      best = from;
      bestLength = to - from;
    }
    if (to > from) from = to;
  }
  if (bestLength === 1) return groups.join(':');
  return `${groups.slice(0, best).join(':')}::${groups.slice(best + bestLength).join(':')}`;
}

/** host: an IP literal of its family, as an Address has. */
function ipBytes(host: string, byteCount: number): Buffer {
  if (byteCount === 4) return Buffer.from(host.split('.').map(Number));
  const out = Buffer.alloc(16);
  const plain = host.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, a: string, b: string, c: string, d: string) => {
    const pair = (high: string, low: string): string => ((Number(high) << 8) | Number(low)).toString(16);
    return `${pair(a, b)}:${pair(c, d)}`;
  });
  const [left = '', right] = plain.split('::') as [string, string?];
  const before = left === '' ? [] : left.split(':');
  const after = right === undefined || right === '' ? [] : right.split(':');
  const write = (groups: readonly string[], from: number): void => {
    for (const [at, group] of groups.entries()) out.writeUInt16BE(Number.parseInt(group, 16), from + at * 2);
  };
  write(before, 0);
  write(after, 16 - after.length * 2);
  return out;
}
