/** Fuzz target: paths. Normalised once is normalised for good, and nothing escapes the root or hides a slash. */
import { Normalization, type NormalizationOptions } from '../../../engine/http/normalize.js';
import { parseRequestHead } from '../../../engine/http1/head-parser.js';
import { newHead } from '../../support/fake-conn.js';
import { SERVER_OPTIONS } from '../../support/server-harness.js';
import { corpusOf } from '../corpus.js';

export const name = 'path';
export const corpus = corpusOf(name);

const ALL: NormalizationOptions = {
  normalizePath: true,
  mergeSlashes: true,
  pathWithEscapedSlashesAction: 'UNESCAPE_AND_FORWARD',
  stripMatchingHostPort: false,
  stripAnyHostPort: true,
  stripTrailingHostDot: true,
};
const normalization = new Normalization(ALL, 80);

/** Null: refused, by the parser or by us. */
function normalized(target: string): string | null {
  const bytes = Buffer.from(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`, 'latin1');
  const head = newHead();
  const lent = Uint8Array.from(bytes);
  if (parseRequestHead(lent, 0, lent.length, head, SERVER_OPTIONS) <= 0) return null;
  if (normalization.apply(head) > 0) return null;
  return head.pathString();
}

export function run(input: Uint8Array): void {
  for (const target of Buffer.from(input).toString('latin1').split('\n')) {
    const once = normalized(target);
    if (once === null || once === '' || !once.startsWith('/')) continue;
    const path = once.split('?')[0] as string;
    if (normalized(once) !== once) throw new Error(`${target}: ${once} is not in its last form`);
    if (/\/\/|%2f|%5c|\\/i.test(path)) throw new Error(`${target}: a slash is left in ${path}`);
    if (/(^|\/)\.{1,2}(\/|$)/.test(path)) throw new Error(`${target}: a dot segment is left in ${path}`);
  }
}
