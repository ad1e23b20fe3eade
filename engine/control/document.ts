/** Document: a config's YAML tree to plain values under a schema, with every problem and its place. */
import { isMap, isScalar, isSeq, type Node, type Pair, type YAMLMap } from 'yaml';
import { type Problem, suggest } from '../fault/problem.js';
import { refusalOfType } from './known-types.js';
import { overlay } from './overlay.js';
import { readScalar } from './scalar.js';
import { type Field, fieldName, type Message } from './schema.js';
import { keyOf, kindOf, type TextPart, YamlText } from './yaml-text.js';

/** A message as read: snake_case fields; only what was written is there. */
export interface Value {
  readonly [field: string]: unknown;
}

const TYPE_PREFIX = 'type.googleapis.com/';
/** Problems reported at most: after so many the rest is noise. */
const PROBLEMS_MAX = 100;
/** With so much missing nothing else is worth a look, and looking each one up would take long. */
const MISSING_MAX = 1000;
const EMPTY_ENTRY = 'an entry must not be empty';

export interface DocumentOptions {
  readonly file: string;
  readonly allowsUnknownFields: boolean;
  /** For data sources that name a variable. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Laid over the document (--config-yaml beside a file). */
  readonly overlay?: TextPart;
  /** The reader of the document that names this one: it hears of what is wrong with it. */
  readonly parent?: DocumentReader;
}

interface Origin {
  readonly node: Node;
  readonly path: string;
  readonly message: Message;
}

export class DocumentReader {
  readonly problems: Problem[];
  readonly #options: DocumentOptions;
  readonly #yaml: YamlText;
  /** Where each message that was read stands. */
  readonly #origins = new WeakMap<object, Origin>();
  /** Paths of what could not be read: what follows from their absence is no news. */
  readonly #missing: string[] = [];
  #dropped = 0;
  /** Nothing more is reported. */
  isMuted = false;

