/** RecordingSink: writes down what a codec says, one line per event; data of one message is joined. */
import { FAULTS, type FaultCode } from '../../engine/fault/faults.js';
import type { MessageSink } from '../../engine/http/codec.js';
import type { Head } from '../../engine/http/head.js';
import { methodName } from '../../engine/http/methods.js';

export class RecordingSink implements MessageSink {
  readonly events: string[] = [];
  body = '';
  ended = 0;
  faults: string[] = [];
  onEnd: () => void = () => {};
  onRefused: () => void = () => {};

  onHead(head: Head, end: boolean): Head {
    const fields: string[] = [];
    for (let slot = 0; slot < head.fieldCount; slot++)
      if (!head.isRemoved(slot)) fields.push(`${head.nameString(slot)}: ${head.valueString(slot)}`);
    const start = head.status === 0 ? `${methodName(head.method)} ${head.pathString()}` : String(head.status);
    this.events.push(`head ${start} [${fields.join('; ')}]`);
    if (end) this.#end('end');
    return head;
  }
  onData(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    this.body += Buffer.from(bytes.subarray(start, end)).toString('latin1');
    if (last) this.#end('end');
  }
  onTrailers(trailers: Head): void {
    const fields: string[] = [];
    for (let slot = 0; slot < trailers.fieldCount; slot++)
      fields.push(`${trailers.nameString(slot)}: ${trailers.valueString(slot)}`);
    this.#end(`trailers [${fields.join('; ')}]`);
  }
  onReset(fault: FaultCode): void {
    this.faults.push(FAULTS[fault]?.reason ?? '');
    this.events.push(`reset ${FAULTS[fault]?.reason ?? ''}`);
  }
  onInvalid(fault: FaultCode): void {
    this.faults.push(FAULTS[fault]?.reason ?? '');
    this.events.push(`invalid ${FAULTS[fault]?.reason ?? ''}`);
    this.onRefused();
  }
  onDrained(): void {}

  #end(what: string): void {
    if (this.body !== '') this.events.push(`data ${JSON.stringify(this.body)}`);
    this.body = '';
    this.events.push(what);
    this.ended++;
    this.onEnd();
  }
}
