/** Forwarding: who the client is as far as it can be trusted; x-forwarded-*, and x-envoy-* from outside. */
import { isIP } from 'node:net';
import type { Address } from '../io/transport.js';
import { CidrList } from './cidr.js';
import { type FieldLine, fieldLine } from './field-line.js';
import type { Head } from './head.js';
import { N } from './names.js';

export interface ForwardingOptions {
  readonly useRemoteAddress: boolean;
  readonly xffNumTrustedHops: number;
  readonly skipXffAppend: boolean;
  /** '' = the scheme is found out. */
  readonly schemeToOverwrite: '' | 'http' | 'https';
  readonly internalCidrRanges: readonly string[];
}

/** One for all connections from a host, so that what each request reads of it is in the cache. */
export interface PeerHost {
  /** The host part in ASCII; empty for a unix socket. */
  readonly bytes: Uint8Array;
  readonly isUnix: boolean;
  readonly isInternal: boolean;
  readonly scheme: 'http' | 'https';
  /** X-Forwarded-For and x-envoy-external-address with this peer alone; null for a unix socket, which has no address. */
  readonly xffLine: FieldLine | null;
  readonly externalLine: FieldLine | null;
}

/** Filled by apply(); one per worker. */
export class ForwardingResult {
  address: Address = { family: 4, host: '0.0.0.0', port: 0 };
  isInternal = false;
  isEdge = false;
  scheme: 'http' | 'https' = 'http';
}

const encoder = new TextEncoder();
const HTTP = encoder.encode('http');
const HTTPS = encoder.encode('https');
const XFF = N['x-forwarded-for'];
const XFP = N['x-forwarded-proto'];
const XFP_HTTP = fieldLine(XFP, 'http');
const XFP_HTTPS = fieldLine(XFP, 'https');
const INTERNAL = N['x-envoy-internal'];
const INTERNAL_TRUE = fieldLine(INTERNAL, 'true');
const EXTERNAL_ADDRESS = N['x-envoy-external-address'];
/** Hosts remembered per listener; clients from everywhere must not fill the memory. */
const HOSTS_MAX = 4096;
const COMMA = 0x2c;
const SPACE = 0x20;
const TAB = 0x09;

/** What only trusted callers may say (envoy-semantics 3.7), and the original path, which logs believe. */
const UNTRUSTED = [
  N['x-envoy-upstream-rq-timeout-ms'],
  N['x-envoy-expected-rq-timeout-ms'],
  N['x-envoy-retry-on'],
  N['x-envoy-max-retries'],
  N['x-envoy-retry-grpc-on'],
  N['x-envoy-retriable-status-codes'],
  N['x-envoy-retriable-header-names'],
  N['x-envoy-upstream-alt-stat-name'],
  N['x-envoy-upstream-rq-per-try-timeout-ms'],
  N['x-envoy-upstream-rq-timeout-alt-response'],
  N['x-envoy-force-trace'],
  N['x-envoy-ip-tags'],
  N['x-envoy-original-url'],
  N['x-envoy-original-path'],
  N['x-envoy-original-host'],
  N['x-envoy-hedge-on-per-try-timeout'],
];
const EDGE_UNTRUSTED = [
  N['x-envoy-decorator-operation'],
  N['x-envoy-downstream-service-cluster'],
  N['x-envoy-downstream-service-node'],
];
/** By id: 1 = dropped from any request from outside, 2 = at the edge only. One pass over the fields finds them. */
const UNTRUSTED_AT = new Uint8Array(256);
for (const id of UNTRUSTED) UNTRUSTED_AT[id] = 1;
for (const id of EDGE_UNTRUSTED) UNTRUSTED_AT[id] = 2;

