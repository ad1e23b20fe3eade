/** HostTable: authority to virtual host: exact, then longest suffix wildcard, longest prefix wildcard, "*". */
import { lowerCase } from '../base/ascii.js';

interface Exact<V> {
  readonly host: Uint8Array;
  readonly value: V;
}

const encoder = new TextEncoder();

export class HostTable<V> {
  /** By hash of the lower-case host. */
  readonly #exact = new Map<number, Exact<V>[]>();
  /** Longest first. */
  readonly #suffixes: Exact<V>[] = [];
  readonly #prefixes: Exact<V>[] = [];
  #any: V | null = null;
  /** Only "*": nothing has to be read. */
  #isSimple = true;

  /** domain as configured, lower case. */
  add(domain: string, value: V): void {
    if (domain === '*') {
      this.#any = value;
      return;
    }
    this.#isSimple = false;
    if (domain.startsWith('*')) insertLongestFirst(this.#suffixes, { host: encoder.encode(domain.slice(1)), value });
    else if (domain.endsWith('*'))
      insertLongestFirst(this.#prefixes, { host: encoder.encode(domain.slice(0, -1)), value });
    else {
      const host = encoder.encode(domain);
      const hash = hashOf(host, 0, host.length);
      const chain = this.#exact.get(hash) ?? [];
      chain.push({ host, value });
      this.#exact.set(hash, chain);
    }
  }

  find(bytes: Uint8Array, start: number, end: number): V | null {
    if (this.#isSimple) return this.#any;
    if (this.#exact.size > 0) {
      const chain = this.#exact.get(hashOf(bytes, start, end));
      if (chain !== undefined)
        for (let i = 0; i < chain.length; i++) {
          const exact = chain[i] as Exact<V>;
          if (end - start === exact.host.length && isAt(bytes, start, exact.host)) return exact.value;
        }
    }
    for (let i = 0; i < this.#suffixes.length; i++) {
      const { host, value } = this.#suffixes[i] as Exact<V>;
      // A wildcard never stands for nothing.
      if (end - start > host.length && isAt(bytes, end - host.length, host)) return value;
    }
    for (let i = 0; i < this.#prefixes.length; i++) {
      const { host, value } = this.#prefixes[i] as Exact<V>;
      if (end - start > host.length && isAt(bytes, start, host)) return value;
    }
    return this.#any;
  }
}

function insertLongestFirst<V>(list: Exact<V>[], entry: Exact<V>): void {
  list.push(entry);
  list.sort((a, b) => b.host.length - a.host.length);
}

function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ lowerCase(bytes[at] as number), 0x01000193);
  return hash;
}

function isAt(bytes: Uint8Array, at: number, host: Uint8Array): boolean {
  for (let i = 0; i < host.length; i++) if (lowerCase(bytes[at + i] as number) !== host[i]) return false;
  return true;
}
