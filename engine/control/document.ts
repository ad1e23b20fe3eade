/** Document: YAML or JSON text to plain values under a schema, with every problem and its place. */
import {
  type Alias,
  type Document as YamlDocument,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseAllDocuments,
  type YAMLMap,
} from 'yaml';
import { type Problem, suggest } from '../fault/problem.js';
import type { Field, Message } from './schema.js';

/** A message as read: snake_case fields; only what was written is there. */
export interface Value {
  readonly [field: string]: unknown;
}

/** Aliases that may be followed in one document: enough for any config, too few for an alias bomb. */
const ALIASES_MAX = 1000;
const TYPE_PREFIX = 'type.googleapis.com/';
/** Problems reported at most: after so many the rest is noise. */
const PROBLEMS_MAX = 100;

export interface DocumentOptions {
  readonly file: string;
  readonly allowsUnknownFields: boolean;
  /** For data sources that name a variable. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export class DocumentReader {
  readonly problems: Problem[] = [];
  readonly #options: DocumentOptions;
  readonly #lines: string[];
  readonly #counter = new LineCounter();
  /** Where each message that was read stands. */
  readonly #places = new WeakMap<object, { readonly node: Node | null; readonly path: string }>();
  #yaml: YamlDocument | null = null;
  #aliases = 0;

