/** CIDR ranges over IP literals: IPv4 as integers, IPv6 by the platform's list. */
import { BlockList } from 'node:net';

const DOT = 0x2e;

/** An IPv4 literal in bytes[start, end) as an unsigned number; -1 when it is none (no leading zeros: they read as octal elsewhere). */
export function parseIpv4(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 7 || end - start > 15) return -1;
  let value = 0;
  let octet = -1;
  let octets = 0;
  for (let at = start; at <= end; at++) {
    const byte = at === end ? DOT : (bytes[at] as number);
    if (byte === DOT) {
      if (octet < 0 || octets === 4) return -1;
      value = value * 256 + octet;
      octets++;
      octet = -1;
      continue;
    }
    const digit = byte - 0x30;
    if (digit < 0 || digit > 9 || octet === 0) return -1;
    octet = octet < 0 ? digit : octet * 10 + digit;
    if (octet > 255) return -1;
  }
  return octets === 4 ? value : -1;
}

export class CidrList {
  readonly isEmpty: boolean;
  /** First and last address of each IPv4 range. */
  readonly #first: number[] = [];
  readonly #last: number[] = [];
  readonly #ipv6 = new BlockList();

  /** "10.0.0.0/8", "::1/128"; throws on anything else. */
  constructor(ranges: readonly string[]) {
    this.isEmpty = ranges.length === 0;
    for (const range of ranges) {
      const [address, length] = range.split('/') as [string, string | undefined];
      if (address.includes(':')) {
        this.#ipv6.addSubnet(address, length === undefined ? 128 : Number(length), 'ipv6');
        continue;
      }
      const value = this.#ipv4(address);
      const bits = length === undefined ? 32 : Number(length);
      if (value < 0 || !(bits >= 0 && bits <= 32)) throw new Error(`not a CIDR range: ${range}`);
      const size = 2 ** (32 - bits);
      const first = Math.floor(value / size) * size;
      this.#first.push(first);
      this.#last.push(first + size - 1);
    }
  }

  contains(host: string): boolean {
    if (this.isEmpty) return false;
    const value = this.#ipv4(host);
    if (value < 0) return this.#ipv6.check(host, 'ipv6');
    for (let i = 0; i < this.#first.length; i++)
      if (value >= (this.#first[i] as number) && value <= (this.#last[i] as number)) return true;
    return false;
  }

  #ipv4(host: string): number {
    const bytes = Buffer.from(host, 'latin1');
    return parseIpv4(bytes, 0, bytes.length);
  }
}
