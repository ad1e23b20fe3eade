/** YamlText: a config file, with an overlay or without, as one tree of YAML nodes whose offsets lead back to a line. */
import {
  type Alias,
  type Document as YamlDocument,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  parseAllDocuments,
  visit,
  YAMLMap,
} from 'yaml';

export interface TextPart {
  /** As problems name it. */
  readonly name: string;
  readonly text: string;
}

/** Where an offset of the tree stands. */
export interface Place {
  readonly file: string;
  /** From 1; 0 = no place. */
  readonly line: number;
  readonly column: number;
  /** The line itself. */
  readonly source: string;
}

/** What the text itself has wrong. */
export type YamlReport = (severity: 'error' | 'warning', place: Place, width: number, message: string) => void;

/** Aliases that may be followed in one document: enough for any config, too few for an alias bomb. */
const ALIASES_MAX = 1000;
/** Values inside free-form fields: stops a small text with nested aliases from becoming gigabytes. */
const FREE_VALUES_MAX = 100000;
const FREE_DEPTH_MAX = 64;
/** After so many syntax errors in one text the rest are consequences. */
const SYNTAX_ERRORS_MAX = 10;

/** Characters of a wrong value that a message repeats. */
const SHOWN_MAX = 80;

interface Part {
  readonly name: string;
  readonly base: number;
  readonly lines: readonly string[];
  /** Offset of each line's first character. */
  readonly starts: readonly number[];
  readonly document: YamlDocument | null;
}

export class YamlText {
  readonly #parts: Part[] = [];
  readonly #tell: YamlReport;
  #aliases = 0;
  #freeValues = 0;
  /** False: the tree is not worth reading. */
  isReadable = true;

  /** The first part is the file, the others are laid over it. */
  constructor(parts: Iterable<TextPart>, report: YamlReport) {
    this.#tell = report;
    let base = 0;
    for (const { name, text } of parts) {
      this.#parse(name, text, base);
      base += text.length + 1;
    }
    if (this.isReadable && this.roots().length === 0) {
      this.#report('error', -1, -1, 'the document is empty: a bootstrap needs static_resources');
      this.isReadable = false;
    }
  }

