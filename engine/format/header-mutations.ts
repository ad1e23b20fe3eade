/** HeaderMutations: the headers that one level of the route table adds and removes. */
import { ByteOutput } from '../base/byte-output.js';
import type { ExchangeView } from './exchange-view.js';
import { compileFormat, type Format } from './substitution.js';
import type { Head } from '../http/head.js';
import { type NameId, nameIdOf } from '../http/names.js';
import type { HeaderAddRecord, HeaderMutationsRecord } from '../plan/records.js';

const encoder = new TextEncoder();
const NOTHING = new Uint8Array(0);

interface FieldName {
  readonly bytes: Uint8Array;
  /** 0 = not well known. */
  readonly id: NameId;
}

class Addition {
  readonly name: FieldName;
  readonly action: HeaderAddRecord['action'];
  readonly keepsEmpty: boolean;
  readonly format: Format;
  /** Where its value of the exchange at hand stands in `values`; -1 = this time there is nothing to add. */
  start = -1;
  end = -1;

  constructor(record: HeaderAddRecord) {
    const compiled = compileFormat(record.value);
    if ('error' in compiled) throw new Error(`header ${record.name}: ${compiled.error}`);
    this.name = fieldName(record.name);
    this.action = record.action;
    this.keepsEmpty = record.keepEmptyValue;
    this.format = compiled.format;
  }
}

/** Values of the level that is being applied. */
const values = new ByteOutput();

export class HeaderMutations {
  readonly hasRequest: boolean;
  readonly hasResponse: boolean;
  readonly #requestAdd: readonly Addition[];
  readonly #requestRemove: readonly FieldName[];
  readonly #responseAdd: readonly Addition[];
  readonly #responseRemove: readonly FieldName[];

  constructor(record: HeaderMutationsRecord) {
    this.#requestAdd = record.requestAdd.map((each) => new Addition(each));
    this.#requestRemove = record.requestRemove.map(fieldName);
    this.#responseAdd = record.responseAdd.map((each) => new Addition(each));
    this.#responseRemove = record.responseRemove.map(fieldName);
    this.hasRequest = this.#requestAdd.length + this.#requestRemove.length > 0;
    this.hasResponse = this.#responseAdd.length + this.#responseRemove.length > 0;
  }

  applyToRequest(head: Head, x: ExchangeView): void {
    if (this.hasRequest) apply(head, x, this.#requestRemove, this.#requestAdd);
  }
  applyToResponse(head: Head, x: ExchangeView): void {
    if (this.hasResponse) apply(head, x, this.#responseRemove, this.#responseAdd);
  }
}

function fieldName(name: string): FieldName {
  const lowercase = name.toLowerCase();
  return { bytes: encoder.encode(lowercase), id: nameIdOf(lowercase) };
}

function isThere(head: Head, name: FieldName): boolean {
  return (name.id === 0 ? head.findByName(name.bytes) : head.find(name.id)) >= 0;
}

function removeAll(head: Head, name: FieldName): void {
  if (name.id === 0) head.removeAllByName(name.bytes);
  else head.removeAll(name.id);
}

/** Envoy's order: remove; then every value is computed from the head as it is; then overwrite; then add. */
function apply(head: Head, x: ExchangeView, removals: readonly FieldName[], additions: readonly Addition[]): void {
  for (let i = 0; i < removals.length; i++) removeAll(head, removals[i] as FieldName);
  values.length = 0;
  for (let i = 0; i < additions.length; i++) compute(head, x, additions[i] as Addition);
  for (let i = 0; i < additions.length; i++) {
    const addition = additions[i] as Addition;
    if (addition.start < 0 || !overwrites(addition)) continue;
    removeAll(head, addition.name);
    add(head, addition);
  }
  for (let i = 0; i < additions.length; i++) {
    const addition = additions[i] as Addition;
    if (addition.start >= 0 && !overwrites(addition)) add(head, addition);
  }
}

function overwrites(addition: Addition): boolean {
  return addition.action === 'OVERWRITE_IF_EXISTS_OR_ADD' || addition.action === 'OVERWRITE_IF_EXISTS';
}

function compute(head: Head, x: ExchangeView, addition: Addition): void {
  addition.start = -1;
  if (addition.action === 'ADD_IF_ABSENT') {
    if (isThere(head, addition.name)) return;
  } else if (addition.action === 'OVERWRITE_IF_EXISTS' && !isThere(head, addition.name)) return;
  const start = values.length;
  addition.format.write(values, x, NOTHING);
  if (addition.format.constant === null) dropLineBreaks(start);
  if (values.length === start && !addition.keepsEmpty) return;
  addition.start = start;
  addition.end = values.length;
}

function add(head: Head, addition: Addition): void {
  head.addName(addition.name.bytes, addition.name.id, values.bytes, addition.start, addition.end);
}

/** Response splitting: whatever an operator reads, nothing in it may end the line. */
function dropLineBreaks(start: number): void {
  const bytes = values.bytes;
  let to = start;
  for (let at = start; at < values.length; at++) {
    const byte = bytes[at] as number;
    if (byte === 0x0d || byte === 0x0a || byte === 0) continue;
    bytes[to++] = byte;
  }
  values.length = to;
}
