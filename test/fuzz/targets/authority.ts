/** Fuzz target: authorities. What is accepted is what RFC 3986 says, by other means; every form of it is read the same. */
import { isIPv6 } from 'node:net';
import { isAuthority, isAuthorityWithPort } from '../../../engine/http/authority.js';
import { Normalization } from '../../../engine/http/normalize.js';
import { parseRequestHead } from '../../../engine/http1/head-parser.js';
import { newHead } from '../../support/fake-conn.js';
import { SERVER_OPTIONS } from '../../support/server-harness.js';
import { corpusOf } from '../corpus.js';

export const name = 'authority';
export const corpus = corpusOf(name);

const NAME = /^(?:[-A-Za-z0-9._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+$/;
const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const DOTTED = new RegExp(`:${OCTET}(?:\\.${OCTET}){3}$`);

function expected(text: string): boolean {
  const found = /^(\[([0-9A-Fa-f:.]*)\]|[^:[\]]*)(?::(\d{1,5}))?$/.exec(text);
  if (found === null || Number(found[3] ?? 0) > 65535) return false;
  const six = found[2];
  if (six === undefined) return NAME.test(found[1] as string);
  return isIPv6(six) && (!six.includes('.') || DOTTED.test(six));
}

const keep = { normalizePath: false, mergeSlashes: false, pathWithEscapedSlashesAction: 'KEEP_UNCHANGED' } as const;
const normalization = new Normalization(
  { ...keep, stripMatchingHostPort: false, stripAnyHostPort: true, stripTrailingHostDot: true },
  80,
);

/** The authority of a request, null when it is refused. */
function authorityOf(request: string, isNormalized: boolean): string | null {
  const lent = Uint8Array.from(Buffer.from(request, 'latin1'));
  const head = newHead();
  if (parseRequestHead(lent, 0, lent.length, head, SERVER_OPTIONS) <= 0) return null;
  if (isNormalized && normalization.apply(head) > 0) return null;
  return head.authorityString();
}

export function run(input: Uint8Array): void {
  for (const text of Buffer.from(input).toString('latin1').split('\n')) {
    // Between brackets, which belong to nobody: reading past the end would find them.
    const bytes = Uint8Array.from(Buffer.from(`[${text}]`, 'latin1'));
    const is = isAuthority(bytes, 1, bytes.length - 1);
    if (is !== expected(text)) throw new Error(`${text}: ${is ? 'accepted' : 'refused'}`);
    const hasPort = /:\d+$/.test(text.replace(/^\[.*\]/, ''));
    if (isAuthorityWithPort(bytes, 1, bytes.length - 1) !== (is && hasPort)) throw new Error(`${text}: port`);
    // In a field, white space around the value is not part of it.
    const inField = authorityOf(`GET / HTTP/1.1\r\nHost: ${text}\r\n\r\n`, false);
    const trimmed = text.replace(/^[ \t]+|[ \t]+$/g, '');
    if (inField !== null && inField !== '' && (inField !== trimmed || !expected(trimmed)))
      throw new Error(`${text}: read as ${inField}`);
    if (!is) continue;
    if (inField !== text) throw new Error(`${text}: refused as a host`);
    for (const request of [
      `GET http://${text}/ HTTP/1.1\r\nHost: b\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: ${text}\r\n\r\n`,
    ])
      if (authorityOf(request, false) !== text) throw new Error(`${text}: not in ${request}`);
    const once = authorityOf(`GET / HTTP/1.1\r\nHost: ${text}\r\n\r\n`, true);
    if (once === null) continue;
    if (!expected(once)) throw new Error(`${text}: normalised to ${once}`);
    if (/:\d+$/.test(once.replace(/^\[.*\]/, ''))) throw new Error(`${text}: a port is left in ${once}`);
  }
}
