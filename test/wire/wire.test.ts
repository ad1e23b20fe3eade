/** Wire vectors: bytes and expected events in Markdown; fed whole, split at every offset, and byte by byte. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { MessageStream } from '../../engine/http/codec.js';
import { methodNumber } from '../../engine/http/methods.js';
import { Http1ClientCodec } from '../../engine/http1/codec-client.js';
import { packageRoot } from '../../engine/io/addon.js';
import { FakeConn, newHead, newShared } from '../support/fake-conn.js';
import { RecordingSink } from '../support/recording-sink.js';
import { SERVER_OPTIONS, ServerHarness } from '../support/server-harness.js';

interface Vector {
  readonly name: string;
  readonly kind: 'request' | 'response';
  readonly bytes: Buffer;
  readonly method: string;
  readonly events: readonly string[];
  readonly written: string | null;
}

/** What feeding gave: events, and the bytes written. */
interface Outcome {
  readonly events: readonly string[];
  readonly written: string;
}

/** Lines with CRLF between and behind, but for those that end with a backslash. */
function bytesOf(text: string): Buffer {
  const wire = text
    .split('\n')
    .map((line) => (/(^|[^\\])(\\\\)*\\$/.test(line) ? line.slice(0, -1) : `${line}\\r\\n`))
    .join('');
  const unescaped = wire.replace(/\\(x([0-9a-f]{2})|r|n|t|0|\\)/g, (_, code: string, hex: string) =>
    code.startsWith('x')
      ? String.fromCharCode(Number.parseInt(hex, 16))
      : ({ r: '\r', n: '\n', t: '\t', '0': '\0', '\\': '\\' }[code] as string),
  );
  return Buffer.from(unescaped, 'latin1');
}

function parse(text: string): Vector[] {
  return text
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const block = (kind: string): string | null =>
        new RegExp(`^\`\`\`${kind}\\n([^]*?)\\n?^\`\`\`$`, 'm').exec(section)?.[1] ?? null;
      const kind = block('request') === null ? 'response' : 'request';
      const written = block('written');
      return {
        name: section.slice(0, section.indexOf('\n')),
        kind,
        bytes: bytesOf(block(kind) as string),
        method: /^answers: (\w+)$/m.exec(section)?.[1] ?? 'GET',
        events: (block('events') as string).split('\n'),
        written: written === null ? null : bytesOf(written).toString('latin1'),
      };
    });
}

async function feedServer(pieces: readonly Buffer[]): Promise<Outcome> {
  const harness = new ServerHarness();
  await harness.feed(...pieces);
  return { events: settled(harness.sinks), written: harness.conn.written };
}

function feedClient(pieces: readonly Buffer[], method: string): Outcome {
  const sink = new RecordingSink();
  const codec = new Http1ClientCodec(
    new FakeConn(),
    { onIdle: () => {}, onFinished: () => {} },
    SERVER_OPTIONS,
    newShared(),
  );
  const stream = codec.openStream(sink) as MessageStream;
  const request = newHead();
  request.method = methodNumber(method);
  stream.sendHead(request, true);
  for (const piece of pieces) {
    const lent = new Uint8Array(piece);
    if (lent.length > 0) codec.feed(lent, 0, lent.length);
    lent.fill(0xaa);
  }
  codec.feedEnd();
  return { events: settled([sink]), written: '' };
}

/** Events of all sinks; data that no end followed is put before the fault. */
function settled(sinks: readonly RecordingSink[]): string[] {
  return sinks.flatMap((sink) => {
    if (sink.body === '') return sink.events;
    return [...sink.events.slice(0, -1), `data ${JSON.stringify(sink.body)}`, ...sink.events.slice(-1)];
  });
}

function splits(bytes: Buffer): Buffer[][] {
  const all: Buffer[][] = [[bytes], [...bytes].map((_, at) => bytes.subarray(at, at + 1))];
  for (let at = 1; at < bytes.length; at++) all.push([bytes.subarray(0, at), bytes.subarray(at)]);
  return all;
}

const directory = join(packageRoot(), 'test', 'wire', 'http1');
for (const file of readdirSync(directory).sort())
  for (const vector of parse(readFileSync(join(directory, file), 'utf8')))
    test(`${file}: ${vector.name}`, async () => {
      for (const pieces of splits(vector.bytes)) {
        const how = `in ${pieces.length} pieces, the first of ${pieces[0]?.length ?? 0} bytes`;
        const outcome = vector.kind === 'request' ? await feedServer(pieces) : feedClient(pieces, vector.method);
        assert.deepEqual(outcome.events, vector.events, how);
        if (vector.written !== null) assert.equal(outcome.written, vector.written, how);
      }
    });
