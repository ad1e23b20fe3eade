/** Substitution formats: text with %OPERATOR(argument):length% compiled once, written as bytes from an exchange. */
import { ByteOutput } from '../base/byte-output.js';
import type { ExchangeView } from './exchange-view.js';
import { operatorOf } from './operators.js';
import { TruncatedValue, ValueWriter } from './value-writer.js';

const encoder = new TextEncoder();
const NOTHING = new Uint8Array(0);

type Part = Uint8Array | ValueWriter;

/** A compiled format. */
export class Format {
  /** The whole text when it has no operator. */
  readonly constant: string | null;
  /** The operator when there is nothing else. */
  readonly only: ValueWriter | null;
  /** Between two operators: what stands before each of them; the last one stands behind them all. */
  readonly #texts: readonly Uint8Array[];
  readonly #values: readonly ValueWriter[];

  constructor(parts: readonly Part[]) {
    const texts: Uint8Array[] = [NOTHING];
    const values: ValueWriter[] = [];
    for (const part of parts)
      if (part instanceof ValueWriter) {
        values.push(part);
        texts.push(NOTHING);
      } else texts[texts.length - 1] = joined(texts[texts.length - 1] as Uint8Array, part);
    this.#texts = texts;
    this.#values = values;
    this.constant = values.length === 0 ? new TextDecoder().decode(texts[0] as Uint8Array) : null;
    this.only = parts.length === 1 && values.length === 1 ? (values[0] as ValueWriter) : null;
  }

  /** A missing value is written as `missing`: "-" in logs, nothing in headers. */
  write(out: ByteOutput, x: ExchangeView, missing: Uint8Array): void {
    const values = this.#values;
    const texts = this.#texts;
    for (let i = 0; i < values.length; i++) {
      const before = texts[i] as Uint8Array;
      if (before.length > 0) out.all(before);
      if (!(values[i] as ValueWriter).write(out, x) && missing.length > 0) out.all(missing);
    }
    const last = texts[values.length] as Uint8Array;
    if (last.length > 0) out.all(last);
  }

  /** For tests and places where speed does not matter. */
  text(x: ExchangeView, missing: string): string {
    const out = new ByteOutput();
    this.write(out, x, encoder.encode(missing));
    return out.toText();
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** offset: where in the text the mistake begins. */
export type CompiledFormat = { readonly format: Format } | { readonly error: string; readonly offset: number };

const OPERATOR = /^%([A-Z][A-Z0-9_]*)(?:\(([^)]*)\))?(?::(\d{1,9}))?%/;

export function compileFormat(text: string): CompiledFormat {
  const parts: Part[] = [];
  let at = 0;
  while (at < text.length) {
    const percent = text.indexOf('%', at);
    if (percent < 0) {
      parts.push(encoder.encode(text.slice(at)));
      break;
    }
    if (percent > at) parts.push(encoder.encode(text.slice(at, percent)));
    if (text[percent + 1] === '%') {
      parts.push(encoder.encode('%'));
      at = percent + 2;
      continue;
    }
    const found = OPERATOR.exec(text.slice(percent));
    if (found === null) return { error: `not an operator: ${text.slice(percent, percent + 24)}`, offset: percent };
    const value = operatorOf(found[1] as string, found[2] ?? null);
    if (typeof value === 'string') return { error: value, offset: percent };
    parts.push(found[3] === undefined ? value : new TruncatedValue(value, Number(found[3])));
    at = percent + found[0].length;
  }
  return { format: new Format(parts) };
}

/** A literal %, or an operator whole: of two that touch, their ends are no escaped percent sign. */
const PIECES = /%%|%([A-Z][A-Z0-9_]*)(?:\(([^)]*)\))?(?::(\d{1,9}))?%/g;

/** Null when the format is good, else what is wrong with it. */
export function checkFormat(text: string): string | null {
  const compiled = compileFormat(text);
  return 'error' in compiled ? compiled.error : null;
}

/**
 * Puts environment variables in the place of %ENVIRONMENT(X)%: on main, which alone reads the environment. One that is
 * not set stays, and is then a missing value.
 */
export function expandEnvironment(text: string, environment: Readonly<Record<string, string | undefined>>): string {
  return text.replace(PIECES, (whole, operator?: string, name?: string, length?: string) => {
    const value = operator !== 'ENVIRONMENT' || name === undefined ? undefined : environment[name];
    if (value === undefined) return whole;
    return (length === undefined ? value : value.slice(0, Number(length))).replaceAll('%', '%%');
  });
}
