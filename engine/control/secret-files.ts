/** SecretFiles: the contents of certificate, key, CA, CRL and ticket files, as one config took them. */
import { readFileSync } from 'node:fs';

/** A plan may be made of a config again and again; what it reads stays the same until the files are looked at anew. */
export class SecretFiles {
  readonly #contents = new Map<string, Buffer>();

  /** Throws with the system's reason. */
  read(path: string): Buffer {
    let content = this.#contents.get(path);
    if (content === undefined) {
      content = readFileSync(path);
      this.#contents.set(path, content);
    }
    return content;
  }

  readonly #directories = new Set<string>();

  /** What moves in it may be a file of ours (Envoy's watched_directory). */
  watchDirectory(path: string): void {
    this.#directories.add(path);
  }

  get directories(): readonly string[] {
    return [...this.#directories];
  }
  get paths(): readonly string[] {
    return [...this.#contents.keys()];
  }

  /** Does a file hold something else by now, or is it gone? */
  hasChanged(): boolean {
    return [...this.#contents].some(([path, content]) => {
      try {
        return !readFileSync(path).equals(content);
      } catch {
        return true;
      }
    });
  }
}
