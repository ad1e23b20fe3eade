/** Runtime: values of the static layers of layered_runtime, by their keys; what nobody reads is complained of. */
import { fieldOf, fieldsOf, textOf } from './compile-values.js';
import type { DocumentReader, Value } from './document.js';

export interface Fraction {
  readonly numerator: number;
  readonly denominator: number;
}

export const DENOMINATORS = { HUNDRED: 100, TEN_THOUSAND: 10000, MILLION: 1000000 } as const;

/** Limits that somebody relies on: not to have them must not go unseen. */
const LIMITS = /^overload\.global_downstream_max_connections$|^envoy\.resource_limits\./;
const LISTENER_LIMIT = /^envoy\.resource_limits\.listener\.(.+)\.connection_limit$/;

interface Entry {
  readonly value: unknown;
  /** The layer that has it. */
  readonly layer: Value;
  isRead: boolean;
}

export class Runtime {
  readonly #reader: DocumentReader;
  readonly #entries = new Map<string, Entry>();

  /** bootstrap: of a later layer a key comes before the same one of an earlier layer. */
  constructor(reader: DocumentReader, bootstrap: Value) {
    this.#reader = reader;
    const names = new Set<string>();
    for (const layer of fieldsOf(fieldOf(bootstrap, 'layered_runtime') ?? {}, 'layers')) {
      const name = textOf(layer, 'name');
      if (names.has(name)) reader.report('error', layer, 'name', `there is another layer ${JSON.stringify(name)}`);
      names.add(name);
      this.#add(layer, '', layer['static_layer'] ?? {});
    }
  }

  /** Maps are parts of keys, but for one that is a FractionalPercent. */
  #add(layer: Value, prefix: string, values: object): void {
    for (const [name, value] of Object.entries(values) as [string, unknown][]) {
      const key = prefix === '' ? name : `${prefix}.${name}`;
      if (typeof value === 'object' && value !== null && !Array.isArray(value) && !('numerator' in value))
        this.#add(layer, key, value);
      else this.#entries.set(key, { value, layer, isRead: false });
    }
  }

  /** The value of a key, or `otherwise` when no layer has it. '' is no key. */
  number(key: string, otherwise: number): number {
    const entry = this.#read(key);
    if (entry === undefined) return otherwise;
    if (typeof entry.value === 'number' && entry.value >= 0) return entry.value;
    this.#complain(entry, key, 'must be a number that is not negative');
    return otherwise;
  }

  /** The same where only whole numbers make sense. */
  integer(key: string, otherwise: number): number {
    const found = this.number(key, otherwise);
    if (found <= 0xffffffff && Number.isInteger(found)) return found;
    this.#complain(this.#read(key) as Entry, key, 'must be a whole number of 32 bits');
    return otherwise;
  }

  /** A whole number is a percentage. */
  fraction(key: string, otherwise: Fraction): Fraction {
    const entry = this.#read(key);
    if (entry === undefined) return otherwise;
    const { value } = entry;
    if (typeof value === 'number') return { numerator: Math.min(100, this.integer(key, 0)), denominator: 100 };
    const { numerator, denominator = 'HUNDRED' } = (value ?? {}) as { numerator?: unknown; denominator?: unknown };
    const isKnown = Object.hasOwn(DENOMINATORS, String(denominator));
    if (typeof numerator === 'number' && Number.isInteger(numerator) && numerator >= 0 && isKnown)
      return { numerator, denominator: DENOMINATORS[denominator as keyof typeof DENOMINATORS] };
    this.#complain(entry, key, 'must be a percentage, or a map of numerator and denominator');
    return otherwise;
  }

  #read(key: string): Entry | undefined {
    const entry = key === '' ? undefined : this.#entries.get(key);
    if (entry !== undefined) entry.isRead = true;
    return entry;
  }

  #complain(entry: Entry, key: string, what: string): void {
    this.#reader.report('error', entry.layer, 'static_layer', `${key} ${what}`);
  }

  /** When everything is compiled. listeners: their names. */
  reportUnread(listeners: ReadonlySet<string>): void {
    for (const [key, { layer, isRead }] of this.#entries) {
      if (isRead) continue;
      const listener = LISTENER_LIMIT.exec(key)?.[1];
      if (listener !== undefined && !listeners.has(listener))
        this.#reader.report(
          'warning',
          layer,
          'static_layer',
          `${key}: there is no listener ${JSON.stringify(listener)}`,
        );
      else if (LIMITS.test(key))
        this.#reader.report('error', layer, 'static_layer', `${key} is known to Envoy but not supported here yet`);
      else this.#reader.report('warning', layer, 'static_layer', `${key} has no effect: nothing here reads it`);
    }
  }
}
