/** Underscores in names of request fields: what a listener's policy makes of them, and which are an attack under any. */
import { CONNECTION_FIELDS_MAX } from './hop-by-hop.js';
import { nameId } from './names.js';

export type UnderscorePolicy = 'ALLOW' | 'REJECT_REQUEST' | 'DROP_HEADER';

const look = new Uint8Array(32);

/**
 * 0 = keep, 1 = drop, -1 = refuse. Names that equal a framing or routing field once '_' is read as '-' (as CGI and WSGI
 * servers do) are refused always: they are how a length is smuggled past a proxy.
 */
export function underscoreAction(bytes: Uint8Array, start: number, end: number, policy: UnderscorePolicy): number {
  if (policy === 'REJECT_REQUEST') return -1;
  if (policy === 'DROP_HEADER') return 1;
  if (end - start > look.length) return 0;
  for (let at = start; at < end; at++) look[at - start] = bytes[at] === 0x5f ? 0x2d : (bytes[at] as number);
  const id = nameId(look, 0, end - start);
  return id !== 0 && id <= CONNECTION_FIELDS_MAX ? -1 : 0;
}
