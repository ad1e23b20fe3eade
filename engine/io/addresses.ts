/** Addresses between Address objects, the addon's numbers and text. */
import { getSystemErrorName } from 'node:util';
import type { Address } from './transport.js';

/** The addon's number of a family. */
export function familyNumber(address: Address): number {
  return address.family === 'unix' ? 1 : address.family;
}

export function addressFrom(found: readonly [family: number, host: string, port: number] | null): Address | null {
  if (found === null) return null;
  const [family, host, port] = found;
  return { family: family === 6 ? 6 : family === 4 ? 4 : 'unix', host, port };
}

/** "127.0.0.1:80", "[::1]:80" or the path. */
export function addressText(address: Address): string {
  if (address.family === 'unix') return address.host;
  return address.family === 6 ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** An Error with `code`, as node:net would throw it; number is -errno. */
export function listenError(address: Address, number: number): Error & { code: string } {
  const code = getSystemErrorName(number);
  return Object.assign(new Error(`listen ${code} ${addressText(address)}`), { code });
}
