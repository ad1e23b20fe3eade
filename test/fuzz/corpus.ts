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
