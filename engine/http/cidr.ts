/** CIDR ranges over IP literals. */
import { BlockList } from 'node:net';

export class CidrList {
  readonly #list = new BlockList();
  readonly isEmpty: boolean;

  /** "10.0.0.0/8", "::1/128"; throws on anything else. */
  constructor(ranges: readonly string[]) {
    this.isEmpty = ranges.length === 0;
    for (const range of ranges) {
      const [address, length] = range.split('/') as [string, string | undefined];
      const family = address.includes(':') ? 'ipv6' : 'ipv4';
      this.#list.addSubnet(address, length === undefined ? (family === 'ipv6' ? 128 : 32) : Number(length), family);
    }
  }

  contains(host: string): boolean {
    if (this.isEmpty) return false;
    return this.#list.check(host, host.includes(':') ? 'ipv6' : 'ipv4');
  }
}
