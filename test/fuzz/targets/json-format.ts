/** Fuzz target: JSON formats. Whatever the format and the request, the line is JSON of the document's shape. */
import { ByteOutput } from '../../../engine/base/byte-output.js';
import { compileJsonFormat, type JsonNode } from '../../../engine/format/json-format.js';
import { checkFormat, expandEnvironment } from '../../../engine/format/substitution.js';
import type { ExchangeView } from '../../../engine/format/exchange-view.js';
import { parseRequestHead } from '../../../engine/http1/head-parser.js';
import { newHead } from '../../support/fake-conn.js';
import { requestView } from '../../support/routes.js';
import { SERVER_OPTIONS } from '../../support/server-harness.js';
import { corpusOf } from '../corpus.js';

export const name = 'json-format';
export const corpus = corpusOf(name);

const VIEW: Partial<ExchangeView> = {
  responseTrailers: null,
  protocol: 'HTTP/1.1',
  responseStatus: 200,
  responseFlags: '',
  startWallMs: 1769860800007,
  startUs: 1000,
  endUs: 26500,
  upstreamAddress: { family: 6, host: '::1', port: 80 },
  hostname: 'h',
};

/** First line: the format, as JSON or as text; the others: fields of the request. */
export function run(input: Uint8Array): void {
  const text = Buffer.from(input).toString('latin1');
  const end = (text.indexOf('\n') + 1 || text.length + 1) - 1;
  const format = documentOf(text.slice(0, end));
  const bytes = Uint8Array.from(
    Buffer.from(`GET /a?b=c HTTP/1.1\r\nHost: a\r\n${text.slice(end + 1)}\r\n\r\n`, 'latin1'),
  );
  const head = newHead();
  if (parseRequestHead(bytes, 0, bytes.length, head, SERVER_OPTIONS) <= 0) return;
  const view = requestView(head, VIEW);
  for (const omitsEmpty of [false, true]) {
    let node: JsonNode;
    try {
      node = compileJsonFormat(format, omitsEmpty);
    } catch {
      if (leaves(format).every((leaf) => checkFormat(leaf) === null))
        throw new Error('refused, but every leaf is good');
      return;
    }
    const out = new ByteOutput(1);
    node.write(out, view);
    const line = new TextDecoder('utf-8', { fatal: true }).decode(out.bytes.subarray(0, out.length));
    if (/[\x00-\x1f]/.test(line)) throw new Error('a control character in the line');
    const read: unknown = JSON.parse(line);
    if (!omitsEmpty && shape(read) !== shape(format)) throw new Error(`${shape(read)} instead of ${shape(format)}`);
  }
  for (const leaf of leaves(format)) {
    const wrong = checkFormat(expandEnvironment(leaf, { A: '100% "x"', B: '' }));
    if (wrong !== null) throw new Error(`${leaf}: wrong once the environment is in place: ${wrong}`);
  }
}

function documentOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function leaves(json: unknown): string[] {
  if (typeof json === 'string') return [json];
  return typeof json === 'object' && json !== null ? Object.values(json).flatMap(leaves) : [];
}

/** Lists and maps with their names; a leaf is a leaf. */
function shape(json: unknown): string {
  if (Array.isArray(json)) return `[${json.map(shape).join()}]`;
  if (typeof json !== 'object' || json === null) return '.';
  return `{${Object.entries(json)
    .map(([key, each]) => `${JSON.stringify(key)}:${shape(each)}`)
    .join()}}`;
}
