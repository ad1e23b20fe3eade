/** PathTrie: exact paths and prefixes over bytes; finds the first route in listed order without looking at the others. */
import type { ExchangeView } from '../format/exchange-view.js';
import type { CompiledRoute } from './compiled-route.js';

// A radix tree. An entry at a node is a route whose path or prefix ends there, with its order in the list; entries of a
// node are in that order. A walk visits the nodes along the path, so its cost depends on the path, not on the table.

interface Entry {
  readonly order: number;
  readonly kind: 'prefix' | 'path' | 'separated';
  readonly route: CompiledRoute;
}

class Node {
  label: Uint8Array;
  entries: Entry[] = [];
  firstBytes: number[] = [];
  children: Node[] = [];
  /** By first byte, once there are many children. */
  index: (Node | undefined)[] | null = null;

  constructor(label: Uint8Array) {
    this.label = label;
  }

  child(byte: number): Node | undefined {
    if (this.index !== null) return this.index[byte];
    for (let i = 0; i < this.firstBytes.length; i++) if (this.firstBytes[i] === byte) return this.children[i];
    return undefined;
  }

  adopt(child: Node): void {
    this.firstBytes.push(child.label[0] as number);
    this.children.push(child);
    if (this.index !== null) this.index[child.label[0] as number] = child;
    else if (this.children.length > 6) {
      this.index = new Array(256).fill(undefined);
      for (const each of this.children) this.index[each.label[0] as number] = each;
    }
  }
}

export class PathTrie {
  #root = new Node(new Uint8Array(0));

  add(path: Uint8Array, kind: Entry['kind'], order: number, route: CompiledRoute): void {
    let node = this.#root;
    let at = 0;
    while (at < path.length) {
      const child = node.child(path[at] as number);
      if (child === undefined) {
        const leaf = new Node(path.slice(at));
        node.adopt(leaf);
        leaf.entries.push({ order, kind, route });
        return;
      }
      const shared = sharedLength(child.label, path, at);
      if (shared < child.label.length) split(child, shared);
      node = child;
      at += shared;
    }
    node.entries.push({ order, kind, route });
  }

  /** The matching route with the smallest order below `limit`, or null. pathEnd excludes the query. */
  find(
    x: ExchangeView,
    bytes: Uint8Array,
    start: number,
    pathEnd: number,
    end: number,
    limit: number,
  ): CompiledRoute | null {
    let node: Node | undefined = this.#root;
    let at = start;
    let best: CompiledRoute | null = null;
    let bestOrder = limit;
    while (node !== undefined) {
      const entries = node.entries;
      for (let i = 0; i < entries.length; i++) {
        const entry = entries[i] as Entry;
        if (entry.order >= bestOrder) break;
        if (
          entry.kind !== 'prefix' &&
          at !== pathEnd &&
          !(entry.kind === 'separated' && bytes[at] === 0x2f && at < pathEnd)
        )
          continue;
        if (!entry.route.matches(x)) continue;
        best = entry.route;
        bestOrder = entry.order;
        break;
      }
      if (at >= end) break;
      const child: Node | undefined = node.child(bytes[at] as number);
      if (child === undefined) break;
      const label = child.label;
      if (end - at < label.length) break;
      let i = 1;
      while (i < label.length && bytes[at + i] === label[i]) i++;
      if (i < label.length) break;
      at += label.length;
      node = child;
    }
    return best;
  }
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
  rest.firstBytes = node.firstBytes;
  rest.children = node.children;
  rest.index = node.index;
  node.label = node.label.slice(0, at);
  node.entries = [];
  node.firstBytes = [];
  node.children = [];
  node.index = null;
  node.adopt(rest);
}
