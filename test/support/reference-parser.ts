/** Reference parser: an independent, slow and strict reader of HTTP/1.1 requests on text; what it refuses no origin gets. */

export interface ReferenceRequest {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly trailers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

export interface ReferenceResult {
  readonly requests: readonly ReferenceRequest[];
  /** Bytes behind the last whole request. */
  readonly rest: string;
  /** What is wrong with the rest, '' when it is only incomplete. */
  readonly violation: string;
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** text: bytes as latin1. */
export function parseRequests(text: string): ReferenceResult {
  const requests: ReferenceRequest[] = [];
  let at = 0;
  while (at < text.length) {
    const reader = new Reader(text, at);
    try {
      requests.push(reader.request());
    } catch (error) {
      if (error === INCOMPLETE) return { requests, rest: text.slice(at), violation: '' };
      return { requests, rest: text.slice(at), violation: (error as Error).message };
    }
    at = reader.at;
  }
  return { requests, rest: '', violation: '' };
}

const INCOMPLETE = new Error('incomplete');

class Reader {
  at: number;
  readonly #text: string;

  constructor(text: string, at: number) {
    this.#text = text;
    this.at = at;
  }

  request(): ReferenceRequest {
    const start = /^(\S+) ([!-~]+) (HTTP\/1\.[01])$/.exec(this.#line());
    if (start === null || !TOKEN.test(start[1] as string)) throw new Error('request line');
    const fields = this.#fields();
    const values = (name: string): string[] => fields.filter(([each]) => each === name).map(([, value]) => value);
    if (values('host').length !== 1 || values('host')[0] === '') throw new Error('host');
    const lengths = values('content-length');
    const codings = values('transfer-encoding');
    if (lengths.length + codings.length > 1) throw new Error('several lengths');
    const message = { method: start[1] as string, target: start[2] as string, version: start[3] as string, fields };
    if (codings.length === 1) {
      if ((codings[0] as string).toLowerCase() !== 'chunked') throw new Error('transfer-encoding');
      const body = this.#chunks();
      return { ...message, body, trailers: this.#fields() };
    }
    if (lengths.length === 0) return { ...message, body: '', trailers: [] };
    if (!/^(0|[1-9][0-9]*)$/.test(lengths[0] as string)) throw new Error('content-length');
    return { ...message, body: this.#take(Number(lengths[0])), trailers: [] };
  }

  #line(): string {
    const end = this.#text.indexOf('\n', this.at);
    if (end < 0) {
      if (/\r[\s\S]/.test(this.#text.slice(this.at))) throw new Error('bare CR');
      throw INCOMPLETE;
    }
    const line = this.#text.slice(this.at, end);
    this.at = end + 1;
    if (!line.endsWith('\r')) throw new Error('bare LF');
    if (/[\0-\x08\x0a-\x1f\x7f]/.test(line.slice(0, -1))) throw new Error('control character');
    return line.slice(0, -1);
  }

  #fields(): [string, string][] {
    const fields: [string, string][] = [];
    for (let line = this.#line(); line !== ''; line = this.#line()) {
      const colon = line.indexOf(':');
      if (colon < 0 || !TOKEN.test(line.slice(0, colon))) throw new Error(`field line ${JSON.stringify(line)}`);
      fields.push([line.slice(0, colon).toLowerCase(), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')]);
    }
    return fields;
  }

  #chunks(): string {
    let body = '';
    for (;;) {
      const line = this.#line();
      if (!/^[0-9a-f]{1,13}$/.test(line)) throw new Error(`chunk size ${JSON.stringify(line)}`);
      const size = Number.parseInt(line, 16);
      if (size === 0) return body;
      body += this.#take(size);
      if (this.#line() !== '') throw new Error('chunk end');
    }
  }

  #take(length: number): string {
    if (this.at + length > this.#text.length) throw INCOMPLETE;
    this.at += length;
    return this.#text.slice(this.at - length, this.at);
  }
}