export class Forwarding {
  readonly #usesRemoteAddress: boolean;
  readonly #hops: number;
  readonly #appendsXff: boolean;
  readonly #overwrite: '' | 'http' | 'https';
  readonly #internal: CidrList;
  /** The last entry of X-Forwarded-For that was trusted: clients come with many requests, and parsing makes objects. */
  #lastBytes: Uint8Array = new Uint8Array(0);
  #lastAddress: Address | null = null;
  readonly #hosts = new Map<string, PeerHost>();

  constructor(options: ForwardingOptions) {
    this.#usesRemoteAddress = options.useRemoteAddress;
    this.#hops = options.xffNumTrustedHops;
    this.#appendsXff = options.useRemoteAddress && !options.skipXffAppend;
    this.#overwrite = options.schemeToOverwrite;
    this.#internal = new CidrList(options.internalCidrRanges);
  }

  /** peer: without mapping. */
  hostOf(peer: Address, isSecure: boolean): PeerHost {
    const isUnix = peer.family === 'unix';
    const key = `${isSecure ? 's' : ''} ${isUnix ? '' : peer.host}`;
    let host = this.#hosts.get(key);
    if (host === undefined) {
      if (this.#hosts.size >= HOSTS_MAX) this.#hosts.clear();
      host = {
        bytes: encoder.encode(isUnix ? '' : peer.host),
        isUnix,
        isInternal: !isUnix && this.#internal.contains(peer.host),
        scheme: isSecure ? 'https' : 'http',
        xffLine: isUnix ? null : fieldLine(XFF, peer.host),
        externalLine: isUnix ? null : fieldLine(EXTERNAL_ADDRESS, peer.host),
      };
      this.#hosts.set(key, host);
    }
    return host;
  }

  /** own: the address of the connection's peer, without mapping, on host `peer`. */
  apply(head: Head, peer: PeerHost, own: Address, result: ForwardingResult): void {
    const xff = head.find(XFF);
    let address = own;
    let isInternal = false;
    if (this.#usesRemoteAddress) {
      // At the edge: who talks to us, or who the trusted proxies in front say it is.
      isInternal = xff < 0 && peer.isInternal;
      if (xff >= 0 && this.#hops > 0) address = this.#entry(head, this.#hops - 1) ?? address;
    } else if (xff >= 0) {
      const entry = this.#entry(head, this.#hops);
      // Internal: one address alone, and an internal one.
      isInternal = entry !== null && this.#hops === 0 && isSingle(head, xff) && this.#internal.contains(entry.host);
      address = entry ?? address;
    }
    const isEdge = this.#usesRemoteAddress && !isInternal;
    result.address = address;
    result.isInternal = isInternal;
    result.isEdge = isEdge;
    if (this.#appendsXff && peer.xffLine !== null) {
      if (xff < 0) head.addLine(peer.xffLine);
      else appendXff(head, xff, peer.bytes);
    }
    this.#applyScheme(head, peer, result);
    if (!isInternal) dropUntrusted(head, isEdge ? 2 : 1);
    if (head.has(INTERNAL)) head.removeAll(INTERNAL);
    if (isInternal) head.addLine(INTERNAL_TRUE);
    if (!isEdge) return;
    if (address !== own) setExternalAddress(head, address);
    else if (peer.externalLine !== null) {
      if (head.has(EXTERNAL_ADDRESS)) head.removeAll(EXTERNAL_ADDRESS);
      head.addLine(peer.externalLine);
    }
  }

  /** X-Forwarded-Proto of a proxy in front that is trusted stands; otherwise it is what the connection is. */
  #applyScheme(head: Head, peer: PeerHost, result: ForwardingResult): void {
    const scheme = this.#overwrite === '' ? peer.scheme : this.#overwrite;
    result.scheme = scheme;
    const slot = head.find(XFP);
    if (slot >= 0) {
      if (this.#overwrite === '' && (!this.#usesRemoteAddress || this.#hops > 0)) {
        if (head.valueEquals(slot, HTTPS)) result.scheme = 'https';
        else if (head.valueEquals(slot, HTTP)) result.scheme = 'http';
        return;
      }
      head.removeAll(XFP);
    }
    head.addLine(scheme === 'https' ? XFP_HTTPS : XFP_HTTP);
  }

  /** The entry of X-Forwarded-For with so many to its right; null: there is none, or it is no address. */
  #entry(head: Head, skip: number): Address | null {
    let left = skip;
    for (let slot = head.fieldCount - 1; slot >= 0; slot--) {
      if (head.fieldId(slot) !== XFF || head.isRemoved(slot)) continue;
      const bytes = head.fieldBytes(slot);
      const first = head.valueStart(slot);
      let end = head.valueEnd(slot);
      for (let at = end; at >= first; at--) {
        if (at > first && bytes[at - 1] !== COMMA) continue;
        if (left-- === 0) return this.#addressOf(bytes, at, end);
        end = at - 1;
      }
    }
    return null;
  }

