/** Watch: tells when a config file's content has changed, through edits, renames and swapped links alike. */
import { createHash } from 'node:crypto';
import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { dirname } from 'node:path';

/** Editors write in several steps; a change is looked at when it has been quiet for so long. */
const QUIET_MS = 50;

export function watchFile(path: string, onChange: () => void): FSWatcher {
  let seen = digest(path);
  let timer: NodeJS.Timeout | null = null;
  // The directory, because a rename replaces the file that a watch on it would follow.
  return watch(dirname(path), () => {
    if (timer !== null) clearTimeout(timer);
    timer = setTimeout(() => {
      const now = digest(path);
      if (now === seen || now === '') return;
      seen = now;
      onChange();
    }, QUIET_MS);
  });
}

function digest(path: string): string {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex');
  } catch {
    return '';
  }
}
