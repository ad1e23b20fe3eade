/** PathTrie: paths, prefixes and expressions over bytes; finds the first route in listed order without trying the others. */
import { lowerCase } from '../base/ascii.js';
import type { ExchangeView } from '../format/exchange-view.js';
import type { CompiledRoute } from './compiled-route.js';
import { matchesWhole, type Regex } from '../format/regex.js';

// A radix tree. An entry at a node is a route whose path, prefix, or certain beginning of an expression ends there, with
// its order in the list; entries of a node are in that order. A walk visits the nodes along the path, so its cost depends
// on the path, not on the table. Expressions are dear: a second walk tries them, and only those listed before what the
// first walk found.

export type EntryKind = 'prefix' | 'path' | 'separated';

const QUESTION = 0x3f;
const SLASH = 0x2f;
const decoder = new TextDecoder('latin1');
/** Beyond so many children a table by byte is faster than a search. */
const SEARCHED_CHILDREN_MAX = 6;

class Entry {
  readonly order: number;
  readonly isPrefix: boolean;
  readonly isSeparated: boolean;
  readonly route: CompiledRoute;
  readonly regex: Regex | null;

  constructor(order: number, kind: EntryKind, route: CompiledRoute, regex: Regex | null) {
    this.order = order;
    this.isPrefix = kind === 'prefix';
    this.isSeparated = kind === 'separated';
    this.route = route;
    this.regex = regex;
  }
}

class Node {
  label: Uint8Array;
  entries: Entry[] = [];
  expressions: Entry[] = [];
  firstBytes: number[] = [];
  children: Node[] = [];
  /** Position in `children` plus one by first byte, once there are many. */
  index: Uint16Array | null = null;

  constructor(label: Uint8Array) {
    this.label = label;
  }

  child(byte: number): Node | null {
    if (this.index !== null) {
      const at = this.index[byte] as number;
      return at === 0 ? null : (this.children[at - 1] as Node);
    }
    const firstBytes = this.firstBytes;
    for (let i = 0; i < firstBytes.length; i++) if (firstBytes[i] === byte) return this.children[i] as Node;
    return null;
  }

  adopt(child: Node): void {
    this.firstBytes.push(child.label[0] as number);
    this.children.push(child);
    if (this.index === null && this.children.length <= SEARCHED_CHILDREN_MAX) return;
    this.index ??= new Uint16Array(256);
    for (let i = 0; i < this.firstBytes.length; i++) this.index[this.firstBytes[i] as number] = i + 1;
  }
}

export class PathTrie {
  readonly #root = new Node(new Uint8Array(0));
  /** Without case: labels are lower case, and so is what is compared with them. */
  readonly #folds: boolean;
  #hasExpressions = false;
  isEmpty = true;

  constructor(folds: boolean) {
    this.#folds = folds;
  }

  /** In listed order. path: lower case where the trie folds. */
  add(path: Uint8Array, kind: EntryKind, order: number, route: CompiledRoute): void {
    this.isEmpty = false;
    this.#nodeOf(path).entries.push(new Entry(order, kind, route, null));
  }

  /** An expression for the whole path without the query, every match of which begins with `prefix`. */
  addExpression(prefix: Uint8Array, regex: Regex, order: number, route: CompiledRoute): void {
    this.isEmpty = false;
    this.#hasExpressions = true;
    this.#nodeOf(prefix).expressions.push(new Entry(order, 'prefix', route, regex));
  }

