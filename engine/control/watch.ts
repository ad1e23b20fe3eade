/** Watch: tells when a config file's content has changed, through edits, renames and swapped links alike. */
import { createHash } from 'node:crypto';
import { type FSWatcher, readFileSync, realpathSync, watch } from 'node:fs';
import { dirname } from 'node:path';

/** Editors write in several steps; a change is looked at when it has been quiet for so long. */
const QUIET_MS = 50;

export interface FileWatch {
  close(): void;
}

/** Throws when the file's directory can't be watched. */
export function watchFile(path: string, onChange: () => void): FileWatch {
  let seen = digest(path);
  let timer: NodeJS.Timeout | null = null;
  const look = (): void => {
    timer = null;
    follow();
    const now = digest(path);
    if (now === seen || now === '') return;
    seen = now;
    onChange();
  };
  const onEvent = (): void => {
    if (timer !== null) clearTimeout(timer);
    timer = setTimeout(look, QUIET_MS);
  };
  // Directories, because a rename replaces the file that a watch on it would follow.
  const watcher = watch(dirname(path), onEvent);
  watcher.on('error', onEvent);
  let real: { readonly directory: string; readonly watcher: FSWatcher } | null = null;
  /** Behind a link the file is in another directory, and the link may be turned to yet another one. */
  const follow = (): void => {
    const file = realPath(path);
    const directory = file === null ? null : dirname(file);
    if (directory === real?.directory) return;
    real?.watcher.close();
    real = null;
    if (directory === null || directory === realPath(dirname(path))) return;
    real = { directory, watcher: watch(directory, onEvent) };
    real.watcher.on('error', onEvent);
  };
  follow();
  const close = (): void => {
    if (timer !== null) clearTimeout(timer);
    watcher.close();
    real?.watcher.close();
  };
  return { close };
}

/** Tells when an entry of a directory has come, gone or been replaced. Throws when it can't be watched. */
export function watchDirectory(path: string, onChange: () => void): FileWatch {
  let timer: NodeJS.Timeout | null = null;
  const onEvent = (): void => {
    if (timer !== null) clearTimeout(timer);
    timer = setTimeout(onChange, QUIET_MS);
  };
  const watcher = watch(path, (event) => {
    if (event === 'rename') onEvent();
  });
  watcher.on('error', onEvent);
  const close = (): void => {
    if (timer !== null) clearTimeout(timer);
    watcher.close();
  };
  return { close };
}

/** Null while it is not there. */
function realPath(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    return null;
  }
}

function digest(path: string): string {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex');
  } catch {
    return '';
  }
}
