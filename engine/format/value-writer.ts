/** ValueWriter: one operator of a format, compiled: writes its value of an exchange as bytes. */
import type { ByteOutput } from '../base/byte-output.js';
import type { ExchangeView } from './exchange-view.js';

export abstract class ValueWriter {
  /** In JSON the value stands without quotes. */
  readonly isNumber: boolean;

  constructor(isNumber: boolean) {
    this.isNumber = isNumber;
  }

  /** Writes the value; false = there is none, and nothing was written. */
  abstract write(out: ByteOutput, x: ExchangeView): boolean;
}

/** Reads a text; '' and null mean that there is none. */
export class TextValue extends ValueWriter {
  readonly #read: (x: ExchangeView) => string | null;

  constructor(read: (x: ExchangeView) => string | null) {
    super(false);
    this.#read = read;
  }

  override write(out: ByteOutput, x: ExchangeView): boolean {
    const text = this.#read(x);
    if (text === null || text === '') return false;
    out.text(text);
    return true;
  }
}

/** Reads a whole number; below 0 means that there is none. */
export class NumberValue extends ValueWriter {
  readonly #read: (x: ExchangeView) => number;

  constructor(read: (x: ExchangeView) => number) {
    super(true);
    this.#read = read;
  }

  override write(out: ByteOutput, x: ExchangeView): boolean {
    const value = this.#read(x);
    if (value < 0) return false;
    out.decimal(value);
    return true;
  }
}

/** An operator whose source this proxy does not have, so that it is missing as it would be in Envoy without it. */
export class MissingValue extends ValueWriter {
  constructor() {
    super(false);
  }

  override write(): boolean {
    return false;
  }
}

/** At most so many bytes of another value. */
export class TruncatedValue extends ValueWriter {
  readonly #of: ValueWriter;
  readonly #bytesMax: number;

  constructor(of: ValueWriter, bytesMax: number) {
    super(false);
    this.#of = of;
    this.#bytesMax = bytesMax;
  }

  override write(out: ByteOutput, x: ExchangeView): boolean {
    const start = out.length;
    if (!this.#of.write(out, x)) return false;
    if (out.length > start + this.#bytesMax) out.length = start + this.#bytesMax;
    return true;
  }
}