  constructor(source: string, options: DocumentOptions) {
    this.#options = options;
    this.#lines = source.split(/\r?\n/);
    const documents = parseAllDocuments(source, {
      lineCounter: this.#counter,
      merge: true,
      uniqueKeys: true,
      version: '1.2',
    });
    const list = Array.isArray(documents) ? documents : [];
    for (const document of list)
      for (const error of document.errors)
        this.#atOffset('error', error.pos[0], '', yamlMessage(error.code, error.message));
    const filled = list.filter((document) => document.contents !== null);
    if (this.problems.length > 0) return;
    if (filled.length === 0)
      this.#atOffset('error', -1, '', 'the document is empty: a bootstrap needs static_resources');
    else if (filled.length > 1)
      this.#atOffset(
        'error',
        filled[1]?.range?.[0] ?? 0,
        '',
        'a second document begins here: a bootstrap is one document',
      );
    else this.#yaml = filled[0] as YamlDocument;
  }

  /** The document under its message, or null when something is wrong; see problems. */
  read(message: Message): Value | null {
    if (this.#yaml === null) return null;
    const value = this.#message(this.#yaml.contents as Node, message, '');
    return this.problems.some((problem) => problem.severity === 'error') ? null : value;
  }

  get environment(): Readonly<Record<string, string | undefined>> {
    return this.#options.environment;
  }

  get hasErrors(): boolean {
    return this.problems.some((problem) => problem.severity === 'error');
  }

  /** A problem with a message that was read, or with one of its fields. */
  report(severity: Problem['severity'], value: unknown, field: string, message: string): void {
    const place = typeof value === 'object' && value !== null ? this.#places.get(value) : undefined;
    const path = place === undefined ? field : field === '' ? place.path : join(place.path, field);
    let node: Node | null = place?.node ?? null;
    if (node !== null && isMap(node) && field !== '') {
      const name = field.split(/[.[]/)[0] as string;
      const pair = node.items.find((item) => isScalar(item.key) && snakeCase(String(item.key.value)) === name);
      if (pair !== undefined) node = (pair.value ?? pair.key) as Node;
    }
    this.#at(severity, node, path, message);
  }

  // ---- places -------------------------------------------------------------------------------------------

  #at(severity: Problem['severity'], node: Node | null | undefined, path: string, message: string): void {
    this.#atOffset(severity, node?.range?.[0] ?? -1, path, message);
  }

  #atOffset(severity: Problem['severity'], offset: number, path: string, message: string): void {
    if (this.problems.length >= PROBLEMS_MAX) return;
    const { line, col } = offset < 0 ? { line: 0, col: 0 } : this.#counter.linePos(offset);
    const source = line === 0 ? '' : (this.#lines[line - 1] ?? '');
    this.problems.push({ severity, path, message, file: this.#options.file, line, column: col, source });
  }

  // ---- reading ------------------------------------------------------------------------------------------

  #resolve(node: Node | null | undefined): Node | null {
    if (node == null || !isAlias(node)) return node ?? null;
    if (++this.#aliases > ALIASES_MAX) {
      if (this.#aliases === ALIASES_MAX + 1) this.#at('error', node, '', `more than ${ALIASES_MAX} aliases`);
      return null;
    }
    return ((node as Alias).resolve(this.#yaml as YamlDocument) ?? null) as Node | null;
  }

  /** Pairs of a map with merge keys (<<) applied: own keys win. */
  #pairs(map: YAMLMap): Pair[] {
    const own = map.items.filter((pair) => !isMergeKey(pair));
    const names = new Set(own.map((pair) => String((pair.key as { value?: unknown }).value)));
    for (const pair of map.items.filter(isMergeKey)) {
      const value = this.#resolve(pair.value as Node);
      const maps = value !== null && isSeq(value) ? value.items.map((item) => this.#resolve(item as Node)) : [value];
      for (const merged of maps) {
        if (merged === null || !isMap(merged)) continue;
        for (const inherited of this.#pairs(merged as YAMLMap)) {
          const name = String((inherited.key as { value?: unknown }).value);
          if (names.has(name)) continue;
          names.add(name);
          own.push(inherited);
        }
      }
    }
    return own;
  }

  #message(given: Node | null, message: Message, path: string): Value | null {
    const node = this.#resolve(given);
    if (node === null || !isMap(node)) {
      this.#at('error', given, path, `must be a ${message.name}: a map of fields, not ${kindOf(node)}`);
      return null;
    }
    const value: Record<string, unknown> = {};
    this.#places.set(value, { node, path });
    for (const pair of this.#pairs(node as YAMLMap)) this.#field(pair, message, path, value);
    for (const name of message.required ?? [])
      if (!(name in value)) this.#at('error', node, path, `${name} is required in ${message.name}`);
    for (const group of message.oneof ?? []) this.#oneof(node, group, path, value, message);
    return value;
  }

  #oneof(node: Node, group: readonly string[], path: string, value: Value, message: Message): void {
    const isOptional = group[0] === '?';
    const names = isOptional ? group.slice(1) : group;
    const present = names.filter((name) => name in value);
    if (present.length > 1) this.#at('error', node, path, `only one of ${present.join(', ')} can be set`);
    if (
      present.length === 0 &&
      !isOptional &&
      !names.some((name) => message.unsupported?.includes(name) && this.#wasRefused(path, name))
    )
      this.#at('error', node, path, `one of ${names.join(', ')} is required in ${message.name}`);
  }

  #wasRefused(path: string, name: string): boolean {
    return this.problems.some((problem) => problem.path === join(path, name));
  }

  #field(pair: Pair, message: Message, path: string, value: Record<string, unknown>): void {
    const key = pair.key as Node;
    const written = isScalar(key) ? String(key.value) : '';
    if (written === '@type') return;
    const name = snakeCase(written);
    const at = join(path, name);
    const field = message.fields[name];
    if (field === undefined) {
      this.#unknown(key, written, name, message, at);
      return;
    }
    if (name in value) {
      this.#at('error', key, at, `${name} is there twice`);
      return;
    }
    const node = this.#resolve(pair.value as Node | null);
    // null means "not set", as in protobuf JSON.
    if (node === null || (isScalar(node) && node.value === null)) return;
    if (field.kind === 'named') this.#legacyConfig(node, field.types(), path, at, value);
    else {
      const read = this.#value(node, field, at);
      if (read !== undefined) value[name] = read;
    }
  }

  #legacyConfig(
    node: Node,
    types: Readonly<Record<string, Message>>,
    path: string,
    at: string,
    value: Record<string, unknown>,
  ): void {
    const name = String(value['name'] ?? '');
    const type = types[name];
    if (type === undefined) {
      this.#at(
        'error',
        node,
        at,
        `"config" is v2's spelling: write typed_config with "@type"${name === '' ? ' (and put name first)' : ''}`,
      );
      return;
    }
    this.#at(
      'warning',
      node,
      at,
      `"config" is v2's spelling; in v3: typed_config: { "@type": ${TYPE_PREFIX}${type.typeUrl ?? ''}, ... }`,
    );
    const read = this.#message(node, type, join(path, 'typed_config'));
    if (read !== null) value['typed_config'] = this.#typed(read, type.typeUrl ?? '');
  }

  #unknown(key: Node, written: string, name: string, message: Message, at: string): void {
    if (message.unsupported?.includes(name)) {
      this.#at('error', key, at, `${name} of ${message.name} is known to Envoy but not supported here yet`);
      return;
    }
    const known = Object.keys(message.fields);
    const near = suggest(name, [...known, ...(message.unsupported ?? [])]);
    const hint = near === null ? `known fields: ${known.join(', ')}` : `did you mean ${near}?`;
    const severity = this.#options.allowsUnknownFields ? 'warning' : 'error';
    this.#at(severity, key, at, `unknown field ${written} in ${message.name}; ${hint}`);
  }

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
      case 'free':
        return node.toJS(this.#yaml as YamlDocument) as unknown;
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
    if (notEmpty && node.items.length === 0) this.#at('error', node, path, 'must not be empty');
    const values: unknown[] = [];
    node.items.forEach((item, i) => {
      const resolved = this.#resolve(item as Node);
      const value = resolved === null ? undefined : this.#value(resolved, of, `${path}[${i}]`);
      if (value !== undefined) values.push(value);
    });
    return values;
  }

  #map(node: Node, of: Field, path: string): Record<string, unknown> | undefined {
    if (!isMap(node)) {
      this.#at('error', node, path, `must be a map, not ${kindOf(node)}`);
      return undefined;
    }
    const values: Record<string, unknown> = {};
    for (const pair of this.#pairs(node as YAMLMap)) {
      const name = isScalar(pair.key) ? String(pair.key.value) : '';
      const resolved = this.#resolve(pair.value as Node);
      const value = resolved === null ? undefined : this.#value(resolved, of, `${path}["${name}"]`);
      if (value !== undefined) values[name] = value;
    }
    return values;
  }

  #any(node: Node, types: Readonly<Record<string, Message | string>>, path: string): Value | undefined {
    if (!isMap(node)) {
      this.#at('error', node, path, `must be a typed message with "@type", not ${kindOf(node)}`);
      return undefined;
    }
    const pair = this.#pairs(node as YAMLMap).find((item) => isScalar(item.key) && item.key.value === '@type');
    if (pair === undefined || !isScalar(pair.value)) {
      this.#at('error', node, path, `"@type" is required here; one of ${Object.keys(types).join(', ')}`);
      return undefined;
    }
    const url = String(pair.value.value);
    const name = url.startsWith(TYPE_PREFIX) ? url.slice(TYPE_PREFIX.length) : url;
    const type = types[name];
    if (type === undefined || typeof type === 'string') {
      const near = suggest(name, Object.keys(types));
      const hint =
        type ??
        (near === null
          ? `supported: ${Object.keys(types)
              .filter((key) => typeof types[key] !== 'string')
              .join(', ')}`
          : `did you mean ${near}?`);
      this.#at('error', pair.value as Node, join(path, '@type'), `${name} is not supported here: ${hint}`);
      return undefined;
    }
    const value = this.#message(node, type, path);
    return value === null ? undefined : this.#typed(value, name);
  }

  /** The message with its type under "@type". */
  #typed(value: Value, name: string): Value {
    (value as Record<string, unknown>)['@type'] = name;
    return value;
  }

  #scalar(node: Node, field: Field, path: string): unknown {
    const raw: unknown = isScalar(node) ? node.value : undefined;
    const fail = (what: string): undefined => {
      this.#at('error', node, path, `must be ${what}, not ${isScalar(node) ? JSON.stringify(raw) : kindOf(node)}`);
      return undefined;
    };
    switch (field.kind) {
      case 'string': {
        if (typeof raw !== 'string' && typeof raw !== 'number' && typeof raw !== 'boolean') return fail('a string');
        if (typeof raw !== 'string') return fail(`a string: put it in quotes ("${String(raw)}")`);
        return field.notEmpty === true && raw === '' ? fail('a string that is not empty') : raw;
      }
      case 'bytes':
        return typeof raw === 'string' ? Buffer.from(raw, 'base64') : fail('base64 text');
      case 'bool':
        return typeof raw === 'boolean' ? raw : fail('true or false');
      case 'uint':
      case 'int':
      case 'number':
        return numberOf(raw, field) ?? fail(numberText(field));
      case 'duration':
        return this.#duration(node, raw, field.min ?? 0, fail);
      case 'enum':
        return this.#enum(node, raw, field, path, fail);
      case 'only': {
        const value: unknown = node.toJS(this.#yaml as YamlDocument);
        if (field.values.some((allowed) => JSON.stringify(allowed) === JSON.stringify(value))) return value;
        this.#at(
          'error',
          node,
          path,
          `only ${field.values.map((allowed) => JSON.stringify(allowed)).join(' or ')} is supported here: ${field.why}`,
        );
        return undefined;
      }
      default:
        return undefined;
    }
  }

  #duration(node: Node, raw: unknown, min: number, fail: (what: string) => undefined): number | undefined {
    let ms: number | null = null;
    if (typeof raw === 'string') {
      const found = /^(\d+(?:\.\d{1,9})?)s$/.exec(raw);
      ms = found === null ? null : Number(found[1]) * 1000;
    } else if (isMap(node)) {
      const parts = node.toJS(this.#yaml as YamlDocument) as { seconds?: unknown; nanos?: unknown };
      const seconds = Number(parts.seconds ?? 0);
      const nanos = Number(parts.nanos ?? 0);
      if (Number.isFinite(seconds) && Number.isFinite(nanos) && seconds >= 0 && nanos >= 0)
        ms = seconds * 1000 + nanos / 1e6;
    }
    if (ms === null) return fail('a duration such as "0.25s" or "15s"');
    // Less than a millisecond still means "on".
    const whole = ms > 0 && ms < 1 ? 1 : Math.round(ms);
    return whole < min ? fail(`a duration of at least ${min / 1000}s`) : whole;
  }

  #enum(
    node: Node,
    raw: unknown,
    field: Field & { kind: 'enum' },
    path: string,
    fail: (what: string) => undefined,
  ): string | undefined {
    const all = [...field.values, ...(field.unsupported ?? [])];
    let name = typeof raw === 'number' ? (field.values[raw] ?? '') : typeof raw === 'string' ? raw : '';
    if (!all.includes(name) && all.includes(name.toUpperCase())) {
      this.#at('warning', node, path, `enum values are in capitals: write ${name.toUpperCase()}`);
      name = name.toUpperCase();
    }
    if (field.values.includes(name)) return name;
    if (field.unsupported?.includes(name) === true) {
      this.#at(
        'error',
        node,
        path,
        `${name} is known to Envoy but not supported here yet; supported: ${field.values.join(', ')}`,
      );
      return undefined;
    }
    const near = suggest(name, all);
    return fail(`one of ${field.values.join(', ')}${near === null ? '' : ` (did you mean ${near}?)`}`);
  }
}

