/** MessageReader: reads what the engine sends, strictly, piece by piece; both roles. Shares no code with the engine. */

export interface ReadHead {
  readonly start: string;
  readonly fields: ReadonlyMap<string, string>;
}

export interface MessageHandler {
  /** Answers false when no body follows whatever the head says (HEAD). */
  onHead(head: ReadHead): boolean;
  onBody(text: string): void;
  onEnd(trailers: ReadonlyMap<string, string>): void;
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

type State = 'head' | 'length' | 'chunkSize' | 'chunk' | 'chunkEnd' | 'trailers' | 'untilClose' | 'raw';

export class MessageReader {
  readonly #handler: MessageHandler;
  readonly #isResponse: boolean;
  #state: State = 'head';
  #text = '';
  #left = 0;
  /** What is wrong with what came, '' while nothing is. */
  violation = '';

  constructor(handler: MessageHandler, isResponse: boolean) {
    this.#handler = handler;
    this.#isResponse = isResponse;
  }

  /** Between messages, with nothing read of the next. */
  get isClean(): boolean {
    return this.#state === 'head' && this.#text === '';
  }
  get isUntilClose(): boolean {
    return this.#state === 'untilClose';
  }

  push(bytes: Uint8Array): void {
    this.#text += Buffer.from(bytes).toString('latin1');
    while (this.violation === '' && this.#step());
  }

  /** From now on bytes of another protocol. */
  becomeRaw(): void {
    this.#state = 'raw';
  }

  #step(): boolean {
    switch (this.#state) {
      case 'head':
        return this.#head();
      case 'length':
      case 'chunk':
        return this.#body();
      case 'chunkSize':
        return this.#chunkSize();
      case 'chunkEnd':
        return this.#line((line) => {
          if (line !== '') this.violation = 'bytes behind a chunk';
          this.#state = 'chunkSize';
        });
      case 'trailers':
        return this.#trailers();
      default:
        if (this.#text !== '') this.#handler.onBody(this.#text);
        this.#text = '';
        return false;
    }
  }

  #line(then: (line: string) => void): boolean {
    const end = this.#text.indexOf('\r\n');
    if (end < 0) return false;
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 2);
    then(line);
    return true;
  }

  #head(): boolean {
    const end = this.#text.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const [start, ...lines] = this.#text.slice(0, end).split('\r\n') as [string, ...string[]];
    this.#text = this.#text.slice(end + 4);
    const shape = this.#isResponse ? /^HTTP\/1\.1 \d{3} [ -~]*$/ : /^[A-Z]+ [!-~]+ HTTP\/1\.1$/;
    if (!shape.test(start)) {
      this.violation = `start line ${JSON.stringify(start)}`;
      return false;
    }
    const fields = this.#fields(lines);
    const head = { start, fields };
    const hasBody = this.#handler.onHead(head);
    if ((this.#state as State) === 'raw') return true;
    const status = this.#isResponse ? Number(start.slice(9, 12)) : 0;
    const length = fields.get('content-length');
    const coding = fields.get('transfer-encoding');
    if (length !== undefined && coding !== undefined) this.violation = 'two lengths';
    if (this.#isResponse && status < 200) {
      if (length !== undefined || coding !== undefined) this.violation = 'a length in an interim response';
      return true;
    }
    if (!hasBody || status === 204 || status === 304) this.#end(new Map());
    else if (coding !== undefined) {
      if (coding !== 'chunked') this.violation = `transfer-encoding ${coding}`;
      this.#state = 'chunkSize';
    } else if (length !== undefined) {
      if (!/^\d+$/.test(length)) this.violation = `content-length ${length}`;
      this.#left = Number(length);
      if (this.#left === 0) this.#end(new Map());
      else this.#state = 'length';
    } else if (this.#isResponse) this.#state = 'untilClose';
    else this.#end(new Map());
    return true;
  }

  #fields(lines: readonly string[]): Map<string, string> {
    const fields = new Map<string, string>();
    for (const line of lines) {
      const colon = line.indexOf(':');
      const name = line.slice(0, colon).toLowerCase();
      if (colon < 1 || !TOKEN.test(name) || /[\0\r\n]/.test(line)) this.violation = `field ${JSON.stringify(line)}`;
      if (fields.has(name) && ['content-length', 'transfer-encoding', 'host'].includes(name))
        this.violation = `${name} twice`;
      fields.set(name, line.slice(colon + 1).trim());
    }
    return fields;
  }

  #body(): boolean {
    if (this.#text === '') return false;
    const piece = this.#text.slice(0, this.#left);
    this.#text = this.#text.slice(piece.length);
    this.#left -= piece.length;
    this.#handler.onBody(piece);
    if (this.#left > 0) return false;
    if (this.#state === 'chunk') this.#state = 'chunkEnd';
    else this.#end(new Map());
    return true;
  }

  #chunkSize(): boolean {
    return this.#line((line) => {
      if (!/^[0-9a-fA-F]+$/.test(line)) this.violation = `chunk size ${JSON.stringify(line)}`;
      this.#left = Number.parseInt(line, 16);
      this.#state = this.#left === 0 ? 'trailers' : 'chunk';
    });
  }

  #trailers(): boolean {
    if (this.#text.startsWith('\r\n')) {
      this.#text = this.#text.slice(2);
      this.#end(new Map());
      return true;
    }
    const end = this.#text.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const trailers = this.#fields(this.#text.slice(0, end).split('\r\n'));
    this.#text = this.#text.slice(end + 4);
    this.#end(trailers);
    return true;
  }

  #end(trailers: ReadonlyMap<string, string>): void {
    this.#state = 'head';
    this.#handler.onEnd(trailers);
  }
}
