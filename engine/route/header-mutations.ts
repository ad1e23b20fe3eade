/** HeaderMutations: the headers that one level of the route table adds and removes. */
import type { ExchangeView } from '../format/exchange-view.js';
import { compileFormat, type Format } from '../format/substitution.js';
import type { Head } from '../http/head.js';
import { nameIdOf } from '../http/names.js';
import type { HeaderAddRecord, HeaderMutationsRecord } from '../plan/records.js';

const encoder = new TextEncoder();

interface Addition {
  readonly record: HeaderAddRecord;
  readonly name: Uint8Array;
  readonly id: number;
  /** Constant value; null = computed by format. */
  readonly value: Uint8Array | null;
  readonly format: Format;
}

export class HeaderMutations {
  readonly hasRequest: boolean;
  readonly hasResponse: boolean;
  readonly #requestAdd: readonly Addition[];
  readonly #requestRemove: readonly Uint8Array[];
  readonly #responseAdd: readonly Addition[];
  readonly #responseRemove: readonly Uint8Array[];

  constructor(record: HeaderMutationsRecord) {
    this.#requestAdd = record.requestAdd.map(compileAddition);
    this.#requestRemove = record.requestRemove.map((name) => encoder.encode(name.toLowerCase()));
    this.#responseAdd = record.responseAdd.map(compileAddition);
    this.#responseRemove = record.responseRemove.map((name) => encoder.encode(name.toLowerCase()));
    this.hasRequest = this.#requestAdd.length + this.#requestRemove.length > 0;
    this.hasResponse = this.#responseAdd.length + this.#responseRemove.length > 0;
  }

  applyToRequest(head: Head, x: ExchangeView): void {
    apply(head, x, this.#requestRemove, this.#requestAdd);
  }
  applyToResponse(head: Head, x: ExchangeView): void {
    apply(head, x, this.#responseRemove, this.#responseAdd);
  }
}

function compileAddition(record: HeaderAddRecord): Addition {
  const compiled = compileFormat(record.value);
  if ('error' in compiled) throw new Error(`header ${record.name}: ${compiled.error}`);
  const constant = compiled.format.constant;
  return {
    record,
    name: encoder.encode(record.name),
    id: nameIdOf(record.name),
    value: constant === null ? null : encoder.encode(constant),
    format: compiled.format,
  };
}

function apply(head: Head, x: ExchangeView, removals: readonly Uint8Array[], additions: readonly Addition[]): void {
  for (const name of removals) head.removeAllByName(name);
  for (const addition of additions) {
    const value = addition.value ?? latin1(addition.format.valueForHeader(x));
    if (value.length === 0 && !addition.record.keepEmptyValue) continue;
    const slot = head.findByName(addition.name);
    if (slot >= 0) {
      if (addition.record.action === 'ADD_IF_ABSENT') continue;
      if (addition.record.action !== 'APPEND_IF_EXISTS_OR_ADD') head.removeAllByName(addition.name);
    } else if (addition.record.action === 'OVERWRITE_IF_EXISTS') continue;
    head.addName(addition.name, addition.id, value, 0, value.length);
  }
}

/** Computed values may hold bytes of the request: what could end the line or the field is left out. */
function latin1(text: string): Uint8Array {
  return Buffer.from(text.replace(/[\r\n\0]/g, ''), 'latin1');
}