function isMergeKey(pair: Pair): boolean {
  return isScalar(pair.key) && (pair.key.value === '<<' || typeof pair.key.value === 'symbol');
}

function numberOf(raw: unknown, field: Field): number | null {
  const number =
    typeof raw === 'number' ? raw : typeof raw === 'string' && /^-?\d+(\.\d+)?$/.test(raw) ? Number(raw) : Number.NaN;
  if (!Number.isFinite(number)) return null;
  if (field.kind === 'number') return number;
  if (!Number.isInteger(number)) return null;
  if (field.kind === 'uint' && (number < (field.min ?? 0) || number > (field.max ?? 4294967295))) return null;
  return number;
}

function numberText(field: Field): string {
  if (field.kind !== 'uint') return field.kind === 'int' ? 'a whole number' : 'a number';
  return `a whole number from ${field.min ?? 0} to ${field.max ?? 4294967295}`;
}

function kindOf(node: Node | null): string {
  if (node === null) return 'nothing';
  if (isMap(node)) return 'a map';
  if (isSeq(node)) return 'a list';
  return isScalar(node) ? JSON.stringify(node.value) : 'an alias';
}

export function snakeCase(name: string): string {
  return /^[a-z]+([A-Z][a-z0-9]*)+$/.test(name) ? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) : name;
}

function join(path: string, field: string): string {
  return path === '' ? field : `${path}.${field}`;
}

/** The parser's texts where they don't help. */
function yamlMessage(code: string, message: string): string {
  const first = message.split('\n')[0] as string;
  if (/^@|reserved character @/.test(first) || /Plain value cannot start with reserved character @/.test(first))
    return 'a key that begins with @ must be in quotes: "@type"';
  if (code === 'TAB_AS_INDENT') return 'a tab is used for indentation: YAML wants spaces';
  if (code === 'DUPLICATE_KEY') return 'this key is there twice in the same map';
  return first.replace(/ at line \d+, column \d+:?$/, '');
}