  constructor(source: string, options: DocumentOptions) {
    this.#options = options;
    this.problems = options.parent?.problems ?? [];
    const parts = [{ name: options.file, text: source }, ...(options.overlay === undefined ? [] : [options.overlay])];
    this.#yaml = new YamlText(parts, (severity, place, width, message) =>
      this.#add({ severity, path: '', message, ...place, width }),
    );
  }

  /** The document under its message, as far as it can be read; null: not at all. What is wrong is in the problems. */
  read(message: Message): Value | null {
    if (!this.#yaml.isReadable) return null;
    const [first, ...others] = this.#yaml.roots() as [Node, ...Node[]];
    let root = first;
    for (const over of others) root = overlay(this.#yaml, root, over, message);
    return this.#message(root, message, '');
  }

  get environment(): Readonly<Record<string, string | undefined>> {
    return this.#options.environment;
  }

  /** Where a message that was read stands: "static_resources.listeners[0]". */
  pathOf(value: Value): string {
    return this.#origins.get(value)?.path ?? '';
  }

  /** More problems would not be shown: nothing that only helps a message is worth its time. */
  get isFull(): boolean {
    return this.problems.length >= PROBLEMS_MAX;
  }

  get hasErrors(): boolean {
    return this.problems.some((problem) => problem.severity === 'error');
  }

  /** Is this, or something in it or around it, missing because it could not be read? */
  isMissing(path: string): boolean {
    return this.#missing.some((missing) => isWithin(missing, path) || isWithin(path, missing));
  }

  /** Is something with such a path missing because it could not be read? */
  lacks(path: RegExp): boolean {
    return this.#missing.some((missing) => path.test(missing));
  }

  /** A problem with a message that was read, or with one of its fields ("domains", "domains[2]"). */
  report(severity: Problem['severity'], value: unknown, field: string, message: string): void {
    const origin = typeof value === 'object' && value !== null ? this.#origins.get(value) : undefined;
    // A value that was never read has been complained of already.
    if (origin === undefined && this.#missing.length > 0) return;
    if (this.#missing.length > MISSING_MAX) return;
    const path = origin === undefined ? field : join(origin.path, field);
    if (this.isMissing(path)) return;
    this.#at(severity, origin === undefined ? null : this.#nodeOf(origin, field), path, message);
  }

  /** Problems in the order of the text; says so when there were more. */
  sorted(): Problem[] {
    const order = (problem: Problem): number => (problem.file === this.#options.file ? 0 : 1e9) + problem.line;
    const list = this.problems
      .map((problem, index) => ({ problem, index }))
      .sort((a, b) => order(a.problem) - order(b.problem) || a.problem.column - b.problem.column || a.index - b.index)
      .map(({ problem }) => problem);
    const message = `and ${this.#dropped} more problems, not shown`;
    const { file } = this.#options;
    if (this.#dropped > 0) list.push({ severity: 'error', path: '', message, file, line: 0, column: 0, source: '' });
    return list;
  }

  // ---- places -------------------------------------------------------------------------------------------

  #nodeOf(origin: Origin, field: string): Node {
    const [, name, index] = /^([^.[]*)(?:\[(\d+)\])?/.exec(field) as unknown as [string, string, string | undefined];
    if (name === '' || !isMap(origin.node)) return origin.node;
    const pair = (origin.node as YAMLMap).items.find((item) => fieldName(origin.message, keyOf(item)) === name);
    if (pair === undefined) return origin.node;
    const node = (pair.value ?? pair.key) as Node;
    return index !== undefined && isSeq(node) ? ((node.items[Number(index)] as Node | undefined) ?? node) : node;
  }

  #at(severity: Problem['severity'], node: Node | null | undefined, path: string, message: string): void {
    const range = node?.range;
    const start = range?.[0] ?? -1;
    // Of a map or list only the beginning is underlined.
    const width = isScalar(node) ? Math.max(1, (range?.[1] ?? start) - start) : 1;
    this.#add({ severity, path, message, ...this.#yaml.place(start), width });
  }

  #add(problem: Problem): void {
    const { parent } = this.#options;
    if (parent !== undefined) {
      parent.#add(problem);
      return;
    }
    if (this.isMuted) return;
    if (this.problems.length < PROBLEMS_MAX) this.problems.push(problem);
    else this.#dropped++;
  }

  /** The same, for what then is not there. */
  #refuse(node: Node | null | undefined, path: string, message: string): undefined {
    this.#missing.push(path);
    this.#at('error', node, path, message);
    return undefined;
  }

  // ---- messages -----------------------------------------------------------------------------------------

  /** isTyped: stands in an Any, so that "@type" belongs in it. */
  #message(given: Node | null, message: Message, path: string, isTyped = false): Value | null {
    const node = this.#yaml.resolve(given);
    if (node === null || !isMap(node)) {
      this.#refuse(given, path, `must be a ${message.name}: a map of fields, not ${kindOf(node)}`);
      return null;
    }
    const value: Record<string, unknown> = {};
    this.#origins.set(value, { node, path, message });
    const pairs = this.#yaml.pairs(node as YAMLMap);
    const written = new Set<string>();
    for (const pair of pairs)
      if (!isTyped || keyOf(pair) !== '@type') this.#field(pair, pairs, message, path, value, written);
    for (const name of message.required ?? [])
      if (!(name in value) && !written.has(name) && !this.#missing.includes(join(path, name))) {
        this.#missing.push(join(path, name));
        this.#at('error', node, path, `${name} is required in ${message.name}`);
      }
    for (const group of message.oneof ?? []) this.#oneof(node, group, path, written, message);
    const name = value['name'];
    if (message.bareNames?.includes(String(name)) === false && name !== undefined && written.size === 1)
      this.#refuse(node, join(path, 'typed_config'), `is required: ${String(name)} says nothing without it`);
    return value;
  }

  #oneof(node: Node, group: readonly string[], path: string, written: ReadonlySet<string>, message: Message): void {
    const isOptional = group[0] === '?';
    const names = isOptional ? group.slice(1) : group;
    const present = names.filter((name) => written.has(name));
    if (present.length > 1) this.#at('error', node, path, `only one of ${present.join(', ')} can be set`);
    if (present.length > 0 || isOptional || names.some((name) => this.#missing.includes(join(path, name)))) return;
    this.#missing.push(...names.map((name) => join(path, name)));
    const supported = names.filter((name) => message.fields[name] !== undefined);
    this.#at('error', node, path, `one of ${supported.join(', ')} is required in ${message.name}`);
  }

  /** written: filled with the fields that were there, whether they could be read or not. */
  #field(
    pair: Pair,
    siblings: readonly Pair[],
    message: Message,
    path: string,
    value: Record<string, unknown>,
    written: Set<string>,
  ): void {
    const key = pair.key as Node;
    const spelled = keyOf(pair);
    const name = fieldName(message, spelled);
    const at = join(path, name);
    const field = message.fields[name];
    const node = this.#yaml.resolve(pair.value as Node | null);
    const isNull = node === null || (isScalar(node) && node.value === null);
    if (field === undefined) {
      written.add(name);
      if (!isNull || message.unsupported?.includes(name) !== true) this.#unknown(key, spelled, name, message, at);
      return;
    }
    // The alias of nothing has been complained of.
    if (node === null && pair.value !== null) {
      this.#missing.push(at);
      written.add(name);
    }
    // null means "not set", as in protobuf JSON.
    if (isNull) return;
    // The parser has complained of the same key written twice; this is its other spelling.
    if (written.has(name)) {
      if (!siblings.some((each) => each !== pair && keyOf(each) === spelled))
        this.#at('error', key, at, `${name} is there twice`);
      return;
    }
    written.add(name);
    if (field.kind === 'named') this.#legacyConfig(node, siblings, field.types(), path, value, written);
    else {
      const read = this.#value(node, field, at);
      if (read !== undefined) value[name] = read;
    }
  }

  #legacyConfig(
    node: Node,
    siblings: readonly Pair[],
    types: Readonly<Record<string, Message>>,
    path: string,
    value: Record<string, unknown>,
    written: Set<string>,
  ): void {
    const at = join(path, 'config');
    written.add('typed_config');
    const sibling = siblings.find((each) => keyOf(each) === 'name')?.value;
    const name = isScalar(sibling) ? String(sibling.value) : '';
    const type = types[name];
    if (type === undefined) {
      this.#missing.push(join(path, 'typed_config'));
      this.#refuse(node, at, `"config" is v2's spelling: write typed_config with "@type"`);
      return;
    }
    this.#at(
      'warning',
      node,
      at,
      `"config" is v2's spelling; in v3: typed_config: { "@type": ${TYPE_PREFIX}${type.typeUrl ?? ''}, ... }`,
    );
    const read = this.#message(node, type, join(path, 'typed_config'));
    if (read !== null) value['typed_config'] = typed(read, type.typeUrl ?? '');
  }

  #unknown(key: Node, written: string, name: string, message: Message, at: string): void {
    if (message.unsupported?.includes(name)) {
      this.#refuse(key, at, `${name} of ${message.name} is known to Envoy but not supported here yet`);
      return;
    }
    const known = Object.keys(message.fields);
    const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    const near = this.isFull ? null : suggest(snake, [...known, ...(message.unsupported ?? [])]);
    const all = known.length === 0 ? `${message.name} has none` : `known fields: ${known.join(', ')}`;
    const hint = near === null ? all : `did you mean ${near}?`;
    const severity = this.#options.allowsUnknownFields ? 'warning' : 'error';
    if (severity === 'error') this.#missing.push(at, ...(near === null ? [] : [at.slice(0, -name.length) + near]));
    this.#at(severity, key, at, `unknown field ${JSON.stringify(written).slice(1, -1)} in ${message.name}; ${hint}`);
  }

  // ---- values -------------------------------------------------------------------------------------------

  #value(node: Node, field: Field, path: string): unknown {
    switch (field.kind) {
      case 'message':
        return this.#message(node, field.message(), path) ?? undefined;
      case 'list':
        return this.#list(node, field.of, path, field.notEmpty === true);
      case 'map':
        return this.#map(node, field.of, path);
      case 'any':
        return this.#any(node, field.types(), path);
      case 'struct':
        if (!isMap(node)) return this.#refuse(node, path, `must be a map, not ${kindOf(node)}`);
        return this.#yaml.plain(node);
      case 'free':
        return this.#yaml.plain(node);
      case 'only': {
        const value = JSON.stringify(this.#yaml.plain(node));
        const allowed = field.values.map((each) => JSON.stringify(each));
        if (allowed.includes(value)) return JSON.parse(value) as unknown;
        const what = allowed.length === 0 ? 'is not supported here' : `only ${allowed.join(' or ')} is supported here`;
        return this.#refuse(node, path, `${what}: ${field.why}`);
      }
      default:
        return this.#scalar(node, field, path);
    }
  }

  #list(node: Node, of: Field, path: string, notEmpty: boolean): unknown[] | undefined {
    if (!isSeq(node)) {
      // One object where a list belongs is what the old spellings allowed.
      this.#at('warning', node, path, 'a list belongs here; read as a list of one. Write it with a leading "- "');
      const only = this.#value(node, of, `${path}[0]`);
      return only === undefined ? undefined : [only];
    }
    if (notEmpty && node.items.length === 0) this.#refuse(node, path, 'must not be empty');
    const values: unknown[] = [];
    node.items.forEach((item, i) => {
      const resolved = this.#yaml.resolve(item as Node | null);
      const at = `${path}[${i}]`;
      if (resolved === null && item !== null) {
        // The alias of nothing has been complained of.
        this.#missing.push(at);
        return;
      }
      const isEmpty = resolved === null || (isScalar(resolved) && resolved.value === null);
      const value = isEmpty ? this.#refuse(resolved ?? node, at, EMPTY_ENTRY) : this.#value(resolved, of, at);
      if (value !== undefined) values.push(value);
    });
    return values;
  }

  #map(node: Node, of: Field, path: string): Record<string, unknown> | undefined {
    if (!isMap(node)) return this.#refuse(node, path, `must be a map, not ${kindOf(node)}`);
    const values: Record<string, unknown> = {};
    for (const pair of this.#yaml.pairs(node as YAMLMap)) {
      const name = keyOf(pair);
      const resolved = this.#yaml.resolve(pair.value as Node);
      const value = resolved === null ? undefined : this.#value(resolved, of, `${path}["${name}"]`);
      if (value !== undefined && name !== '__proto__') values[name] = value;
    }
    return values;
  }

  #any(node: Node, types: Readonly<Record<string, Message>>, path: string): Value | undefined {
    if (!isMap(node)) return this.#refuse(node, path, `must be a typed message with "@type", not ${kindOf(node)}`);
    const pair = this.#yaml.pairs(node as YAMLMap).find((each) => keyOf(each) === '@type');
    if (pair === undefined || !isScalar(pair.value)) {
      const supported = typeNames(types).map((each) => TYPE_PREFIX + each);
      return this.#refuse(node, path, `"@type" is required here; supported: ${supported.join(', ')}`);
    }
    const url = String(pair.value.value);
    const name = url.startsWith(TYPE_PREFIX) ? url.slice(TYPE_PREFIX.length) : url;
    const type = Object.hasOwn(types, name) ? (types[name] as Message) : undefined;
    if (type === undefined) {
      this.#missing.push(path);
      this.#at('error', pair.value as Node, join(path, '@type'), refusalOfType(name, typeNames(types)));
      return undefined;
    }
    const current = type.typeUrl ?? '';
    if (name !== current)
      this.#at('warning', pair.value as Node, join(path, '@type'), `v2's type; in v3: ${TYPE_PREFIX}${current}`);
    const value = this.#message(node, type, path, true);
    return value === null ? undefined : typed(value, current);
  }

  #scalar(node: Node, field: Field, path: string): unknown {
    const isParts = field.kind === 'duration' && isMap(node);
    const raw: unknown = isScalar(node) ? node.value : isParts ? this.#yaml.plain(node) : undefined;
    const read = readScalar(raw, isScalar(node) && node.type === 'PLAIN', field);
    if ('wanted' in read) return this.#refuse(node, path, `must be ${read.wanted}, not ${kindOf(node)}`);
    if ('refusal' in read) return this.#refuse(node, path, read.refusal);
    if (read.note !== null) this.#at('warning', node, path, read.note);
    return read.value;
  }
}

/** The message with its type under "@type". */
function typed(value: Value, name: string): Value {
  (value as Record<string, unknown>)['@type'] = name;
  return value;
}

function typeNames(types: Readonly<Record<string, Message>>): string[] {
  return [...new Set(Object.values(types).map((type) => type.typeUrl ?? ''))];
}

function join(path: string, field: string): string {
  return path === '' || field === '' ? path + field : `${path}.${field}`;
}

/** Is `inner` the same as `outer` or a part of it? */
function isWithin(inner: string, outer: string): boolean {
  return inner.startsWith(outer) && (inner.length === outer.length || /[.[]/.test(inner.charAt(outer.length)));
}
