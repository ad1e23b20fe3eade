/** Wire vectors of HTTP/2: frames and expected events in Markdown; fed whole, split at every offset, and byte by byte. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Http2Options } from '../../engine/http2/options.js';
import { packageRoot } from '../../engine/io/addon.js';
import { frames } from '../support/http2-frames.js';
import { Http2ClientHarness, Http2ServerHarness, newWorld } from '../support/http2-peer.js';

interface Vector {
  readonly name: string;
  readonly isServer: boolean;
  /** SETTINGS have gone both ways before the first byte. */
  readonly isGreeted: boolean;
  readonly bytes: Buffer;
  readonly requests: readonly string[];
  /** Requests get no answer. */
  readonly isUnanswered: boolean;
  readonly options: Partial<Http2Options>;
  readonly events: readonly string[];
  readonly answers: readonly string[];
  readonly fault: string;
}

interface Outcome {
  readonly events: readonly string[];
  readonly answers: readonly string[];
  readonly fault: string;
}

/** Nothing here takes time: one for all. */
const world = newWorld();

/** Longer input is split at this many places only. */
const SPLITS_MAX = 200;

function parse(text: string): Vector[] {
  return text
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const block = (kind: string): string[] | null => {
        const found = new RegExp(`^\`\`\`${kind}\\n([^]*?)^\`\`\`$`, 'm').exec(section)?.[1];
        return found === undefined ? null : found.split('\n').filter((line) => line !== '');
      };
      const line = (name: string): string | null => new RegExp(`^${name}: (.*)$`, 'm').exec(section)?.[1] ?? null;
      const kind = ['client', 'bare', 'server', 'bare-server'].find((each) => block(each) !== null);
      assert.ok(kind, section);
      const answers = block('answers');
      assert.ok(answers, section);
      return {
        name: section.slice(0, section.indexOf('\n')),
        isServer: !kind.endsWith('server'),
        isGreeted: kind === 'client' || kind === 'server',
        bytes: frames(...(block(kind) as string[])),
        requests: (line('requests') ?? 'GET').split(', '),
        isUnanswered: line('unanswered') !== null,
        options: JSON.parse(line('options') ?? '{}'),
        events: block('events') ?? [],
        answers,
        fault: line('fault') ?? '',
      };
    });
}

function run(vector: Vector, pieces: readonly Buffer[]): Outcome {
  let harness: Http2ServerHarness | Http2ClientHarness;
  if (vector.isServer) {
    harness = new Http2ServerHarness(vector.options, vector.isGreeted, world);
    if (vector.isUnanswered) harness.answer = () => {};
  } else {
    harness = new Http2ClientHarness(vector.options, world);
    for (const request of vector.requests) harness.request(request.split(' ')[0], !request.endsWith(' open'));
    if (vector.isGreeted) harness.greet();
  }
  harness.written();
  let pieceAt = 0;
  for (const piece of pieces) {
    assert.equal(harness.fault, '', `a fault before piece ${pieceAt++}`);
    if (piece.length > 0) harness.feedBytes(piece);
    if (harness.fault !== '') break;
  }
  return { events: harness.events, answers: harness.written(), fault: harness.fault };
}

/** By stream, each in order: how frames of several streams mix depends on how they came. */
function byStream(lines: readonly string[]): Record<string, string[]> {
  const grouped: Record<string, string[]> = {};
  for (const line of lines) (grouped[line.split(' ')[1] as string] ??= []).push(line);
  return grouped;
}

function splits(bytes: Buffer): Buffer[][] {
  const all: Buffer[][] = [[bytes], [...bytes].map((_, at) => bytes.subarray(at, at + 1))];
  const step = Math.ceil(bytes.length / SPLITS_MAX);
  for (let at = 1; at < bytes.length; at += step) all.push([bytes.subarray(0, at), bytes.subarray(at)]);
  return all;
}

const directory = join(packageRoot(), 'test', 'wire', 'http2');
for (const file of readdirSync(directory).sort())
  for (const vector of parse(readFileSync(join(directory, file), 'utf8')))
    test(`${file}: ${vector.name}`, () => {
      for (const pieces of splits(vector.bytes)) {
        const how = `in ${pieces.length} pieces, the first of ${pieces[0]?.length ?? 0} bytes`;
        const outcome = run(vector, pieces);
        assert.deepEqual(byStream(outcome.answers), byStream(vector.answers), how);
        assert.deepEqual(outcome.events, vector.events, how);
        assert.equal(outcome.fault, vector.fault, how);
      }
    });