  #parse(name: string, text: string, base: number): void {
    const parsed = parseAllDocuments(text, { merge: true, uniqueKeys: true, version: '1.2' });
    const documents = Array.isArray(parsed) ? parsed : [];
    const filled = documents.filter(
      ({ contents }) => contents !== null && !(isScalar(contents) && contents.value === null),
    );
    const document = (filled[0] ?? null) as YamlDocument | null;
    this.#parts.push({ name, base, lines: text.split(/\r?\n/), starts: lineStarts(text), document });
    for (const each of documents) this.#reportSyntax(each as YamlDocument, base);
    if (document === null || !this.isReadable) return;
    visit(document, {
      Node: (_, node) => {
        if (node.range != null) node.range = [node.range[0] + base, node.range[1] + base, node.range[2] + base];
      },
    });
    const second = filled[1]?.contents?.range?.[0];
    if (filled.length > 1)
      this.#report(
        'error',
        base + (second ?? 0),
        base + (second ?? 0),
        'a second document begins here: a bootstrap is one document',
      );
  }

  #reportSyntax(document: YamlDocument, base: number): void {
    let count = 0;
    for (const { code, message, pos } of document.errors) {
      if (!isHarmless(code, message)) this.isReadable = false;
      // The parser reports an exhausted stack once per level.
      if (++count > SYNTAX_ERRORS_MAX || (code === 'RESOURCE_EXHAUSTION' && count > 1)) break;
      this.#report('error', base + pos[0], base + pos[1], yamlMessage(code, message));
      if (code === 'RESOURCE_EXHAUSTION') break;
    }
    for (const { message, pos } of document.warnings.slice(0, SYNTAX_ERRORS_MAX)) {
      const tag = /^Unresolved tag: (\S+)/.exec(message)?.[1];
      const what = tag === undefined ? firstLine(message) : `the YAML tag ${tag} means nothing here and is left out`;
      this.#report('warning', base + pos[0], base + pos[1], what);
    }
  }

  /** start -1: the whole. */
  #report(severity: 'error' | 'warning', start: number, end: number, message: string): void {
    this.#tell(severity, this.place(start), Math.max(1, end - start), message);
  }

  /** The content of each part that has any. */
  roots(): Node[] {
    return this.#parts.flatMap(({ document }) => (document?.contents == null ? [] : [document.contents as Node]));
  }

  place(offset: number): Place {
    const first = this.#parts[0] as Part;
    if (offset < 0) return { file: first.name, line: 0, column: 0, source: '' };
    const part = this.#partAt(offset);
    const { starts, lines, name } = part;
    let line = 0;
    // By halves: the last line that starts at or before the offset.
    for (let above = starts.length; above - line > 1; ) {
      const middle = (line + above) >> 1;
      if ((starts[middle] as number) <= offset - part.base) line = middle;
      else above = middle;
    }
    return {
      file: name,
      line: line + 1,
      column: offset - part.base - (starts[line] as number) + 1,
      source: lines[line] ?? '',
    };
  }

  #partAt(offset: number): Part {
    let found = this.#parts[0] as Part;
    for (const part of this.#parts) if (part.base <= offset) found = part;
    return found;
  }

  /** What an alias stands for; null, reported, when that is nothing. */
  resolve(node: Node | null | undefined): Node | null {
    if (node == null || !isAlias(node)) return node ?? null;
    const start = node.range?.[0] ?? 0;
    if (++this.#aliases > ALIASES_MAX) {
      if (this.#aliases === ALIASES_MAX + 1) this.#report('error', start, start, `more than ${ALIASES_MAX} aliases`);
      return null;
    }
    const found = (node as Alias).resolve(this.#partAt(start).document as YamlDocument) as Node | undefined;
    if (found !== undefined) return found;
    const name = (node as Alias).source;
    this.#report(
      'error',
      start,
      node.range?.[1] ?? start,
      `there is no anchor &${name} before this alias; text that begins with * is put in quotes: "*${name}"`,
    );
    return null;
  }

  /** Pairs of a map with merge keys (<<) applied: own keys win. */
  pairs(map: YAMLMap): Pair[] {
    const own = map.items.filter((pair) => !isMergeKey(pair));
    if (own.length === map.items.length) return own;
    const names = new Set(own.map(keyOf));
    for (const pair of map.items.filter(isMergeKey)) {
      const value = this.resolve(pair.value as Node);
      const maps = value !== null && isSeq(value) ? value.items.map((item) => this.resolve(item as Node)) : [value];
      for (const merged of maps) {
        if (merged === null) continue;
        if (!isMap(merged)) {
          const start = merged.range?.[0] ?? 0;
          this.#report('error', start, start, '<< merges maps: this is none');
          continue;
        }
        for (const inherited of this.pairs(merged as YAMLMap)) {
          const name = keyOf(inherited);
          if (names.has(name)) continue;
          names.add(name);
          own.push(inherited);
        }
      }
    }
    return own;
  }

  /** A free-form value as plain data. */
  plain(given: Node | null, depth = 0): unknown {
    const node = this.resolve(given);
    if (node === null) return null;
    if (isScalar(node)) return node.value;
    const start = node.range?.[0] ?? 0;
    if (depth > FREE_DEPTH_MAX || ++this.#freeValues > FREE_VALUES_MAX) {
      // Once: what is too deep is deep in many places.
      if (this.#freeValues < FREE_VALUES_MAX * 2) this.#report('error', start, start, 'too deep or too large a value');
      this.#freeValues = FREE_VALUES_MAX * 2;
      return null;
    }
    if (isSeq(node)) return node.items.map((item) => this.plain(item as Node, depth + 1));
    const value: Record<string, unknown> = {};
    for (const pair of this.pairs(node as YAMLMap))
      Object.defineProperty(value, keyOf(pair), {
        value: this.plain(pair.value as Node, depth + 1),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    return value;
  }
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

/** A map of these pairs, standing where another stands. */
export function mapOf(pairs: readonly Pair[], at: Node): YAMLMap {
  const map = new YAMLMap();
  map.items = [...pairs];
  map.range = at.range ?? null;
  return map;
}

export function keyOf(pair: Pair): string {
  return isScalar(pair.key) ? String(pair.key.value) : '';
}

function isMergeKey(pair: Pair): boolean {
  return isScalar(pair.key) && (pair.key.value === '<<' || typeof pair.key.value === 'symbol');
}

/** Errors after which the tree still says what was meant, so that the other mistakes are found in the same run. */
function isHarmless(code: string, message: string): boolean {
  return code === 'DUPLICATE_KEY' || (code === 'BAD_SCALAR_START' && message.includes('character @'));
}

function firstLine(message: string): string {
  return (message.split('\n')[0] as string).replace(/ at line \d+, column \d+:?$/, '');
}

/** The parser's texts where they don't help. */
function yamlMessage(code: string, message: string): string {
  if (code === 'BAD_SCALAR_START' && message.includes('character @'))
    return 'a key that begins with @ must be in quotes: "@type"';
  if (code === 'BAD_SCALAR_START' && message.includes('character %'))
    return 'a value that begins with % must be in quotes: "%REQ(:METHOD)%"';
  if (code === 'BAD_ALIAS') return 'a value that begins with * must be in quotes: "*"';
  if (code === 'TAB_AS_INDENT') return 'a tab is used for indentation: YAML wants spaces';
  if (code === 'DUPLICATE_KEY') return 'this key is there twice in the same map';
  if (code === 'RESOURCE_EXHAUSTION') return 'nested too deeply to be read';
  return firstLine(message);
}

/** In the words of messages: what was found. */
export function kindOf(node: Node | null): string {
  if (node === null) return 'nothing';
  if (isMap(node)) return 'a map';
  if (isSeq(node)) return 'a list';
  if (!isScalar(node)) return 'an alias';
  const text = JSON.stringify(node.value) ?? String(node.value);
  return text.length <= SHOWN_MAX ? text : `${text.slice(0, SHOWN_MAX)}...`;
}
