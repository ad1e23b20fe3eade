/** Forwarding: who the client is as far as it can be trusted; x-forwarded-*, and x-envoy-* from outside. */
import { isIP } from 'node:net';
import type { Address } from '../io/transport.js';
import { CidrList } from './cidr.js';
import { type FieldLine, fieldLine, HEAD_HTTPS, type Head } from './head.js';
import { N } from './names.js';

export interface ForwardingOptions {
  readonly useRemoteAddress: boolean;
  readonly xffNumTrustedHops: number;
  readonly skipXffAppend: boolean;
  readonly internalCidrRanges: readonly string[];
}

/** Made once per client connection. */
export interface PeerIdentity {
  readonly address: Address;
  readonly isInternal: boolean;
  readonly scheme: 'http' | 'https';
  /** X-Forwarded-For with this peer alone; shared by connections from the same host. */
  readonly xffLine: FieldLine;
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
const TRUE = encoder.encode('true');
const XFF = N['x-forwarded-for'];
const XFP = N['x-forwarded-proto'];
const XFP_HTTP = fieldLine(XFP, 'http');
const XFP_HTTPS = fieldLine(XFP, 'https');
const INTERNAL = N['x-envoy-internal'];
const EXTERNAL_ADDRESS = N['x-envoy-external-address'];

/** What only trusted callers may say (envoy-semantics 3.7). Ids below 32 first: their presence is one bit test. */
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
  N['x-envoy-hedge-on-per-try-timeout'],
];
const EDGE_UNTRUSTED = [
  N['x-envoy-decorator-operation'],
  N['x-envoy-downstream-service-cluster'],
  N['x-envoy-downstream-service-node'],
];
/** 1 for the ids of both lists, so that one pass over the fields finds them. */
const IS_UNTRUSTED = new Uint8Array(256);
const IS_EDGE_UNTRUSTED = new Uint8Array(256);
for (const id of UNTRUSTED) IS_UNTRUSTED[id] = 1;
for (const id of EDGE_UNTRUSTED) IS_EDGE_UNTRUSTED[id] = 1;

/** Hosts whose X-Forwarded-For line is kept. */
const LINES_MAX = 10000;

export class Forwarding {
  readonly #options: ForwardingOptions;
  readonly #internal: CidrList;
  readonly #lines = new Map<string, FieldLine>();

  constructor(options: ForwardingOptions) {
    this.#options = options;
    this.#internal = new CidrList(options.internalCidrRanges);
  }

  identify(address: Address, isSecure: boolean): PeerIdentity {
    const host = address.family === 'unix' ? '127.0.0.1' : address.host;
    const isInternal = address.family !== 'unix' && this.#internal.contains(host);
    return {
      address,
      isInternal,
      scheme: isSecure ? 'https' : 'http',
      xffLine: this.#lineOf(host),
    };
  }

  #lineOf(host: string): FieldLine {
    let line = this.#lines.get(host);
    if (line === undefined) {
      // Small enough to forget all at once: a line is made again in no time.
      if (this.#lines.size >= LINES_MAX) this.#lines.clear();
      line = fieldLine(XFF, host);
      this.#lines.set(host, line);
    }
    return line;
  }

  apply(head: Head, peer: PeerIdentity, result: ForwardingResult): void {
    const options = this.#options;
    const hops = options.xffNumTrustedHops;
    const hasXff = head.has(XFF) && head.find(XFF) >= 0;
    result.address = peer.address;
    if (options.useRemoteAddress) {
      result.isInternal = !hasXff && peer.isInternal;
      if (hasXff && hops > 0) this.#trustEntry(head, hops, peer, result);
    } else {
      result.isInternal = false;
      if (hasXff) {
        this.#trustEntry(head, hops + 1, peer, result);
        result.isInternal = this.#isSingleInternal(head);
      }
    }
    result.isEdge = options.useRemoteAddress && !result.isInternal;
    if (options.useRemoteAddress && !options.skipXffAppend) appendXff(head, peer, hasXff);
    this.#applyScheme(head, peer, result);
    if (!result.isInternal) dropUntrusted(head, result.isEdge);
    this.#applyTrustHeaders(head, result);
  }

  /** The n-th address from the right of X-Forwarded-For; too few of them, or not an address: the peer. */
  #trustEntry(head: Head, n: number, peer: PeerIdentity, result: ForwardingResult): void {
    const entries = xffEntries(head);
    const text = entries[entries.length - n];
    const family = text === undefined ? 0 : isIP(text);
    result.address = family === 0 ? peer.address : { family: family === 6 ? 6 : 4, host: text as string, port: 0 };
  }

  /** Not at the edge: internal when X-Forwarded-For holds exactly one address, an internal one. */
  #isSingleInternal(head: Head): boolean {
    if (this.#internal.isEmpty) return false;
    const entries = xffEntries(head);
    return entries.length === 1 && isIP(entries[0] as string) !== 0 && this.#internal.contains(entries[0] as string);
  }

  #applyScheme(head: Head, peer: PeerIdentity, result: ForwardingResult): void {
    result.scheme = peer.scheme;
    const isTrusted = !this.#options.useRemoteAddress || this.#options.xffNumTrustedHops > 0;
    const slot = head.find(XFP);
    if (slot >= 0 && isTrusted) {
      if (head.valueEquals(slot, HTTPS)) {
        result.scheme = 'https';
        return;
      }
      if (head.valueEquals(slot, HTTP)) {
        result.scheme = 'http';
        return;
      }
    }
    if (slot >= 0) head.removeAll(XFP);
    if (peer.scheme === 'https' && (head.flags & HEAD_HTTPS) === 0) result.scheme = 'https';
    head.addLine(result.scheme === 'https' ? XFP_HTTPS : XFP_HTTP);
  }

  #applyTrustHeaders(head: Head, result: ForwardingResult): void {
    if (head.has(INTERNAL)) head.removeAll(INTERNAL);
    if (result.isInternal) head.add(INTERNAL, TRUE, 0, TRUE.length);
    if (!this.#options.useRemoteAddress) return;
    if (head.has(EXTERNAL_ADDRESS)) head.removeAll(EXTERNAL_ADDRESS);
    // Only where internal addresses are told apart does "external" say anything.
    if (result.isInternal || this.#internal.isEmpty) return;
    const bytes = encoder.encode(result.address.host);
    head.add(EXTERNAL_ADDRESS, bytes, 0, bytes.length);
  }
}

function appendXff(head: Head, peer: PeerIdentity, hasXff: boolean): void {
  if (!hasXff) {
    head.addLine(peer.xffLine);
    return;
  }
  const joined = encoder.encode(`${(head.joinedString('x-forwarded-for') as string).replaceAll(', ', ',')},`);
  // The line is "x-forwarded-for: HOST": what is behind the name and ": ", before the line end.
  const host = peer.xffLine.bytes.subarray(peer.xffLine.nameLength + 2, peer.xffLine.bytes.length - 2);
  const value = new Uint8Array(joined.length + host.length);
  value.set(joined);
  value.set(host, joined.length);
  head.removeAll(XFF);
  head.add(XFF, value, 0, value.length);
}

function xffEntries(head: Head): string[] {
  return (head.joinedString('x-forwarded-for') ?? '').split(',').map((entry) => entry.trim());
}

function dropUntrusted(head: Head, isEdge: boolean): void {
  for (let slot = 0; slot < head.fieldCount; slot++) {
    const id = head.fieldId(slot);
    if (IS_UNTRUSTED[id] === 1 || (isEdge && IS_EDGE_UNTRUSTED[id] === 1)) head.remove(slot);
  }
}
