/** SecretFiles: the contents of certificate, key, CA, CRL and ticket files, as one config took them. */
import { readFileSync } from 'node:fs';

export type FileContents = ReadonlyMap<string, Buffer>;

/** A plan may be made of a config again and again; what it reads stays the same until the files are looked at anew. */
export class SecretFiles {
  readonly #contents = new Map<string, Buffer>();
  readonly #kept: FileContents;
  readonly #directories = new Set<string>();
  /** Paths that are read for one secret: they are renewed together or not at all. */
  readonly #secrets: Set<string>[] = [];
  #secret: Set<string> | null = null;

  /** kept: what is taken in the place of what the files hold by now. */
  constructor(kept: FileContents = new Map()) {
    this.#kept = kept;
  }

  /** Throws with the system's reason. */
  read(path: string): Buffer {
    this.#secret?.add(path);
    let content = this.#contents.get(path);
    if (content === undefined) {
      content = this.#kept.get(path) ?? readFileSync(path);
      this.#contents.set(path, content);
    }
    return content;
  }

  /** What is read inside is of one secret; within: the file that it is written in, '' = the config. */
  ofOneSecret<T>(within: string, read: () => T): T {
    const secret = new Set(within === '' ? [] : [within]);
    this.#secret = secret;
    try {
      return read();
    } finally {
      this.#secret = null;
      this.#secrets.push(secret);
    }
  }

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

  /** As they were read: these ones. */
  contentsOf(paths: Iterable<string>): Map<string, Buffer> {
    const found = [...paths].map((path) => [path, this.#contents.get(path)] as const);
    return new Map(found.filter((each): each is readonly [string, Buffer] => each[1] !== undefined));
  }

  /** Does a file hold something else by now, or is it gone? */
  hasChanged(): boolean {
    return [...this.#contents.keys()].some((path) => this.#isOther(path));
  }

  /** The paths of each secret of which a file has changed; secrets that share a file are one. */
  changed(): readonly ReadonlySet<string>[] {
    const merged: Set<string>[] = [];
    for (const secret of [...this.#secrets, ...this.paths.map((path) => new Set([path]))]) {
      const whole = new Set(secret);
      for (const other of merged.filter((each) => [...each].some((path) => whole.has(path)))) {
        for (const path of other) whole.add(path);
        merged.splice(merged.indexOf(other), 1);
      }
      merged.push(whole);
    }
    return merged.filter((secret) => [...secret].some((path) => this.#isOther(path)));
  }

  #isOther(path: string): boolean {
    try {
      return !readFileSync(path).equals(this.#contents.get(path) ?? Buffer.alloc(0));
    } catch {
      return true;
    }
  }
}