  #addressOf(bytes: Uint8Array, from: number, to: number): Address | null {
    let start = from;
    let end = to;
    while (start < end && isSpace(bytes[start] as number)) start++;
    while (end > start && isSpace(bytes[end - 1] as number)) end--;
    const last = this.#lastBytes;
    if (last.length === end - start && start < end) {
      let i = 0;
      while (i < last.length && bytes[start + i] === last[i]) i++;
      if (i === last.length) return this.#lastAddress;
    }
    const host = Buffer.from(bytes.subarray(start, end)).toString('latin1');
    const family = isIP(host);
    if (family === 0) return null;
    this.#lastBytes = bytes.slice(start, end);
    this.#lastAddress = withoutMapping({ family: family === 6 ? 6 : 4, host, port: 0 });
    return this.#lastAddress;
  }
}

function isSpace(byte: number): boolean {
  return byte === SPACE || byte === TAB;
}

/** A listener for both families shows IPv4 peers as ::ffff:a.b.c.d. */
export function withoutMapping(address: Address): Address {
  const mapped = address.family === 6 ? /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address.host) : null;
  return mapped === null ? address : { family: 4, host: mapped[1] as string, port: address.port };
}

/** One field with one entry. */
function isSingle(head: Head, slot: number): boolean {
  if (head.find(XFF, slot + 1) >= 0) return false;
  const bytes = head.fieldBytes(slot);
  for (let at = head.valueStart(slot); at < head.valueEnd(slot); at++) if (bytes[at] === COMMA) return false;
  return true;
}

/** All that came, and the peer behind it, as one field. */
function appendXff(head: Head, first: number, peer: Uint8Array): void {
  const count = head.fieldCount;
  let byteCount = peer.length;
  for (let slot = first; slot >= 0; slot = head.find(XFF, slot + 1))
    byteCount += head.valueEnd(slot) - head.valueStart(slot) + 1;
  let at = head.beginAdd(XFF, byteCount);
  const store = head.store;
  for (let slot = first; slot >= 0 && slot < count; slot = head.find(XFF, slot + 1)) {
    const bytes = head.fieldBytes(slot);
    const end = head.valueEnd(slot);
    for (let from = head.valueStart(slot); from < end; from++) store[at++] = bytes[from] as number;
    store[at++] = COMMA;
    head.remove(slot);
  }
  store.set(peer, at);
  head.endAdd(at + peer.length);
}

function setExternalAddress(head: Head, address: Address): void {
  if (head.has(EXTERNAL_ADDRESS)) head.removeAll(EXTERNAL_ADDRESS);
  const host = address.host;
  const at = head.beginAdd(EXTERNAL_ADDRESS, host.length);
  for (let i = 0; i < host.length; i++) head.store[at + i] = host.charCodeAt(i);
  head.endAdd(at + host.length);
}

function dropUntrusted(head: Head, level: number): void {
  const count = head.fieldCount;
  for (let slot = 0; slot < count; slot++) {
    const at = UNTRUSTED_AT[head.fieldId(slot)] as number;
    if (at !== 0 && at <= level) head.remove(slot);
  }
}
