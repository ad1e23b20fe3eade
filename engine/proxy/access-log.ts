/** AccessLog: one worker's lines for one log: composed per exchange, written in blocks of whole lines. */
import { close, closeSync, open, openSync, write } from 'node:fs';
import type { ExchangeView } from '../format/exchange-view.js';
import { compileFormat, type Format } from '../format/substitution.js';
import type { AccessLogRecord } from '../plan/records.js';

/** Envoy's default format. */
export const DEFAULT_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" ' +
  '"%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n';

/** A block is handed to the file when it is this long, or after FLUSH_MS. Longer blocks cost fewer calls. */
const BLOCK_CHARACTERS = 64 * 1024;
const FLUSH_MS = 500;
/** Blocks that may wait for a slow disk; beyond it lines are dropped and counted rather than memory filled. */
const WAITING_BLOCKS_MAX = 64;

type Line = (x: ExchangeView) => string;

export class AccessLog {
  readonly #path: string;
  readonly #line: Line;
  readonly #onTrouble: (message: string) => void;
  #descriptor: number;
  #block = '';
  #waiting: string[] = [];
  #isWriting = false;
  #timer: NodeJS.Timeout | null = null;
  #isTroubled = false;
  #drained: (() => void)[] = [];
  /** Lines lost to a disk that failed or could not keep up. */
  linesDropped = 0;

  /** Throws when the file can't be opened or the format is wrong (main has checked both). */
  constructor(record: AccessLogRecord, onTrouble: (message: string) => void) {
    this.#path = record.path;
    this.#onTrouble = onTrouble;
    this.#line = compileLine(record);
    this.#descriptor = record.path === '-' ? 1 : record.path === '=' ? 2 : openSync(record.path, 'a', 0o640);
  }

  log(x: ExchangeView): void {
    this.#block += this.#line(x);
    if (this.#block.length >= BLOCK_CHARACTERS) this.#handOver();
    else if (this.#timer === null) this.#timer = setTimeout(() => this.#handOver(), FLUSH_MS);
  }

  #handOver(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#block === '') return;
    if (this.#waiting.length >= WAITING_BLOCKS_MAX) this.#drop(this.#block, 'the file does not keep up');
    else this.#waiting.push(this.#block);
    this.#block = '';
    this.#writeNext();
  }

  #writeNext(): void {
    if (this.#isWriting) return;
    const block = this.#waiting.shift();
    if (block === undefined) {
      for (const drained of this.#drained.splice(0)) drained();
      return;
    }
    this.#isWriting = true;
    this.#write(Buffer.from(block, 'utf8'), 0);
  }

  #write(bytes: Buffer, from: number): void {
    write(this.#descriptor, bytes, from, bytes.length - from, null, (error, written) => {
      // A full pipe (stdout) is a matter of waiting; anything else loses the block.
      if (error !== null && error.code === 'EAGAIN') {
        setTimeout(() => this.#write(bytes, from), 10);
        return;
      }
      if (error === null && from + written < bytes.length) {
        this.#write(bytes, from + written);
        return;
      }
      if (error !== null) this.#drop(bytes.toString('utf8'), error.message);
      else this.#isTroubled = false;
      this.#isWriting = false;
      this.#writeNext();
    });
  }

  #drop(block: string, why: string): void {
    this.linesDropped += block.split('\n').length - 1;
    if (!this.#isTroubled) this.#onTrouble(`access log ${this.#path}: lines dropped: ${why}`);
    this.#isTroubled = true;
  }

  /** Resolves when every line so far is in the file. */
  flush(): Promise<void> {
    return new Promise((resolve) => {
      this.#drained.push(resolve);
      this.#handOver();
      this.#writeNext();
    });
  }

  /** For rotation: the same path, opened anew. */
  reopen(): void {
    if (this.#descriptor <= 2) return;
    open(this.#path, 'a', 0o640, (error, descriptor) => {
      if (error !== null) {
        this.#onTrouble(`access log ${this.#path}: not reopened: ${error.message}`);
        return;
      }
      const before = this.#descriptor;
      this.#descriptor = descriptor;
      // Blocks under way still write to the old descriptor.
      setTimeout(() => close(before, () => {}), 1000);
    });
  }

  close(): void {
    void this.flush().then(() => {
      if (this.#descriptor > 2) closeSync(this.#descriptor);
    });
  }
}

function compileLine(record: AccessLogRecord): Line {
  const format = record.format;
  if (format.kind === 'text') {
    const compiled = formatOf(format.text === '' ? DEFAULT_FORMAT : format.text);
    const missing = format.omitEmptyValues ? '' : '-';
    return (x) => compiled.text(x, missing);
  }
  const write = compileJson(format.json, format.omitEmptyValues);
  return (x) => `${JSON.stringify(write(x))}\n`;
}

function formatOf(text: string): Format {
  const compiled = compileFormat(text);
  if ('error' in compiled) throw new Error(`access log format: ${compiled.error}`);
  return compiled.format;
}

function compileJson(value: unknown, omitsEmpty: boolean): (x: ExchangeView) => unknown {
  if (typeof value === 'string') {
    const format = formatOf(value);
    return (x) => format.json(x);
  }
  if (Array.isArray(value)) {
    const items = value.map((item) => compileJson(item, omitsEmpty));
    return (x) => items.map((item) => item(x));
  }
  if (typeof value !== 'object' || value === null) return () => value;
  const fields = Object.entries(value).map(([name, field]) => [name, compileJson(field, omitsEmpty)] as const);
  return (x) => {
    const line: Record<string, unknown> = {};
    for (const [name, field] of fields) {
      const found = field(x);
      if (found !== null || !omitsEmpty) line[name] = found;
    }
    return line;
  };
}