  #nodeOf(path: Uint8Array): Node {
    let node = this.#root;
    let at = 0;
    while (at < path.length) {
      const child = node.child(path[at] as number);
      if (child === null) {
        const leaf = new Node(path.slice(at));
        node.adopt(leaf);
        return leaf;
      }
      const shared = sharedLength(child.label, path, at);
      if (shared < child.label.length) split(child, shared);
      node = child;
      at += shared;
    }
    return node;
  }

  /** The matching route with the smallest order below `limit`, or null. bytes[start, end) is the path with its query. */
  find(x: ExchangeView, bytes: Uint8Array, start: number, end: number, limit: number): CompiledRoute | null {
    let node: Node | null = this.#root;
    let at = start;
    let best: CompiledRoute | null = null;
    let bestOrder = limit;
    while (node !== null) {
      const entries: readonly Entry[] = node.entries;
      for (let i = 0; i < entries.length; i++) {
        const entry = entries[i] as Entry;
        if (entry.order >= bestOrder) break;
        if (!entry.isPrefix && !isAtEnd(bytes, at, end, entry.isSeparated)) continue;
        if (!entry.route.matches(x)) continue;
        best = entry.route;
        bestOrder = entry.order;
        break;
      }
      node = at < end ? this.#step(node, bytes, at, end) : null;
      if (node !== null) at += node.label.length;
    }
    if (!this.#hasExpressions) return best;
    return this.#findExpression(x, bytes, start, end, bestOrder) ?? best;
  }

  #findExpression(x: ExchangeView, bytes: Uint8Array, start: number, end: number, limit: number): CompiledRoute | null {
    let node: Node | null = this.#root;
    let at = start;
    let text: string | null = null;
    let best: CompiledRoute | null = null;
    let bestOrder = limit;
    while (node !== null) {
      const expressions: readonly Entry[] = node.expressions;
      for (let i = 0; i < expressions.length; i++) {
        const entry = expressions[i] as Entry;
        if (entry.order >= bestOrder) break;
        if (!entry.route.matches(x)) continue;
        text ??= pathText(bytes, start, end);
        if (!matchesWhole(entry.regex as Regex, text)) continue;
        best = entry.route;
        bestOrder = entry.order;
        break;
      }
      node = at < end ? this.#step(node, bytes, at, end) : null;
      if (node !== null) at += node.label.length;
    }
    return best;
  }

  /** The child whose whole label is at bytes[at], or null. */
  #step(node: Node, bytes: Uint8Array, at: number, end: number): Node | null {
    const first = bytes[at] as number;
    const child = node.child(this.#folds ? lowerCase(first) : first);
    if (child === null) return null;
    const label = child.label;
    if (end - at < label.length) return null;
    if (this.#folds) {
      for (let i = 1; i < label.length; i++) if (lowerCase(bytes[at + i] as number) !== label[i]) return null;
    } else for (let i = 1; i < label.length; i++) if (bytes[at + i] !== label[i]) return null;
    return child;
  }
}

/**
 * Does the path end here, or for path_separated_prefix a segment of it? The paths of such entries hold no "?", so none can
 * have come before.
 */
function isAtEnd(bytes: Uint8Array, at: number, end: number, isSeparated: boolean): boolean {
  if (at === end) return true;
  const next = bytes[at];
  return next === QUESTION || (isSeparated && next === SLASH);
}

function pathText(bytes: Uint8Array, start: number, end: number): string {
  let pathEnd = start;
  while (pathEnd < end && bytes[pathEnd] !== QUESTION) pathEnd++;
  return decoder.decode(bytes.subarray(start, pathEnd));
}

function sharedLength(label: Uint8Array, path: Uint8Array, at: number): number {
  let i = 0;
  while (i < label.length && at + i < path.length && label[i] === path[at + i]) i++;
  return i;
}

/** Cuts a node's label: the node keeps the first part, a new child gets the rest with everything below. */
function split(node: Node, at: number): void {
  const rest = new Node(node.label.slice(at));
  rest.entries = node.entries;
  rest.expressions = node.expressions;
  rest.firstBytes = node.firstBytes;
  rest.children = node.children;
  rest.index = node.index;
  node.label = node.label.slice(0, at);
  node.entries = [];
  node.expressions = [];
  node.firstBytes = [];
  node.children = [];
  node.index = null;
  node.adopt(rest);
}
