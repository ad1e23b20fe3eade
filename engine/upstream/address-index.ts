/** AddressIndex: finds an endpoint of one list by the text of its address, as bytes. */
import { addressText } from '../format/address-text.js';
import type { EndpointRecord } from '../plan/records.js';

const encoder = new TextEncoder();

/** Open addressing, at most half full. */
export class AddressIndex {
  /** Index of the list plus 1; 0 = free. */
  readonly #slots: Int32Array;
  readonly #texts: readonly Uint8Array[];

  constructor(records: readonly EndpointRecord[]) {
    this.#texts = records.map(({ address }) => encoder.encode(addressText(address)));
    let size = 2;
    while (size < records.length * 2) size *= 2;
    this.#slots = new Int32Array(size);
    this.#texts.forEach((text, index) => {
      // Of equal addresses the first counts.
      const slot = this.#slotOf(text, text.length);
      if (this.#slots[slot] === 0) this.#slots[slot] = index + 1;
    });
  }

  /** -1 = there is none. */
  find(bytes: Uint8Array, length: number): number {
    return (this.#slots[this.#slotOf(bytes, length)] as number) - 1;
  }

  /** Where it is, or the free one where it would be. */
  #slotOf(bytes: Uint8Array, length: number): number {
    const mask = this.#slots.length - 1;
    let slot = fnv(bytes, length) & mask;
    for (; this.#slots[slot] !== 0; slot = (slot + 1) & mask)
      if (isEqual(this.#texts[(this.#slots[slot] as number) - 1] as Uint8Array, bytes, length)) return slot;
    return slot;
  }
}

/** FNV-1a: short, and nobody outside chooses what is in the table. */
function fnv(bytes: Uint8Array, length: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < length; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function isEqual(text: Uint8Array, bytes: Uint8Array, length: number): boolean {
  if (text.length !== length) return false;
  for (let i = 0; i < length; i++) if (text[i] !== bytes[i]) return false;
  return true;
}
