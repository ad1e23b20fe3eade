/** Times in formats: composed once per second, with the digits below it filled in per use. */
import type { ByteOutput } from '../base/byte-output.js';
import type { ExchangeView } from './exchange-view.js';
import { formatTime } from './time-format.js';
import { ValueWriter } from './value-writer.js';

const encoder = new TextEncoder();

/** Envoy's default. */
const DEFAULT_UTC = '%Y-%m-%dT%H:%M:%S.%3fZ';
const DEFAULT_LOCAL = '%Y-%m-%dT%H:%M:%S.%3f%z';

/** Either text that only changes with the second, or a number of digits below the second. */
interface Piece {
  readonly pattern: string;
  readonly digits: number;
}

/** %f is nine digits, %3f three, %3s the seconds with three more digits. */
function piecesOf(pattern: string): Piece[] {
  const pieces: Piece[] = [];
  let text = '';
  for (const [part] of pattern.matchAll(/%%|%E?[1-9]?[fsS]|[^%]+|%/g)) {
    const found = /^%(E?)([1-9]?)([fsS])$/.exec(part);
    if (found === null || (found[2] === '' && found[3] !== 'f')) {
      text += part;
      continue;
    }
    const digits = found[2] === '' ? 9 : Number(found[2]);
    if (found[3] === 's') text += '%s';
    else if (found[3] === 'S') text += found[1] === 'E' ? '%S.' : part;
    if (found[3] === 'S' && found[1] !== 'E') continue;
    if (text !== '') pieces.push({ pattern: text, digits: 0 });
    text = '';
    pieces.push({ pattern: '', digits });
  }
  if (text !== '') pieces.push({ pattern: text, digits: 0 });
  return pieces;
}

export class TimeValue extends ValueWriter {
  readonly #readMs: (x: ExchangeView) => number;
  readonly #isUtc: boolean;
  readonly #pieces: readonly Piece[];
  /** Texts of the pieces for #second; empty where digits go. */
  readonly #texts: Uint8Array[];
  #second = Number.NaN;

  /** readMs: epoch milliseconds; format: strftime with Envoy's additions, '' = Envoy's default. */
  constructor(readMs: (x: ExchangeView) => number, format: string, isUtc: boolean) {
    super(false);
    this.#readMs = readMs;
    this.#isUtc = isUtc;
    this.#pieces = piecesOf(format !== '' ? format : isUtc ? DEFAULT_UTC : DEFAULT_LOCAL);
    this.#texts = this.#pieces.map(() => new Uint8Array(0));
  }

  override write(out: ByteOutput, x: ExchangeView): boolean {
    const wallMs = this.#readMs(x);
    const second = Math.floor(wallMs / 1000);
    if (second !== this.#second) this.#compose(second);
    // Microseconds are as fine as the clock is.
    const microseconds = Math.floor((wallMs - second * 1000) * 1000);
    for (let i = 0; i < this.#pieces.length; i++) {
      const digits = (this.#pieces[i] as Piece).digits;
      if (digits === 0) out.all(this.#texts[i] as Uint8Array);
      else if (digits === 3) out.padded((microseconds / 1000) | 0, 3);
      else {
        const start = out.length;
        out.padded(microseconds, 6);
        out.padded(0, 3);
        out.length = start + digits;
      }
    }
    return true;
  }

  #compose(second: number): void {
    this.#second = second;
    for (let i = 0; i < this.#pieces.length; i++) {
      const { pattern, digits } = this.#pieces[i] as Piece;
      if (digits === 0) this.#texts[i] = encoder.encode(formatTime(second * 1000, pattern, this.#isUtc));
    }
  }
}
