/** FakeFiltered: an exchange as its filters see it, which writes down what comes out of them. */
import type { FilterRun } from '../../engine/filter/filter-run.js';
import type { Head } from '../../engine/http/head.js';
import { newHead } from './fake-conn.js';
import { requestHead } from './routes.js';

const NAMES = ['request', 'response'];

/** What the hooks get of the rest of ExchangeView is left out: a test sets what its filter reads. */
export class FakeFiltered {
  request: Head = requestHead('/', 'a', '');
  readonly response: Head = newHead();
  readonly events: string[] = [];
  filterScope: object | null = null;
  marks = 0;
  run: FilterRun | null = null;
  isAcquiring = false;
  /** Copies of trailers that nobody gave back. */
  keptTrailers = 0;

  /** For engine types. */
  asFiltered(): Parameters<FilterRun['begin']>[0] {
    return this as unknown as Parameters<FilterRun['begin']>[0];
  }
  /** Events since the last call. */
  take(): string[] {
    return this.events.splice(0);
  }
  ticket(): number {
    return this.run?.ticket() ?? 0;
  }
  resume(ticket: number): void {
    this.run?.resume(ticket);
  }
  emit(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    this.run?.emit(bytes, start, end, last);
  }
  reply(status: number, body: Uint8Array): 2 {
    this.events.push(`reply ${status}`);
    this.run?.reply(body.length === 0);
    if (body.length > 0) this.run?.responseData(body, 0, body.length, true);
    return 2;
  }
  pick(): void {
    this.events.push('request head');
  }
  relayRequest(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    this.#data(0, bytes, start, end, last);
  }
  relayRequestTrailers(trailers: Head): void {
    this.events.push(`request trailers ${textOf(trailers)}`);
  }
  sendResponse(end: boolean): void {
    this.events.push(`response head${end ? ' end' : ''}`);
  }
  relayResponse(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    this.#data(1, bytes, start, end, last);
  }
  relayResponseTrailers(trailers: Head): void {
    this.events.push(`response trailers ${textOf(trailers)}`);
  }
  keepHead(direction: number): void {
    this.events.push(`keep ${NAMES[direction]} head`);
  }
  keepTrailers(trailers: Head): Head {
    this.keptTrailers++;
    const copy = newHead();
    copy.copyFrom(trailers);
    return copy;
  }
  dropTrailers(): void {
    this.keptTrailers--;
  }
  holdSource(direction: number, isHeld: boolean): void {
    this.events.push(`${isHeld ? 'hold' : 'release'} ${NAMES[direction]}`);
  }
  askForBody(): void {
    this.events.push('ask for body');
  }
  credit(direction: number, byteCount: number): void {
    this.events.push(`credit ${NAMES[direction]} ${byteCount}`);
  }

  #data(direction: number, bytes: Uint8Array, start: number, end: number, last: boolean): void {
    const text = Buffer.from(bytes.subarray(start, end)).toString('latin1');
    this.events.push(`${NAMES[direction]} ${JSON.stringify(text)}${last ? ' end' : ''}`);
  }
}

/** "name: value, ..." */
export function textOf(head: Head): string {
  const fields: string[] = [];
  for (let slot = 0; slot < head.fieldCount; slot++)
    if (!head.isRemoved(slot)) fields.push(`${head.nameString(slot)}: ${head.valueString(slot)}`);
  return fields.join(', ');
}
