/** Location of a redirect: scheme, host, port and path as the route wants them, the rest from the request. */
import { isDigit } from '../base/ascii.js';
import type { ByteOutput } from '../base/byte-output.js';
import type { ExchangeView } from '../format/exchange-view.js';
import type { Head } from '../http/head.js';
import type { RedirectRecord } from '../plan/records.js';
import type { PathRewrite } from './path-rewrite.js';

const QUESTION = 0x3f;
const COLON = 0x3a;

export function writeLocation(
  out: ByteOutput,
  x: ExchangeView,
  action: RedirectRecord,
  rewrite: PathRewrite | null,
): void {
  const scheme = action.httpsRedirect ? 'https' : (action.schemeRedirect ?? x.scheme);
  out.text(scheme);
  out.text('://');
  if (action.hostRedirect !== null) out.text(action.hostRedirect);
  else writeHost(out, x, scheme, action.portRedirect !== null);
  if (action.portRedirect !== null) {
    out.byte(COLON);
    out.decimal(action.portRedirect);
  }
  writePath(out, x.request, action, rewrite);
}

/** The request's own host. Its port goes when another is given, or when it was the default of the scheme that is left. */
function writeHost(out: ByteOutput, x: ExchangeView, scheme: string, dropsPort: boolean): void {
  const head = x.request;
  const bytes = head.authorityBytes;
  const from = head.authorityFrom;
  const to = head.authorityTo;
  let at = to;
  while (at > from && isDigit(bytes[at - 1] as number)) at--;
  const hasPort = at < to && at > from && bytes[at - 1] === COLON;
  let end = to;
  if (hasPort) {
    let port = 0;
    for (let i = at; i < to; i++) port = port * 10 + (bytes[i] as number) - 0x30;
    const isDefault = port === (x.scheme === 'https' ? 443 : 80);
    if (dropsPort || (scheme !== x.scheme && isDefault)) end = at - 1;
  }
  out.range(bytes, from, end);
}

function writePath(out: ByteOutput, head: Head, action: RedirectRecord, rewrite: PathRewrite | null): void {
  const start = out.length;
  if (action.pathRedirect !== null) {
    out.text(action.pathRedirect);
    // A query of its own wins over the request's, and stays even where queries are stripped.
    if (action.pathRedirect.includes('?')) return;
    let query = head.pathFrom;
    const bytes = head.pathBytes;
    while (query < head.pathTo && bytes[query] !== QUESTION) query++;
    if (!action.stripQuery) out.range(bytes, query, head.pathTo);
    return;
  }
  if (rewrite === null) out.range(head.pathBytes, head.pathFrom, head.pathTo);
  else rewrite.write(out, head);
  if (!action.stripQuery) return;
  for (let at = start; at < out.length; at++)
    if (out.bytes[at] === QUESTION) {
      out.length = at;
      return;
    }
}
