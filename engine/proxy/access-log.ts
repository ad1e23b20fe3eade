/** AccessLog: one worker's lines for one log: composed as bytes per exchange, handed over in blocks of whole lines. */
import { ByteOutput } from '../base/byte-output.js';
import type { ExchangeView } from '../format/exchange-view.js';
import { compileJsonFormat, type JsonNode } from '../format/json-format.js';
import { compileFormat, type Format } from '../format/substitution.js';
import type { AccessLogRecord } from '../plan/records.js';
import { LogFile, type LogFileOwner } from './log-file.js';

/** Envoy's default format. */
export const DEFAULT_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" ' +
  '"%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n';

/** A block is handed to the file when it is this long, or after a while. Longer blocks cost fewer calls. */
const BLOCK_BYTES = 64 * 1024;
/** How long a line may wait. People watch standard output; a file is read later. */
const FILE_FLUSH_MS = 500;
const STREAM_FLUSH_MS = 100;

const NEWLINE = 0x0a;
const encoder = new TextEncoder();

export class AccessLog {
  readonly #file: LogFile;
  readonly #flushMs: number;
  /** One of the two is there. */
  readonly #text: Format | null;
  readonly #json: JsonNode | null;
  readonly #missing: Uint8Array;
  readonly #block = new ByteOutput(BLOCK_BYTES + 4096);
  readonly #handOver: () => void;
  #lines = 0;
  #isTimed = false;

  /** Throws when the file can't be opened or the format is wrong (main has checked both). */
  constructor(record: AccessLogRecord, owner: LogFileOwner) {
    const format = record.format;
    this.#text = format.kind === 'text' ? formatOf(format.text === '' ? DEFAULT_FORMAT : format.text) : null;
    this.#json = format.kind === 'json' ? compileJsonFormat(format.json, format.omitEmptyValues) : null;
    this.#missing = encoder.encode(format.omitEmptyValues ? '' : '-');
    this.#file = new LogFile(record.path, owner);
    this.#flushMs = this.#file.isStream ? STREAM_FLUSH_MS : FILE_FLUSH_MS;
    this.#handOver = () => {
      this.#isTimed = false;
      this.#giveBlock();
    };
  }

  log(x: ExchangeView): void {
    const block = this.#block;
    if (this.#text !== null) this.#text.write(block, x, this.#missing);
    else {
      (this.#json as JsonNode).write(block, x);
      block.byte(NEWLINE);
    }
    this.#lines++;
    if (block.length >= BLOCK_BYTES) this.#giveBlock();
    else if (!this.#isTimed) {
      this.#isTimed = true;
      setTimeout(this.#handOver, this.#flushMs);
    }
  }

  #giveBlock(): void {
    const block = this.#block;
    if (block.length === 0) return;
    this.#file.append(block.bytes, block.length, this.#lines);
    block.length = 0;
    this.#lines = 0;
  }

  /** Resolves when every line so far is in the file. */
  flush(): Promise<void> {
    this.#giveBlock();
    return new Promise((resolve) => this.#file.whenDrained(resolve));
  }

  /** For rotation: the same path, opened anew; what is not written yet goes there. */
  reopen(): void {
    this.#giveBlock();
    this.#file.reopen();
  }

  /** Exchanges that outlive the plan that named this log may still log: their lines are written too. */
  close(): void {
    this.#giveBlock();
    this.#file.close();
  }
}

function formatOf(text: string): Format {
  const compiled = compileFormat(text);
  if ('error' in compiled) throw new Error(`access log format: ${compiled.error}`);
  return compiled.format;
}
