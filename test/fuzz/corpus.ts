/** Corpus: the kept inputs of a target, one file each, in test/fuzz/corpus/<target>. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../engine/io/addon.js';

/** As latin1 text. */
export function corpusOf(target: string): readonly string[] {
  const directory = join(packageRoot(), 'test', 'fuzz', 'corpus', target);
  return readdirSync(directory)
    .sort()
    .map((file) => readFileSync(join(directory, file), 'latin1'));
}

/** Input of targets that take several blocks in a row: each behind its length in two bytes, as far as there are bytes. */
export function blocksOf(input: Uint8Array): Uint8Array[] {
  const blocks: Uint8Array[] = [];
  for (let at = 0; at + 2 <= input.length; ) {
    const length = ((input[at] as number) & 0x0f) * 256 + (input[at + 1] as number);
    blocks.push(input.slice(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return blocks.filter((block) => block.length > 0);
}
