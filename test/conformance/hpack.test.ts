/** HPACK's stories: what nghttp2 wrote is read, and what we write is read by us and by python3-hpack, and is as short. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Prng } from '../../engine/base/prng.js';
import { conformanceFile } from '../support/conformance-data.js';
import { type Fields, fromHex, LinePair } from '../support/header-blocks.js';
import { type PeerStory, readByPeer } from '../support/hpack-peer.js';

interface Case {
  readonly wire: string;
  readonly headers: readonly Readonly<Record<string, string>>[];
  readonly header_table_size?: number;
}

const data = conformanceFile('hpack');

function stories(folder: string): { name: string; cases: Case[] }[] {
  if (data.path === null) return [];
  const path = join(data.path, folder);
  return readdirSync(path).map((name) => ({
    name: `${folder}/${name}`,
    cases: (JSON.parse(readFileSync(join(path, name), 'utf8')) as { cases: Case[] }).cases,
  }));
}

function fieldsOf(one: Case): Fields {
  return one.headers.map((field) => Object.entries(field)[0] as [string, string]);
}

test('every story of nghttp2 is read, with changes of the table size', { skip: data.skip }, () => {
  let count = 0;
  for (const { name, cases } of [...stories('nghttp2'), ...stories('nghttp2-change-table-size')]) {
    const pair = new LinePair();
    for (const one of cases) {
      if (one.header_table_size !== undefined) pair.decoder.setMaxTableBytes(one.header_table_size);
      assert.deepEqual(pair.decode(fromHex(one.wire)), fieldsOf(one), name);
      count++;
    }
  }
  assert.ok(count > 6000, `${count} blocks`);
});

test('every story is written, no longer than nghttp2 writes it by 2 %, and read again', { skip: data.skip }, () => {
  let ours = 0;
  let theirs = 0;
  for (const { name, cases } of stories('nghttp2')) {
    const pair = new LinePair();
    for (const one of cases) {
      const block = pair.encode(fieldsOf(one));
      assert.deepEqual(pair.decode(block), fieldsOf(one), name);
      ours += block.length;
      theirs += one.wire.length / 2;
    }
  }
  assert.ok(ours <= theirs * 1.02, `${ours} bytes, nghttp2 ${theirs}`);
});

test('python3-hpack reads every story as we write it', { skip: data.skip }, () => {
  const written: PeerStory[] = stories('nghttp2').map(({ cases }) => {
    const pair = new LinePair();
    return { blocks: cases.map((one) => ({ bytes: pair.encode(fieldsOf(one)), fields: fieldsOf(one) })) };
  });
  readByPeer(written);
});

test('python3-hpack reads what we write of random fields, with changes of the table size', () => {
  const random = Prng.fromSeed(7541);
  const pick = (count: number): number => random.below(count);
  const names = ['accept', 'x-a', 'x-bb', 'cookie', 'set-cookie', 'authorization', 'date', 'etag', 'server'];
  const story = (): PeerStory => {
    const pair = new LinePair();
    const blocks = Array.from({ length: 60 }, () => {
      if (pick(8) === 0) pair.encoder.setPeerMaxTableBytes(pick(5000));
      const fields = Array.from({ length: pick(12) }, (): [string, string] => {
        const length = pick(8) === 0 ? pick(400) : pick(12);
        const value = Array.from({ length }, () => String.fromCharCode(0x21 + pick(pick(2) === 0 ? 6 : 94))).join('');
        return [names[pick(names.length)] as string, value];
      });
      return { bytes: pair.encode(fields, pick(10) === 0), fields };
    });
    return { blocks };
  };
  readByPeer(Array.from({ length: 40 }, story));
});
