/** Another implementation of HPACK, Debian's python3-hpack, as a reader of what our encoder writes. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import type { Fields } from './header-blocks.js';

export interface PeerStory {
  readonly blocks: readonly { readonly bytes: Uint8Array; readonly fields: Fields }[];
}

const SCRIPT = `
import json, sys
from hpack import Decoder
for line in sys.stdin:
    decoder = Decoder()
    decoder.max_header_list_size = 1 << 24
    answer = []
    for block in json.loads(line):
        fields = decoder.decode(bytes.fromhex(block), raw=True)
        answer.append([[name.decode('latin-1'), value.decode('latin-1')] for name, value in fields])
    print(json.dumps(answer))
`;

/** The first python3 that has the module: Debian's, where another one comes before it on the path. */
function python(): string {
  for (const command of ['python3', '/usr/bin/python3'])
    if (spawnSync(command, ['-c', 'import hpack']).status === 0) return command;
  return assert.fail('no python3 with the module hpack: install python3-hpack (.ci/run does)');
}

/** Fails where it reads something else, or nothing. */
export function readByPeer(stories: readonly PeerStory[]): void {
  const input = stories
    .map(({ blocks }) => JSON.stringify(blocks.map(({ bytes }) => Buffer.from(bytes).toString('hex'))))
    .join('\n');
  const run = spawnSync(python(), ['-c', SCRIPT], { input, encoding: 'utf8', maxBuffer: 1 << 28 });
  assert.equal(run.status, 0, run.stderr);
  const read = run.stdout.trim().split('\n');
  assert.equal(read.length, stories.length);
  read.forEach((line, at) => {
    assert.deepEqual(
      JSON.parse(line),
      stories[at]?.blocks.map(({ fields }) => fields),
    );
  });
}
