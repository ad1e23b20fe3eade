/** The smuggling payloads through the codecs in memory: at the origin arrives what the payload says, or nothing. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { conformanceFile } from '../support/conformance-data.js';
import { InMemoryProxy } from '../support/in-memory-proxy.js';
import { SERVER_OPTIONS } from '../support/server-harness.js';

interface Case {
  readonly name: string;
  readonly proto: 'h1' | 'h2';
  readonly raw: string;
  readonly expectation: 'reject' | 'must-accept' | 'must-forward-safely';
  readonly strict_expectation: string;
  readonly max_requests_at_origin: number;
  readonly forbid_origin_headers?: readonly string[];
  readonly origin_header_equals?: Readonly<Record<string, string>>;
  readonly expected: readonly { readonly method: string; readonly body_len: number }[];
}

const attacks = conformanceFile('smuggling', 'smuggling.json');
const controls = conformanceFile('smuggling', 'smuggling_controls.json');
const cases = [attacks, controls].flatMap(({ path }) =>
  path === null ? [] : (JSON.parse(readFileSync(path, 'utf8')) as Case[]),
);

async function run(each: Case, split: boolean): Promise<InMemoryProxy> {
  const proxy = new InMemoryProxy(SERVER_OPTIONS, each.proto === 'h1' ? 1 : 2);
  const bytes = Buffer.from(each.raw, 'base64');
  const pieces: Uint8Array[] = [];
  const step = split ? 7 : bytes.length;
  for (let at = 0; at < bytes.length; at += step) pieces.push(bytes.subarray(at, at + step));
  await proxy.feed(...pieces);
  await proxy.end();
  return proxy;
}

function complaints(each: Case, proxy: InMemoryProxy): string[] {
  const { requests, violations } = proxy;
  const found = violations.map((violation) => `origin saw: ${violation}`);
  if (requests.length > each.max_requests_at_origin) found.push(`${requests.length} requests at the origin`);
  if (each.expectation === 'must-accept' && requests.length !== each.expected.length)
    found.push(`valid, but ${requests.length} of ${each.expected.length} came through: ${proxy.faults.join()}`);
  if (each.strict_expectation === 'reject' && each.expectation !== 'must-accept' && requests.length > 0)
    found.push('should be refused, was forwarded');
  for (const [index, request] of requests.entries()) {
    const expected = each.expected[index];
    if (expected !== undefined && expected.method !== request.method) found.push(`method ${request.method}`);
    if (expected !== undefined && expected.body_len !== request.body.length)
      found.push(`body of ${request.body.length} bytes instead of ${expected.body_len}`);
    for (const name of each.forbid_origin_headers ?? [])
      if (request.fields.some(([field]) => field === name)) found.push(`forwarded ${name}`);
    for (const [name, value] of Object.entries(each.origin_header_equals ?? {})) {
      const values = request.fields.filter(([field]) => field === name).map(([, received]) => received);
      if (values.join(';') !== value) found.push(`${name} became ${values.join(';')}`);
    }
  }
  return found;
}

/** So many payloads at least: with fewer the data is not what it was. */
for (const [proto, casesMin] of [
  ['h1', 1000],
  ['h2', 200],
] as const)
  for (const split of [false, true])
    test(
      `smuggling payloads by ${proto}, ${split ? 'in pieces of 7 bytes' : 'whole'}`,
      { skip: attacks.skip },
      async () => {
        const wrong: string[] = [];
        const ofProtocol = cases.filter((each) => each.proto === proto);
        for (const each of ofProtocol) {
          if (split && each.raw.length > 8192) continue;
          const found = complaints(each, await run(each, split));
          if (found.length > 0) wrong.push(`${each.name}: ${found.join('; ')}`);
        }
        assert.ok(ofProtocol.length > casesMin);
        assert.deepEqual(wrong, []);
      },
    );
